//! The real bench: a broker at which we have the cloud's rights. What comes in is handed to those who test, each at
//! a seat of their own; what UDMIS would do by itself is done here.

use std::collections::{BTreeMap, VecDeque};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use device_link::{Endpoint, Transport};
use serde_json::{Value, json};
use udmi_proto::{Instant as Moment, Now, UtcMillis};
use udmi_tests::conformance::Bench;
use udmi_tests::world::{Received, merge};

use super::acknowledgements::Acknowledgements;
use crate::cloud::{Cloud, CloudError, Heard, Kind, Message, Reach, Registry};
use crate::output::Output;

/// For the broker to let us in.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
/// Messages that wait at a seat; further ones are lost to it.
const WAITING_MAX: usize = 4096;

/// What all seats share.
#[derive(Debug)]
pub(super) struct Desk {
    born: Instant,
    /// Where devices are led to by endpoint documents.
    endpoint: Endpoint,
    /// The password of each device in such documents, by its id; devices without one prove themselves as before.
    passwords: BTreeMap<String, String>,
    /// What stands before the device ids in each registry that is served.
    registries: Vec<String>,
    backend: Mutex<Backend>,
    seats: Mutex<Vec<Inbox>>,
    acknowledgements: Option<Acknowledgements>,
}

/// The configs, and the connection on which they are published. One lock is for both, so that configs are published in
/// the order in which they were made.
#[derive(Debug)]
struct Backend {
    cloud: Cloud,
    configs: BTreeMap<String, Value>,
}

#[derive(Debug)]
struct Inbox {
    prefixes: Vec<String>,
    sender: SyncSender<Received>,
}

/// What a desk is made with.
#[derive(Debug)]
pub(super) struct Plan {
    /// How the cloud reaches the broker, in the first registry.
    pub(super) reach: Reach,
    /// What stands before the device ids in the first registry.
    pub(super) base: String,
    /// The other registry at the same broker.
    pub(super) alternate: Option<String>,
    /// The ids of all devices that are to be heard.
    pub(super) devices: Vec<String>,
    /// As in [`Desk`].
    pub(super) endpoint: Endpoint,
    /// As in [`Desk`].
    pub(super) passwords: BTreeMap<String, String>,
    pub(super) acknowledgements: Option<Acknowledgements>,
}

impl Desk {
    /// Connects, and reads the configs that the broker keeps.
    ///
    /// # Errors
    /// The broker cannot be reached, or does not let us hear the devices.
    pub(super) fn open(plan: Plan, output: &Output) -> Result<Arc<Self>, CloudError> {
        let alternate = plan.alternate.as_deref().map(|registry| format!("/r/{registry}/d"));
        let registries: Vec<_> = [Some(plan.base.clone()), alternate].into_iter().flatten().collect();
        let mut configs = BTreeMap::new();
        let mut ears = Vec::new();
        for base in &registries {
            let registry = Registry::Prefix(base.clone());
            let reach = Reach { registry, client_id: crate::cloud::own_id("conform"), ..plan.reach.clone() };
            let mut cloud = Cloud::connect_to(reach, &plan.devices, CONNECT_PATIENCE)?;
            while let Some(heard) = cloud.heard_so_far()? {
                if let Heard::Message(message) = heard
                    && message.kind == Kind::Config
                    && let Some(config @ Value::Object(_)) = message.json()
                {
                    configs.insert(format!("{base}/{}", message.device), config);
                }
            }
            ears.push((base.clone(), cloud));
        }
        let cloud = Cloud::connect_to_publish(plan.reach, CONNECT_PATIENCE)?;
        let desk = Arc::new(Self {
            born: Instant::now(),
            endpoint: plan.endpoint,
            passwords: plan.passwords,
            registries,
            backend: Mutex::new(Backend { cloud, configs }),
            seats: Mutex::default(),
            acknowledgements: plan.acknowledgements,
        });
        for (base, cloud) in ears {
            let (desk, output) = (desk.clone(), *output);
            let hear = move || desk.hear(cloud, &base, &output);
            let thread = thread::Builder::new().name("hear".to_owned()).spawn(hear);
            thread.map_err(|error| CloudError::Start(error.to_string()))?;
        }
        Ok(desk)
    }

    /// A seat for one who tests a device, and hears all with these topics.
    pub(super) fn seat(self: &Arc<Self>, prefixes: Vec<String>) -> Seat {
        let (sender, inbox) = sync_channel(WAITING_MAX);
        lock(&self.seats).push(Inbox { prefixes, sender });
        Seat { desk: self.clone(), inbox, ahead: VecDeque::new(), released: None }
    }

