//! A device on a virtual clock with a scripted broker: connect, deliver configs, answer hooks, let time
//! pass, and look at what was published. One file, though a long one, since each test file takes it in by path.
#![allow(dead_code, missing_docs, unreachable_pub, reason = "each test file uses its own part")]
#![allow(clippy::needless_pass_by_value, reason = "json!(..) reads better without a borrow")]

use std::collections::{BTreeMap, BTreeSet};

use bytes::{Bytes, BytesMut};
use device_link::wire::{self, ConnectCode, Packet, PacketId, Qos};
use serde_json::{Value as Json, json};
use udmi_proto::{
    Action, Boot, Closed, Command, ConnId, Device, Endpoint, Event, ExitReason, Hook, HookId, Instant, Key,
    Notice, Now, Outcome, PointModel, Reading, Settings, Source, Stored, Transport, Udmi, UtcMillis, Value,
    ValueKind, Wanted,
};

/// 2026-03-01T10:00:00Z, where the wall clock of a rig starts.
pub const BIRTH: i64 = 1_772_359_200_000;
/// What the topics of a rig's device begin with.
pub const PREFIX: &str = "/r/REG/d/AHU-1";

/// A message the device has sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Sent {
    /// When, in milliseconds since the rig was made.
    pub at: u64,
    /// What follows the prefix of the topic and its slash; of a proxied device's its id as well.
    pub topic: String,
    pub payload: Json,
}

/// A device with its broker and its application.
#[derive(Debug)]
pub struct Rig {
    pub device: Device,
    pub now: Now,
    /// What the broker's topics for the device begin with.
    pub prefix: String,
    /// Where the device wanted to connect to, and when.
    pub opened: Vec<(u64, Endpoint)>,
    /// How it has introduced itself: client id, user name and password.
    pub connects: Vec<(String, Option<String>, Option<String>)>,
    /// What it has subscribed to.
    pub subscribed: Vec<String>,
    /// At which quality of service it last has.
    pub qos: BTreeMap<String, Qos>,
    /// What it has subscribed to and not left since.
    pub subscriptions: BTreeSet<String>,
    /// Publishes that wait to be acknowledged by hand, with their topics, oldest first.
    pub unacknowledged: Vec<(PacketId, String)>,
    conn: Option<ConnId>,
    /// The connection that was answered last.
    answered: Option<ConnId>,
    outbound: BytesMut,
    next_packet: PacketId,
    sent: Vec<Sent>,
    hooks: Vec<(HookId, Hook)>,
    cancelled: Vec<HookId>,
    notices: Vec<Notice>,
    /// Signatures and fetches asked for, and releases.
    pub effects: Vec<Action>,
    /// What the device has stored.
    pub store: BTreeMap<Key, Bytes>,
    /// How the run ended.
    pub exit: Option<ExitReason>,
    /// Whether QoS 1 publishes of the device are acknowledged at once.
    pub acknowledge: bool,
    /// Ends of the filters that the broker refuses.
    pub refused: Vec<&'static str>,
    /// Whether the store works.
    pub stores: bool,
    /// Whether the store answers.
    pub store_answers: bool,
    /// How many actions are carried out before the machine loses its power; for ever if there is no number.
    pub power: Option<usize>,
}

/// The topic under which the end of a connection in order is kept.
pub const DISCONNECT: &str = "DISCONNECT";

/// Settings of a device without points.
pub fn settings() -> Settings {
    let endpoint = Endpoint { host: "localhost".into(), port: 1883, transport: Transport::Tcp };
    Settings::new("AHU-1", endpoint, PREFIX, PREFIX)
}

/// The same with points.
pub fn settings_with(points: &[(&str, PointModel)]) -> Settings {
    let points = points.iter().map(|(name, model)| ((*name).to_owned(), model.clone())).collect();
    Settings { points, ..settings() }
}

/// A pushed point that may hold any value and may not be written.
pub fn pushed() -> PointModel {
    PointModel::default()
}

pub fn polled() -> PointModel {
    PointModel { source: Source::Polled, ..PointModel::default() }
}

pub fn computed() -> PointModel {
    PointModel { source: Source::Computed, ..PointModel::default() }
}

/// A writable number in a range.
pub fn writable(minimum: f64, maximum: f64) -> PointModel {
    let kind = ValueKind::Number { minimum: Some(minimum), maximum: Some(maximum) };
    PointModel { writable: true, kind: Some(kind), ..PointModel::default() }
}

