//! The cloud's side of the bench: hears devices, publishes their configs, waits for what they answer.
//!
//! It stands on the same link and driver as a device does; only the dialect differs.

mod arguments;
mod dialect;
mod error;
mod topics;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use device_link::{ConnectSpec, Endpoint, Filter, Now, Secret, Topic};
use serde_json::Value;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use udmi_host::tls::TlsConfig;
use udmi_proto::model::common::Timestamp;
use udmi_std::driver::{Application, Driver, Link};

pub(crate) use arguments::{ReachArguments, endpoint, own_id};
pub(crate) use dialect::Message;
use dialect::{CloudSide, Command, Notice, PENDING_MAX};
pub(crate) use error::{CloudError, Seconds};
pub(crate) use topics::{Kind, Registry};

/// Messages that wait for a busy user; further ones are counted and dropped.
const WAITING_MAX: usize = 4096;
/// For a publish to be acknowledged by the broker.
const PUBLISH_PATIENCE: Duration = Duration::from_secs(10);
/// For an orderly end of the link.
const LEAVE_PATIENCE: Duration = Duration::from_secs(3);
const KEEP_ALIVE_SECONDS: u16 = 60;
/// Messages on the way at a time, of many.
const UNDERWAY_MAX: usize = PENDING_MAX / 2;

/// How to reach a registry's devices through a broker.
#[derive(Clone, Debug)]
pub(crate) struct Reach {
    /// The broker.
    pub(crate) endpoint: Endpoint,
    /// Who to be; two clients of one id throw each other out.
    pub(crate) client_id: String,
    /// User name and password, if the broker wants them.
    pub(crate) credentials: Option<(String, Secret<String>)>,
    /// TLS, for an endpoint that wants it; without, the roots of the operating system are trusted.
    pub(crate) tls: Option<TlsConfig>,
    /// Where the devices publish.
    pub(crate) registry: Registry,
    /// The device to hear; all if none.
    pub(crate) device: Option<String>,
}

/// A connection of the cloud's side.
#[derive(Debug)]
pub(crate) struct Cloud {
    link: Link<CloudSide>,
    notices: Receiver<Notice>,
    /// Heard while something else was waited for; at most [`WAITING_MAX`].
    kept: VecDeque<Heard>,
    dropped: Arc<AtomicU64>,
    stopping: Arc<AtomicBool>,
    registry: Registry,
    publishes: u64,
}

/// What is heard on the link.
#[derive(Debug)]
pub(crate) enum Heard {
    /// A message of a device, or for one.
    Message(Message),
    /// The link is up again.
    Up,
    /// The link is down, and why; it comes back by itself.
    Down(String),
}

/// When a config was published.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Published(Now);

/// A state that answers a config.
#[derive(Debug)]
pub(crate) struct Acknowledgement {
    /// From the config's publish to the state's arrival.
    pub(crate) latency: Duration,
    /// The state.
    pub(crate) state: Value,
}

impl Cloud {
    /// Connects and subscribes. When it returns, nothing more is missed, and the configs the broker kept are
    /// the next to be heard.
    pub(crate) fn connect(reach: Reach, patience: Duration) -> Result<Self, CloudError> {
        let filters = reach.registry.filters(reach.device.as_deref()).map_err(|_| CloudError::Topic)?;
        Self::connect_with(reach, filters, patience)
    }

    /// As [`Self::connect`], for these devices of the registry alone.
    pub(crate) fn connect_to(
        reach: Reach,
        devices: &[String],
        patience: Duration,
    ) -> Result<Self, CloudError> {
        let mut filters = Vec::new();
        for device in devices {
            filters.extend(reach.registry.filters(Some(device)).map_err(|_| CloudError::Topic)?);
        }
        Self::connect_with(reach, filters, patience)
    }

    /// Connects to publish alone: nothing is heard.
    pub(crate) fn connect_to_publish(reach: Reach, patience: Duration) -> Result<Self, CloudError> {
        Self::connect_with(reach, Vec::new(), patience)
    }

