//! Seeded defects: what a device might do wrong, done to a device that does not, on the way between it and the world.
//! They show that the oracles can fail.

use bytes::{Bytes, BytesMut};
use device_link::wire::{self, Packet};
use serde::{Deserialize, Serialize};
use udmi_proto::{Action, Event, Now};

/// Something that is wrong with a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Defect {
    /// Every eighth state is sent twice at once.
    HurriedState,
    /// It panics at the three-hundredth event.
    Panic,
}

impl Defect {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::HurriedState, Self::Panic];

    /// Its name, as in `udmi sim --defect`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::HurriedState => "hurried-state",
            Self::Panic => "panic",
        }
    }

    /// The defect of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|defect| defect.name() == name)
    }
}

/// A defect at work.
#[derive(Debug)]
pub(super) struct Spoiler {
    defect: Defect,
    /// How often it could have struck.
    count: u64,
}

impl Spoiler {
    pub(super) fn new(defect: Defect) -> Self {
        Self { defect, count: 0 }
    }

    /// Whether the device gets an event, which has been recorded, and may be changed.
    pub(super) fn event(&mut self, _now: Now, _event: &mut Event) -> bool {
        if self.defect == Defect::Panic {
            self.count += 1;
            assert!(self.count != 300, "seeded");
        }
        true
    }

    /// What becomes of an action, which has been recorded; what it sends is spoiled by [`Spoiler::sent`].
    pub(super) fn action(&mut self, _now: Now, action: Action) -> Vec<Action> {
        vec![action]
    }

    /// What becomes of bytes that are sent.
    pub(super) fn sent(&mut self, now: Now, bytes: &Bytes) -> Bytes {
        let (mut rest, mut sent) = (BytesMut::from(&bytes[..]), BytesMut::new());
        while let Ok(Some(packet)) = wire::decode(&mut rest, wire::MAX_REMAINING) {
            for packet in self.packet(now, packet) {
                wire::encode(&packet, &mut sent).expect("a packet of the device is valid");
            }
        }
        sent.freeze()
    }

    /// What becomes of a packet that is sent.
    fn packet(&mut self, _now: Now, packet: Packet) -> Vec<Packet> {
        let is_state = matches!(&packet, Packet::Publish(publish) if publish.topic.ends_with("/state"));
        if self.defect == Defect::HurriedState && is_state {
            self.count += 1;
            if self.count.is_multiple_of(8) {
                return vec![packet.clone(), packet];
            }
        }
        vec![packet]
    }
}