/// The RFC 3339 text of a moment in milliseconds since the rig's birth, cut to whole seconds.
pub fn time(millis: i64) -> String {
    udmi_proto::model::common::Timestamp::from_millis_whole_seconds(BIRTH + millis).as_str().to_owned()
}

impl Rig {
    pub fn new(settings: Settings) -> Self {
        Self::with_store(settings, BTreeMap::new())
    }

    /// A device that finds what an earlier run has stored.
    pub fn with_store(settings: Settings, store: BTreeMap<Key, Bytes>) -> Self {
        Self::make(UtcMillis(BIRTH), settings, store, true)
    }

    /// A device whose wall clock starts somewhere else.
    pub fn at(utc: UtcMillis, settings: Settings) -> Self {
        Self::make(utc, settings, BTreeMap::new(), true)
    }

    /// A device whose store keeps nothing.
    pub fn without_store(settings: Settings) -> Self {
        Self::make(UtcMillis(BIRTH), settings, BTreeMap::new(), false)
    }

    /// A device whose machine loses its power after so many actions.
    pub fn with_power(settings: Settings, store: BTreeMap<Key, Bytes>, actions: usize) -> Self {
        Self::make_with(UtcMillis(BIRTH), settings, store, true, Some(actions))
    }

    fn make(utc: UtcMillis, settings: Settings, store: BTreeMap<Key, Bytes>, stores: bool) -> Self {
        Self::make_with(utc, settings, store, stores, None)
    }

    fn make_with(
        utc: UtcMillis,
        settings: Settings,
        store: BTreeMap<Key, Bytes>,
        stores: bool,
        power: Option<usize>,
    ) -> Self {
        let now = Now { at: Instant(1000), utc };
        let mut boot = Boot::new(now, 7);
        boot.stored =
            store.iter().map(|(key, value)| Stored { key: key.clone(), value: value.clone() }).collect();
        let device = Device::new(boot, Udmi::new(settings).expect("valid settings"));
        let mut rig = Self {
            device,
            now,
            prefix: PREFIX.into(),
            opened: Vec::new(),
            connects: Vec::new(),
            subscribed: Vec::new(),
            qos: BTreeMap::new(),
            subscriptions: BTreeSet::new(),
            unacknowledged: Vec::new(),
            conn: None,
            answered: None,
            outbound: BytesMut::new(),
            next_packet: PacketId::FIRST,
            sent: Vec::new(),
            hooks: Vec::new(),
            cancelled: Vec::new(),
            notices: Vec::new(),
            effects: Vec::new(),
            store,
            exit: None,
            acknowledge: true,
            refused: Vec::new(),
            stores,
            store_answers: true,
            power,
        };
        rig.drain();
        rig
    }

    /// A connected device with these points, and values for none.
    pub fn connected(points: &[(&str, PointModel)]) -> Self {
        let mut rig = Self::new(settings_with(points));
        rig.connect();
        rig
    }

    /// Waits for the device to dial and answers: transport up, CONNACK, SUBACK for all.
    pub fn connect(&mut self) {
        let conn = loop {
            match self.conn {
                Some(conn) => break conn,
                None => self.advance(100),
            }
        };
        self.answered = Some(conn);
        self.handle(Event::Opened { conn });
        self.receive(&Packet::ConnAck { session_present: false, code: ConnectCode::Accepted });
    }

    /// The transport of a connection being made comes up; tells the password of the CONNECT.
    pub fn open(&mut self) -> Option<String> {
        let conn = self.dialed();
        self.answered = Some(conn);
        let before = self.connects.len();
        self.handle(Event::Opened { conn });
        self.connects.get(before)?.2.clone()
    }

    /// The broker answers the CONNECT.
    pub fn welcome(&mut self, code: ConnectCode) {
        if self.conn.is_some() {
            self.receive(&Packet::ConnAck { session_present: false, code });
        }
    }

    /// Whether there is a connection, or one is being made.
    pub fn is_connected(&self) -> bool {
        self.conn.is_some()
    }

    /// Waits for the device to dial.
    pub fn dialed(&mut self) -> ConnId {
        loop {
            match self.conn {
                Some(conn) => break conn,
                None => self.advance(100),
            }
        }
    }

    /// The attempt under way fails.
    pub fn close(&mut self, why: Closed) {
        let conn = self.dialed();
        self.conn = None;
        self.handle(Event::Closed { conn, why });
    }

