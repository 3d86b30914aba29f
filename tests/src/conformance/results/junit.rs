//! Outcomes as JUnit XML, in the dialect that most readers have in common.

use std::fmt::{self, Write as _};

use super::{Summary, lines, seconds, timestamp};
use crate::conformance::{Outcome, Verdict};

/// The document: a suite for each device, in order of appearance, and a case for each sequence.
#[must_use]
pub fn junit(outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    document(outcomes, &mut text).expect("a text takes what is written to it");
    text
}

fn document(outcomes: &[Outcome], text: &mut String) -> fmt::Result {
    let mut devices: Vec<&str> = Vec::new();
    for outcome in outcomes {
        if !devices.contains(&outcome.device.as_str()) {
            devices.push(&outcome.device);
        }
    }
    writeln!(text, r#"<?xml version="1.0" encoding="UTF-8"?>"#)?;
    writeln!(text, r#"<testsuites name="udmi conform"{}>"#, counts(outcomes))?;
    for device in devices {
        suite(device, &outcomes.iter().filter(|outcome| outcome.device == device).collect::<Vec<_>>(), text)?;
    }
    writeln!(text, "</testsuites>")
}

fn counts<'a>(outcomes: impl IntoIterator<Item = &'a Outcome> + Clone) -> String {
    let count = Summary::of(outcomes.clone()).sequences;
    let took = outcomes.into_iter().map(|outcome| outcome.took_ms).sum();
    let (tests, failed, skipped, took) = (count.all(), count.failed, count.skipped, seconds(took));
    format!(r#" tests="{tests}" failures="{failed}" errors="0" skipped="{skipped}" time="{took}""#)
}

fn suite(device: &str, outcomes: &[&Outcome], text: &mut String) -> fmt::Result {
    let began = outcomes.iter().map(|outcome| outcome.began).min().map(timestamp).unwrap_or_default();
    let began = began.trim_end_matches('Z'); // the dialect has no zones
    let counts = counts(outcomes.iter().copied());
    writeln!(text, r#"  <testsuite name="{}"{counts} timestamp="{began}">"#, escaped(device))?;
    for outcome in outcomes {
        case(outcome, text)?;
    }
    writeln!(text, "  </testsuite>")
}

fn case(outcome: &Outcome, text: &mut String) -> fmt::Result {
    let class = escaped(&format!("{}.{}", outcome.device, outcome.bucket));
    let (name, took) = (escaped(&outcome.sequence), seconds(outcome.took_ms));
    writeln!(text, r#"    <testcase classname="{class}" name="{name}" time="{took}">"#)?;
    match &outcome.verdict {
        Verdict::Pass => {}
        Verdict::Skip(reason) => writeln!(text, r#"      <skipped message="{}"/>"#, escaped(reason))?,
        Verdict::Fail(reason) => {
            let step = outcome.steps.last().map(|step| step.text.as_str()).unwrap_or_default();
            let (reason, step) = (escaped(reason), escaped(step));
            writeln!(text, r#"      <failure type="failure" message="{reason}">{step}</failure>"#)?;
        }
    }
    writeln!(text, "      <system-out>")?;
    for line in lines(outcome) {
        writeln!(text, "{}", escaped(&line.to_string()))?;
    }
    writeln!(text, "</system-out>")?;
    writeln!(text, "    </testcase>")
}

/// A text as it may stand in an element or an attribute. What XML has no way to write is replaced.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for each in text.chars() {
        match each {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            '\t' => escaped.push_str("&#9;"),
            '\n' => escaped.push_str("&#10;"),
            '\r' => escaped.push_str("&#13;"),
            '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn no_text_ends_where_it_stands() {
        assert_eq!(escaped("<a b=\"c\" d='e'>&"), "&lt;a b=&quot;c&quot; d=&apos;e&apos;&gt;&amp;");
        assert_eq!(escaped("]]>\n\r\t"), "]]&gt;&#10;&#13;&#9;");
        assert_eq!(escaped("\u{0}\u{1b}[1m\u{ffff}"), "\u{fffd}\u{fffd}[1m\u{fffd}");
        assert_eq!(escaped("20 °C"), "20 °C");
    }
}
