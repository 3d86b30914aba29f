//! The two clocks of a driver.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use device_link::{Instant, Now, UtcMillis};

/// Wall time that the monotonic clock missed counts as suspend from here on; less is the wall clock being
/// trimmed.
const LEAST_SUSPEND: Duration = Duration::from_secs(2);

/// Shows both clocks; the monotonic one starts at zero and goes on while the host is suspended.
#[derive(Debug)]
pub struct Clock {
    source: fn() -> Reading,
    birth: Reading,
    elapsed: Duration,
    slept: Duration,
}

/// What the host's clocks show.
#[derive(Clone, Copy, Debug)]
struct Reading {
    monotonic: Duration,
    /// Whether `monotonic` goes on while the host is suspended.
    counts_suspend: bool,
    /// Since the Unix epoch.
    wall: Duration,
}

impl Clock {
    /// A clock that starts now.
    #[must_use]
    pub fn start() -> Self {
        Self::of(read)
    }

    fn of(source: fn() -> Reading) -> Self {
        Self { source, birth: source(), elapsed: Duration::ZERO, slept: Duration::ZERO }
    }

    /// What time it is.
    pub fn now(&mut self) -> Now {
        self.show((self.source)())
    }

    /// How long from now to `at`.
    pub fn until(&mut self, at: Instant) -> Duration {
        self.now();
        Duration::from_millis(at.0).saturating_sub(self.elapsed)
    }

    fn show(&mut self, reading: Reading) -> Now {
        self.slept = slept(&self.birth, self.slept, &reading);
        self.elapsed = reading.monotonic.saturating_sub(self.birth.monotonic) + self.slept;
        let at = u64::try_from(self.elapsed.as_millis()).unwrap_or(u64::MAX);
        let utc = i64::try_from(reading.wall.as_millis()).unwrap_or(i64::MAX);
        Now { at: Instant(at), utc: UtcMillis(utc) }
    }
}

/// How long the host was suspended since birth, given how long it was by the last reading.
///
/// Where the monotonic clock stops during suspend, the wall clock's time since birth is the measure: what it is
/// ahead counts. A step back leaves it behind, which counts for nothing, and so does the step that mends it.
fn slept(birth: &Reading, slept: Duration, reading: &Reading) -> Duration {
    if reading.counts_suspend {
        return Duration::ZERO;
    }
    let known = reading.monotonic.saturating_sub(birth.monotonic) + slept;
    let missed = reading.wall.saturating_sub(birth.wall).saturating_sub(known);
    if missed >= LEAST_SUSPEND { slept + missed } else { slept }
}

fn read() -> Reading {
    let (monotonic, counts_suspend) = monotonic();
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Reading { monotonic, counts_suspend, wall }
}

/// Linux has a clock that counts suspend and knows nothing of the wall clock's steps: nothing to infer.
#[cfg(target_os = "linux")]
fn monotonic() -> (Duration, bool) {
    let shown = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    (Duration::try_from(shown).unwrap_or_default(), true)
}

#[cfg(not(target_os = "linux"))]
fn monotonic() -> (Duration, bool) {
    static ZERO: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    (ZERO.get_or_init(std::time::Instant::now).elapsed(), false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(monotonic: u64, wall: u64) -> Reading {
        let seconds = Duration::from_secs;
        Reading { monotonic: seconds(monotonic), counts_suspend: false, wall: seconds(wall) }
    }

    fn shown(readings: &[Reading]) -> Vec<u64> {
        let birth = at(100, 1_000_000);
        let mut clock = Clock { source: read, birth, elapsed: Duration::ZERO, slept: Duration::ZERO };
        readings.iter().map(|&reading| clock.show(reading).at.0 / 1000).collect()
    }

    #[test]
    fn suspended_time_is_added_once() {
        let readings = [at(110, 1_000_010), at(111, 1_003_611), at(112, 1_003_612), at(113, 1_010_000)];
        assert_eq!(shown(&readings), [10, 3611, 3612, 10_000]);
    }

    #[test]
    fn a_wall_clock_set_back_and_mended_changes_nothing() {
        let readings = [at(110, 996_410), at(120, 996_420), at(130, 1_000_030)];
        assert_eq!(shown(&readings), [10, 20, 30]);
    }

    #[test]
    fn a_trimmed_wall_clock_changes_nothing() {
        assert_eq!(shown(&[at(110, 1_000_011), at(111, 1_000_010)]), [10, 11]);
    }

    #[test]
    fn a_clock_that_counts_suspend_ignores_every_step_of_the_wall_clock() {
        let birth = at(100, 0);
        let stepped = Reading { counts_suspend: true, ..at(160, 1_700_000_000) };
        assert_eq!(slept(&birth, Duration::ZERO, &stepped), Duration::ZERO);
    }

    #[test]
    fn the_time_to_a_deadline_in_the_past_is_zero() {
        let mut clock = Clock::start();
        assert_eq!(clock.until(Instant(0)), Duration::ZERO);
        assert!(clock.until(Instant(60_000)) > Duration::from_secs(50));
    }
}