    fn now(&self) -> Now {
        let at = u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX);
        let utc = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now { at: Moment(at), utc: UtcMillis(i64::try_from(utc.as_millis()).unwrap_or(i64::MAX)) }
    }

    /// Hands on what comes, until the run ends.
    fn hear(&self, mut cloud: Cloud, base: &str, output: &Output) {
        loop {
            match cloud.next(None) {
                Ok(Some(Heard::Message(message))) => self.hand_on(base, &message, output),
                Ok(Some(Heard::Down(why))) => output.remark(format!("the broker is lost: {why}")),
                Ok(Some(Heard::Up)) => output.remark("the broker is back"),
                Ok(None) => {}
                Err(error) => return output.remark(error),
            }
        }
    }

    fn hand_on(&self, base: &str, message: &Message, output: &Output) {
        let topic = match (message.kind, &message.folder) {
            (Kind::Config, _) => return, // our own
            (Kind::State, _) => "state".to_owned(),
            (Kind::Events, Some(folder)) => format!("events/{folder}"),
            (Kind::Events, None) => "events".to_owned(),
        };
        let prefix = format!("{base}/{}", message.device);
        let payload = message.json().unwrap_or_else(|| String::from_utf8_lossy(&message.payload).into());
        let received = Received { at: self.now().at.0, prefix, topic, payload };
        if received.topic == "state"
            && let Err(error) = self.write_back(&received)
        {
            output.remark(format!("the device's start cannot be written back: {error}"));
        }
        lock(&self.seats).retain(|seat| {
            let wants = seat.prefixes.contains(&received.prefix);
            // Who is far behind loses it; who has left needs no seat.
            !wants || !matches!(seat.sender.try_send(received.clone()), Err(TrySendError::Disconnected(_)))
        });
    }

    /// §7.3: a newer start in a state goes into the config, if that has an `operation`; the timestamp stays.
    fn write_back(&self, state: &Received) -> Result<(), CloudError> {
        let Some(start) = state.payload.pointer("/system/operation/last_start").and_then(Value::as_str)
        else {
            return Ok(());
        };
        let mut backend = lock(&self.backend);
        let config = backend.configs.get(&state.prefix).cloned().unwrap_or_default();
        let Some(operation) = config.pointer("/system/operation") else { return Ok(()) };
        if operation.get("last_start").and_then(Value::as_str).is_some_and(|known| known >= start) {
            return Ok(());
        }
        let mut config = config;
        merge(&mut config, &json!({ "system": { "operation": { "last_start": start } } }));
        backend.keep(&state.prefix, config)
    }
}

impl Backend {
    fn keep(&mut self, prefix: &str, config: Value) -> Result<(), CloudError> {
        self.cloud.publish_below(prefix, &config.to_string())?;
        self.configs.insert(prefix.to_owned(), config);
        Ok(())
    }
}

/// Where one sits who tests a device.
#[derive(Debug)]
pub(super) struct Seat {
    desk: Arc<Desk>,
    inbox: Receiver<Received>,
    ahead: VecDeque<Received>,
    /// Who waits for the device to be free for the next sequence.
    released: Option<SyncSender<()>>,
}

impl Seat {
    /// Tells `released` when nothing more will be sent from here.
    pub(super) fn with_release(self, released: SyncSender<()>) -> Self {
        Self { released: Some(released), ..self }
    }
}

impl Bench for Seat {
    fn now(&self) -> Now {
        self.desk.now()
    }

    fn wait(&mut self, milliseconds: u64) {
        if !self.ahead.is_empty() {
            return;
        }
        let patience = Duration::from_millis(milliseconds);
        match self.inbox.recv_timeout(patience) {
            Ok(received) => self.ahead.push_back(received),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => thread::sleep(patience),
        }
    }

    fn take(&mut self) -> Option<Received> {
        self.ahead.pop_front().or_else(|| self.inbox.try_recv().ok())
    }

    fn config(&self, prefix: &str) -> Value {
        lock(&self.desk.backend).configs.get(prefix).cloned().unwrap_or_default()
    }

    fn edit(&mut self, prefix: &str, change: &mut dyn FnMut(&mut Value)) -> Result<(), String> {
        let mut backend = lock(&self.desk.backend);
        let mut config = backend.configs.get(prefix).cloned().unwrap_or_default();
        change(&mut config);
        backend.keep(prefix, config).map_err(|error| error.to_string())
    }

    fn publish_text(&mut self, prefix: &str, text: &str) -> Result<(), String> {
        let published = lock(&self.desk.backend).cloud.publish_below(prefix, text);
        published.map(drop).map_err(|error| error.to_string())
    }

    fn knows(&self, prefix: &str) -> bool {
        let registry = prefix.rsplit_once('/').map_or("", |(registry, _)| registry);
        self.desk.registries.iter().any(|known| known == registry)
    }

    fn endpoint(&self, prefix: &str) -> Value {
        let endpoint = &self.desk.endpoint;
        let transport = if endpoint.transport == Transport::Tls { "ssl" } else { "tcp" };
        let mut document = json!({
            "protocol": "mqtt", "hostname": endpoint.host, "port": endpoint.port, "transport": transport,
            "client_id": prefix, "topic_prefix": prefix,
        });
        let id = prefix.rsplit('/').next().unwrap_or_default();
        if let Some(password) = self.desk.passwords.get(id) {
            document["auth_provider"]["basic"] = json!({ "username": prefix, "password": password });
        }
        document
    }

    fn acknowledged(&mut self, prefix: &str) -> Option<bool> {
        self.desk.acknowledgements.as_ref()?.of(prefix)
    }

    fn release(&mut self) {
        self.released = None;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is guarded is whole between any two statements.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
