//! Results while they come: on standard output, and in a folder if one is wanted.

use std::time::Duration;

use udmi_tests::conformance::results::{Folder, Summary, lines};
use udmi_tests::conformance::{Outcome, Verdict};

use crate::output::{Failure, Output, Role};

/// What has come of it so far.
#[derive(Debug)]
pub(super) struct Tally {
    total: usize,
    several: bool,
    summary: Summary,
    folder: Option<Folder>,
}

impl Tally {
    pub(super) fn new(total: usize, several: bool, folder: Option<Folder>) -> Self {
        Self { total, several, summary: Summary::default(), folder }
    }

    /// How many have failed so far.
    pub(super) fn failed(&self) -> usize {
        self.summary.sequences.failed
    }

    pub(super) fn begins(&self, device: &str, sequence: &str, output: &Output) {
        let text = format!("{device}: {sequence} ({} of {} done)", self.summary.sequences.all(), self.total);
        output.remark(output.paint_error(Role::Faint, text));
    }

    pub(super) fn ended(&mut self, outcome: &Outcome, output: &Output) -> Result<(), Failure> {
        self.summary.add(outcome);
        if let Some(folder) = &mut self.folder {
            folder.add(outcome).map_err(Failure::new)?;
        }
        if output.json {
            let text = serde_json::to_string(outcome).map_err(Failure::new)?;
            return output.line(text);
        }
        for line in lines(outcome) {
            let device = if self.several { format!("{} ", outcome.device) } else { String::new() };
            output.line(format!("{device}{}", output.paint(role(&line.verdict), line)))?;
        }
        Ok(())
    }

    pub(super) fn finish(self, took: Duration, output: &Output) -> Result<(), Failure> {
        let role = if self.failed() == 0 { Role::Good } else { Role::Bad };
        let Summary { sequences, score, total, .. } = &self.summary;
        let text = format!("{sequences} in {} s, {score} of {total} points", took.as_secs());
        output.remark(output.paint_error(role, text));
        self.folder.map_or(Ok(()), Folder::finish).map_err(Failure::new)
    }
}

fn role(verdict: &Verdict) -> Role {
    match verdict {
        Verdict::Pass => Role::Good,
        Verdict::Skip(_) => Role::Faint,
        Verdict::Fail(_) => Role::Bad,
    }
}
