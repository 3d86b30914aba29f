//! `udmi demo`: a broker, a device and the cloud's part in one window, each step observed.

mod bench;
mod gateway;
mod orders;
mod process;
mod steps;
mod table;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::output::{FINDING, Failure, Output, Role};
use bench::Bench;
use steps::{STEPS, Step};

const AFTER_HELP: &str = "\
It starts a broker on a free port of this machine and the air handler AHU-1 of the sample site, both as
processes of their own, and plays the cloud itself. A gateway with two meters comes and goes as well. It takes about
30 seconds and leaves nothing behind.

Exit codes: 0 every step was observed, 1 one was not (it says which), 2 wrong usage.";

/// See a broker, a device and a cloud at work
#[derive(Clone, Copy, Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    /// Seconds that the live telemetry is shown
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
}

/// Runs all steps in order; the first that is not observed ends it.
pub(crate) fn run(arguments: Arguments, output: &Output) -> Result<ExitCode, Failure> {
    let began = Instant::now();
    let mut bench = Bench::new(output, Duration::from_secs(arguments.seconds)).map_err(Failure::new)?;
    for (done, step) in STEPS.iter().enumerate() {
        let since = Instant::now();
        begun(step, output)?;
        match (step.observe)(&mut bench) {
            Ok(seen) => observed(step, &seen, since.elapsed(), output)?,
            Err(missing) => {
                not_observed(step, &missing, output)?;
                let untried: Vec<&str> = STEPS.iter().skip(done + 1).map(|step| step.name).collect();
                summary(done, &untried, began.elapsed(), output)?;
                return Ok(ExitCode::from(FINDING));
            }
        }
    }
    summary(STEPS.len(), &[], began.elapsed(), output)?;
    Ok(ExitCode::SUCCESS)
}

/// On a terminal, says what is waited for; what was seen takes its place.
fn begun(step: &Step, output: &Output) -> Result<(), Failure> {
    if live(output) { output.raw(output.paint(Role::Faint, format!("… {}", step.name))) } else { Ok(()) }
}

/// Goes over what [`begun`] printed.
fn over(output: &Output) -> &'static str {
    if live(output) { "\r\u{1b}[2K" } else { "" }
}

/// Whether lines can be rewritten for a reader.
fn live(output: &Output) -> bool {
    output.terminal && !output.json && !output.quiet
}

fn observed(step: &Step, seen: &str, took: Duration, output: &Output) -> Result<(), Failure> {
    if output.json {
        let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        return output
            .line(json!({ "step": step.name, "observed": true, "detail": seen, "ms": milliseconds }));
    }
    let (mark, name) = (output.paint(Role::Good, "✔"), output.paint(Role::Strong, step.name));
    output.line(format!("{}{mark} {name}: {seen}", over(output)))
}

fn not_observed(step: &Step, missing: &str, output: &Output) -> Result<(), Failure> {
    if output.json {
        return output.line(json!({ "step": step.name, "observed": false, "detail": missing }));
    }
    let (mark, name) = (output.paint(Role::Bad, "✘"), output.paint(Role::Strong, step.name));
    output.line(format!("{}{mark} {name}: not observed: {missing}", over(output)))
}

fn summary(done: usize, untried: &[&str], took: Duration, output: &Output) -> Result<(), Failure> {
    let (all, seconds) = (STEPS.len(), (took.as_secs_f64() * 10.0).round() / 10.0);
    if output.json {
        return output
            .line(json!({ "steps": all, "observed": done, "untried": untried, "seconds": seconds }));
    }
    output.line("")?;
    if done == all {
        output.line(output.paint(Role::Good, format!("All {all} steps were observed, in {seconds} s.")))?;
        return output.line("Now with a site of your own: udmi init site");
    }
    output.line(output.paint(Role::Bad, format!("{done} of {all} steps were observed, in {seconds} s.")))?;
    if untried.is_empty() { Ok(()) } else { output.line(format!("Not tried: {}.", untried.join(", "))) }
}
