//! Results as lines, in the form of the suite (§9.1).

use std::time::Duration;

use udmi_tests::conformance::{Outcome, Verdict};

use crate::output::{Failure, Output, Role};

/// What has come of it so far.
#[derive(Debug)]
pub(super) struct Tally {
    total: usize,
    several: bool,
    done: usize,
    passed: usize,
    skipped: usize,
    pub(super) failed: usize,
}

impl Tally {
    pub(super) fn new(total: usize, several: bool) -> Self {
        Self { total, several, done: 0, passed: 0, skipped: 0, failed: 0 }
    }

    pub(super) fn begins(&self, device: &str, sequence: &str, output: &Output) {
        let text = format!("{device}: {sequence} ({} of {} done)", self.done, self.total);
        output.remark(output.paint_error(Role::Faint, text));
    }

    pub(super) fn ended(&mut self, outcome: &Outcome, output: &Output) -> Result<(), Failure> {
        self.done += 1;
        match outcome.verdict {
            Verdict::Pass => self.passed += 1,
            Verdict::Skip(_) => self.skipped += 1,
            Verdict::Fail(_) => self.failed += 1,
        }
        if output.json {
            let text = serde_json::to_string(outcome).map_err(Failure::new)?;
            return output.line(text);
        }
        for (role, line) in lines(outcome) {
            let device = if self.several { format!("{} ", outcome.device) } else { String::new() };
            output.line(format!("{device}{}", output.paint(role, line)))?;
        }
        Ok(())
    }

    pub(super) fn finish(&self, took: Duration, output: &Output) {
        let role = if self.failed == 0 { Role::Good } else { Role::Bad };
        let Self { passed, failed, skipped, .. } = self;
        let text = format!("{passed} passed, {failed} failed, {skipped} skipped in {} s", took.as_secs());
        output.remark(output.paint_error(role, text));
    }
}

/// The lines of one outcome: its capabilities, its schemas, then the result.
fn lines(outcome: &Outcome) -> Vec<(Role, String)> {
    let Outcome { bucket, sequence, score, total, .. } = outcome;
    let stage = outcome.stage.as_str().to_uppercase();
    let mut lines = Vec::new();
    for capability in &outcome.capabilities {
        let (word, role, message) = shown(&capability.verdict, "Capability supported");
        let (score, total) = match capability.verdict {
            Verdict::Pass => (1, 1),
            Verdict::Fail(_) => (0, 1),
            Verdict::Skip(_) => (0, 0),
        };
        let name = &capability.name;
        lines.push((
            role,
            format!("CPBLTY {word} {bucket} {sequence}.{name} ALPHA {score}/{total} {message}"),
        ));
    }
    for schema in &outcome.schemas {
        let verdict = match schema.findings.is_empty() {
            true => Verdict::Pass,
            false => Verdict::Fail(schema.findings.join("; ")),
        };
        let (word, role, message) = shown(&verdict, "Schema validation passed");
        lines.push((role, format!("SCHEMA {word} {bucket} {sequence} {stage} {} {message}", schema.name)));
    }
    let (word, role, message) = shown(&outcome.verdict, "Sequence complete");
    lines.push((role, format!("RESULT {word} {bucket} {sequence} {stage} {score}/{total} {message}")));
    lines
}

fn shown<'a>(verdict: &'a Verdict, good: &'a str) -> (&'static str, Role, &'a str) {
    match verdict {
        Verdict::Pass => ("pass", Role::Good, good),
        Verdict::Skip(reason) => ("skip", Role::Faint, reason),
        Verdict::Fail(reason) => ("fail", Role::Bad, reason),
    }
}
