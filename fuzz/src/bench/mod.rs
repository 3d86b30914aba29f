//! A device between hands: what it asks for waits until a target answers it, well or badly. Whatever happens is watched.

mod answers;
mod recording;

use std::collections::{BTreeMap, BTreeSet};

use bytes::{Bytes, BytesMut};
use device_link::wire::{self, ConnectCode, MAX_REMAINING, Packet, PacketId, Qos};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use udmi_proto::model::common::Timestamp;
use udmi_proto::{
    Action, Boot, Closed, ConnId, Device, Event, ExitReason, FetchEvent, FetchId, Hook, HookId, Instant, Key,
    Limits, Now, Request, Settings, SignId, StoreId, Stored, Udmi, UtcMillis,
};

use recording::Recording;

/// 2026-03-01T10:00:00Z, where the wall clock starts.
const BIRTH: i64 = 1_772_359_200_000;
/// Deadlines met and answers given in a row, beyond which something goes round in circles.
const ROUNDS: usize = 50_000;
/// Simulated seconds within which a device has to be well again: a restart that failed attempts delay, a pause before
/// a connection, and the way back from an endpoint that is out of reach.
const RECOVERY_S: u64 = 3600;

/// Something the device waits for.
#[derive(Clone, Debug)]
pub enum Owed {
    /// A transport.
    Open(ConnId),
    /// A packet of the broker.
    Packet(ConnId, Packet),
    /// A store.
    Store(StoreId, Key, Option<Bytes>),
    /// A signature.
    Sign(SignId),
    /// The content of a URL.
    Fetch(FetchId, Request),
    /// The application.
    Hook(HookId, Hook),
}

/// A fetch as its host sees it.
#[derive(Clone, Debug, Default)]
struct Fetched {
    staged: Vec<u8>,
    is_done: bool,
}

/// The device and what is around it.
#[derive(Debug)]
pub struct Bench {
    settings: Settings,
    limits: Limits,
    device: Device,
    /// The time on both clocks.
    pub now: Now,
    run: u64,
    conn: Option<ConnId>,
    opened: bool,
    outbound: BytesMut,
    next_packet: PacketId,
    /// What the device waits for, oldest first.
    pub owed: Vec<Owed>,
    /// The topic on which the device awaits its config.
    pub config_topic: Option<String>,
    /// The last state.
    pub state: Option<Bytes>,
    store: BTreeMap<Key, Bytes>,
    /// Whether values are kept.
    pub stores: bool,
    /// What servers answer with; nothing is not there.
    pub served: Option<Vec<u8>>,
    hooks: BTreeSet<HookId>,
    fetches: BTreeMap<FetchId, Fetched>,
    processed: BTreeSet<String>,
    /// How the run has ended.
    pub exit: Option<ExitReason>,
    recording: Option<Recording>,
}

impl Bench {
    /// A device that has just started.
    #[must_use]
    pub fn new(settings: Settings, limits: Limits, records: bool) -> Self {
        let now = Now { at: Instant(1000), utc: UtcMillis(BIRTH) };
        let boot = Boot { limits: limits.clone(), ..Boot::new(now, 1) };
        let recording = records.then(|| Recording::new(&boot, &settings));
        let device = Device::new(boot, Udmi::new(settings.clone()).expect("the settings are good"));
        let mut bench = Self {
            settings,
            limits,
            device,
            now,
            run: 1,
            conn: None,
            opened: false,
            outbound: BytesMut::new(),
            next_packet: PacketId::FIRST,
            owed: Vec::new(),
            config_topic: None,
            state: None,
            store: BTreeMap::new(),
            stores: true,
            served: None,
            hooks: BTreeSet::new(),
            fetches: BTreeMap::new(),
            processed: BTreeSet::new(),
            exit: None,
            recording,
        };
        bench.drain();
        bench
    }

    /// A device that is connected and has told its state after a good config.
    #[must_use]
    pub fn connected(settings: Settings, limits: Limits, records: bool) -> Self {
        let mut bench = Self::new(settings, limits, records);
        bench.recover();
        bench
    }

