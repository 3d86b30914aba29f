//! The cloud's hand: a client of the broker that may do everything. It publishes configs and commands, receives
//! what the device publishes, and writes the device's start back into the config as UDMIS does (§7.3).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use bytes::{Bytes, BytesMut};
use device_broker::ConnId;
use device_link::wire::{self, Connect, Packet, PacketId, Publish, Qos};
use serde_json::{Value, json};
use udmi_proto::UtcMillis;
use udmi_proto::model::common::Timestamp;

use super::boot::CLOUD_USER;
use super::{Happening, Registry, World};

/// The cloud's connection.
pub(super) const CLOUD: ConnId = ConnId(0);
/// How long UDMIS takes to write a newer start back, in milliseconds.
const WRITE_BACK_MS: u64 = 100;

/// A message of the device that has arrived.
#[derive(Clone, Debug, PartialEq)]
pub struct Received {
    /// Milliseconds on the monotonic clock.
    pub at: u64,
    /// Of which device in which registry: what its topics begin with.
    pub prefix: String,
    /// What follows that.
    pub topic: String,
    /// The message.
    pub payload: Value,
}

/// Changes what arrives, or lets it vanish.
struct Alter(Box<dyn FnMut(Received) -> Vec<Received>>);

impl fmt::Debug for Alter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Alter")
    }
}

/// The cloud.
#[derive(Debug)]
pub struct Cloud {
    /// The device that is published to, in its registry.
    prefix: String,
    /// All devices in all registries.
    prefixes: Vec<String>,
    /// The configs of the others.
    others: BTreeMap<String, Value>,
    /// Ids of devices whose attachment is answered with an error (§1.10).
    pub refuses_to_attach: BTreeSet<String>,
    buffer: BytesMut,
    next_id: PacketId,
    /// What has arrived, oldest first.
    pub received: Vec<Received>,
    /// Whether it takes in nothing but states.
    pub hears_only_states: bool,
    /// The last state of each device among what was forgotten.
    states: BTreeMap<String, Value>,
    /// The config last published with [`World::publish_config`].
    pub config: Value,
    /// Whether a newer start of the device is written into the config.
    pub writes_back: bool,
    alter: Option<Alter>,
}

impl Cloud {
    pub(super) fn new(prefix: &str, registries: &[Registry], bound: &[String]) -> Self {
        let others =
            registries.iter().map(|registry| registry.prefix.as_str()).filter(|other| *other != prefix);
        let own: Vec<_> = std::iter::once(prefix).chain(others).map(str::to_owned).collect();
        let proxied = own.iter().flat_map(|own| bound.iter().map(|id| sibling(own, id)));
        Self {
            prefix: prefix.to_owned(),
            prefixes: proxied.chain(own.iter().cloned()).collect(),
            others: BTreeMap::new(),
            refuses_to_attach: BTreeSet::new(),
            buffer: BytesMut::new(),
            next_id: PacketId::FIRST,
            received: Vec::new(),
            hears_only_states: false,
            states: BTreeMap::new(),
            config: Value::Null,
            writes_back: false,
            alter: None,
        }
    }

    /// Seeds a fault: every message of the device goes through `alter` before anybody sees it.
    pub fn alter(&mut self, alter: impl FnMut(Received) -> Vec<Received> + 'static) {
        self.alter = Some(Alter(Box::new(alter)));
    }

