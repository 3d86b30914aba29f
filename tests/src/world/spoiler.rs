//! A defect at work: it does to a device that has none what the defect says, on the way between it and the world.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{Bytes, BytesMut};
use device_link::wire::{self, Packet, Publish};
use serde_json::Value;
use udmi_proto::{Action, Boot, ConnId, Event, Hook, HookId, Limits, Notice, Now, Outcome};

use super::Defect;

/// The moment at which some defects begin, in events.
const BEGINS: u64 = 300;
/// Configs that are heard before none is.
const HEARD: u64 = 20;

/// A defect at work.
#[derive(Debug)]
pub(super) struct Spoiler {
    defect: Defect,
    /// The last part of the device's own topics' prefix.
    device_id: String,
    /// How often it could have struck.
    count: u64,
    /// What has come in part on a connection.
    inbound: Option<(ConnId, BytesMut)>,
    /// The last state of each device as it was meant, by topic.
    meant: BTreeMap<String, Value>,
    /// The devices whose last config could not be used.
    rejected: BTreeSet<String>,
    /// Hooks of devices behind a gateway.
    asked: BTreeMap<HookId, String>,
    /// The device behind a gateway whose fault the next one is to have.
    at_fault: Option<String>,
    /// Whether a redirect has succeeded.
    is_redirected: bool,
}

impl Spoiler {
    pub(super) fn new(defect: Defect, device_id: &str) -> Self {
        Self {
            defect,
            device_id: device_id.to_owned(),
            count: 0,
            inbound: None,
            meant: BTreeMap::new(),
            rejected: BTreeSet::new(),
            asked: BTreeMap::new(),
            at_fault: None,
            is_redirected: false,
        }
    }

    /// One more occasion: whether it is the one in so many at which the defect strikes.
    fn strikes(&mut self, every: u64) -> bool {
        self.count += 1;
        self.count.is_multiple_of(every)
    }

    /// What a device starts with.
    pub(super) fn boot(&mut self, boot: &mut Boot) {
        self.inbound = None;
        self.asked.clear();
        match self.defect {
            Defect::Amnesia => boot.stored.retain(|stored| stored.key.as_str() != "blobset"),
            Defect::Boundless => boot.limits = Limits::default(),
            _ => {}
        }
    }

    /// What becomes of an event before the device gets it; whether it does.
    pub(super) fn event(&mut self, event: &mut Event) -> bool {
        match (self.defect, event) {
            (Defect::Panic | Defect::Spinning, _) => {
                self.count += 1;
                let panics = self.defect == Defect::Panic && self.count == BEGINS;
                assert!(!panics, "seeded");
                true
            }
            (Defect::TornCommand | Defect::Frozen, Event::Received { conn, bytes }) => {
                *bytes = self.received(*conn, bytes);
                !bytes.is_empty()
            }
            (Defect::SharedFault, Event::HookDone { id, outcome }) => {
                self.share(*id, outcome);
                true
            }
            _ => true,
        }
    }

    /// When the device believes it is.
    pub(super) fn clock(&mut self, mut now: Now) -> Now {
        if self.defect == Defect::OwnClock && self.strikes(64) {
            now.utc.0 += 1000;
        }
        now
    }

    /// When the device wants to be called, on the monotonic clock.
    pub(super) fn deadline(&self, deadline: Option<u64>, now: u64) -> Option<u64> {
        match self.defect {
            Defect::Restless => Some(deadline.map_or(now + 1000, |at| at.min(now + 1000))),
            Defect::Spinning if self.count >= BEGINS => Some(now),
            _ => deadline,
        }
    }

    /// What becomes of an action; what it sends is spoiled by [`Spoiler::sent`].
    pub(super) fn action(&mut self, action: Action) -> Vec<Action> {
        match (self.defect, action) {
            (Defect::LostCancel, Action::CancelHook { .. }) if self.strikes(2) => Vec::new(),
            (Defect::DoubleRelease, Action::Release { id }) => {
                vec![Action::Release { id }, Action::Release { id }]
            }
            (Defect::LostRedirect, Action::Open { conn, mut to }) => {
                if self.is_redirected {
                    to.host = "nowhere".into();
                }
                vec![Action::Open { conn, to }]
            }
            (_, action) => {
                self.note(&action);
                vec![action]
            }
        }
    }

    fn note(&mut self, action: &Action) {
        match action {
            Action::InvokeHook { id, hook: Hook::Proxied { device, .. } } => {
                self.asked.insert(*id, device.clone());
            }
            Action::Notify(Notice::Redirected { failure: None, .. }) => self.is_redirected = true,
            Action::Notify(Notice::Proxied { device, notice }) => self.note_config(device, notice),
            Action::Notify(notice) => {
                let own = self.device_id.clone();
                self.note_config(&own, notice);
            }
            _ => {}
        }
    }

    fn note_config(&mut self, device: &str, notice: &Notice) {
        match notice {
            Notice::ConfigRejected { .. } => drop(self.rejected.insert(device.to_owned())),
            Notice::ConfigApplied { .. } => drop(self.rejected.remove(device)),
            _ => {}
        }
    }

