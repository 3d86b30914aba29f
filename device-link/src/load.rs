//! What a node holds at a moment.

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
