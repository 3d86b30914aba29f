//! `udmi device`: a simulated device of a site model.

mod addresses;
mod application;
mod gateway;
mod lock;
mod module;
mod notices;
mod prepare;
mod restart;
mod run;

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use device_link::{Endpoint, ExitReason, Limits};
use udmi_host::site::{Device, DeviceClass, SiteModel};
use udmi_proto::exit_code;

use crate::access::{self, Access};
use crate::cloud;
use crate::field::FieldArguments;
use crate::output::{Failure, Output};
use gateway::{PlantKind, Plants};
use lock::Lock;

/// The plant is a little ahead of what the state says, so that a value that is `applied` can be read.
const AHEAD: f64 = 0.9;

const AFTER_HELP: &str = "\
The device's points come from the site model: numbers wander within baseline and tolerance, switches change
rarely, and a value set by the cloud is shown as `updating` for --write-seconds before it is in force.
What the device remembers (its restart count, where it was redirected to, the software it has, what could not be
sent if --keep-outbox wants it) is kept in --state-dir, which one device at a time uses. Its software is the blob
`system`; see `udmi blob --help`. The cloud's command `rotate_key` makes it a new key.

A gateway acts for all devices its config names, and knows those of the site model that it lists or that name it.
Asked for a proxied device, this runs its gateway. --plant bacnet, modbus or both reach the proxied devices whose
config has a target in that family, and their points that have a reference; all other points are simulated. Scans find
what the site model says there is; with other plants than simulated ones, what there is.

Examples:
  udmi device --site site --device AHU-1                      as the site model says
  udmi device --site site --device AHU-1 --endpoint mqtt://127.0.0.1:1883
                                                              at a plain broker, without credentials
  udmi device --site site --device AHU-1 --endpoint mqtts://broker.example --auth jwt --audience project --make-keys
                                                              with a key of its own, by signed tokens
  udmi device --site site --device GAT-1 --endpoint mqtt://127.0.0.1:1883 --plant modbus --modbus-line line_1=plc:502
                                                              a gateway, with its meters on the line of a converter

Exit codes:
  0    stopped by Ctrl-C, SIGTERM or the cloud (mode `shutdown`)
  1    the device could not start
  2    the command line or the site model cannot be used
  192  the cloud wants a restart: start it again (not with --restart exec)
  193  the cloud wants it to stay stopped, or another instance has taken over";

/// Run a simulated device of a site model
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    /// The site model: its folder, or its cloud_iot_config.json
    #[arg(long, value_name = "DIR")]
    site: PathBuf,
    /// The device, such as AHU-1
    #[arg(long, value_name = "ID")]
    device: Option<String>,
    /// The broker: mqtt://HOST:PORT, or mqtts://HOST:PORT with TLS; without, that of the site model
    #[arg(long, value_name = "URL", value_parser = cloud::endpoint)]
    endpoint: Option<Endpoint>,
    #[command(flatten)]
    access: Access,
    /// When the cloud wants a restart: exit (with 192) or exec (start again in place)
    #[arg(long, value_enum, default_value_t, value_name = "WAY", hide_possible_values = true)]
    restart: Restart,
    /// The serial number; without, that of the site model
    #[arg(long, value_name = "NUMBER")]
    serial: Option<String>,
    /// Report this host's own addresses in the families ether, ipv4 and ipv6 that the site model has
    #[arg(long)]
    host_addresses: bool,
    /// Where the device remembers; without, a folder in the user's state folder or ./.udmi
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// Keep so many bytes of messages that the broker has not acknowledged for the next run; they are written at the
    /// end of a run, and once a minute in between
    #[arg(long, default_value_t = 0, value_name = "BYTES", value_parser = kept_bytes)]
    keep_outbox: usize,
    /// How it runs: std (blocking threads), bare (one thread, one non-blocking socket) or smol (a future)
    #[arg(long, value_enum, default_value_t, hide_possible_values = true)]
    runtime: Runtime,
    /// Seconds that a write takes until it is in force
    #[arg(long, default_value_t = 4.0, value_name = "SECONDS", value_parser = write_seconds)]
    write_seconds: f64,
    /// Least seconds between two states
    #[arg(long, default_value_t = 2, value_name = "SECONDS", value_parser = clap::value_parser!(u16).range(1..=60))]
    state_interval: u16,
    /// What stands behind the points: sim, or bacnet and modbus field devices; may be several, with commas
    #[arg(long, value_enum, value_name = "KIND", default_value = "sim", value_delimiter = ',')]
    #[arg(hide_possible_values = true)]
    plant: Vec<PlantKind>,
    #[command(flatten)]
    field: FieldArguments,
    /// Record the run in this file, for `udmi trace` and `udmi replay`
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Make wandering values and identifiers repeatable
    #[arg(long)]
    seed: Option<u64>,
    /// Stop when standard input ends, so that a device does not outlive who started it
    #[arg(long, hide = true)]
    until_input_ends: bool,
}

/// What a device runs on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Runtime {
    /// Blocking threads
    #[default]
    Std,
    /// One thread, one non-blocking socket
    Bare,
    /// A future on smol's reactor
    Smol,
}

