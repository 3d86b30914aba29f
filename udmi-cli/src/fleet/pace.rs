//! How connections are spread over time.

use std::time::Duration;

/// Devices begin at a steady rate. What a busy machine could not begin in time is not made up for by a burst.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Between two beginnings.
    step: Duration,
    /// When the next is due, since any fixed moment.
    next: Duration,
}

/// What is late by more than this is put off with all that follows.
const LATE_MAX: Duration = Duration::from_millis(20);

impl Pace {
    /// So many a second, the first at `first`.
    pub(super) fn new(per_second: f64, first: Duration) -> Self {
        Self { step: Duration::from_secs_f64(1.0 / per_second), next: first }
    }

    /// Begins one, or says how long to wait.
    pub(super) fn begin(&mut self, now: Duration) -> Result<(), Duration> {
        match self.next.checked_sub(now) {
            Some(early) if !early.is_zero() => Err(early),
            Some(_) | None => {
                self.next = self.next.max(now.saturating_sub(LATE_MAX)) + self.step;
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLI: Duration = Duration::from_millis(1);

    fn begun(pace: &mut Pace, now: Duration) -> usize {
        std::iter::from_fn(|| pace.begin(now).ok()).count()
    }

    #[test]
    fn a_thousand_a_second_is_one_in_a_millisecond() {
        let mut pace = Pace::new(1000.0, Duration::ZERO);
        assert!((0..500).all(|milli| begun(&mut pace, MILLI * milli) == 1));
        assert_eq!(pace.begin(MILLI * 499), Err(MILLI));
    }

    #[test]
    fn slow_beginnings_wait_for_their_time() {
        let mut pace = Pace::new(0.5, Duration::ZERO);
        assert_eq!(begun(&mut pace, Duration::ZERO), 1);
        assert_eq!(pace.begin(MILLI * 500), Err(MILLI * 1500));
    }

    #[test]
    fn a_stall_is_followed_by_no_burst() {
        let mut pace = Pace::new(1000.0, Duration::ZERO);
        begun(&mut pace, Duration::ZERO);
        assert_eq!(begun(&mut pace, MILLI * 5000), 21);
        assert_eq!(begun(&mut pace, MILLI * 5001), 1);
    }
}