    fn connect_with(reach: Reach, filters: Vec<Filter>, patience: Duration) -> Result<Self, CloudError> {
        let endpoint = reach.endpoint.clone();
        let (username, password) = reach.credentials.unzip();
        let spec = ConnectSpec {
            endpoint: reach.endpoint,
            client_id: reach.client_id,
            username,
            password,
            token: None,
            will: None,
            keep_alive_seconds: KEEP_ALIVE_SECONDS,
            clean_session: true,
        };
        let (sender, notices) = sync_channel(WAITING_MAX);
        let dropped = Arc::new(AtomicU64::new(0));
        let mut driver = Driver::new(CloudSide::new(spec, reach.registry.clone(), filters), NoApplication);
        driver.equipment.observer = Some(forward(sender, dropped.clone()));
        driver.equipment.tls = reach.tls;
        let link = driver.start().map_err(|error| CloudError::Start(error.to_string()))?;
        let (kept, registry) = (VecDeque::new(), reach.registry);
        let stopping = Arc::new(AtomicBool::new(false));
        let mut cloud = Self { link, notices, kept, dropped, stopping, registry, publishes: 0 };
        cloud.wait_until_ready(&endpoint, patience)?;
        Ok(cloud)
    }

    fn wait_until_ready(&mut self, endpoint: &Endpoint, patience: Duration) -> Result<(), CloudError> {
        let unreachable =
            |why, refused| CloudError::Unreachable { endpoint: endpoint.to_string(), why, refused };
        let deadline = Instant::now().checked_add(patience);
        loop {
            match self.notice(deadline)? {
                None => return Err(unreachable(format!("no answer in {}", Seconds(patience)), false)),
                Some(Notice::Down { why, refused }) => return Err(unreachable(why, refused)),
                Some(Notice::Ready) => return Ok(()),
                Some(Notice::Refused(filter)) => return Err(CloudError::Refused(filter)),
                Some(Notice::Message(message)) => self.keep(Heard::Message(message)),
                Some(Notice::Up | Notice::Taken { .. } | Notice::Published { .. }) => {}
            }
        }
    }

    /// The next that is heard; none if that takes longer than `patience`. Without patience it waits for ever.
    pub(crate) fn next(&mut self, patience: Option<Duration>) -> Result<Option<Heard>, CloudError> {
        self.next_before(patience.and_then(|patience| Instant::now().checked_add(patience)))
    }

    fn next_before(&mut self, deadline: Option<Instant>) -> Result<Option<Heard>, CloudError> {
        if let Some(heard) = self.kept.pop_front() {
            return Ok(Some(heard));
        }
        loop {
            let Some(notice) = self.notice(deadline)? else { return Ok(None) };
            if let Some(heard) = heard(notice) {
                return Ok(Some(heard));
            }
        }
    }

    /// What is heard already; none if nothing is.
    pub(crate) fn heard_so_far(&mut self) -> Result<Option<Heard>, CloudError> {
        self.next(Some(Duration::ZERO))
    }

    /// The first message that is wanted. Those before it are gone.
    pub(crate) fn wait_for(
        &mut self,
        mut wanted: impl FnMut(&Message) -> bool,
        patience: Duration,
    ) -> Result<Message, CloudError> {
        let deadline = Instant::now().checked_add(patience);
        loop {
            match self.next_before(deadline)? {
                None => return Err(CloudError::Timeout(patience)),
                Some(Heard::Message(message)) if wanted(&message) => return Ok(message),
                Some(Heard::Message(_) | Heard::Up | Heard::Down(_)) => {}
            }
        }
    }

    /// Publishes a config for the broker to keep, and waits until the broker has it.
    pub(crate) fn publish_config(&mut self, device: &str, config: &Value) -> Result<Published, CloudError> {
        let topic =
            self.registry.config(device).map_err(|_| CloudError::Topic)?.ok_or(CloudError::Registry)?;
        self.retain(&topic, config.to_string().into_bytes())
    }

    /// Publishes a text in place of a config, whatever it is, for the broker to keep.
    pub(crate) fn publish_text(&mut self, device: &str, text: &str) -> Result<Published, CloudError> {
        let topic =
            self.registry.config(device).map_err(|_| CloudError::Topic)?.ok_or(CloudError::Registry)?;
        self.retain(&topic, text.as_bytes().to_vec())
    }

    /// As [`Self::publish_text`], for the device with these topics, in whatever registry it is.
    pub(crate) fn publish_below(&mut self, prefix: &str, text: &str) -> Result<(), CloudError> {
        let topic = Topic::new(&format!("{prefix}/config")).map_err(|_| CloudError::Topic)?;
        self.retain(&topic, text.as_bytes().to_vec()).map(drop)
    }

