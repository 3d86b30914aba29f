//! The `udmi` command: a device to try things with, and tools to look at devices.

mod access;
mod blob;
mod broker;
mod check;
mod cloud;
mod config;
mod conform;
mod demo;
mod device;
mod difference;
mod endpoint;
mod field;
mod fleet;
mod init;
mod keys;
mod output;
mod plant;
mod replay;
mod sample;
mod scan;
mod sim;
mod text;
mod trace;
mod watch;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use output::{Colour, Failure, Output};

const AFTER_HELP: &str = "\
New here?
  udmi demo            a broker, a device and a cloud at work; needs nothing but this program
  udmi init site       a small site of your own, and what to do with it

Exit codes:
  0    all well
  1    a finding, or something expected was not observed
  2    the command line, or a file it names, cannot be used
  192  the device wants to be restarted       (udmi device)
  193  the device is to stay stopped          (udmi device)";

/// The heading of the flags that all commands have.
const EVERYWHERE: &str = "Options of all commands";

/// UDMI devices: run one, watch one, configure one, check what one says.
#[derive(Debug, Parser)]
#[command(name = "udmi", version, after_help = AFTER_HELP, propagate_version = true)]
struct CommandLine {
    /// When to use colours: auto (on a terminal, unless NO_COLOR is set), always or never
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    #[arg(help_heading = EVERYWHERE, hide_possible_values = true)]
    color: Colour,
    /// Print results as JSON, one object a line, where a command has results
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    json: bool,
    /// Print nothing but results and failures
    #[arg(short, long, global = true, help_heading = EVERYWHERE)]
    quiet: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Arguments),
    Device(device::Arguments),
    Fleet(Box<fleet::Arguments>),
    Broker(broker::Arguments),
    Watch(watch::Arguments),
    Scan(scan::Arguments),
    Config(config::Arguments),
    Endpoint(endpoint::Arguments),
    Blob(blob::Arguments),
    Check(check::Arguments),
    Conform(Box<conform::Arguments>),
    Trace(trace::Arguments),
    Replay(replay::Arguments),
    Sim(sim::Arguments),
    Init(init::Arguments),
    Keys(keys::Arguments),
}

fn main() -> ExitCode {
    let line = CommandLine::parse();
    let output = Output::new(line.color, line.json, line.quiet);
    run(line.command, &output).unwrap_or_else(|failure| {
        output.failure(&failure);
        failure.exit_code()
    })
}

fn run(command: Command, output: &Output) -> Result<ExitCode, Failure> {
    match command {
        Command::Demo(arguments) => demo::run(arguments, output),
        Command::Device(arguments) => device::run(arguments, output),
        Command::Fleet(arguments) => fleet::run(&arguments, output),
        Command::Broker(arguments) => broker::run(arguments, output),
        Command::Watch(arguments) => watch::run(arguments, output),
        Command::Scan(arguments) => scan::run(arguments, output),
        Command::Config(arguments) => config::run(arguments, output),
        Command::Endpoint(arguments) => endpoint::run(arguments, output),
        Command::Blob(arguments) => blob::run(arguments, output),
        Command::Check(arguments) => check::run(arguments, output),
        Command::Conform(arguments) => conform::run(*arguments, output),
        Command::Trace(arguments) => trace::run(arguments, output),
        Command::Replay(arguments) => replay::run(arguments, output),
        Command::Sim(arguments) => sim::run(&arguments, output),
        Command::Init(arguments) => init::run(arguments, output),
        Command::Keys(arguments) => keys::run(arguments, output),
    }
}
