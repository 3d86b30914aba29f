//! `udmi sim`: lives of simulated devices, drawn from seeds.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use udmi_host::files::Access;
use udmi_tests::sim::delays::{Answers, ROUND_TRIPS_MS, delayed};
use udmi_tests::sim::{Campaign, Outcome, Plan, Shape, Summary, Violation, Way, run as run_plan, shrunk};
use udmi_tests::world::Defect;

use crate::output::{FINDING, Failure, Output, Role};
use crate::text;

const AFTER_HELP: &str = "\
Examples:
  udmi sim                                  one seed, and the figures of its run
  udmi sim --seed 7 --transcript -          what happens in it, step by step
  udmi sim --runs 1000 --gateway            a thousand seeds, from 1 on, of gateways
  udmi sim --runs 1000 --defect panic       whether a device with a defect is found out
  udmi sim --plan found.json                the operations of a file, as a finding prints them
  udmi sim --delays 24                      a day of configs over each of four slow networks

A device, or a gateway with the devices behind it, lives in a simulated world: broker, network, clocks, store,
plant, web and cloud. Operations are drawn from the seed: configs, commands, values, faults of all kinds and time
that passes. After the last one all is put in order and has to come to rest. Fourteen properties have to hold. What
violates one is made as short as it gets and printed; the same seed finds it again.

Exit codes: 0 no property is violated, 1 one is, 2 the command line or a file cannot be used.";

/// The width of transcripts.
const WIDTH: usize = 160;
/// Runs that are made to leave operations out of a plan that violates a property.
const SHRINKING_RUNS: usize = 2000;
/// How often progress is told.
const PROGRESS: Duration = Duration::from_secs(5);

/// Let simulated devices live through what a seed says, and check that all properties hold
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    /// The first seed
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Operations of each seed
    #[arg(long, value_name = "N", default_value_t = 500)]
    ops: usize,
    /// How many seeds
    #[arg(long, value_name = "R", default_value_t = 1)]
    runs: u64,
    /// How many run at once; as many as there are processors if not given
    #[arg(long, value_name = "T")]
    threads: Option<usize>,
    /// Gateways with the devices behind them only; else devices and gateways in turn
    #[arg(long, conflicts_with = "direct")]
    gateway: bool,
    /// Devices that connect for themselves only
    #[arg(long)]
    direct: bool,
    /// Run the plan of this file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["seed", "ops", "runs", "gateway", "direct"])]
    plan: Option<PathBuf>,
    /// Write what happens to a file, or to standard output (-); of one run only
    #[arg(long, value_name = "FILE|-", conflicts_with = "runs")]
    transcript: Option<PathBuf>,
    /// Spoil what the device does with this defect
    #[arg(long, value_name = "NAME", value_parser = defect)]
    defect: Option<Defect>,
    /// Instead, let configs come every 0.3 to 2 s for so many hours with each of four delays of the network
    #[arg(long, value_name = "HOURS", conflicts_with_all = ["ops", "runs", "gateway", "direct", "plan", "transcript"])]
    delays: Option<u64>,
    /// Compare runs of each plan too, not only of some
    #[arg(long)]
    compare: bool,
}

fn defect(name: &str) -> Result<Defect, String> {
    let names: Vec<_> = Defect::ALL.into_iter().map(Defect::name).collect();
    Defect::named(name).ok_or_else(|| format!("expected one of {}", names.join(", ")))
}

/// Lets devices live.
pub(crate) fn run(arguments: &Arguments, output: &Output) -> Result<ExitCode, Failure> {
    let way = Way {
        defect: arguments.defect,
        transcript: arguments.transcript.is_some().then_some(WIDTH),
        compares: arguments.compare.then_some(true),
    };
    if let Some(hours) = arguments.delays {
        return delays(hours, arguments.seed, output);
    }
    let started = Instant::now();
    let outcome = match &arguments.plan {
        Some(file) => of_plan(read(file)?, &way),
        None => of_seeds(arguments, &way, output),
    };
    let took = started.elapsed();
    if let Some(file) = &arguments.transcript {
        let found = outcome.found.as_ref().map(|(_, violation)| violation.transcript.as_str());
        write(file, found.unwrap_or(&outcome.summary.transcript), output)?;
    }
    figures(&outcome, took, output)?;
    match &outcome.found {
        None => Ok(ExitCode::SUCCESS),
        Some((plan, violation)) => {
            tell(arguments, plan, violation, &way, output)?;
            Ok(ExitCode::from(FINDING))
        }
    }
}

fn read(file: &Path) -> Result<Plan, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::usage(format!("{}: {error}", file.display()));
    let text = text::read(file, text::FILE_BYTES_MAX).map_err(Failure::usage)?;
    serde_json::from_str(&text).map_err(|error| failed(&error))
}

fn write(file: &Path, transcript: &str, output: &Output) -> Result<(), Failure> {
    if file == Path::new("-") {
        return output.raw(transcript);
    }
    let written = Access::Everybody.create(file).and_then(|mut file| file.write_all(transcript.as_bytes()));
    written.map_err(|error| Failure::usage(format!("{}: {error}", file.display())))
}

