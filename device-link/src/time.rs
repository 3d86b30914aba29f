//! The two clocks: a monotonic one for intervals, a wall clock for messages and schedules.

use core::fmt;
use core::ops::Add;
use core::time::Duration;

use serde::{Deserialize, Serialize};

/// Milliseconds on the driver's monotonic clock. The zero point is the driver's choice.
///
/// ```
/// use core::time::Duration;
/// use device_link::Instant;
/// assert_eq!(Instant(5) + Duration::from_secs(1), Instant(1005));
/// assert_eq!(Instant(1005).since(Instant(5)), Duration::from_secs(1));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Instant(pub u64);

impl Instant {
    /// The time from `earlier` to `self`, zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    // Called from everywhere: not copied there.
    #[inline(never)]
    fn add(self, delay: Duration) -> Self {
        Self(self.0.saturating_add(whole_millis(delay)))
    }
}

/// Milliseconds since the Unix epoch, as the driver believes them to be. May step either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UtcMillis(pub i64);

impl UtcMillis {
    /// The same moment with the fraction of the second cut off.
    #[must_use]
    pub fn whole_second(self) -> Self {
        Self(self.0.saturating_sub(self.0.rem_euclid(1000)))
    }
}

impl Add<Duration> for UtcMillis {
    type Output = Self;

    fn add(self, delay: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(delay.as_millis()).unwrap_or(i64::MAX)))
    }
}

/// What time it is, on both clocks, for one call into the core.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Now {
    /// The monotonic clock. Intervals and timeouts are measured with it, and nothing else.
    pub at: Instant,
    /// The wall clock. Message timestamps and schedules use it, and nothing else.
    pub utc: UtcMillis,
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}ms", self.0)
    }
}

pub(crate) fn whole_millis(duration: Duration) -> u64 {
    duration.as_secs().saturating_mul(1000).saturating_add(u64::from(duration.subsec_millis()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_instead_of_wrapping() {
        assert_eq!(Instant(u64::MAX - 1) + Duration::from_secs(1), Instant(u64::MAX));
        assert_eq!(Instant(3).since(Instant(9)), Duration::ZERO);
        assert_eq!(UtcMillis(i64::MAX) + Duration::from_secs(1), UtcMillis(i64::MAX));
    }

    #[test]
    fn whole_seconds_round_down_before_the_epoch_too() {
        assert_eq!(UtcMillis(1999).whole_second(), UtcMillis(1000));
        assert_eq!(UtcMillis(-1).whole_second(), UtcMillis(-1000));
    }
}
