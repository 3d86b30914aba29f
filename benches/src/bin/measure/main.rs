//! Measures what the project promises, and prints it beside the promise, as a table in Markdown, row by row as they
//! come; with `--json` as an object of rows at the end.
//!
//! `cargo run --release -p udmi-benches --bin measure [-- [--json] [--udmi PATH] [--seed NUMBER] [--minutes NUMBER] [NAME…]]`
//!
//! Without a name it measures all there is; `--help` names it, with the time it takes. The command `udmi` is built unless a path is given; the seed is for `redirects`,
//! `updates` and `delays`, the minutes are for `delays`. Everything
//! runs on free ports and in temporary folders of this machine.
//! A target that is missed is no failure; a lost event, or a start after a kill that goes wrong, is.

mod blob;
mod crowd;
mod delays;
mod gateway;
mod interrupted;
mod kills;
mod latency;
#[path = "../../../../udmi-std/tests/common/loader.rs"]
#[allow(missing_docs, unreachable_pub)] // shared with the tests of the driver
mod loader;
mod memory;
mod restarts;
mod start;
mod table;
mod udmi;

use std::error::Error;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::path::PathBuf;
use std::process::ExitCode;

use table::Table;
use udmi::Udmi;

/// Why something could not be measured.
type Failure = Box<dyn Error>;

/// What can be measured, and about how long it takes on a quiet machine.
const NAMES: [(&str, &str); 10] = [
    ("latency", "config to state through a broker; 1.5 minutes"),
    ("memory", "of a device in a process of its own; a minute"),
    ("start", "of a process, to its first state; half a minute"),
    ("restarts", "of the broker under load; some minutes"),
    ("kills", "of a device at any moment, 200 times; some minutes"),
    ("redirects", "cut short, 200 times; some minutes"),
    ("updates", "cut short, 200 times; some minutes"),
    ("blob", "fetched beside curl; a minute"),
    ("delays", "to the broker, while configs come fast: a minute, or as many as --minutes says"),
    (
        "gateway",
        "of 1000 devices; 6 minutes, since its own states are 2 s apart and 140 of them are waited for",
    ),
];

fn main() -> ExitCode {
    if let Some(code) = crowd::run_as_gateway() {
        return code;
    }
    let Arguments { path, seed, minutes, json, names } = match arguments() {
        Ok(arguments) => arguments,
        Err(problem) => {
            eprintln!("{problem}\n{}", usage());
            return ExitCode::from(2);
        }
    };
    let (mut table, mut udmi) = (Table::new(json), Command { path, made: None });
    let measured = names.iter().try_for_each(|name| {
        eprintln!("measuring {name} …");
        measure(name, seed, minutes, &mut udmi, &mut table).map_err(|problem| format!("{name}: {problem}"))
    });
    if json {
        println!("{}", table.to_json());
    }
    if let Err(problem) = &measured {
        eprintln!("could not measure {problem}");
    }
    for failure in &table.failures {
        eprintln!("failed: {failure}");
    }
    if measured.is_ok() && table.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn measure(
    name: &str,
    seed: u64,
    minutes: u64,
    udmi: &mut Command,
    table: &mut Table,
) -> Result<(), Failure> {
    match name {
        "latency" => latency::measure(table),
        "memory" => memory::measure(udmi.get()?, table),
        "start" => start::measure(udmi.get()?, table),
        "restarts" => restarts::measure(table),
        "redirects" => interrupted::redirects(udmi.get()?, seed, table),
        "updates" => interrupted::updates(udmi.get()?, seed, table),
        "blob" => blob::measure(table),
        "delays" => delays::measure(minutes, seed, table),
        "gateway" => gateway::measure(table).and_then(|()| crowd::measure(table)),
        _ => kills::measure(udmi.get()?, table),
    }
}

/// The command, built when it is first needed.
struct Command {
    path: Option<PathBuf>,
    made: Option<Udmi>,
}

impl Command {
    fn get(&mut self) -> Result<&Udmi, Failure> {
        match &mut self.made {
            Some(udmi) => Ok(udmi),
            made => Ok(made.insert(Udmi::new(self.path.take())?)),
        }
    }
}

struct Arguments {
    path: Option<PathBuf>,
    seed: u64,
    minutes: u64,
    json: bool,
    names: Vec<String>,
}

fn arguments() -> Result<Arguments, String> {
    let (mut path, mut seed, mut minutes, mut json, mut names) = (None, None, 1, false, Vec::new());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if argument == "--json" {
            json = true;
        } else if argument == "--udmi" {
            path = Some(arguments.next().ok_or("--udmi wants a path")?.into());
        } else if argument == "--seed" {
            let number = arguments.next().and_then(|number| number.parse().ok());
            seed = Some(number.ok_or("--seed wants a number")?);
        } else if argument == "--minutes" {
            let number = arguments.next().and_then(|number| number.parse().ok());
            minutes = number.ok_or("--minutes wants a number")?;
        } else if NAMES.iter().any(|(name, _)| *name == argument) {
            names.push(argument);
        } else {
            let help = argument == "--help";
            return Err(if help { String::new() } else { format!("{argument:?} is nothing to measure") });
        }
    }
    if names.is_empty() {
        names = NAMES.map(|(name, _)| name.to_owned()).to_vec();
    }
    // Short enough to be typed again.
    let seed = seed.unwrap_or_else(|| RandomState::new().build_hasher().finish() % 1_000_000);
    Ok(Arguments { path, seed, minutes, json, names })
}

fn usage() -> String {
    let mut text = String::from(
        "usage: measure [--json] [--udmi PATH] [--seed NUMBER] [--minutes NUMBER] [NAME]…\n\nNames:\n",
    );
    for (name, about) in NAMES {
        text.push_str(&format!("  {name:<10} {about}\n"));
    }
    text
}
