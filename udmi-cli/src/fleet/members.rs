//! Who is in a fleet: so many devices of a template, or the devices of a site model.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use device_link::{Endpoint, Secret};
use serde_json::{Map, Value, json};
use udmi_host::key_store::DeviceKeys;
use udmi_host::site::{Device, DeviceClass, SiteModel};
use udmi_host::tls::{Pem, TlsConfig, TlsError, TlsSettings, Trust};
use udmi_proto::{Settings, Source};

use super::configs::Wanted;
use super::names::{Names, differs};
use super::shard::Shard;
use crate::access::{self, Access, Plan};
use crate::output::{Failure, Output};
use crate::plant::PlantModel;

/// The registry of devices of which none is said.
const REGISTRY: &str = "ZZ-FLEET";

/// One device of a fleet, before it runs.
#[derive(Clone, Debug)]
pub(super) struct Member {
    /// Its place in the whole fleet, from 0 on.
    pub(super) place: u64,
    pub(super) settings: Settings,
    pub(super) plants: Models,
    pub(super) security: Security,
}

/// What the plants of a device, and of those it acts for, are like.
#[derive(Clone, Debug)]
pub(super) struct Models {
    pub(super) own: Arc<PlantModel>,
    /// By id; shared, since only gateways have any.
    pub(super) proxied: Arc<BTreeMap<String, Arc<PlantModel>>>,
}

/// What a device proves itself with beside user name and password.
#[derive(Clone, Debug, Default)]
pub(super) struct Security {
    pub(super) tls: Option<TlsConfig>,
    pub(super) keys: Option<DeviceKeys>,
}

/// A config for the broker to keep: topic and payload.
pub(super) type Config = (String, Arc<[u8]>);

/// The devices of a shard.
#[derive(Debug)]
pub(super) enum Members {
    Template(Box<Template>),
    Site(Vec<Member>, Vec<Config>),
}

impl Members {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Template(template) => template.shard.len(template.count),
            Self::Site(members, _) => members.len(),
        }
    }

    /// How many there are in all shards; a shard of a site model has not looked at the others.
    pub(super) fn of_all_shards(&self) -> Option<u64> {
        match self {
            Self::Template(template) => Some(template.count),
            Self::Site(..) => None,
        }
    }

    /// The configs the fleet publishes for the devices of the shard, and those behind them. They are there once.
    pub(super) fn take_configs(&mut self) -> Box<dyn Iterator<Item = Config> + '_> {
        match self {
            Self::Template(template) => {
                let payload = template.config.clone();
                let all = 0..payload.as_ref().map_or(0, |_| template.shard.len(template.count));
                Box::new(all.filter_map(move |index| Some((template.config_topic(index), payload.clone()?))))
            }
            Self::Site(_, configs) => Box::new(std::mem::take(configs).into_iter()),
        }
    }

    /// One of them.
    ///
    /// # Errors
    /// A file of its own cannot be read, or there is no such device.
    pub(super) fn get(&self, index: usize) -> Result<Member, Failure> {
        match self {
            Self::Template(template) => template.member(index),
            Self::Site(members, _) => {
                members.get(index).cloned().ok_or_else(|| Failure::new("there are not so many devices"))
            }
        }
    }
}

/// What all members of a fleet have in common, whatever they are made from.
#[derive(Debug)]
pub(super) struct Common<'a> {
    /// Brokers; devices take turns. None leaves it to the site model.
    pub(super) endpoints: Vec<Endpoint>,
    /// Flags, with placeholders.
    pub(super) access: &'a Access,
    pub(super) keep_alive_seconds: u16,
    pub(super) shard: Shard,
    /// The configs the fleet publishes for its own devices, if it does.
    pub(super) configs: Option<Wanted>,
    pub(super) output: &'a Output,
}

/// A device of which there are many.
#[derive(Debug)]
pub(super) struct Template {
    count: u64,
    shard: Shard,
    ids: String,
    registry: String,
    endpoints: Vec<Endpoint>,
    access: Access,
    /// What the first of them is like; the others differ in names.
    first: Member,
    /// The device itself, if others differ in more than names.
    device: Option<Device>,
    output: Output,
    keep_alive_seconds: u16,
    roots: Mutex<Roots>,
    /// The config of each of them, if the fleet publishes any.
    config: Option<Arc<[u8]>>,
}

