//! Outcomes counted, and scores added up.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::conformance::{Outcome, Verdict};

/// How many ended in each way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// Passed.
    pub passed: usize,
    /// Failed.
    pub failed: usize,
    /// Skipped.
    pub skipped: usize,
}

/// The sequences of one bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Bucket {
    /// The sequences, by how they ended.
    pub sequences: Count,
    /// Points.
    pub score: u32,
    /// Points there were to have.
    pub total: u32,
}

/// What came of several sequences.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// The sequences, by how they ended.
    pub sequences: Count,
    /// Their capabilities.
    pub capabilities: Count,
    /// What was held against schemas.
    pub schemas: Count,
    /// Points.
    pub score: u32,
    /// Points there were to have.
    pub total: u32,
    /// The same by bucket.
    pub buckets: BTreeMap<String, Bucket>,
}

impl Count {
    fn add(&mut self, verdict: &Verdict) {
        match verdict {
            Verdict::Pass => self.passed += 1,
            Verdict::Fail(_) => self.failed += 1,
            Verdict::Skip(_) => self.skipped += 1,
        }
    }

    /// All of them.
    #[must_use]
    pub fn all(self) -> usize {
        self.passed + self.failed + self.skipped
    }
}

impl Summary {
    /// Counts some outcomes.
    #[must_use]
    pub fn of<'a>(outcomes: impl IntoIterator<Item = &'a Outcome>) -> Self {
        let mut summary = Self::default();
        outcomes.into_iter().for_each(|outcome| summary.add(outcome));
        summary
    }

    /// Counts one more.
    pub fn add(&mut self, outcome: &Outcome) {
        self.sequences.add(&outcome.verdict);
        outcome.capabilities.iter().for_each(|capability| self.capabilities.add(&capability.verdict));
        outcome.schemas.iter().for_each(|schema| self.schemas.add(&schema.verdict()));
        self.score += outcome.score;
        self.total += outcome.total;
        let bucket = self.buckets.entry(outcome.bucket.clone()).or_default();
        bucket.sequences.add(&outcome.verdict);
        bucket.score += outcome.score;
        bucket.total += outcome.total;
    }
}

/// A line for each bucket that was not skipped altogether, and one for all.
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, bucket) in &self.buckets {
            let Bucket { sequences, score, total } = bucket;
            if sequences.passed + sequences.failed > 0 {
                writeln!(f, "{name}: {sequences}, {score}/{total}")?;
            }
        }
        let Self { sequences, capabilities, schemas, score, total, .. } = self;
        writeln!(f, "sequences: {sequences}, {score}/{total}")?;
        writeln!(f, "capabilities: {capabilities}")?;
        writeln!(f, "schemas: {schemas}")
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { passed, failed, skipped } = self;
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}