    /// The transport comes up and the broker refuses the device.
    pub fn refuse(&mut self, code: ConnectCode) {
        let conn = self.dialed();
        self.handle(Event::Opened { conn });
        self.receive(&Packet::ConnAck { session_present: false, code });
    }

    /// Answers the device if it dials and was not answered yet; tells whether there is a connection.
    pub fn try_connect(&mut self) -> bool {
        if self.dials() {
            self.connect();
        }
        self.conn.is_some()
    }

    /// Whether the device waits for its transport or for the broker's first answer.
    pub fn dials(&self) -> bool {
        self.conn.is_some() && self.answered != self.conn
    }

    /// Loses the link.
    pub fn disconnect(&mut self) {
        if let Some(conn) = self.conn.take() {
            self.handle(Event::Closed { conn, why: Closed::Reset });
        }
    }

    /// Delivers a config; `timestamp` (now) and `version` are added if missing.
    pub fn config(&mut self, mut config: Json) {
        let now = time(self.now.utc.0 - BIRTH);
        let members = config.as_object_mut().expect("a config is an object");
        members.entry("timestamp").or_insert(json!(now));
        members.entry("version").or_insert(json!("1.5.7"));
        self.deliver("config", config.to_string().as_bytes());
    }

    /// Delivers a config with this pointset block.
    pub fn pointset(&mut self, block: Json) {
        self.config(json!({ "pointset": block }));
    }

    /// Delivers a message on a topic below the prefix, at QoS 1.
    pub fn deliver(&mut self, topic: &str, payload: &[u8]) {
        self.deliver_as(format!("{}/{topic}", self.prefix), payload, false);
    }

    /// The same as the broker's answer to a subscription: retained.
    pub fn deliver_retained(&mut self, topic: &str, payload: &[u8]) {
        self.deliver_as(format!("{}/{topic}", self.prefix), payload, true);
    }

    /// Delivers a message on a topic of a proxied device.
    pub fn deliver_to(&mut self, device: &str, topic: &str, payload: &[u8]) {
        let base = self.prefix.rsplit_once('/').map_or("", |(base, _)| base);
        self.deliver_as(format!("{base}/{device}/{topic}"), payload, false);
    }

    /// Delivers a config to a proxied device; `timestamp` (now) and `version` are added if missing.
    pub fn config_of(&mut self, device: &str, mut config: Json) {
        let now = time(self.now.utc.0 - BIRTH);
        let members = config.as_object_mut().expect("a config is an object");
        members.entry("timestamp").or_insert(json!(now));
        members.entry("version").or_insert(json!("1.5.7"));
        self.deliver_to(device, "config", config.to_string().as_bytes());
    }

    /// Acknowledges the oldest publish that waits for it; tells its topic.
    pub fn acknowledge_one(&mut self) -> String {
        let (id, topic) = self.unacknowledged.remove(0);
        self.receive(&Packet::PubAck(id));
        topic
    }

    fn deliver_as(&mut self, topic: String, payload: &[u8], retain: bool) {
        let id = self.next_packet;
        self.next_packet = id.next();
        self.receive(&Packet::Publish(wire::Publish {
            topic,
            payload: Bytes::copy_from_slice(payload),
            qos: Qos::AtLeastOnce,
            retain,
            dup: false,
            id: Some(id),
        }));
    }

    /// A packet from the broker.
    pub fn receive(&mut self, packet: &Packet) {
        let mut bytes = BytesMut::new();
        wire::encode(packet, &mut bytes).expect("a valid packet");
        let conn = self.conn.expect("a connection");
        self.handle(Event::Received { conn, bytes: bytes.freeze() });
    }

    /// Lets time pass; every deadline on the way is met to the millisecond.
    pub fn advance(&mut self, millis: u64) {
        let end = self.now.at.0 + millis;
        while let Some(deadline) = self.device.deadline().filter(|deadline| deadline.0 <= end) {
            self.pass(deadline.0 - self.now.at.0);
            self.handle(Event::Tick);
        }
        self.pass(end - self.now.at.0);
        self.handle(Event::Tick);
    }

    /// Lets time pass without anybody looking, as in a suspended machine.
    pub fn stall(&mut self, millis: u64) {
        self.pass(millis);
        self.handle(Event::Tick);
    }

    fn pass(&mut self, millis: u64) {
        self.now.at.0 += millis;
        self.now.utc.0 = self.now.utc.0.saturating_add(i64::try_from(millis).expect("a short time"));
    }

