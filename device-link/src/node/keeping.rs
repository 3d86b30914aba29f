//! Keeping across restarts what the broker has not acknowledged, where [`Limits::outbox_kept_bytes`] allows it.
//!
//! [`Limits::outbox_kept_bytes`]: crate::Limits::outbox_kept_bytes

use bytes::Bytes;

use super::Node;
use crate::cx::{LinkTimer, WakeReason};
use crate::dialect::Dialect;
use crate::port::{Action, Key, StoreId, Stored};

/// The key of what is kept.
const KEY: &str = "outbox";
/// The key under which a value that cannot be read is set aside.
const ASIDE: &str = "outbox_unreadable";

/// What the store holds, as far as it is known.
#[derive(Debug, Default)]
pub(super) struct Keeping {
    value: Option<Bytes>,
    /// The store under way.
    pending: Option<StoreId>,
    /// Whether the last store failed, so that nobody knows what is stored.
    has_failed: bool,
}

impl<D: Dialect> Node<D> {
    /// Takes up what the last run has left, ahead of all that this one publishes. Nobody is told what becomes of
    /// it: those who published it are gone.
    pub(super) fn take_up(&mut self, stored: &[Stored]) {
        if self.core.limits.outbox_kept_bytes == 0 {
            return;
        }
        let Some(kept) = stored.iter().find(|stored| stored.key.as_str() == KEY) else { return };
        self.keeping.value = Some(kept.value.clone());
        if !self.core.session.restore(&kept.value) {
            self.store(ASIDE, Some(kept.value.clone()));
        }
        self.time_keeping();
    }

    /// Keeps what waits now, if that differs from what is kept.
    pub(super) fn keep(&mut self) {
        let bound = self.core.limits.outbox_kept_bytes;
        if bound == 0 {
            return;
        }
        let value = self.core.session.kept(bound);
        if value != self.keeping.value || self.keeping.has_failed {
            self.keeping.value.clone_from(&value);
            self.keeping.has_failed = false;
            self.keeping.pending = self.store(KEY, value);
        }
    }

    /// Called after each event: as long as something waits or is kept, it is looked after.
    pub(super) fn time_keeping(&mut self) {
        let timer = WakeReason::Link(LinkTimer::Keep);
        let is_wanted = self.core.limits.outbox_kept_bytes > 0
            && (!self.core.session.is_quiet() || self.keeping.value.is_some() || self.keeping.has_failed);
        if is_wanted && !self.core.timers.is_set(timer) {
            self.arm(LinkTimer::Keep, self.core.limits.outbox_kept_interval);
        }
    }

    /// The answer to a store of the link's own; tells whether it was one.
    pub(super) fn on_kept(&mut self, id: StoreId, ok: bool) -> bool {
        let is_own = self.keeping.pending == Some(id);
        if is_own {
            self.keeping.pending = None;
            self.keeping.has_failed = !ok;
        }
        is_own
    }

    fn store(&mut self, key: &str, value: Option<Bytes>) -> Option<StoreId> {
        let key = Key::new(key).ok()?;
        let id = StoreId(self.core.next_id());
        self.core.actions.push_back(Action::Store { id, key, value });
        Some(id)
    }
}