    /// The power fails, and the device starts with what is stored.
    pub fn restart(&mut self) {
        let records = self.recording.is_some();
        self.finish_recording();
        self.run += 1;
        let stored = self.store.iter().map(|(key, value)| Stored { key: key.clone(), value: value.clone() });
        let boot =
            Boot { now: self.now, seed: self.run, stored: stored.collect(), limits: self.limits.clone() };
        self.recording = records.then(|| Recording::new(&boot, &self.settings));
        self.device = Device::new(boot, Udmi::new(self.settings.clone()).expect("the settings are good"));
        (self.conn, self.opened, self.config_topic, self.exit) = (None, false, None, None);
        self.owed.clear();
        self.hooks.clear();
        self.fetches.clear();
        self.drain();
    }

    /// One call of the device, and what follows from it.
    pub fn handle(&mut self, event: Event) {
        if let Event::Fetched { id, event } = &event {
            self.stage(*id, event);
        }
        if let Event::Closed { conn, .. } = &event {
            self.lose(*conn);
        }
        if let Some(recording) = &mut self.recording {
            recording.event(self.now, &event);
        }
        self.device.handle(self.now, event);
        self.drain();
    }

    fn drain(&mut self) {
        let actions: Vec<Action> = std::iter::from_fn(|| self.device.poll()).collect();
        let deadline = self.device.deadline();
        if let Some(recording) = &mut self.recording {
            recording.finish(&actions, deadline, self.device.wake_reason());
        }
        let sends = actions.iter().filter(|action| matches!(action, Action::Send { .. })).count();
        assert!(sends <= 1, "{sends} pieces are sent at once");
        for action in actions {
            assert!(self.exit.is_none(), "after its end the device asks for {action:?}");
            self.perform(action);
        }
        assert!(
            deadline.is_none_or(|at| at > self.now.at),
            "the device spins: {:?}",
            self.device.wake_reason()
        );
        self.look_at_bounds();
    }

