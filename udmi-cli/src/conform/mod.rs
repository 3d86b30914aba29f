//! `udmi conform`: the UDMI sequences against any device, at any broker.

mod acknowledgements;
mod desk;
mod print;
mod run;
mod select;
mod subjects;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use device_link::Endpoint;
use udmi_host::site::{Credential, ProjectSpec, SiteModel};
use udmi_proto::model::common::Stage;
use udmi_tests::conformance::results::Folder;

use crate::cloud::{self, Reach, ReachArguments, Registry};
use crate::output::{FINDING, Failure, Output};
use acknowledgements::Acknowledgements;
use desk::{Desk, Plan};
use run::Group;
use select::Selection;

/// Most devices that are tested at a time.
const JOBS_MAX: usize = 64;

const AFTER_HELP: &str = "\
The command takes the cloud's place: it needs the right to hear all that the devices publish, and to publish
their configs. It changes the configs of the devices it tests, restarts them and redirects them; each is to come
back by itself when it restarts (a service manager, or `udmi device --restart exec`). What a device is to be is
what the site model says. Sequences that lead to another registry want --alternate-registry, in which the broker
knows the device as well; the one about acknowledgements wants the log of a mosquitto with `log_type all`.

Of a gateway and the devices behind it one is tested at a time; devices that have nothing to do with each other
are tested side by side.

Examples:
  udmi conform --site site --device AHU-1
  udmi conform --site site --device AHU-1 --only broken_config,scan_single_now+vendor
  udmi conform --site site --device all --stage alpha --alternate-registry ALT
  udmi conform --site site --device AHU-1 --endpoint mqtts://broker.example --username cloud --password-file pw

Exit codes: 0 all passed or were skipped, 1 something failed, 2 the command line or a file cannot be used.";

/// Check a device of any make by the sequences of the UDMI conformance suite
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    #[command(flatten)]
    reach: ReachArguments,
    /// The site model: its folder, or its cloud_iot_config.json
    #[arg(long, value_name = "DIR")]
    site: PathBuf,
    /// The device, such as AHU-1, or `all`; may be given several times
    #[arg(long, value_name = "ID")]
    device: Vec<String>,
    /// Only these sequences, whatever their stage and bucket; may be several, with commas
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,
    /// Sequences of this stage and above: alpha, preview, beta or stable
    #[arg(long, value_name = "STAGE", default_value = "preview", value_parser = stage)]
    stage: Stage,
    /// The serial number of the device, in place of that of the site model
    #[arg(long, value_name = "NUMBER")]
    serial: Option<String>,
    /// Another registry at the same broker, for redirects
    #[arg(long, value_name = "REGISTRY")]
    alternate_registry: Option<String>,
    /// The broker as the devices see it, for redirects; without, as this command sees it
    #[arg(long, value_name = "URL", value_parser = cloud::endpoint)]
    device_endpoint: Option<Endpoint>,
    /// Let redirects carry the user name and the password of the device's key, as local brokers want it
    #[arg(long)]
    device_passwords: bool,
    /// The log file of a mosquitto, to see acknowledgements in
    #[arg(long, value_name = "FILE")]
    broker_log: Option<PathBuf>,
    /// How many devices are tested at a time; without, all that have nothing to do with each other
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=JOBS_MAX as i64))]
    jobs: Option<u16>,
    /// One sequence at a time, for devices that are easily overburdened; without, sequences that look at different
    /// parts of a device run side by side
    #[arg(long)]
    in_turn: bool,
    /// Also write the results here: lines, junit.xml, results.json, and a transcript of each sequence
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,
}

fn stage(text: &str) -> Result<Stage, String> {
    match Stage::from_text(&text.to_lowercase()) {
        stage @ (Stage::Alpha | Stage::Preview | Stage::Beta | Stage::Stable) => Ok(stage),
        Stage::Disabled | Stage::Unknown => Err("expected alpha, preview, beta or stable".to_owned()),
    }
}

/// Runs the sequences.
pub(crate) fn run(arguments: Arguments, output: &Output) -> Result<ExitCode, Failure> {
    let site = SiteModel::open(&arguments.site).map_err(Failure::usage)?;
    let mut reach = arguments.reach.reach("conform", None)?;
    if reach.registry == Registry::Any {
        reach.registry = Registry::named(&site.registry());
    }
    let Registry::Prefix(base) = reach.registry.clone() else { unreachable!("it was named above") };
    let alternate = arguments.alternate_registry.as_deref();
    let subjects =
        subjects::of(&site, &arguments.device, &base, alternate, arguments.serial.as_deref(), output)?;
    let selection = Selection { only: arguments.only, stage: arguments.stage };
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    for (connects, subject) in subjects {
        let sequences = selection.sequences(&subject)?;
        groups.entry(connects).or_default().add(subject, sequences);
    }
    let groups: Vec<_> = groups.into_values().collect();
    let passwords = if arguments.device_passwords { passwords(&site, &groups)? } else { BTreeMap::new() };
    let acknowledgements =
        arguments.broker_log.as_deref().map(Acknowledgements::follow).transpose().map_err(Failure::usage)?;
    let plan = Plan {
        endpoint: arguments.device_endpoint.unwrap_or_else(|| reach.endpoint.clone()),
        base,
        alternate: arguments.alternate_registry,
        devices: run::heard(&groups),
        passwords,
        acknowledgements,
        reach: Reach { client_id: cloud::own_id("conform"), ..reach },
    };
    let folder = arguments.results.as_deref().map(Folder::create).transpose().map_err(Failure::usage)?;
    let desk = Desk::open(plan, output)?;
    let jobs = arguments.jobs.map_or(JOBS_MAX, usize::from);
    let failed = run::all(&desk, groups, jobs, arguments.in_turn, folder, output)?;
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(FINDING) })
}

/// The passwords of the keys that the site model has, of those that connect.
fn passwords(site: &SiteModel, groups: &[Group]) -> Result<BTreeMap<String, String>, Failure> {
    let mut passwords = BTreeMap::new();
    for id in groups.iter().flat_map(Group::tested) {
        let device = site.device(id).map_err(Failure::usage)?;
        let endpoint = site.endpoint(&device, &ProjectSpec::default()).map_err(Failure::usage)?;
        if let Credential::Password(password) = endpoint.credential {
            passwords.insert(id.to_owned(), password.expose().to_owned());
        }
    }
    Ok(passwords)
}
