//! The adapters beside rumqttc and a bare socket: the same payloads, the same broker, the same run.
//!
//! `cargo bench -p udmi-benches --bench peers [-- [--rounds N] [--json] [NAME…]]`
//!
//! Names: `publish`, `receive`, `echo`, `telemetry`, `config`; without any, all, in about three minutes. Clients take turns
//! within a round, so that what else the machine does meets all of them; a figure is the median of the rounds, a ratio the
//! median of the ratios of each round. Rows come as they are measured; with `--json` they go to standard error, and the
//! last line of standard output is as `figures.rs` says. rumqttc and its runtime are dependencies of this program alone.

mod adapters;
mod bare;
mod bench;
mod client;
mod device;
mod figures;
mod peer;
mod rumqtt;

use std::process::ExitCode;

use udmi_tests::live::broker::Kind;

use bench::{Bench, NAMES};
use client::Failure;

fn main() -> ExitCode {
    let arguments = match Arguments::read() {
        Ok(arguments) => arguments,
        Err(problem) => {
            eprintln!("{problem}\nusage: peers [--rounds N] [--json] [{}]…", NAMES.join("|"));
            return ExitCode::from(2);
        }
    };
    match arguments.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("could not measure: {problem}");
            ExitCode::FAILURE
        }
    }
}

struct Arguments {
    rounds: usize,
    json: bool,
    names: Vec<String>,
}

impl Arguments {
    fn read() -> Result<Self, Failure> {
        let mut read = Self { rounds: 3, json: false, names: Vec::new() };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--bench" => {} // cargo says so
                "--json" => read.json = true,
                "--rounds" => {
                    read.rounds = arguments.next().ok_or("--rounds needs a number")?.parse::<usize>()?.max(1);
                }
                name if NAMES.contains(&name) => read.names.push(argument),
                other => return Err(format!("unknown: {other}").into()),
            }
        }
        if read.names.is_empty() {
            read.names = NAMES.map(Into::into).into();
        }
        Ok(read)
    }

    fn run(&self) -> Result<(), Failure> {
        let mut bench = Bench::new(self.rounds, self.json);
        for kind in [Kind::Mosquitto, Kind::Embedded] {
            if kind.is_there_or_say("peers") {
                for name in &self.names {
                    bench.measure(name, kind).map_err(|problem| format!("{name}: {problem}"))?;
                }
            }
        }
        if self.json {
            println!("{}", serde_json::to_string(bench.figures())?);
        }
        Ok(())
    }
}
