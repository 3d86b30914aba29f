//! When a state goes out, and the document, written straight from the blocks without a copy (§3.2, §7.1).

use alloc::vec::Vec;

use device_link::{Cx, Queue, UtcMillis};

use crate::json::write::{self, Object};
use crate::model::common::{ReservedBlob, Timestamp, VERSION};
use crate::port::Notice;
use crate::scope::DeviceTimer;
use crate::udmi::Udmi;

use super::DeviceCore;

/// How far a wall clock may be corrected backwards, in milliseconds: as far as the validator lets it be wrong (§A).
const CORRECTION: i64 = 60_000;

impl DeviceCore {
    pub(super) fn publish_owed_state(&mut self, cx: &mut Cx<'_, Udmi>) {
        self.latch.waits(cx.is_waiting(self.slot), cx.now().at);
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
        self.state_bytes = json.len();
        let slot = self.slot;
        let token = self.with(cx, |_, sc| {
            let topic = sc.topics;
            sc.publish(&topic.state, json, Queue::Latest(slot))
        });
        self.latch.waits(cx.is_waiting(slot), now.at);
        self.states.insert(token);
        self.endpoint.announcement.on_state(token);
        self.blobset.on_state(Some(token));
        self.notify(cx, Notice::StatePublished);
    }

    /// The complete state as JSON.
    pub(super) fn render_state(&self) -> Option<Vec<u8>> {
        let mut out = write::room_like(self.state_bytes);
        self.put_state(&mut out).ok().map(|()| out)
    }

    fn put_state(&self, out: &mut Vec<u8>) -> serde_json::Result<()> {
        let mut state = Object::begin(out);
        state.text("timestamp", Timestamp::from_millis(self.last_state.0).as_str());
        state.text("version", VERSION);
        state.value("system", &self.system.report())?;
        if let Some(localnet) = self.localnet.report() {
            state.value("localnet", &localnet)?;
        }
        self.pointset.report(&mut state)?;
        if let Some(discovery) = self.discovery.report() {
            state.value("discovery", &discovery)?;
        }
        if let Some(gateway) = self.reach.report() {
            state.value("gateway", &gateway)?;
        }
        self.put_blobset(&mut state)?;
        for (name, content) in &self.blocks {
            state.member(name).extend_from_slice(content.as_str().as_bytes());
        }
        state.end();
        Ok(())
    }

    /// `state.blobset`, whose member is required (§5.2).
    fn put_blobset(&self, state: &mut Object<'_>) -> serde_json::Result<()> {
        if self.blobset.report().is_none() && self.endpoint.shown.is_none() {
            return Ok(());
        }
        let mut blobset = state.object("blobset");
        let mut blobs = blobset.object("blobs");
        if let Some(endpoint) = &self.endpoint.shown {
            blobs.value(ReservedBlob::IotEndpointConfig.as_str(), endpoint)?;
        }
        for (name, blob) in self.blobset.report().into_iter().flatten() {
            blobs.value(name, &blob)?;
        }
        blobs.end();
        blobset.end();
        Ok(())
    }
}

/// §2.2: a state's timestamp does not go backwards while the wall clock is merely corrected. A clock that was set
/// back by more had been wrong: holding on to its future would stamp each state with the same second, too far off
/// for tools, until the true time has caught up, which may be years.
fn state_time(last: UtcMillis, now: UtcMillis) -> UtcMillis {
    let step = last.0.saturating_sub(now.0);
    if (0..=CORRECTION).contains(&step) { last } else { now }
}