    fn retain(&mut self, topic: &Topic, payload: Vec<u8>) -> Result<Published, CloudError> {
        self.publishes += 1;
        let number = self.publishes;
        let command = Command::Retain { number, topic: topic.as_str().to_owned(), payload };
        self.link.send(command).map_err(|error| CloudError::NotPublished(error.to_string()))?;
        let deadline = Instant::now().checked_add(PUBLISH_PATIENCE);
        let mut taken = None;
        loop {
            let Some(notice) = self.notice(deadline)? else {
                let why = format!("no acknowledgement by the broker in {}", Seconds(PUBLISH_PATIENCE));
                return Err(CloudError::NotPublished(why));
            };
            match notice {
                Notice::Taken { number: of, at } if of == number => taken = Some(Published(at)),
                Notice::Published { number: of, failure } if of == number => match (failure, taken) {
                    (None, Some(published)) => return Ok(published),
                    (failure, _) => return Err(CloudError::NotPublished(failure.unwrap_or_default())),
                },
                other => heard(other).map_or((), |heard| self.keep(heard)),
            }
        }
    }

    /// Publishes messages for the broker to keep, many on the way at a time, and waits until the broker has all. Says
    /// how many there were.
    pub(crate) fn retain_all(
        &mut self,
        messages: impl Iterator<Item = (String, Arc<[u8]>)>,
    ) -> Result<usize, CloudError> {
        let (mut messages, mut published, mut underway) = (messages.fuse(), 0, 0);
        loop {
            while underway < UNDERWAY_MAX
                && let Some((topic, payload)) = messages.next()
            {
                self.publishes += 1;
                let command = Command::Retain { number: self.publishes, topic, payload: payload.to_vec() };
                self.link.send(command).map_err(|error| CloudError::NotPublished(error.to_string()))?;
                underway += 1;
            }
            if underway == 0 {
                return Ok(published);
            }
            let Some(notice) = self.notice(Instant::now().checked_add(PUBLISH_PATIENCE))? else {
                let why = format!("no acknowledgement by the broker in {}", Seconds(PUBLISH_PATIENCE));
                return Err(CloudError::NotPublished(why));
            };
            match notice {
                Notice::Published { failure: Some(failure), .. } => {
                    return Err(CloudError::NotPublished(failure));
                }
                Notice::Published { failure: None, .. } => {
                    underway -= 1;
                    published += 1;
                }
                other => heard(other).map_or((), |heard| self.keep(heard)),
            }
        }
    }

    /// Waits for the state that names `timestamp` as its last config, which was published then.
    pub(crate) fn acknowledge(
        &mut self,
        device: &str,
        timestamp: &str,
        published: Published,
        patience: Duration,
    ) -> Result<Acknowledgement, CloudError> {
        let mut last = None;
        let answers = |message: &Message| {
            if message.kind != Kind::State || message.device != device || message.arrived.at < published.0.at
            {
                return false;
            }
            let Some(state) = message.json() else { return false };
            let answers = state.pointer("/system/last_config").is_some_and(|of| same_time(of, timestamp));
            last = Some(state);
            answers
        };
        match self.wait_for(answers, patience) {
            Ok(message) => Ok(Acknowledgement {
                latency: message.arrived.at.since(published.0.at),
                state: last.unwrap_or_default(),
            }),
            Err(CloudError::Timeout(_)) => Err(CloudError::NotAcknowledged { patience, last }),
            Err(error) => Err(error),
        }
    }

    /// Leaves in order when the user wants an end; whoever waits then gets [`CloudError::Stopped`].
    pub(crate) fn stop_on_signals(&self) -> Result<(), CloudError> {
        let mut signals =
            Signals::new([SIGINT, SIGTERM]).map_err(|error| CloudError::Start(error.to_string()))?;
        let (link, stopping) = (self.link.clone(), self.stopping.clone());
        let wait = move || {
            if signals.forever().next().is_some() {
                stopping.store(true, Ordering::Relaxed);
                // Refused only if the run has ended already.
                let _ = link.send_last(Command::Leave);
            }
        };
        let thread = thread::Builder::new().name("signals".to_owned()).spawn(wait);
        thread.map(drop).map_err(|error| CloudError::Start(error.to_string()))
    }

    /// How many messages were dropped because the user was busy.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    fn notice(&mut self, deadline: Option<Instant>) -> Result<Option<Notice>, CloudError> {
        let Some(deadline) = deadline else {
            return self.notices.recv().map(Some).map_err(|_| self.end());
        };
        match self.notices.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(notice) => Ok(Some(notice)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(self.end()),
        }
    }

    fn end(&self) -> CloudError {
        if self.stopping.load(Ordering::Relaxed) { CloudError::Stopped } else { CloudError::Ended }
    }

    fn keep(&mut self, heard: Heard) {
        if self.kept.len() >= WAITING_MAX {
            self.kept.pop_front();
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        self.kept.push_back(heard);
    }
}

