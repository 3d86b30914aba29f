//! All that a device is made of, before it runs.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use udmi_proto::{Limits, ProxySettings, Settings, SettingsError, Source, Transport, Udmi};

use super::openings::Openings;
use super::{Adoption, Closures, PointClosures};
use crate::drive::{COMMANDS_MAX, DriverError, Equipment, Fetching, NOTICES_MAX, TlsSource};
use crate::family::{FamilyProvider, FieldLimits, Polling};
use crate::fetch::{FetchPolicy, FetcherError};
use crate::key_store::DeviceKeys;
use crate::store::{MemoryStore, Store};
use crate::tls::{TlsConfig, TlsError, TlsSettings, Trust};

/// Commands and notices that may wait for each proxied device, beside those of the device itself.
const COMMANDS_PER_PROXY: usize = 4;
const NOTICES_PER_PROXY: usize = 8;

/// What the builder of an adapter collects. Each field is told of by the builder's method of that name.
pub struct Setup {
    /// What the device is.
    pub settings: Settings,
    /// What the application does for it.
    pub closures: Closures,
    /// What it remembers across restarts.
    pub store: Box<dyn Store + Send>,
    /// What to trust, and who to be.
    pub tls: Option<TlsSettings>,
    /// Seeds jitter and identifiers.
    pub seed: Option<u64>,
    /// The core's bounds.
    pub limits: Option<Limits>,
    /// Speak with field devices.
    families: Vec<Arc<dyn FamilyProvider>>,
    /// Bounds of what they do.
    pub field_limits: FieldLimits,
    /// Config blocks of proxied devices that the application takes care of.
    pub proxied_blocks: Vec<String>,
    openings: Openings,
}

/// What a driver is given.
pub struct Parts {
    /// The device.
    pub dialect: Udmi,
    /// The application.
    pub closures: Closures,
    /// What it works with.
    pub equipment: Equipment<Udmi>,
    /// What applies to devices that become known later.
    pub adoption: Adoption,
}