/// What a restart is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Restart {
    /// The process ends with 192, for whoever started it to start it again
    #[default]
    Exit,
    /// The process becomes a new one with the same arguments
    Exec,
}

/// Runs the device until it is stopped, or the cloud stops it.
pub(crate) fn run(arguments: Arguments, output: &Output) -> Result<ExitCode, Failure> {
    let site = SiteModel::open(&arguments.site).map_err(|error| {
        Failure::usage(&error).hint("`udmi init site` writes a small site model to begin with")
    })?;
    let device = connecting(&site, find(&site, arguments.device.as_deref())?, output)?;
    let store = arguments.state_dir.clone().unwrap_or_else(|| state_folder(&site, &device));
    let lock = Lock::take(&store)?;
    let mut plan = access::plan(&arguments.access, arguments.endpoint.as_ref(), &site, &device, output)?;
    if let Some(serial) = arguments.serial {
        plan.settings.identity.serial_no = serial;
    }
    plan.settings.options.state_interval_ms = u64::from(arguments.state_interval) * 1000;
    plan.settings.options.blobs = vec![module::NAME.to_owned()];
    if arguments.host_addresses {
        addresses::use_own(&mut plan.settings.families)?;
    }
    let write = Duration::from_secs_f64(arguments.write_seconds);
    let seed = arguments.seed.unwrap_or_else(|| RandomState::new().build_hasher().finish());
    let plants = Plants::of(&site, &device, &mut plan, seed, write.mul_f64(AHEAD), output)?;
    let field = gateway::field(&arguments.plant, &arguments.field, &site, &mut plan.settings)?;
    plan.settings.check().map_err(Failure::usage)?;
    drop((site, device));
    let restart = arguments.restart;
    let run = run::Run {
        store,
        plan,
        plants,
        field,
        write,
        keep_outbox: arguments.keep_outbox,
        trace: arguments.trace,
        seed,
        until_input_ends: arguments.until_input_ends,
    };
    let reason = match arguments.runtime {
        Runtime::Std => run.on_threads(output)?,
        Runtime::Bare => run.on_a_bare_socket(output)?,
        Runtime::Smol => run.on_smol(output)?,
    };
    drop(lock);
    if reason == ExitReason::Restart && restart == Restart::Exec {
        return Err(restart::in_place());
    }
    Ok(ExitCode::from(exit_code(reason)))
}

fn find(site: &SiteModel, id: Option<&str>) -> Result<Device, Failure> {
    let known = || match site.device_list() {
        Ok(list) if !list.ids.is_empty() => format!("the site has {}", list.ids.join(", ")),
        Ok(_) | Err(_) => format!("the site in {} has no devices", site.folder().display()),
    };
    let Some(id) = id.or(site.chosen_device()) else {
        return Err(Failure::usage("which device is not said").hint(format!("say --device; {}", known())));
    };
    site.device(id).map_err(|error| {
        let failure = Failure::usage(&error);
        if site.folder().join("devices").join(id).is_dir() { failure } else { failure.hint(known()) }
    })
}

/// The device that connects: for a proxied one its gateway. One that nobody connects for is refused.
fn connecting(site: &SiteModel, device: Device, output: &Output) -> Result<Device, Failure> {
    match (device.class, &device.gateway_id) {
        (DeviceClass::Direct | DeviceClass::Gateway, _) | (DeviceClass::Proxied, None) => Ok(device),
        (DeviceClass::Proxied, Some(gateway)) => {
            output.remark(format!("{} is proxied: running its gateway, {gateway}", device.id));
            let gateway = find(site, Some(gateway))?;
            if gateway.class != DeviceClass::Gateway {
                let problem = format!("{} is no gateway, but the one of {}", gateway.id, device.id);
                return Err(Failure::usage(problem).hint("a gateway has gateway.proxy_ids in its metadata"));
            }
            Ok(gateway)
        }
        (DeviceClass::Virtual, _) => {
            let problem = format!("{} is virtual: it has no connection of its own", device.id);
            Err(Failure::usage(problem)
                .hint("a device that connects has cloud.auth_type in its metadata, such as \"ES256\""))
        }
    }
}

/// In the user's state folder, else here.
fn state_folder(site: &SiteModel, device: &Device) -> PathBuf {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = set("XDG_STATE_HOME")
        .filter(|path| path.is_absolute())
        .or_else(|| set("HOME").map(|home| home.join(".local/state")));
    match base {
        Some(base) => base.join("udmi").join(folder_name(&site.registry())).join(&device.id),
        None => PathBuf::from(".udmi").join(&device.id),
    }
}

/// A registry as the name of a folder, which cannot lead elsewhere.
fn folder_name(registry: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || "-_~".contains(c) { c } else { '_' };
    registry.chars().map(safe).collect()
}

/// No more than waits in memory.
fn kept_bytes(text: &str) -> Result<usize, String> {
    let most = Limits::default().outbox_bytes;
    match text.parse::<usize>() {
        Ok(bytes) if bytes <= most => Ok(bytes),
        Ok(_) | Err(_) => Err(format!("expected a number of bytes from 0 to {most}")),
    }
}

fn write_seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=50.0).contains(&seconds) => Ok(seconds),
        Ok(_) | Err(_) => Err("expected a number of seconds from 0 to 50".to_owned()),
    }
}
