//! Pauses between connection attempts: decorrelated jitter from the boot seed.

use core::time::Duration;

use crate::time::whole_millis;

/// SplitMix64: small, seedable, and good enough for jitter and identifiers; not for secrets.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number in `low..=high`.
    fn between(&mut self, low: u64, high: u64) -> u64 {
        let span = high.saturating_sub(low).saturating_add(1);
        low.saturating_add(self.next().checked_rem(span).unwrap_or(0))
    }
}

/// Each pause is drawn between the minimum and three times the pause before, never over the maximum.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    minimum: u64,
    maximum: u64,
    last: u64,
}

impl Backoff {
    pub(crate) fn new(minimum: Duration, maximum: Duration) -> Self {
        let minimum = whole_millis(minimum).max(1);
        let maximum = whole_millis(maximum).max(minimum);
        Self { minimum, maximum, last: minimum }
    }

    pub(crate) fn next(&mut self, random: &mut Random) -> Duration {
        let high = self.last.saturating_mul(3).clamp(self.minimum, self.maximum);
        self.last = random.between(self.minimum, high).min(self.maximum);
        Duration::from_millis(self.last)
    }

    pub(crate) fn reset(&mut self) {
        self.last = self.minimum;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_stay_between_minimum_and_two_minutes_and_grow() {
        let mut random = Random::new(7);
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(120));
        let pauses: alloc::vec::Vec<_> = (0..1000).map(|_| backoff.next(&mut random)).collect();
        assert!(pauses.iter().all(|p| (1..=120).contains(&p.as_secs())));
        assert!(pauses.iter().any(|p| p.as_secs() > 60));
        assert!(pauses.first().is_some_and(|p| p.as_secs() <= 3));
    }

    #[test]
    fn equal_seeds_give_equal_pauses_and_other_seeds_others() {
        let draw = |seed| {
            let (mut random, mut backoff) =
                (Random::new(seed), Backoff::new(Duration::from_secs(1), Duration::from_secs(120)));
            (0..20).map(|_| backoff.next(&mut random)).collect::<alloc::vec::Vec<_>>()
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    #[test]
    fn a_reset_starts_over_from_the_minimum() {
        let mut random = Random::new(3);
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(120));
        for _ in 0..50 {
            backoff.next(&mut random);
        }
        backoff.reset();
        assert!(backoff.next(&mut random) <= Duration::from_secs(3));
    }
}
