//! Measures what the project promises, and prints it beside the promise, as a table in Markdown.
//!
//! `cargo run --release -p udmi-benches --bin measure [-- [--udmi PATH] [--seed NUMBER] [NAME…]]`
//!
//! Names: `latency`, `memory`, `start`, `restarts`, `kills`, `redirects`, `updates`, `blob`, `gateway`; without any,
//! all of them. The command `udmi` is built unless a path is given; the seed is for `redirects` and `updates`. Everything
//! runs on free ports and in temporary folders of this machine.
//! A target that is missed is no failure; a lost event, or a start after a kill that goes wrong, is.

mod blob;
mod crowd;
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

const NAMES: [&str; 9] =
    ["latency", "memory", "start", "restarts", "kills", "redirects", "updates", "blob", "gateway"];

fn main() -> ExitCode {
    if let Some(code) = crowd::run_as_gateway() {
        return code;
    }
    let Arguments { path, seed, names } = match arguments() {
        Ok(arguments) => arguments,
        Err(problem) => {
            eprintln!("{problem}\nusage: measure [--udmi PATH] [--seed NUMBER] [{}]…", NAMES.join("|"));
            return ExitCode::from(2);
        }
    };
    let (mut table, mut udmi) = (Table::default(), Command { path, made: None });
    let measured = names.iter().try_for_each(|name| {
        eprintln!("measuring {name} …");
        measure(name, seed, &mut udmi, &mut table).map_err(|problem| format!("{name}: {problem}"))
    });
    println!("{table}");
    if let Err(problem) = &measured {
        eprintln!("could not measure {problem}");
    }
    for failure in &table.failures {
        eprintln!("failed: {failure}");
    }
    if measured.is_ok() && table.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn measure(name: &str, seed: u64, udmi: &mut Command, table: &mut Table) -> Result<(), Failure> {
    match name {
        "latency" => latency::measure(table),
        "memory" => memory::measure(udmi.get()?, table),
        "start" => start::measure(udmi.get()?, table),
        "restarts" => restarts::measure(table),
        "redirects" => interrupted::redirects(udmi.get()?, seed, table),
        "updates" => interrupted::updates(udmi.get()?, seed, table),
        "blob" => blob::measure(table),
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
    names: Vec<String>,
}

fn arguments() -> Result<Arguments, String> {
    let (mut path, mut seed, mut names) = (None, None, Vec::new());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if argument == "--udmi" {
            path = Some(arguments.next().ok_or("--udmi wants a path")?.into());
        } else if argument == "--seed" {
            let number = arguments.next().and_then(|number| number.parse().ok());
            seed = Some(number.ok_or("--seed wants a number")?);
        } else if NAMES.contains(&argument.as_str()) {
            names.push(argument);
        } else {
            return Err(format!("{argument:?} is nothing to measure"));
        }
    }
    if names.is_empty() {
        names = NAMES.map(str::to_owned).to_vec();
    }
    // Short enough to be typed again.
    let seed = seed.unwrap_or_else(|| RandomState::new().build_hasher().finish() % 1_000_000);
    Ok(Arguments { path, seed, names })
}