    /// Messages on one topic, of the device in the registry that is published to.
    pub fn on<'a>(&'a self, topic: &'a str) -> impl DoubleEndedIterator<Item = &'a Received> + 'a {
        self.received.iter().filter(move |message| message.topic == topic && message.prefix == self.prefix)
    }

    /// The device in the registry that is published to: what its topics begin with.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// From now on publishes to this device or registry, which has a config of its own.
    pub fn turn_to(&mut self, prefix: &str) {
        let own = std::mem::take(&mut self.config);
        let left = std::mem::replace(&mut self.prefix, prefix.to_owned());
        self.others.insert(left, own);
        self.config = self.others.remove(prefix).unwrap_or_default();
    }

    /// The config last published to a device.
    #[must_use]
    pub fn config_of(&self, prefix: &str) -> Option<&Value> {
        if prefix == self.prefix { Some(&self.config) } else { self.others.get(prefix) }
    }

    /// The state that arrived last.
    #[must_use]
    pub fn state(&self) -> Option<&Value> {
        let state = self.on("state").next_back().map(|message| &message.payload);
        state.or_else(|| self.states.get(&self.prefix))
    }

    pub(super) fn forget(&mut self) {
        for message in self.received.drain(..).filter(|message| message.topic == "state") {
            self.states.insert(message.prefix, message.payload);
        }
    }

    /// A member of the state that arrived last, by its JSON pointer.
    #[must_use]
    pub fn state_at(&self, pointer: &str) -> Option<&Value> {
        self.state()?.pointer(pointer)
    }
}

/// Applies a merge patch (RFC 7396): null deletes.
pub fn merge(target: &mut Value, patch: &Value) {
    let Some(members) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (name, value) in members {
        if value.is_null() {
            target.as_object_mut().map(|object| object.remove(name));
        } else {
            merge(&mut target[name.as_str()], value);
        }
    }
}

impl World {
    pub(super) fn join_cloud(&mut self) {
        self.broker.open(CLOUD, self.at);
        let connect = Connect {
            client_id: "cloud".into(),
            clean_session: true,
            keep_alive: 0,
            will: None,
            username: Some(CLOUD_USER.into()),
            password: Some(Bytes::new()),
        };
        self.cloud_sends(&Packet::Connect(connect));
        let filters = self.cloud.prefixes.iter().flat_map(|prefix| {
            ["state", "events/#", "attach"].map(|topic| (format!("{prefix}/{topic}"), Qos::AtLeastOnce))
        });
        let subscribe = Packet::Subscribe { id: PacketId::FIRST, filters: filters.collect() };
        self.cloud_sends(&subscribe);
        self.serve();
    }

    fn cloud_sends(&mut self, packet: &Packet) {
        let mut bytes = BytesMut::new();
        wire::encode(packet, &mut bytes).expect("the cloud's packets are valid");
        self.broker.bytes(CLOUD, &bytes, self.at);
    }

    /// The wall clock as a timestamp of whole seconds.
    #[must_use]
    pub fn timestamp(&self) -> String {
        timestamp(self.now().utc)
    }

    /// Publishes anything on a topic under the device's prefix at QoS 1.
    pub fn publish(&mut self, topic: &str, payload: impl AsRef<[u8]>, retain: bool) {
        let topic = format!("{}/{topic}", self.cloud.prefix);
        self.cloud.next_id = self.cloud.next_id.next();
        let (id, payload) = (self.cloud.next_id, payload.as_ref());
        let mut bytes = BytesMut::new();
        wire::encode_publish(&topic, payload, Qos::AtLeastOnce, retain, false, Some(id), &mut bytes)
            .expect("the cloud's messages are valid");
        self.broker.bytes(CLOUD, &bytes, self.at);
        self.serve();
    }

    /// Publishes a whole config, retained.
    pub fn publish_config(&mut self, config: &Value) {
        self.cloud.config = config.clone();
        self.publish("config", config.to_string(), true);
    }

    /// Merges a patch into the config, stamps it unless the patch does, and publishes it, retained.
    pub fn configure(&mut self, patch: &Value) {
        let mut config = self.cloud.config.clone();
        merge(&mut config, &json!({ "timestamp": self.timestamp(), "version": "1.5.7" }));
        merge(&mut config, patch);
        self.publish_config(&config);
    }

