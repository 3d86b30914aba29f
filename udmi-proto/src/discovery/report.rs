//! `state.discovery`, borrowed (§6.2).

use alloc::string::String;

use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};

use super::InForce;
use super::passive::Passive;
use super::scan::{Phase, Scan};
use crate::model::common::Timestamp;
use crate::model::entry::Entry;
use crate::model::state::ScanPhase;
use device_link::Map;

#[derive(Serialize)]
pub(super) struct Report<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    generation: Option<&'a Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    families: Option<Families<'a>>,
}

impl<'a> Report<'a> {
    pub(super) fn of(block: &'a InForce) -> Self {
        Self { generation: block.enumeration.generation(), families: block.families.as_ref().map(Families) }
    }
}

struct Families<'a>(&'a Map<String, Scan>);

impl Serialize for Families<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (family, scan) in self.0 {
            map.serialize_entry(family, &Family::of(scan))?;
        }
        map.end()
    }
}

#[derive(Serialize)]
struct Family<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    generation: Option<&'a Timestamp>,
    phase: ScanPhase,
    #[serde(skip_serializing_if = "Option::is_none")]
    active_count: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    passive_count: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'a Entry>,
}

impl<'a> Family<'a> {
    fn of(scan: &'a Scan) -> Self {
        let (generation, phase, active_count) = match &scan.phase {
            Phase::Pending(generation) => (Some(&generation.text), ScanPhase::Pending, None),
            Phase::Active(round) => (Some(&round.generation.text), ScanPhase::Active, Some(round.found())),
            // §11 item 1: a family that is only listened to is active without a generation.
            Phase::Stopped { .. } if scan.is_listening() => (None, ScanPhase::Active, None),
            Phase::Stopped { generation, found } => (generation.as_ref(), ScanPhase::Stopped, *found),
        };
        let passive_count = scan.passive.as_ref().map(Passive::count);
        Self { generation, phase, active_count, passive_count, status: scan.status.as_ref() }
    }
}