impl Template {
    /// A shard of `count` devices like the one that the metadata describes.
    ///
    /// # Errors
    /// The flags do not go together, or name a file that cannot be used.
    pub(super) fn new(
        metadata: Map<String, Value>,
        file: &Path,
        ids: &str,
        count: u64,
        common: &Common<'_>,
    ) -> Result<Self, Failure> {
        let Common { endpoints, access, keep_alive_seconds, shard, configs, output } = common;
        if access.make_keys {
            return Err(Failure::usage("--make-keys is for the devices of a site model"));
        }
        if count > 1 && !ids.contains("{n}") {
            return Err(Failure::usage("the ids of many devices need {n} for their number"));
        }
        let registry = access.registry.clone().unwrap_or_else(|| REGISTRY.to_owned());
        let names = Names { number: 1, id: &ids.replace("{n}", "1"), registry: &registry };
        let device = Device::from_document(names.id, metadata, file).map_err(Failure::usage)?;
        let endpoint = endpoints.first().ok_or_else(|| Failure::usage("the broker is not said"))?;
        let own = names.access(access);
        let plan = access::plan_without_site(&own, endpoint, &registry, &device, output)?;
        let plants = Models {
            own: Arc::new(PlantModel::new(device.metadata.pointset.as_ref())),
            proxied: Arc::default(),
        };
        let first = Roots::default().member(0, plan, plants, *keep_alive_seconds)?;
        let paths = [&access.cert, &access.key, &access.password_file].into_iter().flatten();
        let own_files = paths.filter_map(|path| path.to_str()).any(differs);
        Ok(Self {
            count,
            config: configs.map(|wanted| wanted.payload(&device)).transpose()?,
            shard: *shard,
            ids: ids.to_owned(),
            registry,
            endpoints: endpoints.clone(),
            access: (*access).clone(),
            first,
            device: own_files.then_some(device),
            output: **output,
            keep_alive_seconds: *keep_alive_seconds,
            roots: Mutex::default(),
        })
    }

    fn config_topic(&self, index: usize) -> String {
        self.names(index, |names, index| topic(&self.settings(names, index).topic_prefix))
    }

