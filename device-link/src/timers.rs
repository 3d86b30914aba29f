//! Deadlines by key. The earliest is found in O(1), and its key is the reason for the wake-up.

use crate::map::{Map, Set};
use crate::time::{Instant, Now, UtcMillis};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    At(Instant),
    Utc(UtcMillis),
}

/// One deadline per key, on either clock. A wall-clock deadline follows the wall clock through its steps.
#[derive(Debug)]
pub(crate) struct Timers<K> {
    by_key: Map<K, Due>,
    monotonic: Set<(Instant, K)>,
    wall: Set<(UtcMillis, K)>,
    now: Now,
}

impl<K: Ord + Copy> Timers<K> {
    pub(crate) fn new(now: Now) -> Self {
        Self { by_key: Map::new(), monotonic: Set::new(), wall: Set::new(), now }
    }

    /// Tells what time it is. Wall-clock deadlines move with the difference of the two clocks.
    pub(crate) fn set_now(&mut self, now: Now) {
        self.now = now;
    }

    /// Arms or moves `key`. A deadline not after now lands one millisecond ahead of it: a handler
    /// that re-arms itself for the same moment would otherwise spin.
    pub(crate) fn set(&mut self, key: K, at: Instant) {
        self.cancel(key);
        let at = at.max(Instant(self.now.at.0.saturating_add(1)));
        self.by_key.insert(key, Due::At(at));
        self.monotonic.insert((at, key));
    }

    /// Arms or moves `key` to a moment of the wall clock, at the earliest one millisecond from now.
    pub(crate) fn set_utc(&mut self, key: K, at: UtcMillis) {
        self.cancel(key);
        let at = at.max(UtcMillis(self.now.utc.0.saturating_add(1)));
        self.by_key.insert(key, Due::Utc(at));
        self.wall.insert((at, key));
    }

    pub(crate) fn cancel(&mut self, key: K) {
        match self.by_key.remove(&key) {
            Some(Due::At(at)) => self.monotonic.remove(&(at, key)),
            Some(Due::Utc(at)) => self.wall.remove(&(at, key)),
            None => false,
        };
    }

    pub(crate) fn is_set(&self, key: K) -> bool {
        self.by_key.contains_key(&key)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_key.len()
    }

    pub(crate) fn clear(&mut self) {
        self.by_key.clear();
        self.monotonic.clear();
        self.wall.clear();
    }

    /// The earliest deadline as the monotonic clock will show it, and its key.
    pub(crate) fn next(&self) -> Option<(Instant, K)> {
        let monotonic = self.monotonic.first().copied();
        let wall = self.wall.first().map(|&(at, key)| (self.as_instant(at), key));
        match (monotonic, wall) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (one, other) => one.or(other),
        }
    }

    /// Removes and returns the earliest key that is due, in (deadline, key) order.
    pub(crate) fn pop_due(&mut self) -> Option<K> {
        let (at, key) = self.next()?;
        if at > self.now.at {
            return None;
        }
        self.cancel(key);
        Some(key)
    }

    fn as_instant(&self, utc: UtcMillis) -> Instant {
        let ahead = utc.0.saturating_sub(self.now.utc.0);
        Instant(self.now.at.0.saturating_add_signed(ahead))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now(at: u64, utc: i64) -> Now {
        Now { at: Instant(at), utc: UtcMillis(utc) }
    }

    #[test]
    fn timers_fire_in_order_of_deadline_then_key() {
        let mut timers = Timers::new(now(0, 0));
        timers.set('b', Instant(10));
        timers.set('a', Instant(10));
        timers.set('z', Instant(5));
        timers.set_now(now(10, 10));
        let fired: alloc::vec::Vec<_> = core::iter::from_fn(|| timers.pop_due()).collect();
        assert_eq!(fired, ['z', 'a', 'b']);
    }

    #[test]
    fn setting_twice_moves_and_the_past_lands_just_ahead() {
        let mut timers = Timers::new(now(100, 0));
        timers.set('a', Instant(500));
        timers.set('a', Instant(3));
        assert_eq!(timers.next(), Some((Instant(101), 'a')));
        assert_eq!(timers.pop_due(), None);
    }

    #[test]
    fn a_wall_clock_deadline_follows_a_step_of_the_wall_clock() {
        let mut timers = Timers::new(now(0, 1_000_000));
        timers.set_utc('a', UtcMillis(1_010_000));
        assert_eq!(timers.next(), Some((Instant(10_000), 'a')));
        timers.set_now(now(1_000, 1_006_000));
        assert_eq!(timers.next(), Some((Instant(5_000), 'a')));
        timers.set_now(now(1_001, 1_020_000));
        assert_eq!(timers.pop_due(), Some('a'));
    }
}
