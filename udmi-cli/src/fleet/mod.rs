//! `udmi fleet`: many simulated devices in one process, of a template or of a site model.

mod configs;
mod counters;
mod crew;
mod device;
mod faults;
mod histogram;
mod host;
mod members;
mod names;
mod pace;
mod report;
mod run;
mod shard;
mod stopping;
mod store;
mod twin;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use device_link::Endpoint;
use serde_json::{Map, Value};
use udmi_host::site::SiteModel;

use crate::access::Access;
use crate::cloud;
use crate::output::{FINDING, Failure, Output};
use crate::text;
use configs::Wanted;
use faults::Faults;
use members::{Common, Members, Template};
use shard::Shard;

/// The most devices of one fleet.
const DEVICES_MAX: u64 = 10_000_000;
/// The most threads of one process.
const THREADS_MAX: u64 = 256;

const AFTER_HELP: &str = "\
Devices are of a template (--count) or of a site model (--devices-from), and differ in their names, for which {n} (from
1 on), {id} and {registry} stand in --client-id, --topic-prefix, --username, --password, --password-file, --cert, --key
and --audience. Their points wander as those of `udmi device` do; what they remember lasts as long as the process.
Without --rate they do what the configs say that the broker keeps or a cloud sends. With it, the fleet first publishes
a config for each of its devices, which the broker keeps, and needs the right to do so.

Faults, with commas between them:
  drop=SECONDS   a device loses its connection, once in so long on average
  storm=SECONDS  all devices lose their connections at once, once in so long
  cut=SECONDS    a device's power fails, once in so long on average; it starts again at once
  slow=SHARE     so many of 1 readings are late, by up to 6.5 s
  bad=SHARE      so many of 1 values cannot be read

Examples:
  udmi fleet mqtt://127.0.0.1:1883 --count 1000 --points 10 --rate 1 --duration 60
  udmi fleet mqtt://broker:1883 --count 90000 --shard auto/10       in each of ten pods of an Indexed Job
  udmi fleet mqtts://broker --ca ca.crt --count 500 --username '/r/{registry}/d/{id}' --password-file password
  udmi fleet mqtt://127.0.0.1:1883 --devices-from site --rate 0.1 --faults drop=60,bad=0.01

Exit codes:
  0    all devices were connected, all they published at QoS 1 was acknowledged, and all have left in order
  1    not all, or the host does not allow so many devices
  2    the command line or the site model cannot be used";

/// Run many simulated devices, to load a broker or to be the twins of a site
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
#[command(group(clap::ArgGroup::new("who").required(true).multiple(true).args(["count", "devices_from"])))]
pub(crate) struct Arguments {
    /// The broker, mqtt://HOST:PORT, or mqtts://HOST:PORT with TLS; of several, devices take turns. Without, that of
    /// the site model
    #[arg(value_name = "ENDPOINT", value_parser = cloud::endpoint, required_unless_present = "devices_from")]
    endpoints: Vec<Endpoint>,
    /// So many devices, of all shards together; with --devices-from so many at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=DEVICES_MAX))]
    count: Option<u64>,
    /// The devices of this site model that have a connection of their own, and those behind them
    #[arg(long, value_name = "DIR", conflicts_with_all = ["ids", "metadata", "points"])]
    devices_from: Option<PathBuf>,
    /// Which part of the fleet this is, I/N with I from 0 on: device k belongs to shard k modulo N. auto/N takes I from
    /// JOB_COMPLETION_INDEX
    #[arg(long, value_name = "I/N", value_parser = Shard::read, default_value_t = Shard::WHOLE)]
    shard: Shard,
    /// The ids of the devices
    #[arg(long, value_name = "TEMPLATE", default_value = "SIM-{n}")]
    ids: String,
    /// What the devices are like: a metadata.json as site models have it
    #[arg(long, value_name = "FILE", conflicts_with = "points")]
    metadata: Option<PathBuf>,
    /// Points of each device
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(0..=10_000))]
    points: u64,
    /// Samples that each device publishes a second, up to 10; 0 for none. The fleet publishes the configs that ask for
    /// them
    #[arg(long, value_name = "RATE", value_parser = Wanted::read)]
    rate: Option<Wanted>,
    /// Connections a second
    #[arg(long, value_name = "RATE", default_value_t = 500.0, value_parser = ramp)]
    ramp: f64,
    /// Threads that run the devices
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=THREADS_MAX))]
    threads: u64,
    /// What goes wrong on purpose; see below
    #[arg(long, value_name = "FAULTS", value_parser = Faults::read)]
    faults: Option<Faults>,
    /// Stop so many seconds after all devices are connected; without, on Ctrl-C or SIGTERM
    #[arg(long, value_name = "SECONDS")]
    duration: Option<u64>,
    /// Seconds for the devices to leave in order
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    grace: u64,
    /// Keep-alive seconds of each connection
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    keep_alive: u16,
    #[command(flatten)]
    access: Access,
    /// The user name that may publish configs; without, that of the devices
    #[arg(long, value_name = "NAME")]
    cloud_username: Option<String>,
    /// A file whose first line is its password
    #[arg(long, requires = "cloud_username", value_name = "FILE")]
    cloud_password_file: Option<PathBuf>,
    /// Make values, faults and identifiers repeatable
    #[arg(long)]
    seed: Option<u64>,
    /// Stop when standard input ends, so that a fleet does not outlive who started it
    #[arg(long, hide = true)]
    until_input_ends: bool,
}

/// Runs the fleet until it is stopped, or its time is over.
pub(crate) fn run(arguments: &Arguments, output: &Output) -> Result<ExitCode, Failure> {
    let members = members(arguments, output)?;
    let summary = run::run(arguments, members, output)?;
    if output.json {
        output.line(summary.json())?;
    } else {
        summary.lines(output).into_iter().try_for_each(|line| output.line(line))?;
    }
    Ok(if summary.is_well() { ExitCode::SUCCESS } else { ExitCode::from(FINDING) })
}

/// The devices of this shard.
fn members(arguments: &Arguments, output: &Output) -> Result<Members, Failure> {
    let common = Common {
        endpoints: arguments.endpoints.clone(),
        access: &arguments.access,
        keep_alive_seconds: arguments.keep_alive,
        shard: arguments.shard,
        configs: arguments.rate,
        output,
    };
    if let Some(folder) = &arguments.devices_from {
        let site = SiteModel::open(folder).map_err(Failure::usage)?;
        let (members, configs) = members::of_site(&site, arguments.count, &common)?;
        return Ok(Members::Site(members, configs));
    }
    let (metadata, file) = match &arguments.metadata {
        Some(file) => (read(file)?, file.as_path()),
        None => (members::plain_metadata(arguments.points), Path::new("the template")),
    };
    let count = arguments.count.unwrap_or(1);
    let template = Template::new(metadata, file, &arguments.ids, count, &common)?;
    Ok(Members::Template(Box::new(template)))
}

fn read(file: &Path) -> Result<Map<String, Value>, Failure> {
    let text = text::read(file, text::FILE_BYTES_MAX).map_err(Failure::usage)?;
    match text::parse(&text) {
        Ok(Value::Object(metadata)) => Ok(metadata),
        Ok(_) => Err(Failure::usage(format!("{}: expected an object", file.display()))),
        Err(error) => Err(Failure::usage(format!("{}:{error}", file.display()))),
    }
}

fn ramp(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if (0.1..=100_000.0).contains(&rate) => Ok(rate),
        Ok(_) | Err(_) => Err("expected 0.1 to 100000 connections a second".to_owned()),
    }
}
