//! Figures beside their targets.

use std::fmt;
use std::time::Duration;

/// What was measured so far.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<[String; 4]>,
    /// What must never happen, and did.
    pub(crate) failures: Vec<String>,
}

impl Table {
    /// Adds a row: what, its figures, its target, and whether it is met where that is a matter of numbers.
    pub(crate) fn row(&mut self, what: &str, figures: String, target: &str, met: bool) {
        let verdict = if met { "met" } else { "missed" };
        self.rows.push([what.to_owned(), figures, target.to_owned(), verdict.to_owned()]);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| what | measured | target | |\n|---|---|---|---|")?;
        self.rows.iter().try_for_each(|row| writeln!(f, "| {} |", row.join(" | ")))
    }
}

/// Durations, sorted.
#[derive(Debug)]
pub(crate) struct Sample(Vec<Duration>);

impl Sample {
    pub(crate) fn new(mut values: Vec<Duration>) -> Self {
        values.sort();
        Self(values)
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The value that so many percent are not above; zero for an empty sample.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0.get(rank - 1).copied().unwrap_or_default()
    }

    pub(crate) fn maximum(&self) -> Duration {
        self.percentile(100)
    }
}

/// Milliseconds, for people.
pub(crate) fn millis(duration: Duration) -> String {
    format!("{:.2} ms", duration.as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_of_the_sample() {
        let sample = Sample::new((1..=200).rev().map(Duration::from_millis).collect());
        let shown = [50, 99, 100].map(|percent| sample.percentile(percent).as_millis());
        assert_eq!((shown, Sample::new(Vec::new()).maximum()), ([100, 198, 200], Duration::ZERO));
    }
}
