//! The part of a device in a redirect (§5.3): it hands over what a config says of the endpoint, shows what
//! became of it, keeps silent while the device leaves, and goes by other topics afterwards.

use alloc::boxed::Box;

use device_link::{Cx, wire::Qos};

use crate::config::Block;
use crate::model::category::Category;
use crate::model::common::{Mode, ReservedBlob};
use crate::model::entry::Entry;
use crate::model::{config, state};
use crate::settings::config_sync;
use crate::topics::Topics;
use crate::udmi::Udmi;

use super::{Announcement, DeviceCore};

/// What a config says of the endpoint.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum EndpointBlob {
    /// Nothing that could be read: what was in force stays so.
    Unknown,
    /// There is no such blob.
    Absent,
    /// The blob, as it came.
    Present(config::BlobsetBlob),
}

impl EndpointBlob {
    /// Takes the endpoint out of a blobset.
    pub(super) fn take(block: &mut Block<config::Blobset>) -> Self {
        match block {
            Block::Bad => Self::Unknown,
            Block::Absent => Self::Absent,
            Block::Good(blobset) => {
                let blobs = blobset.blobs.as_mut();
                let blob = blobs.and_then(|blobs| blobs.remove(ReservedBlob::IotEndpointConfig.as_str()));
                blob.map_or(Self::Absent, Self::Present)
            }
        }
    }
}

/// What the state shows of the endpoint, and whether the cloud has seen it.
#[derive(Debug, Default)]
pub(super) struct EndpointEntry {
    pub(super) shown: Option<Box<state::BlobsetBlob>>,
    pub(super) announcement: Announcement,
}

impl DeviceCore {
    /// Shows this of the endpoint from now on.
    pub(crate) fn show_endpoint(&mut self, entry: Option<state::BlobsetBlob>) {
        if self.endpoint.shown.as_deref() != entry.as_ref() {
            self.endpoint = EndpointEntry { shown: entry.map(Box::new), announcement: Announcement::Owed };
            self.latch.touch();
        }
    }

    /// Whether the cloud has acknowledged a state with what was shown last.
    pub(crate) fn is_endpoint_known(&self) -> bool {
        self.endpoint.announcement.is_known()
    }

    /// Holds states back, or lets them go. What there is to tell is told afterwards.
    pub(crate) fn hold_states(&mut self, held: bool) {
        self.holds_states = held;
    }

    /// An entry for the state, stamped like a log entry.
    pub(crate) fn entry(&mut self, cx: &mut Cx<'_, Udmi>, category: Category, message: &str) -> Entry {
        self.with(cx, |_, sc| sc.entry(category, message))
    }

    /// Whether the run is about to end.
    pub(crate) fn is_ending(&self) -> bool {
        !matches!(self.system.modes.mode(), Mode::Initial | Mode::Active)
    }

    /// Waits for the first config of a connection that long from now on; 0 is 10, negative does not wait (§1.9).
    pub(crate) fn wait_for_config(&mut self, seconds: i64) {
        self.config_sync = config_sync(seconds);
    }

    /// Whether states wait for the first config of a connection.
    pub(crate) fn waits_for_config(&self) -> bool {
        self.config_sync.is_some()
    }

    /// Whether the link was told to end the run.
    pub(crate) fn has_exited(&self) -> bool {
        self.system.modes.has_exited()
    }

    /// What all topics begin with.
    pub(crate) fn topic_prefix(&self) -> &str {
        self.topics.prefix()
    }

    /// Takes configs at this quality of service from now on.
    pub(crate) fn use_config_qos(&mut self, cx: &mut Cx<'_, Udmi>, qos: Qos) {
        if self.config_qos != qos {
            self.config_qos = qos;
            self.subscribe_config(cx);
        }
    }

    /// Goes by other topics: leaves the subscriptions to the old ones and asks for the same on the new ones.
    pub(crate) fn use_topics(&mut self, cx: &mut Cx<'_, Udmi>, topics: Topics, commands: bool) {
        let before = core::mem::replace(&mut self.topics, topics);
        if before.config == self.topics.config {
            return;
        }
        cx.unsubscribe(&before.config);
        cx.unsubscribe(&before.commands);
        self.subscribe_config(cx);
        if commands {
            self.subscribe_commands(cx);
        }
    }
}