    fn names<R>(&self, index: usize, with: impl FnOnce(&Names<'_>, usize) -> R) -> R {
        let number = self.shard.place(index) + 1;
        let id = self.ids.replace("{n}", &number.to_string());
        with(&Names { number, id: &id, registry: &self.registry }, index)
    }

    fn endpoint(&self, index: usize) -> &Endpoint {
        let place = usize::try_from(self.shard.place(index)).unwrap_or(index);
        &self.endpoints[place % self.endpoints.len()]
    }

    fn member(&self, index: usize) -> Result<Member, Failure> {
        self.names(index, |names, index| match &self.device {
            None => {
                let (place, settings) = (self.shard.place(index), self.settings(names, index));
                Ok(Member { place, settings, ..self.first.clone() })
            }
            Some(device) => {
                let mut device = device.clone();
                names.id.clone_into(&mut device.id);
                let (access, endpoint) = (names.access(&self.access), self.endpoint(index));
                let plan =
                    access::plan_without_site(&access, endpoint, &self.registry, &device, &self.output)?;
                let mut roots = self.roots.lock().unwrap_or_else(PoisonError::into_inner);
                roots.member(
                    self.shard.place(index),
                    plan,
                    self.first.plants.clone(),
                    self.keep_alive_seconds,
                )
            }
        })
    }

    /// Those of the first, under other names.
    fn settings(&self, names: &Names<'_>, index: usize) -> Settings {
        let mut settings = self.first.settings.clone();
        let prefix = format!("/r/{}/d/{}", names.registry, names.id);
        let named = |template: &Option<String>| template.as_deref().map(|template| names.fill(template));
        settings.endpoint = self.endpoint(index).clone();
        settings.client_id = named(&self.access.client_id).unwrap_or_else(|| prefix.clone());
        settings.topic_prefix = named(&self.access.topic_prefix).unwrap_or(prefix);
        names.id.clone_into(&mut settings.device_id);
        if let Some(credentials) = &mut settings.credentials {
            if let Some(username) = named(&self.access.username) {
                credentials.username = username;
            }
            if let Some(password) = named(&self.access.password) {
                credentials.password = Secret::new(password);
            }
        }
        settings
    }
}

/// The metadata of a device with so many points, all of which are numbers that wander.
pub(super) fn plain_metadata(points: u64) -> Map<String, Value> {
    let point = |number: u64| {
        let model = json!({ "units": "Degrees-Celsius", "baseline_value": 20, "baseline_tolerance": 4 });
        (format!("analog_sensor_{number}"), model)
    };
    let points: Map<String, Value> = (1..=points).map(point).collect();
    let metadata = json!({
        "version": "1.5.7",
        "timestamp": "2026-01-01T00:00:00Z",
        "system": { "hardware": { "make": "Sample Works", "model": "Fleet 1" }, "software": { "firmware": "1.0" } },
        "cloud": { "auth_type": "ES256" },
        "pointset": { "points": points },
    });
    match metadata {
        Value::Object(metadata) => metadata,
        _ => Map::new(),
    }
}

/// The devices of a site that have a connection of their own and belong to the shard, of the first `count` at most,
/// and their configs, with those of the devices behind them. Device `k` in the order of names is of shard `k` modulo
/// `N`, whether it has a connection or not, so that a shard need not look at the devices of others.
///
/// # Errors
/// A device is described wrongly, or cannot connect.
pub(super) fn of_site(
    site: &SiteModel,
    count: Option<u64>,
    common: &Common<'_>,
) -> Result<(Vec<Member>, Vec<Config>), Failure> {
    let ids = site.device_list().map_err(Failure::usage)?.ids;
    let (mut members, mut configs) = (Vec::new(), Vec::new());
    let mut roots = Roots::default();
    for place in common.shard.places(count.unwrap_or(u64::MAX).min(ids.len() as u64)) {
        let place = usize::try_from(place).unwrap_or(usize::MAX);
        let device = site.device(&ids[place]).map_err(Failure::usage)?;
        if matches!(device.class, DeviceClass::Proxied | DeviceClass::Virtual) {
            continue;
        }
        let registry = common.access.registry.clone().unwrap_or_else(|| site.registry());
        let names = Names { number: place as u64 + 1, id: &device.id, registry: &registry };
        let access = names.access(common.access);
        let endpoint = match common.endpoints.len() {
            0 => None,
            many => common.endpoints.get(place % many),
        };
        let mut plan = access::plan(&access, endpoint, site, &device, common.output)?;
        let mut behind = Vec::new();
        if device.class == DeviceClass::Gateway {
            let known = site.behind(&device, |device| behind.push(device.clone())).map_err(Failure::usage)?;
            plan.settings.gateway = Some(known.settings);
        }
        if let Some(wanted) = &common.configs {
            let prefix = &plan.settings.topic_prefix;
            let beside = prefix.strip_suffix(device.id.as_str()).unwrap_or(prefix);
            configs.push((topic(prefix), wanted.payload(&device)?));
            for proxied in &behind {
                configs.push((topic(&format!("{beside}{}", proxied.id)), wanted.payload(proxied)?));
            }
        }
        let model = |device: &Device| Arc::new(PlantModel::new(device.metadata.pointset.as_ref()));
        let proxied = behind.iter().map(|device| (device.id.clone(), model(device))).collect();
        let plants = Models { own: model(&device), proxied: Arc::new(proxied) };
        members.push(roots.member(place as u64, plan, plants, common.keep_alive_seconds)?);
    }
    Ok((members, configs))
}

fn topic(prefix: &str) -> String {
    format!("{prefix}/config")
}

/// What was read of trust roots, since many devices have the same.
#[derive(Debug, Default)]
struct Roots(Vec<(Option<PathBuf>, TlsConfig)>);

impl Roots {
    fn tls(&mut self, settings: &TlsSettings) -> Result<TlsConfig, TlsError> {
        let file = match &settings.trust {
            Trust::System => None,
            Trust::Private(Pem::File(file)) => Some(file.clone()),
            Trust::Private(Pem::Bytes(_)) => return TlsConfig::new(settings),
        };
        let known = self.0.iter().find(|(known, _)| *known == file).map(|(_, tls)| tls.clone());
        let trusting = match known {
            Some(trusting) => trusting,
            None => {
                let trusting = TlsConfig::new(&TlsSettings { identity: None, ..settings.clone() })?;
                self.0.push((file, trusting.clone()));
                trusting
            }
        };
        settings.identity.as_ref().map_or(Ok(trusting.clone()), |identity| trusting.with_identity(identity))
    }

    fn member(
        &mut self,
        place: u64,
        plan: Plan,
        plants: Models,
        keep_alive_seconds: u16,
    ) -> Result<Member, Failure> {
        let Plan { mut settings, tls, keys } = plan;
        let proxies = settings.gateway.iter_mut().flat_map(|gateway| gateway.proxies.values_mut());
        let points = proxies.map(|proxy| &mut proxy.points).chain([&mut settings.points]);
        for model in points.flat_map(|points| points.values_mut()) {
            model.source = Source::Polled;
        }
        settings.options.keep_alive_seconds = keep_alive_seconds;
        settings.check().map_err(Failure::usage)?;
        let tls = tls.map(|tls| self.tls(&tls.settings)).transpose().map_err(Failure::usage)?;
        Ok(Member { place, settings, plants, security: Security { tls, keys } })
    }
}
