//! Figures beside their targets.

use std::time::Duration;

use serde_json::{Value, json};

/// What was measured so far.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Value>,
    json: bool,
    /// What must never happen, and did.
    pub(crate) failures: Vec<String>,
}

impl Table {
    /// One whose rows are shown as they come: on standard output, or beside it where JSON goes there at the end.
    pub(crate) fn new(json: bool) -> Self {
        Self { rows: Vec::new(), json, failures: Vec::new() }
    }

    /// Adds a row and shows it: what, its figures, its target, and whether it is met where that is a matter of numbers.
    pub(crate) fn row(&mut self, what: &str, figures: String, target: &str, met: bool) {
        if self.rows.is_empty() {
            self.show("| what | measured | target | |\n|---|---|---|---|");
        }
        let verdict = if met { "met" } else { "missed" };
        self.show(&format!("| {what} | {figures} | {target} | {verdict} |"));
        let measured = Value::String(figures);
        self.rows.push(json!({ "what": what, "measured": measured, "wanted": target, "met": met }));
    }

    fn show(&self, line: &str) {
        if self.json {
            eprintln!("{line}");
        } else {
            println!("{line}");
        }
    }

    /// All rows, and what must not have happened.
    pub(crate) fn to_json(&self) -> Value {
        json!({ "rows": self.rows, "failures": self.failures })
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
    fn rows_and_failures_are_told_as_json() {
        let mut table = Table::new(true);
        table.row("size", "2 MB".into(), "< 1 MB", false);
        table.failures.push("a loss".into());
        let row = json!({ "what": "size", "measured": "2 MB", "wanted": "< 1 MB", "met": false });
        assert_eq!(table.to_json(), json!({ "rows": [row], "failures": ["a loss"] }));
    }

    #[test]
    fn percentiles_are_values_of_the_sample() {
        let sample = Sample::new((1..=200).rev().map(Duration::from_millis).collect());
        let shown = [50, 99, 100].map(|percent| sample.percentile(percent).as_millis());
        assert_eq!((shown, Sample::new(Vec::new()).maximum()), ([100, 198, 200], Duration::ZERO));
    }
}