fn of_plan(plan: Plan, way: &Way) -> Outcome {
    match run_plan(&plan, way) {
        Ok(summary) => Outcome { runs: 1, summary, found: None },
        Err(violation) => Outcome { found: Some((plan, violation)), ..Outcome::default() },
    }
}

fn of_seeds(arguments: &Arguments, way: &Way, output: &Output) -> Outcome {
    let shape = match (arguments.gateway, arguments.direct) {
        (true, _) => Some(Shape::Gateway),
        (_, true) => Some(Shape::Device),
        (false, false) => None,
    };
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let campaign = Campaign {
        shape,
        first: arguments.seed,
        runs: arguments.runs,
        ops: arguments.ops,
        threads: arguments.threads.unwrap_or(processors),
        way: way.clone(),
    };
    let told = Mutex::new(Instant::now());
    campaign.run(&|runs| {
        let Ok(mut told) = told.try_lock() else { return };
        if told.elapsed() >= PROGRESS {
            *told = Instant::now();
            output.remark(format!("{runs} of {} seeds", campaign.runs));
        }
    })
}

fn figures(outcome: &Outcome, took: Duration, output: &Output) -> Result<(), Failure> {
    let Outcome { runs, summary, found } = outcome;
    let Summary { ops, device_milliseconds, messages, calls, starts, .. } = summary;
    let hours = *device_milliseconds / 3_600_000;
    if output.json {
        return output.line(json!({
            "holds": found.is_none(), "runs": runs, "operations": ops, "device_hours": hours, "messages": messages,
            "calls": calls, "starts": starts, "seconds": took.as_secs_f64()
        }));
    }
    let speed = f64::from(u32::try_from(hours).unwrap_or(u32::MAX)) / took.as_secs_f64().max(0.001);
    let verdict = if found.is_none() {
        output.paint(Role::Good, "all properties hold")
    } else {
        output.paint(Role::Bad, "a property is violated")
    };
    output.line(format!(
        "{verdict}: {runs} seeds, {ops} operations, {hours} device hours, {messages} messages, {starts} starts, in {:.1} s ({speed:.0} device hours a second)",
        took.as_secs_f64()
    ))
}

/// Lets configs come over slow networks.
fn delays(hours: u64, seed: u64, output: &Output) -> Result<ExitCode, Failure> {
    let done: Vec<_> = thread::scope(|scope| {
        let run = |delay| scope.spawn(move || delayed(delay, hours * 3_600_000, seed));
        let running = ROUND_TRIPS_MS.map(run);
        running.into_iter().map(|run| run.join().expect("panics are caught")).collect()
    });
    let mut code = ExitCode::SUCCESS;
    for (delay, done) in ROUND_TRIPS_MS.into_iter().zip(done) {
        match done {
            Ok(answers) => {
                let Answers { configs, states, slowest_ms, total_ms } = answers;
                let mean_ms = total_ms / configs.max(1);
                output.line(if output.json {
                    json!({ "delay_ms": delay, "hours": hours, "configs": configs, "states": states, "mean_ms": mean_ms,
                        "slowest_ms": slowest_ms })
                    .to_string()
                } else {
                    format!(
                        "{delay} ms there and back, {hours} h: {configs} configs, all answered, by {states} states; on average after {mean_ms} ms, at most after {slowest_ms} ms"
                    )
                })?;
            }
            Err(violation) => {
                code = ExitCode::from(FINDING);
                output.line(violation)?;
            }
        }
    }
    Ok(code)
}

/// Tells a violation, and the least that is needed for it.
fn tell(
    arguments: &Arguments,
    plan: &Plan,
    violation: &Violation,
    way: &Way,
    output: &Output,
) -> Result<(), Failure> {
    output.remark("leaving out operations ...");
    let (short, shown) = shrunk(plan, violation, way, SHRINKING_RUNS);
    let again = again(arguments, plan);
    if output.json {
        return output.line(json!({
            "property": violation.property.number(), "sentence": violation.property.sentence(),
            "what": violation.what, "seed": violation.seed, "at_ms": violation.at_ms, "operation": violation.op,
            "again": again, "shrunk": { "what": shown.what, "at_ms": shown.at_ms, "plan": short }
        }));
    }
    output.line(violation)?;
    output.line(format!("  again: {again}"))?;
    let (before, after) = (plan.ops.len(), short.ops.len());
    output.line(format!("{after} of {before} operations are enough:"))?;
    output.line(&shown)?;
    let text = serde_json::to_value(&short).map_or_else(|_| String::new(), |plan: Value| plan.to_string());
    output.line(text)
}

/// The command that runs exactly this once more.
fn again(arguments: &Arguments, plan: &Plan) -> String {
    let mut again = match &arguments.plan {
        Some(file) => format!("udmi sim --plan {}", file.display()),
        None => {
            let shape = match plan.shape {
                Shape::Device => "--direct",
                Shape::Gateway => "--gateway",
            };
            format!("udmi sim --seed {} --ops {} {shape}", plan.seed, arguments.ops)
        }
    };
    if let Some(defect) = arguments.defect {
        again.push_str(&format!(" --defect {}", defect.name()));
    }
    if arguments.compare {
        again.push_str(" --compare");
    }
    again
}