    pub fn command(&mut self, command: Command) {
        self.handle(Event::Command(command));
    }

    pub fn set(&mut self, point: &str, value: impl Into<Value>) {
        self.command(Command::SetPoint { point: point.into(), value: value.into() });
    }

    pub fn answer(&mut self, id: HookId, outcome: Outcome) {
        self.handle(Event::HookDone { id, outcome });
    }

    /// Answers a read.
    pub fn answer_values(&mut self, id: HookId, values: &[(&str, Reading)]) {
        let values = values.iter().map(|(name, reading)| ((*name).to_owned(), reading.clone())).collect();
        self.answer(id, Outcome::Values { values });
    }

    /// The only hook invoked since the last look; a write of this value to this point.
    pub fn expect_write(&mut self, point: &str, value: impl Into<Value>) -> HookId {
        let (id, hook) = self.only_hook();
        let Hook::WritePoint { point: written, value: by, .. } = &hook else {
            panic!("expected a write, found {hook:?}")
        };
        assert_eq!((written.as_str(), by), (point, &value.into()));
        id
    }

    /// The only hook invoked since the last look; a release of this point.
    pub fn expect_release(&mut self, point: &str) -> HookId {
        let (id, hook) = self.only_hook();
        assert!(matches!(&hook, Hook::ReleasePoint { point: released, .. } if released == point), "{hook:?}");
        id
    }

    /// The only hook invoked since the last look; a read.
    pub fn expect_read(&mut self) -> (HookId, Wanted) {
        let (id, hook) = self.only_hook();
        let Hook::ReadPoints { wanted } = hook else { panic!("expected a read, found {hook:?}") };
        (id, wanted)
    }

    fn only_hook(&mut self) -> (HookId, Hook) {
        let mut hooks = self.hooks();
        assert_eq!(hooks.len(), 1, "{hooks:?}");
        hooks.remove(0)
    }

    /// Hooks invoked since the last look.
    pub fn hooks(&mut self) -> Vec<(HookId, Hook)> {
        std::mem::take(&mut self.hooks)
    }

    /// Hooks cancelled since the last look.
    pub fn cancelled(&mut self) -> Vec<HookId> {
        std::mem::take(&mut self.cancelled)
    }

    /// Notices since the last look.
    pub fn notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// All messages since the last look at them.
    pub fn sent(&mut self) -> Vec<Sent> {
        std::mem::take(&mut self.sent)
    }

    /// Messages on one topic since the last look at it.
    pub fn sent_on(&mut self, topic: &str) -> Vec<Sent> {
        let (wanted, rest) = self.sent.drain(..).partition(|sent| sent.topic == topic);
        self.sent = rest;
        wanted
    }

    /// States since the last look.
    pub fn states(&mut self) -> Vec<Json> {
        self.sent_on("state").into_iter().map(|sent| sent.payload).collect()
    }

    /// The last state since the last look, after the throttle has let all of them out: two seconds pass.
    pub fn state(&mut self) -> Json {
        self.advance(2000);
        self.states().pop().expect("a state")
    }

    /// The block of the last state.
    pub fn pointset_state(&mut self) -> Json {
        self.state()["pointset"].clone()
    }

    /// A point in the last state.
    pub fn point_state(&mut self, point: &str) -> Json {
        self.state()["pointset"]["points"][point].clone()
    }

    /// Pointset events since the last look.
    pub fn events(&mut self) -> Vec<Json> {
        self.sent_on("events/pointset").into_iter().map(|sent| sent.payload).collect()
    }

    /// When pointset events were sent since the last look.
    pub fn event_times(&mut self) -> Vec<u64> {
        self.sent_on("events/pointset").into_iter().map(|sent| sent.at).collect()
    }

    /// Log entries since the last look, as category and message.
    pub fn logs(&mut self) -> Vec<(String, String)> {
        self.advance(1000);
        let text = |entry: &Json, member: &str| entry[member].as_str().unwrap_or_default().to_owned();
        self.sent_on("events/system")
            .iter()
            .filter_map(|sent| sent.payload["logentries"].as_array())
            .flatten()
            .map(|entry| (text(entry, "category"), text(entry, "message")))
            .collect()
    }

    /// Forgets everything seen so far.
    pub fn forget(&mut self) {
        self.sent.clear();
        self.hooks.clear();
        self.cancelled.clear();
        self.notices.clear();
    }

    pub fn handle(&mut self, event: Event) {
        self.device.handle(self.now, event);
        self.drain();
    }

