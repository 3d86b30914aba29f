//! The world's eyes on the device: every packet it sends is looked at, and every message it publishes is held
//! against its schema and against the access list of §1.5.

use std::collections::{BTreeMap, BTreeSet};

use bytes::BytesMut;
use device_link::wire::{self, Connect, Packet, PacketId, Publish, Qos};
use serde_json::Value;
use udmi_proto::{Command, ConnId, Now};

use super::Setup;
use super::proxies::Proxies;
use crate::property::{Property, ensure, violated};
use crate::upstream;

/// UDMI's own event folders, for which there are schemas.
const FOLDERS: [&str; 3] = ["system", "pointset", "discovery"];

/// A message as the device emitted it, whether it arrived or not.
#[derive(Clone, Debug, PartialEq)]
pub struct Emitted {
    /// Milliseconds on the monotonic clock.
    pub at: u64,
    /// Which run of the device, from 1.
    pub run: u32,
    /// On which connection.
    pub conn: ConnId,
    /// Of which device in which registry: what its topics begin with.
    pub prefix: String,
    /// What follows that: `state`, `events/system`, `attach`, ...
    pub topic: String,
    /// The message; null where it is empty.
    pub payload: Value,
    /// Whether it says that it may have been sent before.
    pub duplicate: bool,
}

/// What the world knows of what the device sent and was sent.
#[derive(Debug)]
pub struct Watch {
    /// What topics begin with, by client identifier.
    registries: BTreeMap<String, String>,
    /// That of the connection there is.
    prefix: String,
    /// The last CONNECT.
    connect: Option<Connect>,
    /// What the device, a gateway, has done on that connection for the devices it acts for.
    proxies: Option<Proxies>,
    run: u32,
    schema_one_in: u64,
    published: u64,
    /// Everything emitted, oldest first.
    pub emitted: Vec<Emitted>,
    /// How many configs came at QoS 1.
    pub configs_delivered: usize,
    /// How many of them the device acknowledged.
    pub configs_acknowledged: usize,
    /// Publishes not yet acknowledged on the connection there is.
    pub unacknowledged: BTreeSet<PacketId>,
    /// The most of them there ever were.
    pub most_unacknowledged: usize,
    owed: BTreeSet<PacketId>,
    own_blocks: BTreeSet<String>,
    up: BTreeMap<ConnId, BytesMut>,
    down: Option<(ConnId, BytesMut)>,
}

impl Watch {
    pub(super) fn new(setup: &Setup) -> Self {
        let Setup { settings, registries, .. } = setup;
        let others = registries.iter().map(|registry| (registry.prefix.clone(), registry.prefix.clone()));
        let own = (settings.client_id.clone(), settings.topic_prefix.clone());
        Self {
            registries: others.chain([own]).collect(),
            prefix: settings.topic_prefix.clone(),
            connect: None,
            proxies: settings.gateway.as_ref().map(|_| Proxies::default()),
            run: 0,
            schema_one_in: setup.schema_one_in.max(1),
            published: 0,
            emitted: Vec::new(),
            configs_delivered: 0,
            configs_acknowledged: 0,
            unacknowledged: BTreeSet::new(),
            most_unacknowledged: 0,
            owed: BTreeSet::new(),
            own_blocks: BTreeSet::new(),
            up: BTreeMap::new(),
            down: None,
        }
    }

