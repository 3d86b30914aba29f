//! What the steps of the demo work with.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use device_link::{Endpoint, Transport};
use serde_json::{Value, json};
use tempfile::TempDir;
use udmi_host::site::{Device, GeneratedConfig, SiteModel};
use udmi_proto::model::common::Timestamp;

use super::process::Process;
use crate::cloud::{Cloud, Kind, Message, Reach, Registry};
use crate::output::Output;
use crate::sample;

/// How long anything of this machine may take before it counts as not observed.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);
/// Seconds that a write takes in the demo's plant.
pub(super) const WRITE_SECONDS: u64 = 3;

/// The broker, the device and the cloud, as far as they were started.
pub(super) struct Bench {
    pub(super) output: Output,
    /// How long telemetry is shown.
    pub(super) show: Duration,
    // Dropped in this order, so that the cloud can leave in order.
    pub(super) cloud: Option<Cloud>,
    pub(super) device: Option<Process>,
    pub(super) broker: Option<Process>,
    pub(super) port: u16,
    pub(super) config: Value,
    site: SiteModel,
    model: Device,
    /// Dropped last: it holds the site, the broker's data and what the device remembers.
    folder: TempDir,
}

impl Bench {
    pub(super) fn new(output: &Output, show: Duration) -> Result<Self, String> {
        let folder =
            TempDir::with_prefix("udmi-demo-").map_err(|error| format!("no temporary folder: {error}"))?;
        let place = folder.path().join("site");
        sample::write(&place).map_err(|error| format!("the sample site cannot be written: {error}"))?;
        let site = SiteModel::open(&place).map_err(|error| error.to_string())?;
        let model = site.device(sample::DEVICE).map_err(|error| error.to_string())?;
        Ok(Self {
            output: *output,
            show,
            cloud: None,
            device: None,
            broker: None,
            port: 0,
            config: Value::Null,
            site,
            model,
            folder,
        })
    }

    /// Starts the broker, on the port it had before if it had one, with the data it had.
    pub(super) fn start_broker(&mut self) -> Result<u32, String> {
        let (port, data) = (self.port.to_string(), self.path("broker.json"));
        let data = data.to_string_lossy();
        let arguments = ["broker", "--json", "--port", &port, "--data", &data, "--save-every-ms", "20"];
        let mut broker = Process::start(&arguments, &self.path("broker.log"))?;
        let line = broker.first_line(PATIENCE)?;
        let address: Value = serde_json::from_str(&line).map_err(|_| format!("unexpected answer: {line}"))?;
        let port = address["listening"].as_str().and_then(|url| url.rsplit(':').next()?.parse().ok());
        self.port = port.ok_or_else(|| format!("unexpected answer: {line}"))?;
        Ok(self.broker.insert(broker).id())
    }

    /// Connects the cloud's part anew.
    pub(super) fn connect_cloud(&mut self) -> Result<&mut Cloud, String> {
        self.cloud = None; // two of one client id throw each other out
        let cloud = self.join(&self.site.registry())?;
        Ok(self.cloud.insert(cloud))
    }

    /// A connection of the cloud's part to this registry; it has one in each.
    pub(super) fn join(&self, registry: &str) -> Result<Cloud, String> {
        self.reach(registry, Some(sample::DEVICE), format!("udmi-demo-cloud-{registry}"))
    }

    /// One more that hears all devices of the site's registry.
    pub(super) fn join_all(&self) -> Result<Cloud, String> {
        self.reach(&self.site.registry(), None, "udmi-demo-cloud-all".to_owned())
    }

    fn reach(&self, registry: &str, device: Option<&str>, client_id: String) -> Result<Cloud, String> {
        let endpoint = Endpoint { host: "127.0.0.1".into(), port: self.port, transport: Transport::Tcp };
        let reach = Reach {
            endpoint,
            client_id,
            credentials: None,
            tls: None,
            registry: Registry::named(registry),
            device: device.map(ToOwned::to_owned),
        };
        let cloud = Cloud::connect(reach, PATIENCE).map_err(|error| error.to_string())?;
        cloud.stop_on_signals().map_err(|error| error.to_string())?;
        Ok(cloud)
    }

