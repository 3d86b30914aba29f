//! What a node holds at a moment, and what has gone over its link since birth.

/// How much of each thing that [`Limits`](crate::Limits) bounds a node holds, to watch it by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Subscriptions.
    pub subscriptions: usize,
    /// Publishes that wait or are not acknowledged.
    pub publishes: usize,
    /// Armed deadlines, the link's own included.
    pub timers: usize,
    /// Hooks that are not answered.
    pub hooks: usize,
    /// Stores that are not answered.
    pub stores: usize,
    /// Fetches that are not released.
    pub fetches: usize,
}

/// What has gone over a node's link since birth, to measure it by. Nothing in the node depends on it.
///
/// Brokers acknowledge publishes in the order they came in, as clients have to \[MQTT-4.6.0-2\]. So whoever looks after
/// each call of [`Node::handle`](crate::Node::handle), and keeps a clock, knows how long each acknowledgement took.
/// What is not acknowledged when [`Tally::connections`] grows is written, and counted, again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Connections that the broker has accepted.
    pub connections: u64,
    /// Publishes written at QoS 1, repetitions included.
    pub sent: u64,
    /// Publishes that the broker has acknowledged.
    pub acknowledged: u64,
    /// Publishes of any QoS that will not be sent (again), but for those that a later one has replaced.
    pub lost: u64,
    /// Messages that came in for a subscription.
    pub received: u64,
}

impl Tally {
    /// One more; never wraps.
    pub(crate) fn count(counter: &mut u64) {
        *counter = counter.saturating_add(1);
    }
}