impl Setup {
    /// A device of these settings that remembers nothing and asks for nothing.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            closures: Closures::default(),
            store: Box::new(MemoryStore::new()),
            tls: None,
            seed: None,
            limits: None,
            families: Vec::new(),
            field_limits: FieldLimits::default(),
            proxied_blocks: Vec::new(),
            openings: Openings::default(),
        }
    }

    /// The point is asked for, or computed.
    pub fn set_source(&mut self, point: &str, source: Source) {
        self.settings.points.entry(point.into()).or_default().source = source;
    }

    /// Blobs of that name are wanted.
    pub fn want_blob(&mut self, name: &str) {
        insert(&mut self.settings.options.blobs, name);
    }

    /// Config blocks of that name are wanted.
    pub fn want_block(&mut self, name: &str) {
        insert(&mut self.settings.custom_blocks, name);
    }

    /// The device has keys, which sign, are its certificate, and are rotated.
    pub fn set_keys(&mut self, keys: DeviceKeys) {
        self.closures.keys = Some(Arc::new(keys.clone()));
        self.openings.set_keys(keys);
    }

    /// Blobs are fetched from there, and to there.
    pub fn set_fetch_policy(&mut self, policy: FetchPolicy) {
        self.closures.staging.clone_from(&policy.staging);
        self.openings.set_fetch_policy(policy);
    }

    /// The run is recorded there.
    pub fn set_trace(&mut self, path: PathBuf) {
        self.openings.set_trace(path);
    }

    /// Field devices of a family are spoken with.
    pub fn add_family(&mut self, provider: impl FamilyProvider + 'static) {
        self.families.push(Arc::new(provider));
        self.openings.set_field();
    }

    /// There is a proxied device that has closures of its own.
    pub fn add_proxied(&mut self, device: &str, proxied: ProxiedSetup) {
        let ProxiedSetup { settings, closures } = proxied;
        self.settings.gateway.get_or_insert_default().proxies.insert(device.into(), settings);
        self.settings.options.command_hook |= closures.command.is_some();
        self.closures.proxied.devices.insert(device.into(), Box::new(closures));
    }

    /// Makes all that a driver needs: reads certificates, opens the staging folder and the trace, and starts the
    /// threads of the families. `software` names the adapter in the trace.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn prepare(mut self, software: &'static str) -> Result<Parts, StartError> {
        self.poll_the_rest();
        let adoption = self.adopt();
        let tls = self.tls_config().map_err(StartError::Tls)?;
        let tls_source = self.tls_source().map_err(StartError::Tls)?;
        let fetcher = self.fetcher()?;
        let trace = match self.openings.trace.take() {
            Some(open) => Some(open(software, self.settings.clone()).map_err(StartError::Trace)?),
            None => None,
        };
        let proxies = self.settings.gateway.as_ref().map_or(0, |gateway| gateway.proxies.len());
        let limits = self.limits.take().unwrap_or_else(|| match &self.settings.gateway {
            Some(gateway) => gateway.scaled(&Limits::default()),
            None => Limits::default(),
        });
        let mut equipment = Equipment {
            store: self.store,
            tls,
            tls_source,
            signer: self.openings.signer,
            fetcher,
            limits,
            commands_max: COMMANDS_MAX + proxies * COMMANDS_PER_PROXY,
            notices_max: NOTICES_MAX + proxies * NOTICES_PER_PROXY,
            trace,
            ..Equipment::default()
        };
        equipment.seed = self.seed.unwrap_or(equipment.seed);
        if let Some(open) = self.openings.field {
            equipment.delegate = open(self.families, self.field_limits).map_err(StartError::Field)?;
        }
        let dialect = Udmi::new(self.settings).map_err(StartError::Settings)?;
        Ok(Parts { dialect, closures: self.closures, equipment, adoption })
    }

    /// Whether [`Self::prepare`] reads or writes files, which may take a while.
    #[must_use]
    pub fn is_slow(&self) -> bool {
        let Openings { signer, tls_source: _, fetcher, trace, field } = &self.openings;
        let is_plain =
            self.settings.endpoint.transport == Transport::Tcp && self.tls.is_none() && signer.is_none();
        !is_plain || fetcher.is_some() || trace.is_some() || field.is_some()
    }

    fn poll_the_rest(&mut self) {
        if self.closures.own.poll_all.is_some() {
            for model in self.settings.points.values_mut().filter(|model| model.source == Source::Pushed) {
                model.source = Source::Polled;
            }
        }
    }

    /// What applies to proxied devices, known now or later.
    fn adopt(&mut self) -> Adoption {
        let families = self.families.iter().map(|provider| provider.family().to_owned());
        let polling = Polling { families: families.collect(), all: self.closures.proxied.read.is_some() };
        polling.apply(&mut self.settings);
        for family in &polling.families {
            insert(&mut self.settings.scans, family);
        }
        let adoption = Adoption { polling, blocks: std::mem::take(&mut self.proxied_blocks) };
        for proxy in self.settings.gateway.iter_mut().flat_map(|gateway| gateway.proxies.values_mut()) {
            adoption.apply(proxy);
        }
        adoption
    }

    fn tls_config(&self) -> Result<Option<TlsConfig>, TlsError> {
        let system = TlsSettings { trust: Trust::System, identity: None };
        let needed = match self.settings.endpoint.transport {
            Transport::Tcp => None,
            Transport::Tls => Some(&system),
        };
        self.tls.as_ref().or(needed).map(TlsConfig::new).transpose()
    }

    /// Certificate and key are tried at once where they are needed at once.
    fn tls_source(&mut self) -> Result<Option<TlsSource>, TlsError> {
        let Some(open) = self.openings.tls_source.take() else { return Ok(None) };
        let mut source = open(self.tls.clone());
        if let (Some(source), Transport::Tls) = (&mut source, self.settings.endpoint.transport) {
            source()?;
        }
        Ok(source)
    }

    fn fetcher(&mut self) -> Result<Option<Box<dyn Fetching>>, StartError> {
        let Some(open) = self.openings.fetcher.take() else {
            let nowhere = !self.closures.blob.is_empty();
            return if nowhere { Err(StartError::NoStaging) } else { Ok(None) };
        };
        open().map(Some).map_err(StartError::Fetch)
    }
}

/// What the builder of a proxied device collects.
#[derive(Debug, Default)]
pub struct ProxiedSetup {
    /// What it is.
    pub settings: ProxySettings,
    /// What the application does for it.
    pub closures: PointClosures,
}

impl ProxiedSetup {
    /// The point is asked for, or computed.
    pub fn set_source(&mut self, point: &str, source: Source) {
        self.settings.points.entry(point.into()).or_default().source = source;
    }

    /// Config blocks of that name are wanted.
    pub fn want_block(&mut self, name: &str) {
        insert(&mut self.settings.custom_blocks, name);
    }
}

fn insert(names: &mut Vec<String>, name: &str) {
    if !names.iter().any(|known| known == name) {
        names.push(name.into());
    }
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts").finish_non_exhaustive()
    }
}

/// Why a device did not start.
#[derive(Debug)]
pub enum StartError {
    /// The settings cannot work.
    Settings(SettingsError),
    /// The certificates or the key cannot be used.
    Tls(TlsError),
    /// Blobs are wanted, but there is no folder to fetch them to.
    NoStaging,
    /// The staging folder, or what else fetching needs, cannot be used.
    Fetch(FetcherError),
    /// The trace cannot be written.
    Trace(io::Error),
    /// The threads for field devices cannot be started.
    Field(io::Error),
    /// The store cannot be read, or the host gives no thread.
    Driver(DriverError),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings(error) => error.fmt(f),
            Self::Tls(error) => error.fmt(f),
            Self::NoStaging => {
                f.write_str("blobs are wanted, but no fetch policy says where to fetch them to")
            }
            Self::Fetch(error) => error.fmt(f),
            Self::Trace(error) => write!(f, "cannot write the trace: {error}"),
            Self::Field(error) => write!(f, "cannot start the threads for field devices: {error}"),
            Self::Driver(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for StartError {}