    /// Starts the device.
    pub(super) fn start_device(&mut self) -> Result<u32, String> {
        let device = self.start_other(sample::DEVICE)?;
        Ok(self.device.insert(device).id())
    }

    /// Starts a device of the site.
    pub(super) fn start_other(&self, id: &str) -> Result<Process, String> {
        let site = self.path("site");
        let (site, state) = (site.to_string_lossy(), self.path(&format!("state-{id}")));
        let (state, endpoint) = (state.to_string_lossy(), format!("mqtt://127.0.0.1:{}", self.port));
        let write = WRITE_SECONDS.to_string();
        let place = ["device", "--site", &site, "--device", id, "--endpoint", &endpoint];
        let manner = ["--state-dir", &state, "--write-seconds", &write, "--seed", "1", "--restart", "exec"];
        let log = self.path(&format!("device-{id}.log"));
        Process::start(&[place.as_slice(), manner.as_slice()].concat(), &log)
    }

    /// What the site model says of a device.
    pub(super) fn of_site(&self, id: &str) -> Result<Device, String> {
        self.site.device(id).map_err(|error| error.to_string())
    }

    /// The config that the site model gives the device, with telemetry every second and nothing written yet.
    pub(super) fn first_config(&self) -> Result<Value, String> {
        let generated = self.model.generated_config().map_err(|error| error.to_string())?;
        let GeneratedConfig::Document(mut config) = generated else {
            return Err("the sample site has a static config".to_owned());
        };
        config["pointset"]["sample_rate_sec"] = json!(1);
        config["system"]["min_loglevel"] = json!(200);
        if let Some(points) = config["pointset"]["points"].as_object_mut() {
            points
                .values_mut()
                .filter_map(Value::as_object_mut)
                .for_each(|point| drop(point.remove("set_value")));
        }
        Ok(config)
    }

    /// Gives `config` the present time, publishes it, and waits for the state that answers it.
    pub(super) fn configure(&mut self, mut config: Value) -> Result<(Duration, Value), String> {
        let timestamp = now();
        config["timestamp"] = json!(timestamp);
        let cloud = self.cloud()?;
        let published = cloud.publish_config(sample::DEVICE, &config).map_err(|error| error.to_string())?;
        let answer = cloud
            .acknowledge(sample::DEVICE, &timestamp, published, PATIENCE)
            .map_err(|error| error.to_string())?;
        self.config = config;
        Ok((answer.latency, answer.state))
    }

    /// Gives the config in force the present time, for wherever else it is published.
    pub(super) fn renewed(&mut self) -> Value {
        self.config["timestamp"] = json!(now());
        self.config.clone()
    }

    pub(super) fn cloud(&mut self) -> Result<&mut Cloud, String> {
        self.cloud.as_mut().ok_or_else(|| "the cloud is not connected".to_owned())
    }

    /// Waits for a state that is as wanted.
    pub(super) fn state(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value, String> {
        self.message(what, |message| {
            message.kind == Kind::State && message.json().is_some_and(|state| wanted(&state))
        })
    }

    /// Waits for telemetry that is as wanted.
    pub(super) fn telemetry(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value, String> {
        self.message(what, |message| {
            is_telemetry(message) && message.json().is_some_and(|event| wanted(&event))
        })
    }

    pub(super) fn message(&mut self, what: &str, wanted: impl Fn(&Message) -> bool) -> Result<Value, String> {
        let message = self.cloud()?.wait_for(wanted, PATIENCE).map_err(|error| format!("{what}: {error}"))?;
        Ok(message.json().unwrap_or_default())
    }

    /// Units by point.
    pub(super) fn units(&self) -> BTreeMap<String, String> {
        let points = self.model.metadata.pointset.iter().flat_map(|pointset| &pointset.points);
        points.filter_map(|(name, point)| Some((name.clone(), point.units.clone()?))).collect()
    }

    /// What the device said last, if it runs no more.
    pub(super) fn device_words(&self) -> String {
        self.device.as_ref().map(Process::last_words).unwrap_or_default()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// Whether a message has values of points.
pub(super) fn is_telemetry(message: &Message) -> bool {
    message.kind == Kind::Events && message.folder.as_deref() == Some("pointset")
}

/// The present time, as configs carry it.
pub(super) fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX)).as_str().to_owned()
}
