//! What goes wrong in a fleet on purpose: seldom or often, within bounds, and alike with equal seeds.

use std::time::Duration;

/// Shortest time between losses that can be wanted, in seconds.
const SECONDS_MIN: f64 = 1.0;
/// Longest, in seconds: a day.
const SECONDS_MAX: f64 = 86_400.0;

/// How a slow device's answers are late, in milliseconds: from this on, and under that. Some miss the core's five
/// seconds for a reading.
pub(super) const SLOW_MS: std::ops::Range<u64> = 500..6500;

/// What goes wrong; nothing by default.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Faults {
    /// Between two losses of a device's connection, on average.
    pub(super) drop: Option<Duration>,
    /// Between two moments at which all devices lose their connection.
    pub(super) storm: Option<Duration>,
    /// Between two power failures of a device, on average.
    pub(super) cut: Option<Duration>,
    /// The share of readings that are late.
    pub(super) slow: f64,
    /// The share of values that cannot be read, or are none that the point takes.
    pub(super) bad: f64,
}

impl Faults {
    /// Whether devices lose their connections.
    pub(super) fn lose_connections(&self) -> bool {
        self.drop.or(self.storm).is_some()
    }

    /// Whether devices are cut off, by whatever fault.
    pub(super) fn interrupt(&self) -> bool {
        self.drop.or(self.storm).or(self.cut).is_some()
    }

    /// Reads `drop=60,storm=300,cut=600,slow=0.01,bad=0.05`.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let mut faults = Self::default();
        for fault in text.split(',') {
            let expected = || {
                format!(
                    "'{fault}': expected drop, storm or cut with seconds, or slow or bad with a share of 1"
                )
            };
            let (name, value) = fault.split_once('=').ok_or_else(expected)?;
            let value: f64 = value.parse().map_err(|_| expected())?;
            let seconds = || match value {
                value if (SECONDS_MIN..=SECONDS_MAX).contains(&value) => {
                    Ok(Some(Duration::from_secs_f64(value)))
                }
                _ => Err(format!("'{fault}': expected {SECONDS_MIN} to {SECONDS_MAX} seconds")),
            };
            let share = || match value {
                value if (0.0..=1.0).contains(&value) => Ok(value),
                _ => Err(format!("'{fault}': expected a share from 0 to 1")),
            };
            match name {
                "drop" => faults.drop = seconds()?,
                "storm" => faults.storm = seconds()?,
                "cut" => faults.cut = seconds()?,
                "slow" => faults.slow = share()?,
                "bad" => faults.bad = share()?,
                _ => return Err(expected()),
            }
        }
        Ok(faults)
    }
}

/// How many of so many devices a fault strikes in a time, if it strikes each once in `every` on average. What is left
/// of one is for the next time.
pub(super) fn struck(devices: usize, passed: Duration, every: Duration, rest: &mut f64) -> usize {
    *rest += devices as f64 * passed.as_secs_f64() / every.as_secs_f64();
    let whole = rest.floor().min(devices as f64);
    *rest -= whole;
    whole as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_by_name() {
        let faults = Faults::read("drop=60,storm=300,cut=600,slow=0.01,bad=1").unwrap();
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!((faults.drop, faults.storm, faults.cut), (seconds(60), seconds(300), seconds(600)));
        assert_eq!((faults.slow, faults.bad), (0.01, 1.0));
        for bad in ["", "drop", "drop=0", "drop=x", "slow=2", "storm=90000", "other=1", "bad=NaN", "drop=inf"]
        {
            assert!(Faults::read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn each_device_is_struck_once_in_its_time_on_average() {
        let (mut rest, minute) = (0.0, Duration::from_secs(60));
        let in_a_minute = |devices, rest: &mut f64| -> usize {
            (0..60).map(|_| struck(devices, Duration::from_secs(1), minute, rest)).sum()
        };
        assert!((6..=7).contains(&in_a_minute(7, &mut rest)));
        assert!((999..=1001).contains(&in_a_minute(1000, &mut rest)));
        assert_eq!(struck(5, Duration::from_secs(3600), minute, &mut 0.0), 5, "none is struck twice at once");
    }
}
