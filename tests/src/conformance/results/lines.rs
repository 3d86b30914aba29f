//! Outcomes as lines, in the form of the suite (§9.1).

use std::fmt;

use super::one_line;
use crate::conformance::{Outcome, Verdict};

/// What a line tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The sequence.
    Result,
    /// Something the device need not do.
    Capability,
    /// Messages of one kind, held against their schema.
    Schema,
}

/// A line; it shows itself as the suite writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What it tells of.
    pub kind: Kind,
    /// How that ended.
    pub verdict: Verdict,
    /// From the bucket to the score or the name of the schema.
    middle: String,
}

/// The lines of one outcome: its capabilities, its schemas, then the result. Each is one line whatever the device has
/// sent.
#[must_use]
pub fn lines(outcome: &Outcome) -> Vec<Line> {
    let Outcome { bucket, sequence, score, total, .. } = outcome;
    let stage = outcome.stage.as_str().to_uppercase();
    let mut lines = Vec::new();
    for capability in &outcome.capabilities {
        let worth = match (&outcome.verdict, &capability.verdict) {
            (_, Verdict::Skip(_)) => "0/0",
            (Verdict::Pass, Verdict::Pass) => "1/1",
            // Capabilities count only if the sequence has passed (§9.2).
            (_, Verdict::Pass | Verdict::Fail(_)) => "0/1",
        };
        let middle = format!("{bucket} {sequence}.{} ALPHA {worth}", capability.name);
        lines.push(Line { kind: Kind::Capability, verdict: capability.verdict.clone(), middle });
    }
    for schema in &outcome.schemas {
        let middle = format!("{bucket} {sequence} {stage} {}", schema.name);
        lines.push(Line { kind: Kind::Schema, verdict: schema.verdict(), middle });
    }
    let middle = format!("{bucket} {sequence} {stage} {score}/{total}");
    lines.push(Line { kind: Kind::Result, verdict: outcome.verdict.clone(), middle });
    lines
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, good) = match self.kind {
            Kind::Result => ("RESULT", "Sequence complete"),
            Kind::Capability => ("CPBLTY", "Capability supported"),
            Kind::Schema => ("SCHEMA", "Schema validation passed"),
        };
        let (word, message) = match &self.verdict {
            Verdict::Pass => ("pass", good),
            Verdict::Skip(reason) => ("skip", reason.as_str()),
            Verdict::Fail(reason) => ("fail", reason.as_str()),
        };
        write!(f, "{kind} {word} {} ", self.middle)?;
        f.write_str(&one_line(message))
    }
}
