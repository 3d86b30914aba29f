//! The transcript of one sequence: what was done, sent and received, in order, and where it failed.

use std::fmt::{self, Write as _};

use super::{lines, one_line, seconds, timestamp};
use crate::conformance::{Outcome, Said, Taken, Verdict};

/// The transcript, as text for people.
#[must_use]
pub fn transcript(outcome: &Outcome) -> String {
    let mut text = String::new();
    write(outcome, &mut text).expect("a text takes what is written to it");
    text
}

fn write(outcome: &Outcome, text: &mut String) -> fmt::Result {
    let Outcome { device, sequence, about, began, took_ms, .. } = outcome;
    writeln!(text, "{device}: {sequence}")?;
    writeln!(text, "{about}")?;
    writeln!(text, "began {}, took {} s", timestamp(*began), seconds(*took_ms))?;
    for line in lines(outcome) {
        writeln!(text, "{line}")?;
    }
    failure(outcome, text)?;
    writeln!(text)?;
    let mut messages = outcome.messages.iter().peekable();
    for step in &outcome.steps {
        while let Some(said) = messages.next_if(|said| said.at_ms < step.began_ms) {
            message(said, text)?;
        }
        writeln!(text, "{:>9} step {}: {}", seconds(step.began_ms), step.number, step.text)?;
        let ends = step.began_ms + step.took_ms;
        while let Some(said) = messages.next_if(|said| said.at_ms <= ends) {
            message(said, text)?;
        }
        let (ended, number) = (seconds(ends), step.number);
        match &step.verdict {
            Verdict::Pass => writeln!(text, "{ended:>9} step {number} done")?,
            Verdict::Skip(reason) => writeln!(text, "{ended:>9} step {number} SKIPS: {}", one_line(reason))?,
            Verdict::Fail(reason) => writeln!(text, "{ended:>9} step {number} FAILS: {}", one_line(reason))?,
        }
    }
    messages.try_for_each(|said| message(said, text))
}

/// The step that failed, with what was expected of it and what was seen.
fn failure(outcome: &Outcome, text: &mut String) -> fmt::Result {
    let Verdict::Fail(reason) = &outcome.verdict else { return Ok(()) };
    let Some(Taken { number, text: step, verdict, .. }) = outcome.steps.last() else { return Ok(()) };
    let seen = match verdict {
        Verdict::Fail(seen) => seen,
        Verdict::Pass | Verdict::Skip(_) => reason,
    };
    writeln!(text)?;
    writeln!(text, "failed at step {number}")?;
    writeln!(text, "expected: {step}")?;
    writeln!(text, "seen: {}", one_line(seen))
}

fn message(said: &Said, text: &mut String) -> fmt::Result {
    let Said { at_ms, sent, prefix, topic, payload, findings } = said;
    let way = if *sent { "->" } else { "<-" };
    writeln!(text, "{:>9} {way} {prefix}/{topic} {payload}", seconds(*at_ms))?;
    findings.iter().try_for_each(|finding| writeln!(text, "{:>9} !! {finding}", ""))
}
