//! When a state goes out, and the document, written straight from the blocks without a copy (§3.2, §7.1).

use alloc::string::String;
use alloc::vec::Vec;

use device_link::{Cx, Map, Queue, UtcMillis};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::json::Json;
use crate::model::common::{ReservedBlob, Timestamp, VERSION};
use crate::port::Notice;
use crate::scope::DeviceTimer;
use crate::udmi::Udmi;

use super::DeviceCore;

/// How far a wall clock may be corrected backwards, in milliseconds: as far as the validator lets it be wrong (§A).
const CORRECTION: i64 = 60_000;

impl DeviceCore {
    pub(super) fn publish_owed_state(&mut self, cx: &mut Cx<'_, Udmi>) {
        if let Some(due) = self.latch.due().filter(|_| !self.holds_states) {
            if due <= cx.now().at {
                self.publish_state(cx);
            } else {
                cx.at(self.actor.timer(DeviceTimer::State), due);
            }
        }
    }

    fn publish_state(&mut self, cx: &mut Cx<'_, Udmi>) {
        let now = cx.now();
        self.latch.sent(now.at);
        if self.suppress_state {
            // Nobody wants to hear of anything (§7.7).
            self.endpoint.announcement.skip();
            return self.blobset.on_state(None);
        }
        self.last_state = state_time(self.last_state, now.utc.whole_second());
        let Some(json) = self.render_state() else { return };
        let slot = self.slot;
        let token = self.with(cx, |_, sc| {
            let topic = sc.topics;
            sc.publish(&topic.state, json, Queue::Latest(slot))
        });
        self.states.insert(token);
        self.endpoint.announcement.on_state(token);
        self.blobset.on_state(Some(token));
        self.notify(cx, Notice::StatePublished);
    }

    /// The complete state as JSON.
    pub(super) fn render_state(&self) -> Option<Vec<u8>> {
        serde_json::to_vec(&State(self)).ok()
    }
}

/// §2.2: a state's timestamp does not go backwards while the wall clock is merely corrected. A clock that was set
/// back by more had been wrong: holding on to its future would stamp each state with the same second, too far off
/// for tools, until the true time has caught up, which may be years.
fn state_time(last: UtcMillis, now: UtcMillis) -> UtcMillis {
    let step = last.0.saturating_sub(now.0);
    if (0..=CORRECTION).contains(&step) { last } else { now }
}

struct State<'a>(&'a DeviceCore);

impl Serialize for State<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let device = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("timestamp", &Timestamp::from_millis(device.last_state.0))?;
        map.serialize_entry("version", VERSION)?;
        map.serialize_entry("system", &device.system.report())?;
        if let Some(localnet) = device.localnet.report() {
            map.serialize_entry("localnet", &localnet)?;
        }
        if let Some(pointset) = device.pointset.report() {
            map.serialize_entry("pointset", &pointset)?;
        }
        if let Some(discovery) = device.discovery.report() {
            map.serialize_entry("discovery", &discovery)?;
        }
        if let Some(gateway) = device.reach.report() {
            map.serialize_entry("gateway", &gateway)?;
        }
        if device.blobset.report().is_some() || device.endpoint.shown.is_some() {
            map.serialize_entry("blobset", &Blobset { blobs: Blobs(device) })?;
        }
        custom(&device.blocks, &mut map)?;
        map.end()
    }
}

/// `state.blobset`; the member is required (§5.2).
#[derive(Serialize)]
struct Blobset<'a> {
    blobs: Blobs<'a>,
}

struct Blobs<'a>(&'a DeviceCore);

impl Serialize for Blobs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some(endpoint) = &self.0.endpoint.shown {
            map.serialize_entry(ReservedBlob::IotEndpointConfig.as_str(), endpoint)?;
        }
        for (name, blob) in self.0.blobset.report().into_iter().flatten() {
            map.serialize_entry(name, &blob)?;
        }
        map.end()
    }
}

fn custom<M: SerializeMap>(blocks: &Map<String, Json>, map: &mut M) -> Result<(), M::Error> {
    for (name, content) in blocks {
        map.serialize_entry(name, content.raw())?;
    }
    Ok(())
}
