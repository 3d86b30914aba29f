//! Every bound on what a peer or time can grow, in one place.

use core::time::Duration;

use serde::{Deserialize, Serialize};

/// The bounds of one node. Over a bound means a receipt, a counter or a closed link; never a block,
/// never growth.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Bytes of one MQTT packet, in or out. A larger message from the peer is let go by unread, acknowledged, and told
    /// to the dialect; any other larger packet closes the link.
    /// Default 1 MiB: four times the largest UDMI config (§A, 262144 bytes).
    pub packet_bytes: usize,
    /// Messages waiting in the outbox (not yet handed to the session). Default 1000.
    pub outbox_messages: usize,
    /// Bytes of topic and payload waiting in the outbox. Default 4 MiB.
    pub outbox_bytes: usize,
    /// Bytes of topic and payload of unacknowledged QoS 1 publishes of [`Queue::Bounded`](crate::Queue::Bounded)
    /// that are kept across restarts, under the key `outbox`: at the end of a run, and in between as often as
    /// `outbox_kept_interval` says. Over it the oldest are left out. Default 0: nothing is kept.
    pub outbox_kept_bytes: usize,
    /// From a change of what is kept to its store; what a power failure can lose or repeat. Default 60 s.
    pub outbox_kept_interval: Duration,
    /// QoS 1 publishes sent and not yet acknowledged, 1 to 32767. Default 100.
    pub inflight: usize,
    /// Bytes of topic and payload of those publishes: once they are reached, nothing more is sent until some are
    /// acknowledged, so that what a new link has to repeat stays within what an adapter holds for a socket (8 MiB).
    /// The last one may go over, by `packet_bytes` at most. Default 4 MiB.
    pub inflight_bytes: usize,
    /// Slots of [`Queue::Latest`](crate::Queue::Latest) in use at once. Default 4096.
    pub slots: usize,
    /// Subscriptions held, at most 32767. Default 16384.
    pub subscriptions: usize,
    /// Inbound QoS 2 exchanges open at once; one more closes the link. Default 64.
    pub inbound_exactly_once: usize,
    /// Hooks invoked and not yet answered. Default 256.
    pub pending_hooks: usize,
    /// Stores requested and not yet answered. Default 64.
    pub pending_stores: usize,
    /// Fetches under way, and staged files not yet released. Default 4.
    pub fetches: usize,
    /// From asking for a connection to its answer. Default 20 s.
    pub open_timeout: Duration,
    /// From an open transport to CONNACK. Default 10 s (§1.1).
    pub connack_timeout: Duration,
    /// Without an answer while SUBSCRIBE or UNSUBSCRIBE wait for theirs. Default 10 s.
    pub suback_timeout: Duration,
    /// Without anything from the peer while a PINGREQ waits for its answer. Default 10 s.
    pub pingresp_timeout: Duration,
    /// For acknowledgements of the last messages before an orderly stop. Default 2.5 s (§C.5).
    pub leave_timeout: Duration,
    /// Shortest pause before another connection attempt. Default 1 s.
    pub reconnect_minimum: Duration,
    /// Longest pause before another connection attempt. Default 120 s (§1.9).
    pub reconnect_maximum: Duration,
    /// A link that was up for so long counts as healthy: the pauses start over. Default 30 s.
    pub healthy_after: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            packet_bytes: 1 << 20,
            outbox_messages: 1000,
            outbox_bytes: 4 << 20,
            outbox_kept_bytes: 0,
            outbox_kept_interval: Duration::from_secs(60),
            inflight: 100,
            inflight_bytes: 4 << 20,
            slots: 4096,
            subscriptions: 16_384,
            inbound_exactly_once: 64,
            pending_hooks: 256,
            pending_stores: 64,
            fetches: 4,
            open_timeout: Duration::from_secs(20),
            connack_timeout: Duration::from_secs(10),
            suback_timeout: Duration::from_secs(10),
            pingresp_timeout: Duration::from_secs(10),
            leave_timeout: Duration::from_millis(2500),
            reconnect_minimum: Duration::from_secs(1),
            reconnect_maximum: Duration::from_secs(120),
            healthy_after: Duration::from_secs(30),
        }
    }
}