    /// Where the device is, or was last: what its topics begin with on the connection it made last.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(super) fn connect(&self) -> Option<&Connect> {
        self.connect.as_ref()
    }

    /// Messages on one topic, without repetitions.
    pub fn on<'a>(&'a self, topic: &'a str) -> impl Iterator<Item = &'a Emitted> + 'a {
        self.emitted.iter().filter(move |emitted| emitted.topic == topic && !emitted.duplicate)
    }

    /// Messages of one device on one topic, without repetitions.
    pub fn of<'a>(&'a self, prefix: &'a str, topic: &'a str) -> impl Iterator<Item = &'a Emitted> + 'a {
        self.on(topic).filter(move |emitted| emitted.prefix == prefix)
    }

    /// The states of all runs and devices, without repetitions.
    pub fn states(&self) -> impl Iterator<Item = &Emitted> {
        self.on("state")
    }

    /// All log entries that went out, without those of repeated messages.
    pub fn log_entries(&self) -> impl Iterator<Item = &Value> {
        let events = self.on("events/system");
        events.filter_map(|event| event.payload.get("logentries")?.as_array()).flatten()
    }

    pub(super) fn run(&self) -> u32 {
        self.run
    }

    pub(super) fn started(&mut self) {
        self.run += 1;
        self.own_blocks.clear();
        self.forget_connection();
        (self.up, self.down) = (BTreeMap::new(), None); // another run may use the same names
    }

    fn forget_connection(&mut self) {
        self.unacknowledged.clear();
        self.owed.clear();
        if let Some(proxies) = &mut self.proxies {
            *proxies = Proxies::default();
        }
    }

    /// Whether the gateway acts for this device on the connection there is.
    #[must_use]
    pub fn is_attached(&self, prefix: &str) -> bool {
        self.proxies.as_ref().is_some_and(|proxies| proxies.is_attached(prefix))
    }

    pub(super) fn saw_command(&mut self, command: &Command) {
        match command {
            Command::SetBlock { name, .. } => drop(self.own_blocks.insert(name.clone())),
            Command::Proxied { command, .. } => self.saw_command(command),
            _ => {}
        }
    }

    /// Bytes the device sends.
    pub(super) fn sent(&mut self, now: Now, conn: ConnId, bytes: &[u8]) {
        if !self.up.contains_key(&conn) {
            self.up.clear();
            self.forget_connection();
        }
        self.up.entry(conn).or_default().extend_from_slice(bytes);
        loop {
            let Some(buffer) = self.up.get_mut(&conn) else { return };
            match wire::decode(buffer, wire::MAX_REMAINING) {
                Ok(Some(packet)) => self.packet(now, conn, packet),
                Ok(None) => {
                    let is_whole = buffer.is_empty();
                    ensure(is_whole, Property::OutputIsAllowed, || "half a packet in one send".into());
                    return;
                }
                Err(error) => {
                    violated(Property::OutputIsAllowed, &format!("the device sends what is no MQTT: {error}"))
                }
            }
        }
    }

    fn packet(&mut self, now: Now, conn: ConnId, packet: Packet) {
        match packet {
            Packet::Connect(connect) => {
                let known = self.registries.get(&connect.client_id);
                ensure(known.is_some(), Property::OutputIsAllowed, || {
                    format!("{} is no client identifier of a registry", connect.client_id)
                });
                self.prefix = known.cloned().unwrap_or_default();
                self.connect = Some(connect);
            }
            Packet::Subscribe { id, filters } => {
                for (filter, _) in filters {
                    let (prefix, rest) = self.split(&filter);
                    let allowed = ["config", "commands/#", "errors"].contains(&rest);
                    ensure(allowed, Property::OutputIsAllowed, || {
                        format!("subscription to {filter} is not on the access list")
                    });
                    if let Some(proxies) = self.proxies.as_mut().filter(|_| prefix != self.prefix) {
                        proxies.subscribes(prefix, rest, id);
                    }
                }
            }
            Packet::Unsubscribe { filters, .. } => {
                for filter in filters {
                    let (prefix, rest) = self.split(&filter);
                    if let Some(proxies) = &mut self.proxies {
                        proxies.unsubscribes(prefix, rest);
                    }
                }
            }
            Packet::Publish(publish) => self.publish(now, conn, publish),
            Packet::PubAck(id) => {
                if self.owed.remove(&id) {
                    self.configs_acknowledged += 1;
                }
            }
            Packet::PubRec(_)
            | Packet::PubRel(_)
            | Packet::PubComp(_)
            | Packet::PingReq
            | Packet::Disconnect => {}
            Packet::ConnAck { .. } | Packet::SubAck { .. } | Packet::UnsubAck(_) | Packet::PingResp => {
                violated(Property::OutputIsAllowed, "the device sends a packet of a server")
            }
        }
    }

    fn publish(&mut self, now: Now, conn: ConnId, publish: Publish) {
        let Publish { topic, payload, qos, retain, dup, id } = publish;
        let (prefix, rest) = self.split(&topic);
        let is_proxied = prefix != self.prefix;
        let is_attachment = is_proxied && rest == "attach";
        let allowed = rest == "state" || rest.starts_with("events/") || is_attachment;
        ensure(allowed, Property::OutputIsAllowed, || {
            format!("publish on {topic} is not on the access list")
        });
        ensure(!retain && qos == Qos::AtLeastOnce, Property::OutputIsAllowed, || {
            format!("{topic}: a device publishes at QoS 1 and retains nothing")
        });
        if let Some(id) = id {
            self.unacknowledged.insert(id);
            self.most_unacknowledged = self.most_unacknowledged.max(self.unacknowledged.len());
        }
        if let Some(proxies) = self.proxies.as_mut().filter(|_| is_proxied) {
            proxies.publishes(prefix, rest, id);
        }
        let payload: Value = if is_attachment {
            ensure(payload.is_empty() && !dup, Property::OutputIsAllowed, || {
                format!("{topic}: an attachment is empty, and new on each connection")
            });
            Value::Null
        } else {
            serde_json::from_slice(&payload).unwrap_or_else(|error| {
                violated(Property::OutputIsAllowed, &format!("{topic}: no JSON: {error}"))
            })
        };
        self.published += 1;
        if !dup && !is_attachment && self.published.is_multiple_of(self.schema_one_in) {
            self.validate(rest, &payload);
        }
        let (at, run, prefix, topic) = (now.at.0, self.run, prefix.to_owned(), rest.to_owned());
        self.emitted.push(Emitted { at, run, conn, prefix, topic, payload, duplicate: dup });
    }

    /// The prefix of a topic's device, which may be another one only for a gateway, and what follows it.
    fn split<'a>(&self, topic: &'a str) -> (&'a str, &'a str) {
        let registry = self.prefix.rsplit_once('/').map_or(0, |(registry, _)| registry.len());
        let is_of = |prefix: &str| prefix == self.prefix || self.proxies.is_some();
        let is_in = topic.get(..registry) == self.prefix.get(..registry);
        let end = topic.get(registry + 1..).and_then(|rest| rest.find('/')).map(|end| registry + 1 + end);
        let parts = end.filter(|_| is_in).map(|end| (&topic[..end], &topic[end + 1..]));
        parts.filter(|(prefix, _)| is_of(prefix)).unwrap_or(("", topic))
    }

    fn validate(&self, topic: &str, payload: &Value) {
        let mut document = payload.clone();
        if topic == "state"
            && let Some(members) = document.as_object_mut()
        {
            members.retain(|name, _| !self.own_blocks.contains(name));
        }
        let folder = topic.strip_prefix("events/");
        let name = match folder {
            None => "state".to_owned(),
            Some(folder) if FOLDERS.contains(&folder) => format!("events_{folder}"),
            Some(_) => {
                ensure(payload.get("timestamp").is_some(), Property::OutputIsAllowed, || {
                    format!("an event without a timestamp: {payload}")
                });
                return;
            }
        };
        if folder == Some("discovery") {
            tolerate(&mut document);
        }
        if let Err(findings) = upstream::validate(&name, &document) {
            let findings: Vec<_> = findings.iter().map(ToString::to_string).collect();
            let findings = findings.join("; ");
            let what = format!("{topic} does not fit its schema: {findings}\n{payload}");
            violated(Property::OutputIsAllowed, &what);
        }
    }

    /// Bytes the device is given.
    pub(super) fn received(&mut self, conn: ConnId, bytes: &[u8]) {
        if self.down.as_ref().is_none_or(|(own, _)| *own != conn) {
            self.down = Some((conn, BytesMut::new()));
        }
        let Some((_, buffer)) = &mut self.down else { return };
        buffer.extend_from_slice(bytes);
        while let Ok(Some(packet)) = wire::decode(buffer, wire::MAX_REMAINING) {
            if let (Packet::Publish(Publish { topic, .. }), Some(proxies)) = (&packet, &mut self.proxies) {
                proxies.receives(topic);
            }
            match packet {
                Packet::Publish(Publish { topic, id: Some(id), dup: false, .. })
                    if topic.ends_with("/config") =>
                {
                    self.configs_delivered += 1;
                    self.owed.insert(id);
                }
                Packet::PubAck(id) => {
                    self.unacknowledged.remove(&id);
                    if let Some(proxies) = &mut self.proxies {
                        proxies.announced(id);
                    }
                }
                Packet::SubAck { id, codes } => {
                    if let Some(proxies) = &mut self.proxies {
                        proxies.subscribed(id, codes.iter().all(Option::is_some));
                    }
                }
                _ => {}
            }
        }
    }

    /// What comes from now on no broker has sent.
    pub(super) fn forget_downstream(&mut self) {
        self.down = None;
    }
}

/// Makes good what the schema has wrong: references have characters that its pattern lacks, and addresses are in lower
/// case (§11 items 33 and 34).
pub(crate) fn tolerate(event: &mut Value) {
    if let Some(refs) = event.get_mut("refs").and_then(Value::as_object_mut) {
        let old = std::mem::take(refs);
        refs.extend(
            old.into_iter().map(|(name, content)| (name.replace(['#', '?', '&', '='], "."), content)),
        );
    }
    let families = event.get_mut("families").and_then(Value::as_object_mut);
    for (_, family) in families.into_iter().flatten() {
        if let Some(address) = family.get_mut("addr") {
            *address = address.as_str().unwrap_or_default().to_uppercase().into();
        }
    }
}