impl Drop for Cloud {
    /// Leaves in order.
    fn drop(&mut self) {
        // Refused only if the run has ended already.
        let _ = self.link.send_last(Command::Leave);
        let _ = self.link.wait_for(LEAVE_PATIENCE);
    }
}

/// Nothing is asked, and what is told goes another way.
struct NoApplication;

impl Application<CloudSide> for NoApplication {
    fn answer(&mut self, (): ()) {}

    fn hear(&mut self, _notice: Notice) {}
}

fn forward(sender: SyncSender<Notice>, dropped: Arc<AtomicU64>) -> Box<dyn FnMut(&Notice) + Send> {
    Box::new(move |notice| {
        if let Err(TrySendError::Full(_)) = sender.try_send(notice.clone()) {
            dropped.fetch_add(1, Ordering::Relaxed);
        }
    })
}

fn heard(notice: Notice) -> Option<Heard> {
    match notice {
        Notice::Message(message) => Some(Heard::Message(message)),
        Notice::Up => Some(Heard::Up),
        Notice::Down { why, .. } => Some(Heard::Down(why)),
        Notice::Ready | Notice::Refused(_) | Notice::Taken { .. } | Notice::Published { .. } => None,
    }
}

/// Whether a member of a message is that time, in whatever form.
pub(crate) fn same_time(member: &Value, timestamp: &str) -> bool {
    let Some(text) = member.as_str() else { return false };
    let millis = |text: &str| Timestamp::from(text.to_owned()).millis().ok();
    text == timestamp || (millis(text).is_some() && millis(text) == millis(timestamp))
}

#[cfg(test)]
mod tests {
    use super::*;
    use device_broker::{Config, Server};
    use serde_json::json;

    const PATIENCE: Duration = Duration::from_secs(20);

    fn cloud(server: &Server, client_id: &str, registry: Registry) -> Cloud {
        let address = server.address();
        let (host, port) = (address.ip().to_string(), address.port());
        let reach = Reach {
            endpoint: Endpoint { host, port, transport: device_link::Transport::Tcp },
            client_id: client_id.to_owned(),
            credentials: None,
            tls: None,
            registry,
            device: None,
        };
        Cloud::connect(reach, PATIENCE).unwrap()
    }

    #[test]
    fn a_kept_config_is_the_first_to_be_heard() {
        let server = Server::start(Config::default()).unwrap();
        let config = json!({ "timestamp": "2026-03-01T10:00:00Z" });
        cloud(&server, "one", Registry::named("REG")).publish_config("AHU-1", &config).unwrap();
        let mut other = cloud(&server, "other", Registry::Any);
        let Some(Heard::Message(message)) = other.heard_so_far().unwrap() else { panic!("nothing heard") };
        assert_eq!((message.device.as_str(), message.kind, message.retained), ("AHU-1", Kind::Config, true));
        assert_eq!(message.json(), Some(config));
    }

    #[test]
    fn the_state_that_names_the_config_acknowledges_it() {
        let server = Server::start(Config::default()).unwrap();
        let mut cloud_side = cloud(&server, "cloud", Registry::named("REG"));
        let mut device = cloud(&server, "device", Registry::named("REG"));
        let time = "2026-03-01T10:00:00Z";
        let published = cloud_side.publish_config("AHU-1", &json!({ "timestamp": time })).unwrap();
        device.wait_for(|message| message.kind == Kind::Config, PATIENCE).unwrap();
        for last_config in ["2026-03-01T09:00:00Z", "2026-03-01T10:00:00.000Z"] {
            let state = json!({ "system": { "last_config": last_config } });
            let topic = Topic::new("/r/REG/d/AHU-1/state").unwrap();
            device.retain(&topic, state.to_string().into_bytes()).unwrap();
        }
        let answer = cloud_side.acknowledge("AHU-1", time, published, PATIENCE).unwrap();
        assert_eq!(answer.state["system"]["last_config"], "2026-03-01T10:00:00.000Z");
        assert!(answer.latency <= PATIENCE);
    }

    #[test]
    fn a_broker_that_is_not_there_is_said_at_once() {
        let server = Server::start(Config::default()).unwrap();
        let endpoint = Endpoint {
            host: "127.0.0.1".into(),
            port: server.address().port(),
            transport: device_link::Transport::Tcp,
        };
        drop(server);
        let reach = Reach {
            endpoint,
            client_id: "cloud".into(),
            credentials: None,
            tls: None,
            registry: Registry::Any,
            device: None,
        };
        let error = Cloud::connect(reach, PATIENCE).unwrap_err();
        assert!(matches!(error, CloudError::Unreachable { .. }), "{error}");
    }
}
