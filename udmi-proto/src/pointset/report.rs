//! What the pointset says of itself: its block of the state, and its events. Both borrow all they show.

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use super::Pointset;
use super::number::OnWire;
use super::point::Point;
use crate::model::common::{Timestamp, VERSION};
use crate::model::entry::Entry;
use crate::model::state::ValueState;

/// The block of the state (§4.2).
#[derive(Serialize)]
pub(super) struct Report<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) state_etag: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<&'a Entry>,
    pub(super) points: Conditions<'a>,
}

/// The conditions of the points in force.
pub(super) struct Conditions<'a>(pub(super) &'a Pointset);

#[derive(Serialize)]
struct Condition<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    units: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_state: Option<ValueState>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'a Entry>,
}

impl Serialize for Conditions<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, point) in self.0.points.iter().filter(|(_, point)| point.is_in_force()) {
            map.serialize_entry(name, &condition(point))?;
        }
        map.end()
    }
}

fn condition(point: &Point) -> Condition<'_> {
    Condition {
        units: point.model.as_ref().and_then(|model| model.units.as_deref()),
        value_state: point.writing.value_state(),
        status: point.status(),
    }
}

/// An event (§4.4).
#[derive(Serialize)]
pub(super) struct Event<'a> {
    timestamp: Timestamp,
    version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    partial_update: Option<bool>,
    points: Values<'a>,
}

impl<'a> Event<'a> {
    /// With all values there are.
    pub(super) fn complete(pointset: &'a Pointset, timestamp: Timestamp, missing: bool) -> Self {
        let values = Values { pointset, moved_only: false };
        Self { timestamp, version: VERSION, partial_update: missing.then_some(true), points: values }
    }

    /// With those values only that have moved.
    pub(super) fn partial(pointset: &'a Pointset, timestamp: Timestamp) -> Self {
        let values = Values { pointset, moved_only: true };
        Self { timestamp, version: VERSION, partial_update: Some(true), points: values }
    }
}

struct Values<'a> {
    pointset: &'a Pointset,
    moved_only: bool,
}

#[derive(Serialize)]
struct Present<'a> {
    present_value: OnWire<'a>,
}

impl Serialize for Values<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, point) in self.pointset.points.iter().filter(|(_, point)| point.is_expected()) {
            if self.moved_only && !point.has_moved() {
                continue;
            }
            if let Some(present_value) = point.on_wire() {
                map.serialize_entry(name, &Present { present_value })?;
            }
        }
        map.end()
    }
}