    fn share(&mut self, id: HookId, outcome: &mut Outcome) {
        let Some(device) = self.asked.remove(&id) else { return };
        if let Outcome::Failed { .. } = outcome {
            self.at_fault = Some(device);
        } else if self.at_fault.take_if(|at_fault| *at_fault != device).is_some() {
            *outcome = Outcome::Failed { message: "the bus is silent".into() };
        }
    }

    /// The whole packets that bytes complete, as the device takes them.
    fn received(&mut self, conn: ConnId, bytes: &Bytes) -> Bytes {
        let known = self.inbound.take().filter(|(known, _)| *known == conn);
        let mut rest = known.map(|(_, rest)| rest).unwrap_or_default();
        let mut is_torn = !rest.is_empty();
        rest.extend_from_slice(bytes);
        let mut taken = BytesMut::new();
        while let Ok(Some(packet)) = wire::decode(&mut rest, wire::MAX_REMAINING) {
            if let Some(packet) = self.taken(packet, is_torn) {
                wire::encode(&packet, &mut taken).expect("a packet of the broker is valid");
            }
            is_torn = false;
        }
        self.inbound = Some((conn, rest));
        taken.freeze()
    }

    fn taken(&mut self, mut packet: Packet, is_torn: bool) -> Option<Packet> {
        let Packet::Publish(publish) = &mut packet else { return Some(packet) };
        if self.defect == Defect::TornCommand && is_torn {
            let command = publish.topic.split_once("/commands/").map(|(device, _)| device);
            if let Some(device) = command {
                publish.topic = format!("{device}/commands/torn");
            }
        }
        if self.defect == Defect::Frozen && publish.topic.ends_with("/config") {
            self.count += 1;
            return (self.count <= HEARD).then_some(packet);
        }
        Some(packet)
    }

    /// What becomes of bytes that are sent.
    pub(super) fn sent(&mut self, bytes: &Bytes) -> Bytes {
        let (mut rest, mut sent) = (BytesMut::from(&bytes[..]), BytesMut::new());
        while let Ok(Some(packet)) = wire::decode(&mut rest, wire::MAX_REMAINING) {
            for packet in self.packet(packet) {
                wire::encode(&packet, &mut sent).expect("a packet of the device is valid");
            }
        }
        sent.freeze()
    }

    fn packet(&mut self, packet: Packet) -> Vec<Packet> {
        match packet {
            Packet::Publish(publish) if publish.dup => vec![Packet::Publish(publish)],
            Packet::Publish(publish) if publish.topic.ends_with("/state") => self.state(publish),
            Packet::Publish(publish) if publish.topic.contains("/events/") => self.told(publish),
            packet => vec![packet],
        }
    }

    fn told(&mut self, mut publish: Publish) -> Vec<Packet> {
        if self.defect == Defect::LostPublish && self.strikes(20) {
            return Vec::new();
        }
        if self.defect == Defect::StrayTopic && self.strikes(50) {
            publish.topic = publish.topic.replace("/events/", "/hearsay/");
        }
        vec![Packet::Publish(publish)]
    }

    fn state(&mut self, mut publish: Publish) -> Vec<Packet> {
        if self.defect == Defect::HurriedState && self.strikes(8) {
            return vec![Packet::Publish(publish.clone()), Packet::Publish(publish)];
        }
        let is_other = matches!(
            self.defect,
            Defect::ForgottenTouch | Defect::OldLastConfig | Defect::BrokenConfigCounts
        );
        if is_other && let Ok(mut state) = serde_json::from_slice::<Value>(&publish.payload) {
            let before = self.meant.insert(publish.topic.clone(), state.clone());
            self.alter(&publish.topic, &mut state, before.as_ref());
            publish.payload = state.to_string().into();
        }
        vec![Packet::Publish(publish)]
    }

    fn alter(&mut self, topic: &str, state: &mut Value, before: Option<&Value>) {
        let defect = self.defect;
        match defect {
            Defect::ForgottenTouch if self.strikes(4) => overwrite(state, before, "/pointset"),
            Defect::OldLastConfig if self.strikes(6) => overwrite(state, before, "/system/last_config"),
            Defect::BrokenConfigCounts => {
                let device = topic.rsplit('/').nth(1).unwrap_or_default();
                let points = state.pointer_mut("/pointset/points").and_then(Value::as_object_mut);
                if let Some(points) = points.filter(|_| self.rejected.contains(device)) {
                    let first = points.keys().next().cloned();
                    first.and_then(|first| points.remove(&first));
                }
            }
            _ => {}
        }
    }
}

/// A member of a state is what it was before, if it was and is there.
fn overwrite(state: &mut Value, before: Option<&Value>, member: &str) {
    let old = before.and_then(|before| before.pointer(member));
    if let (Some(old), Some(now)) = (old, state.pointer_mut(member)) {
        *now = old.clone();
    }
}
