//! When a state may go out: after the first config of a connection, not too often, and never lost (§7).

use core::time::Duration;

use device_link::Instant;

/// `Held` until the connection is in sync; then every touch is followed by a state, two states are an
/// interval apart, and the last touch is always followed by one.
#[derive(Debug)]
pub(crate) struct StateLatch {
    interval: Duration,
    synced: bool,
    touched: bool,
    /// The last state is not on its way yet.
    waits: bool,
    last: Option<Instant>,
}

impl StateLatch {
    pub(crate) fn new(interval: Duration) -> Self {
        Self { interval, synced: false, touched: false, waits: false, last: None }
    }

    /// The state has something new to tell.
    pub(crate) fn touch(&mut self) {
        self.touched = true;
    }

    /// States may go out on this connection; one does (§7.1).
    pub(crate) fn sync(&mut self) {
        if !self.synced {
            self.synced = true;
            self.touched = true;
        }
    }

    /// The connection is gone: nothing goes out before the next one's first config (§1.9).
    pub(crate) fn unsync(&mut self) {
        self.synced = false;
    }

    /// When the state that is owed may go out, if one is.
    pub(crate) fn due(&self) -> Option<Instant> {
        let owed = self.synced && self.touched;
        owed.then(|| self.last.map_or(Instant(0), |last| last + self.interval))
    }

    /// When the last state went out.
    pub(crate) fn last_sent(&self) -> Option<Instant> {
        self.last
    }

    /// A state went out before this latch was made.
    pub(crate) fn resume(&mut self, last: Instant) {
        self.last = Some(last);
    }

    /// A state went out.
    pub(crate) fn sent(&mut self, now: Instant) {
        self.touched = false;
        self.last = Some(now);
    }

    /// The last state waits for its turn, or does not any more: the next one keeps its distance from when it left.
    pub(crate) fn waits(&mut self, waits: bool, now: Instant) {
        if self.waits && !waits {
            self.last = Some(now);
        }
        self.waits = waits;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latch() -> StateLatch {
        StateLatch::new(Duration::from_secs(2))
    }

    #[test]
    fn nothing_goes_out_before_sync_and_one_state_after_it() {
        let mut latch = latch();
        latch.touch();
        assert_eq!(latch.due(), None);
        latch.sync();
        assert_eq!(latch.due(), Some(Instant(0)));
    }

    #[test]
    fn the_distance_is_from_when_a_state_leaves() {
        let mut latch = latch();
        latch.sync();
        latch.sent(Instant(100));
        latch.waits(true, Instant(100));
        latch.waits(false, Instant(1500));
        latch.touch();
        assert_eq!(latch.due(), Some(Instant(3500)));
        latch.waits(false, Instant(1600));
        assert_eq!(latch.due(), Some(Instant(3500)));
    }

    #[test]
    fn the_leading_edge_is_immediate_and_the_trailing_one_is_not_lost() {
        let mut latch = latch();
        latch.sync();
        latch.sent(Instant(100));
        assert_eq!(latch.due(), None);
        latch.touch();
        latch.touch();
        assert_eq!(latch.due(), Some(Instant(2100)));
    }

    #[test]
    fn a_lost_link_holds_the_owed_state_back_until_the_next_sync() {
        let mut latch = latch();
        latch.sync();
        latch.sent(Instant(0));
        latch.touch();
        latch.unsync();
        assert_eq!(latch.due(), None);
        latch.sync();
        assert_eq!(latch.due(), Some(Instant(2000)));
    }
}