    fn look_at_bounds(&self) {
        let (load, limits) = (self.device.load(), &self.limits);
        assert!(load.hooks <= limits.pending_hooks, "{load:?}");
        assert!(load.stores <= limits.pending_stores, "{load:?}");
        assert!(load.fetches <= limits.fetches, "{load:?}");
        assert!(load.subscriptions <= limits.subscriptions, "{load:?}");
        assert!(load.publishes <= limits.outbox_messages + limits.inflight + limits.slots, "{load:?}");
        assert!(load.timers <= 400, "{load:?}");
        assert!(self.owed.len() <= 20_000, "the device asks for more and more");
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Open { conn, to } => {
                assert!(self.conn.is_none(), "two connections at once");
                assert!(!to.host.is_empty(), "a connection to nowhere");
                (self.conn, self.opened) = (Some(conn), false);
                self.outbound.clear();
                self.owed.push(Owed::Open(conn));
            }
            Action::Send { conn, bytes } => {
                assert!(self.conn == Some(conn) && self.opened, "{conn} is not open");
                bytes.parts().for_each(|part| self.outbound.extend_from_slice(part));
                self.look_at_packets(conn);
            }
            Action::Close { conn } => {
                assert_eq!(self.conn, Some(conn), "another connection is closed");
                self.lose(conn);
            }
            Action::Store { id, key, value } => self.owed.push(Owed::Store(id, key, value)),
            Action::Sign { id, .. } => self.owed.push(Owed::Sign(id)),
            Action::Fetch { id, request } => {
                assert!(self.fetches.insert(id, Fetched::default()).is_none(), "{id} is there twice");
                self.owed.push(Owed::Fetch(id, request));
            }
            Action::Release { id } => {
                assert!(self.fetches.remove(&id).is_some(), "{id} was released");
                self.owed.retain(|owed| !matches!(owed, Owed::Fetch(of, _) if *of == id));
            }
            Action::InvokeHook { id, hook } => {
                assert!(self.hooks.insert(id), "{id} is there twice");
                self.look_at_hook(&hook);
                self.owed.push(Owed::Hook(id, hook));
            }
            Action::CancelHook { id } => {
                assert!(self.hooks.contains(&id), "{id} was never invoked");
                self.owed.retain(|owed| !matches!(owed, Owed::Hook(of, _) if *of == id));
            }
            Action::Notify(_) => {}
            Action::Exit(reason) => self.exit = Some(reason),
        }
    }

    /// Nothing is installed that was not verified, and nothing activated that was not installed.
    fn look_at_hook(&mut self, hook: &Hook) {
        match hook {
            Hook::ProcessBlob { name, staged, size, sha256, .. } => {
                let fetched = self.fetches.get(staged).expect("the staged file is there");
                assert!(fetched.is_done, "the fetch is not over");
                assert_eq!(u64::try_from(fetched.staged.len()), Ok(*size), "another size was staged");
                assert_eq!(*sha256, hash(&fetched.staged), "another content was staged");
                self.processed.insert(name.clone());
            }
            Hook::ActivateBlob { name, .. } | Hook::CheckActivation { name, .. } => {
                assert!(self.processed.contains(name), "{name} is activated and was not installed");
            }
            _ => {}
        }
    }

    fn stage(&mut self, id: FetchId, event: &FetchEvent) {
        let Some(fetched) = self.fetches.get_mut(&id) else { return };
        match event {
            FetchEvent::Size(_) | FetchEvent::Failed(_) => {}
            FetchEvent::Chunk(bytes) => fetched.staged.extend_from_slice(bytes),
            FetchEvent::Restarted => fetched.staged.clear(),
            FetchEvent::Done => fetched.is_done = true,
        }
    }

    fn look_at_packets(&mut self, conn: ConnId) {
        loop {
            match wire::decode(&mut self.outbound, MAX_REMAINING) {
                Ok(Some(packet)) => self.look_at_packet(conn, packet),
                Ok(None) => return,
                Err(error) => panic!("what the device sends is no MQTT: {error}"),
            }
        }
    }

    fn look_at_packet(&mut self, conn: ConnId, packet: Packet) {
        let answer = match packet {
            Packet::Connect(_) => Packet::ConnAck { session_present: false, code: ConnectCode::Accepted },
            Packet::Publish(publish) => {
                if !publish.topic.ends_with("/attach") {
                    let text: Result<&RawValue, _> = serde_json::from_slice(&publish.payload);
                    let is_object = text.is_ok_and(|text| text.get().starts_with('{'));
                    assert!(is_object, "{}: {:?}", publish.topic, publish.payload);
                }
                let own = self.config_topic.as_deref().and_then(|topic| topic.strip_suffix("config"));
                if own.is_some_and(|own| publish.topic.strip_prefix(own) == Some("state")) {
                    self.state = Some(Bytes::copy_from_slice(&publish.payload));
                }
                let Some(id) = publish.id else { return };
                Packet::PubAck(id)
            }
            Packet::Subscribe { id, filters } => {
                let mut own = filters.iter().filter(|(filter, _)| filter.ends_with("/config"));
                if self.config_topic.is_none() {
                    self.config_topic = own.next().map(|(filter, _)| filter.clone());
                }
                Packet::SubAck { id, codes: vec![Some(Qos::AtLeastOnce); filters.len()] }
            }
            Packet::Unsubscribe { id, .. } => Packet::UnsubAck(id),
            Packet::PubRec(id) => Packet::PubRel(id),
            Packet::PingReq => Packet::PingResp,
            Packet::PubAck(_) | Packet::PubComp(_) | Packet::Disconnect => return,
            Packet::ConnAck { .. }
            | Packet::PubRel(_)
            | Packet::SubAck { .. }
            | Packet::UnsubAck(_)
            | Packet::PingResp => panic!("a client does not send {packet:?}"),
        };
        self.owed.push(Owed::Packet(conn, answer));
    }

    fn lose(&mut self, conn: ConnId) {
        if self.conn != Some(conn) {
            return;
        }
        (self.conn, self.opened, self.config_topic) = (None, false, None);
        self.owed.retain(|owed| !matches!(owed, Owed::Open(of) | Owed::Packet(of, _) if *of == conn));
    }

    /// Loses the connection, if there is one.
    pub fn disconnect(&mut self, why: Closed) {
        if let Some(conn) = self.conn {
            self.handle(Event::Closed { conn, why });
        }
    }

    /// Whether the device has a transport.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.opened
    }

    /// Bytes from the broker.
    pub fn receive(&mut self, bytes: &Bytes) {
        if let (Some(conn), true) = (self.conn, self.opened) {
            self.handle(Event::Received { conn, bytes: bytes.clone() });
        }
    }

    /// A packet from the broker. One that cannot be written is not sent.
    pub fn send(&mut self, packet: &Packet) {
        let mut bytes = BytesMut::new();
        if wire::encode(packet, &mut bytes).is_ok() {
            self.receive(&bytes.freeze());
        }
    }

    /// A message from the broker.
    pub fn publish(&mut self, topic: &str, payload: &[u8], retain: bool) {
        let id = self.next_packet;
        self.next_packet = id.next();
        self.send(&Packet::Publish(wire::Publish {
            topic: topic.to_owned(),
            payload: Bytes::copy_from_slice(payload),
            qos: Qos::AtLeastOnce,
            retain,
            dup: false,
            id: Some(id),
        }));
    }

    /// A config, if the device has asked for one.
    pub fn config(&mut self, payload: &[u8]) {
        if let Some(topic) = self.config_topic.clone() {
            self.publish(&topic, payload, true);
        }
    }

    /// Lets time pass without anybody looking.
    pub fn stall(&mut self, milliseconds: u64) {
        self.now.at.0 += milliseconds;
        self.now.utc.0 = self.now.utc.0.saturating_add(i64::try_from(milliseconds).unwrap_or(i64::MAX));
    }

    /// Lets time pass; every deadline on the way is met.
    pub fn advance(&mut self, milliseconds: u64) {
        self.pass(milliseconds, |_| {});
    }

    /// Lets time pass while everything the device asks for is answered well.
    pub fn live(&mut self, milliseconds: u64) {
        self.serve();
        self.pass(milliseconds, Self::serve);
    }

    fn pass(&mut self, milliseconds: u64, mut meanwhile: impl FnMut(&mut Self)) {
        let end = self.now.at.0 + milliseconds;
        for _ in 0..ROUNDS {
            let Some(deadline) = self.device.deadline().filter(|deadline| deadline.0 <= end) else {
                self.stall(end - self.now.at.0);
                return;
            };
            self.stall(deadline.0.saturating_sub(self.now.at.0));
            self.handle(Event::Tick);
            meanwhile(self);
        }
        panic!("{ROUNDS} deadlines in {milliseconds} ms: {:?}", self.device.wake_reason());
    }

    /// The time as configs have it.
    #[must_use]
    pub fn timestamp(&self) -> String {
        Timestamp::from_millis_whole_seconds(self.now.utc.0).as_str().to_owned()
    }

    /// From now on all goes well: in time the device answers a good config.
    pub fn recover(&mut self) {
        self.stores = true;
        let end = self.now.at.0 + RECOVERY_S * 1000;
        while self.now.at.0 < end {
            if self.exit.is_some() {
                self.restart();
            }
            self.live(1000);
            let timestamp = self.timestamp();
            self.config(good_config(&timestamp).as_bytes());
            self.live(5000);
            let mark = format!("\"last_config\":\"{timestamp}\"");
            if self.state.as_ref().is_some_and(|state| contains(state, mark.as_bytes())) {
                return;
            }
        }
        let state = self.state.as_ref().map(|state| String::from_utf8_lossy(state));
        panic!("the device does not answer any more; its last state is {state:?}");
    }
}

fn good_config(timestamp: &str) -> String {
    let system = r#"{"min_loglevel":300,"metrics_rate_sec":600,"operation":{}}"#;
    let pointset = r#"{"sample_rate_sec":300,"points":{"setpoint":{"set_value":60},"alarm":{},"polled":{}}}"#;
    format!(r#"{{"timestamp":"{timestamp}","version":"1.5.7","system":{system},"pointset":{pointset}}}"#)
}

/// Whether bytes are among others.
#[must_use]
pub fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// The SHA-256 in lower-case hexadecimal.
#[must_use]
pub fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|octet| format!("{octet:02x}")).collect()
}
