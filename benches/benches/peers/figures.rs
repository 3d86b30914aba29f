//! Medians, spreads and ratios, printed as they come and, all together, as JSON.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

/// One value of one client over all rounds; what `report` shows as a row.
///
/// All rows are printed as `{"tables": {TITLE: [row, …]}}` on one line.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    /// The unit with what it is of, such as `messages/s, 10 points (456 bytes)`.
    pub(crate) what: String,
    /// The median over the rounds, and the least and most.
    pub(crate) measured: String,
    pub(crate) client: String,
    /// The median over the rounds of this client's value by rumqttc's of the same round; none for rumqttc itself and where
    /// it has no part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ratio: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) wanted: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) met: Option<bool>,
}

/// Rows by title.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Figures {
    pub(crate) tables: BTreeMap<String, Vec<Row>>,
}

/// What a value has to be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wanted {
    /// A ratio of at least so much.
    RatioOver(f64),
    /// A ratio of at most so much.
    RatioUnder(f64),
    /// A value of at least so much.
    Over(f64),
    /// A value under so much.
    Under(f64),
}

impl Wanted {
    pub(crate) fn is_met(self, value: f64, ratio: Option<f64>) -> bool {
        match self {
            Self::RatioOver(least) => ratio.is_some_and(|ratio| ratio >= least),
            Self::RatioUnder(most) => ratio.is_some_and(|ratio| ratio <= most),
            Self::Over(least) => value >= least,
            Self::Under(most) => value < most,
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RatioOver(least) => write!(f, "ratio ≥ {least:.1}"),
            Self::RatioUnder(most) => write!(f, "ratio ≤ {most:.1}"),
            Self::Over(least) => write!(f, "≥ {least:.0}"),
            Self::Under(most) => write!(f, "< {most:.0}"),
        }
    }
}

/// The median of the rounds with its spread.
pub(crate) fn measured(values: &[f64]) -> String {
    let (middle, (low, high)) = (median(values), spread(values));
    let digits = usize::from(middle < 100.0);
    format!("{middle:.digits$} ({low:.digits$} – {high:.digits$})")
}

/// The middle one; zero of none.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// The value that so many of a hundred are not over, of sorted values.
pub(crate) fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let at = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(at).copied().unwrap_or(0.0)
}

/// Least and most.
fn spread(values: &[f64]) -> (f64, f64) {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    (low, values.iter().copied().fold(0.0, f64::max))
}

/// The median over the rounds of one value by the other of the same round.
pub(crate) fn ratio(values: &[f64], reference: &[f64]) -> f64 {
    let ratios: Vec<_> = values.iter().zip(reference).map(|(value, reference)| value / reference).collect();
    median(&ratios)
}