    pub(super) fn cloud_received(&mut self, bytes: &[u8]) {
        self.cloud.buffer.extend_from_slice(bytes);
        while let Some(packet) =
            wire::decode(&mut self.cloud.buffer, wire::MAX_REMAINING).expect("the broker sends MQTT")
        {
            let Packet::Publish(Publish { topic, payload, id, .. }) = packet else { continue };
            if let Some(id) = id {
                self.cloud_sends(&Packet::PubAck(id));
            }
            let mut places = self.cloud.prefixes.iter().filter_map(|prefix| {
                let rest = topic.strip_prefix(prefix.as_str())?.strip_prefix('/')?;
                Some((prefix.clone(), rest.to_owned()))
            });
            let Some((prefix, topic)) = places.next() else { continue };
            if topic == "attach" {
                self.answer_attachment(&prefix);
                continue;
            }
            if self.cloud.hears_only_states && topic != "state" {
                continue;
            }
            let payload = serde_json::from_slice(&payload).unwrap_or(Value::Null);
            let received = Received { at: self.at, prefix, topic, payload };
            let arrived = match &mut self.cloud.alter {
                Some(Alter(alter)) => alter(received),
                None => vec![received],
            };
            for received in arrived {
                self.note_start(&received);
                self.cloud.received.push(received);
            }
        }
    }

    /// §7.3: a newer start in a state goes into the config, if that has an `operation`.
    fn note_start(&mut self, received: &Received) {
        if !self.cloud.writes_back || received.topic != "state" {
            return;
        }
        let start = received.payload.pointer("/system/operation/last_start").and_then(Value::as_str);
        let config = self.cloud.config_of(&received.prefix);
        let operation = config.and_then(|config| config.pointer("/system/operation"));
        let (Some(start), Some(operation)) = (start, operation) else { return };
        if operation.get("last_start").and_then(Value::as_str).is_none_or(|known| known < start) {
            let (prefix, last_start) = (received.prefix.clone(), start.to_owned());
            self.schedule(WRITE_BACK_MS, Happening::WriteBack { prefix, last_start });
        }
    }

    /// Same content, same timestamp, newer start.
    pub(super) fn write_back(&mut self, prefix: &str, last_start: &str) {
        self.turned_to(prefix, |world| {
            let mut config = world.cloud.config.clone();
            merge(&mut config, &json!({ "system": { "operation": { "last_start": last_start } } }));
            if config != world.cloud.config {
                world.publish_config(&config);
            }
        });
    }

    /// Does something while the cloud publishes to another device or registry.
    pub fn turned_to<R>(&mut self, prefix: &str, act: impl FnOnce(&mut Self) -> R) -> R {
        let used = self.cloud.prefix.clone();
        self.cloud.turn_to(prefix);
        let result = act(self);
        self.cloud.turn_to(&used);
        result
    }

    /// Does something while the cloud publishes to a device behind the gateway, in the gateway's first registry.
    pub fn for_proxied<R>(&mut self, id: &str, act: impl FnOnce(&mut Self) -> R) -> R {
        let prefix = self.prefix_of(id);
        self.turned_to(&prefix, act)
    }

    /// What the topics of a device behind the gateway begin with, in the gateway's first registry.
    #[must_use]
    pub fn prefix_of(&self, id: &str) -> String {
        sibling(&self.setup.settings.topic_prefix, id)
    }

    /// The broker of a cloud that knows of attachments tells of one that fails on the gateway's errors.
    fn answer_attachment(&mut self, prefix: &str) {
        let id = prefix.rsplit('/').next().unwrap_or_default().to_owned();
        if !self.cloud.refuses_to_attach.contains(&id) {
            return;
        }
        let info =
            json!({ "message_type": "ATTACH", "topic": format!("/devices/{id}/attach"), "packet_id": "7" });
        let error = json!({
            "error_type": "GATEWAY_ATTACHMENT_ERROR", "description": "no association", "device_id": id,
            "mqtt_message_info": info
        });
        let gateway = sibling(prefix, &self.setup.settings.device_id);
        self.turned_to(&gateway, |world| world.publish("errors", error.to_string(), false));
    }
}

/// What the topics of another device in the same registry begin with (§1.4).
pub(super) fn sibling(prefix: &str, id: &str) -> String {
    let registry = prefix.rsplit_once('/').map_or("", |(registry, _)| registry);
    format!("{registry}/{id}")
}

/// A moment as a timestamp of whole seconds.
#[must_use]
fn timestamp(utc: UtcMillis) -> String {
    Timestamp::from_millis_whole_seconds(utc.0).as_str().to_owned()
}