    /// Takes the power for one action; tells whether there was any.
    pub fn spend(&mut self) -> bool {
        match &mut self.power {
            Some(0) => return false,
            Some(left) => *left -= 1,
            None => {}
        }
        true
    }

    fn drain(&mut self) {
        while let Some(action) = self.device.poll() {
            if !self.spend() {
                return;
            }
            match action {
                Action::Open { conn, to } => {
                    self.opened.push((self.now.at.0 - 1000, to));
                    self.conn = Some(conn);
                    self.outbound.clear();
                }
                Action::Send { bytes, .. } => {
                    self.outbound.extend_from_slice(&bytes.bytes());
                    self.take_packets();
                }
                Action::Close { conn } => {
                    if self.conn == Some(conn) {
                        self.conn = None;
                    }
                }
                Action::Store { id, key, value } => {
                    match value.filter(|_| self.stores) {
                        Some(value) => self.store.insert(key, value),
                        None => self.store.remove(&key),
                    };
                    if self.store_answers {
                        self.device.handle(self.now, Event::Stored { id, ok: self.stores });
                    }
                }
                Action::Sign { .. } | Action::Fetch { .. } | Action::Release { .. } => {
                    self.effects.push(action);
                }
                Action::InvokeHook { id, hook } => self.hooks.push((id, hook)),
                Action::CancelHook { id } => {
                    self.hooks.retain(|(hook, _)| *hook != id);
                    self.cancelled.push(id);
                }
                Action::Notify(notice) => self.notices.push(notice),
                Action::Exit(reason) => self.exit = Some(reason),
            }
        }
    }

    fn take_packets(&mut self) {
        while let Some(packet) = wire::decode(&mut self.outbound, 1 << 24).expect("valid MQTT") {
            match packet {
                Packet::Publish(publish) => {
                    self.keep(&publish);
                    match publish.id {
                        Some(id) if self.acknowledge => self.reply(&Packet::PubAck(id)),
                        Some(id) => self.unacknowledged.push((id, publish.topic)),
                        None => {}
                    }
                }
                Packet::Connect(connect) => {
                    self.subscriptions.clear();
                    self.unacknowledged.clear();
                    let text = |bytes: Bytes| String::from_utf8_lossy(&bytes).into_owned();
                    self.connects.push((connect.client_id, connect.username, connect.password.map(text)));
                }
                Packet::Subscribe { id, filters } => {
                    self.subscribed.extend(filters.iter().map(|(filter, _)| filter.clone()));
                    self.qos.extend(filters.iter().cloned());
                    self.subscriptions.extend(filters.iter().map(|(filter, _)| filter.clone()));
                    let refused = |filter: &str| self.refused.iter().any(|end| filter.ends_with(end));
                    let code = |filter: &str| (!refused(filter)).then_some(Qos::AtLeastOnce);
                    let codes = filters.iter().map(|(filter, _)| code(filter)).collect();
                    self.reply(&Packet::SubAck { id, codes });
                }
                Packet::Unsubscribe { id, filters } => {
                    self.subscriptions.retain(|filter| !filters.contains(filter));
                    self.reply(&Packet::UnsubAck(id));
                }
                Packet::PingReq => self.reply(&Packet::PingResp),
                Packet::Disconnect => {
                    let at = self.now.at.0 - 1000;
                    self.sent.push(Sent { at, topic: DISCONNECT.into(), payload: Json::Null });
                }
                _ => {}
            }
        }
    }

    /// As [`Rig::receive`], from within the handling of actions.
    fn reply(&mut self, packet: &Packet) {
        let mut bytes = BytesMut::new();
        wire::encode(packet, &mut bytes).expect("a valid packet");
        if let Some(conn) = self.conn {
            self.device.handle(self.now, Event::Received { conn, bytes: bytes.freeze() });
        }
    }

    fn keep(&mut self, publish: &wire::Publish) {
        let under = |prefix: &str| publish.topic.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('/'));
        let base = self.prefix.rsplit_once('/').map_or("", |(base, _)| base);
        let topic = under(&self.prefix).or_else(|| under(base));
        let topic = topic.expect("a topic of the device, or of one it acts for").to_owned();
        let payload = match publish.payload.is_empty() {
            true => Json::Null,
            false => serde_json::from_slice(&publish.payload).expect("JSON"),
        };
        self.sent.push(Sent { at: self.now.at.0 - 1000, topic, payload });
    }
}
