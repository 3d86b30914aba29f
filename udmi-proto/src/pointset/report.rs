//! What the pointset says of itself: its block of the state, and its events.

use alloc::vec::Vec;

use super::Pointset;
use super::model::Model;
use super::point::Point;
use crate::json::write::{self, Object};
use crate::model::common::{Timestamp, VERSION};

impl Pointset {
    /// Writes the block of the state, if the config has a pointset block (§4.2).
    pub(crate) fn report(&self, state: &mut Object<'_>) -> serde_json::Result<()> {
        let Some(block) = &self.block else { return Ok(()) };
        let mut report = state.object("pointset");
        if let Some(etag) = self.reported_etag(block) {
            report.text("state_etag", etag);
        }
        if let Some(status) = &block.status {
            report.value("status", status)?;
        }
        let mut points = report.object("points");
        for (name, point) in self.points.iter().filter(|(_, point)| point.is_in_force()) {
            condition(point, points.plain_object(name))?;
        }
        points.end();
        report.end();
        Ok(())
    }

    /// An event with all values there are (§4.4).
    pub(super) fn complete_event(&self, timestamp: &Timestamp, missing: bool) -> Vec<u8> {
        self.event(timestamp, missing, self.event_bytes, |_| true)
    }

    /// An event with those values only that have moved.
    pub(super) fn partial_event(&self, timestamp: &Timestamp) -> Vec<u8> {
        self.event(timestamp, true, 0, Point::has_moved)
    }

    fn event(
        &self,
        timestamp: &Timestamp,
        is_partial: bool,
        expected_bytes: usize,
        is_told: impl Fn(&Point) -> bool,
    ) -> Vec<u8> {
        let mut out = write::room_like(expected_bytes);
        let mut event = Object::begin(&mut out);
        event.text("timestamp", timestamp.as_str());
        event.text("version", VERSION);
        if is_partial {
            event.member("partial_update").extend_from_slice(b"true");
        }
        let mut points = event.object("points");
        for (name, point) in self.points.iter().filter(|(_, point)| point.is_expected() && is_told(point)) {
            if let Some(value) = point.on_wire() {
                let out = points.plain_member(name);
                out.extend_from_slice(br#"{"present_value":"#);
                value.put(out);
                out.push(b'}');
            }
        }
        points.end();
        event.end();
        out
    }
}

fn condition(point: &Point, mut condition: Object<'_>) -> serde_json::Result<()> {
    if let Some(units) = point.model().and_then(Model::units) {
        condition.text("units", units);
    }
    if let Some(state) = point.writing().value_state() {
        condition.text("value_state", state.as_str());
    }
    if let Some(status) = point.status() {
        condition.value("status", status)?;
    }
    condition.end();
    Ok(())
}
