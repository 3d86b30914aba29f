//! `udmi replay`: a recorded run once more, compared action by action.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use device_link::trace::{Count, Difference, Header, replay};
use serde_json::json;
use udmi_proto::{Settings, Udmi};

use crate::cloud::Seconds;
use crate::output::{FINDING, Failure, Output, Role};
use crate::trace::{malformed, read};

const AFTER_HELP: &str = "\
Examples:
  udmi device --site site --device AHU-1 --trace run.ndjson
  udmi replay run.ndjson

A trace says what the device was made from, all that happened to it and all that it did. The same events
must make it do the same again, bit for bit.

Exit codes: 0 nothing differs, 1 something differs, 2 the file cannot be read or is no trace.";

/// Run a recorded run again and compare
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    /// A trace, as `udmi device --trace FILE` writes it
    file: PathBuf,
}

/// Replays a trace.
pub(crate) fn run(arguments: Arguments, output: &Output) -> Result<ExitCode, Failure> {
    let Arguments { file } = arguments;
    let trace = read(&file)?;
    let refused = |difference: Difference| malformed(&file, &difference);
    let mut lines = trace.lines();
    let header = Header::<Settings>::read(lines.next().unwrap_or_default()).map_err(refused)?;
    check_lines(lines.clone()).map_err(refused)?;
    let device = Udmi::new(header.setup).map_err(Failure::usage)?;
    let started = Instant::now();
    match replay(header.boot, device, lines) {
        Ok(count) => same(output, count, started.elapsed()).map(|()| ExitCode::SUCCESS),
        Err(difference) => other(output, &difference).map(|()| ExitCode::from(FINDING)),
    }
}

/// Tells a broken file from a device that does otherwise.
fn check_lines<'a>(lines: impl Iterator<Item = &'a str>) -> Result<(), Difference> {
    let mut last = 1;
    for (number, line) in (2..).zip(lines) {
        let _: device_link::trace::LineOf<Udmi> = device_link::trace::read_line(number, line)?;
        last = number;
    }
    if last == 1 {
        let (expected, seen) =
            ("the construction of the device".to_owned(), "the end of the file".to_owned());
        return Err(Difference { line: 2, expected, seen });
    }
    Ok(())
}

fn same(output: &Output, count: Count, time: Duration) -> Result<(), Failure> {
    let Count { lines, actions } = count;
    let events = lines.saturating_sub(1);
    if output.json {
        return output.line(json!({ "same": true, "events": events, "actions": actions,
            "micros": u64::try_from(time.as_micros()).unwrap_or(u64::MAX) }));
    }
    let verdict = output.paint(Role::Good, "nothing differs");
    output.line(format!("{verdict}: {events} events, {actions} actions, in {}", Seconds(time)))
}

fn other(output: &Output, difference: &Difference) -> Result<(), Failure> {
    let Difference { line, expected, seen } = difference;
    if output.json {
        return output.line(json!({ "same": false, "line": line, "expected": expected, "seen": seen }));
    }
    output.line(output.paint(Role::Bad, format!("line {line} differs")))?;
    let same = expected.chars().zip(seen.chars()).take_while(|(one, other)| one == other).count();
    output.line(format!("  expected {}", around(expected, same)))?;
    output.line(format!("  seen     {}", around(seen, same)))
}

/// How much is shown before and behind the place where two lines part, in characters.
const BEFORE: usize = 40;
const BEHIND: usize = 160;

fn around(text: &str, place: usize) -> String {
    let from = place.saturating_sub(BEFORE);
    let mark = if from > 0 { "…" } else { "" };
    let part: String = text.chars().skip(from).take(BEFORE + BEHIND).collect();
    let end = if text.chars().count() > from + BEFORE + BEHIND { "…" } else { "" };
    format!("{mark}{part}{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_shown_where_they_part() {
        let text = "x".repeat(1000);
        let shown = around(&text, 500);
        assert_eq!(shown.chars().count(), BEFORE + BEHIND + 2);
        assert_eq!(around("short", 3), "short");
    }
}
