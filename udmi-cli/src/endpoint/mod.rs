//! `udmi endpoint`: order a device to another broker, and follow it there.

mod document;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use device_link::Endpoint;
use serde_json::{Map, Value, json};

use crate::blob::follow::{End, Followed, Follower, Side};
use crate::blob::order::{self, ENDPOINT, Order};
use crate::blob::{clear, refresh};
use crate::cloud::{self, Cloud, CloudError, Reach, ReachArguments, Registry};
use crate::config::{self, CONNECT_PATIENCE};
use crate::difference::{Brief, Plain};
use crate::output::{FINDING, Failure, Output, Role};
use document::{Target, Wanted};

const AFTER_HELP: &str = "\
Examples:
  udmi endpoint --registry DEMO --device AHU-1 --to mqtt://127.0.0.1:1884 --to-registry OTHER --mirror
  udmi endpoint --registry DEMO --device AHU-1 --to mqtts://broker.example --to-username /r/DEMO/d/AHU-1 \\
                --to-password-file password
  udmi endpoint --registry DEMO --device AHU-1 --file endpoint.json
  udmi endpoint --registry DEMO --device AHU-1 --clear

The order goes into the config that the broker keeps, and stays there until --clear. A device moves only if it
finds a config at the other broker as well; --mirror puts it there. The other broker is heard with the account
and certificates that are given for the first; if it cannot be reached, the first alone is heard.

Exit codes: 0 the device is there (or published, with --no-wait), 1 the device says why not, or nothing in
time, 2 wrong usage.";

/// Order a device to another broker, and follow it there
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
#[command(group(clap::ArgGroup::new("what").required(true).args(["to", "file", "clear"])))]
pub(crate) struct Arguments {
    #[command(flatten)]
    reach: ReachArguments,
    /// The device
    #[arg(long, value_name = "ID")]
    device: String,
    /// The other broker, or the same one: mqtt://HOST:PORT, or mqtts://HOST:PORT with TLS
    #[arg(long, value_name = "URL", value_parser = cloud::endpoint)]
    to: Option<Endpoint>,
    /// The registry there; without, that of --registry
    #[arg(long, value_name = "REGISTRY", requires = "to")]
    to_registry: Option<String>,
    /// The device's MQTT client id there; without, /r/REGISTRY/d/DEVICE
    #[arg(long, value_name = "ID", requires = "to")]
    to_client_id: Option<String>,
    /// The device's user name there
    #[arg(long, value_name = "NAME", requires = "to", requires = "to_password_file")]
    to_username: Option<String>,
    /// A file whose first line is the device's password there
    #[arg(long, value_name = "FILE", requires = "to_username")]
    to_password_file: Option<PathBuf>,
    /// An endpoint document of one's own
    #[arg(long)]
    file: Option<PathBuf>,
    /// Take the order away; the device stays where it is
    #[arg(long, conflicts_with_all = ["generation", "mirror"])]
    clear: bool,
    /// When the device has taken the config, publish it at the other broker as well
    #[arg(long, conflicts_with = "no_wait")]
    mirror: bool,
    /// What names this order, a time; without, this second
    #[arg(long, value_name = "TIME", value_parser = order::time)]
    generation: Option<String>,
    /// Do not wait for the device
    #[arg(long)]
    no_wait: bool,
    /// Wait so many seconds for the device
    #[arg(long, value_name = "SECONDS", default_value_t = 60, conflicts_with = "no_wait")]
    timeout: u64,
}

/// Orders and follows.
pub(crate) fn run(arguments: Arguments, output: &Output) -> Result<ExitCode, Failure> {
    let device = arguments.device.as_str();
    let patience = (!arguments.no_wait).then(|| Duration::from_secs(arguments.timeout));
    let read = arguments.file.as_ref().map(|file| Target::read(file, device)).transpose()?;
    let other = arguments.to.as_ref().or(read.as_ref().and_then(Target::endpoint));
    let reach = arguments.reach.reach_with("endpoint", Some(device), other.map(|other| other.transport))?;
    let Registry::Prefix(prefix) = &reach.registry else { return Err(CloudError::Registry.into()) };
    let target = match arguments.to {
        None => read,
        Some(endpoint) => {
            let wanted = Wanted {
                endpoint,
                registry: arguments.to_registry,
                client_id: arguments.to_client_id,
                credentials: arguments.to_username.zip(arguments.to_password_file),
            };
            Some(wanted.target(device, prefix)?)
        }
    };
    let there = target.as_ref().and_then(|target| target.reach(&reach));
    let mut cloud = Cloud::connect(reach, CONNECT_PATIENCE)?;
    cloud.stop_on_signals()?;
    let mut config = config::kept(&mut cloud, device)?.unwrap_or_default();
    let Some(target) = target else { return clear(&mut cloud, device, ENDPOINT, config, patience, output) };
    let content = target.document.to_string();
    let order = Order {
        name: ENDPOINT.to_owned(),
        url: order::data_url("application/json", content.as_bytes()),
        sha256: order::hash(content.as_bytes()),
        generation: order::generation(arguments.generation.as_deref(), &config, ENDPOINT),
    };
    order.put(&mut config).map_err(Failure::new)?;
    // Whoever cannot be heard is found out before anything is ordered.
    let mut sides = vec![Side { label: if there.is_some() { "first" } else { "" }, cloud }];
    if patience.is_some() {
        sides.extend(other_side(there, arguments.mirror, output)?);
    }
    let timestamp = refresh(&mut config);
    if let [first, ..] = sides.as_mut_slice() {
        first.cloud.publish_config(device, &Value::Object(config.clone()))?;
    }
    published(output, device, &order, &target)?;
    let Some(patience) = patience else { return Ok(ExitCode::SUCCESS) };
    let generation = order.generation.as_str();
    let mirrored = arguments.mirror;
    let followed = Followed { device, name: ENDPOINT, generation, timestamp: &timestamp, mirrored };
    let on_taken =
        |sides: &mut [Side]| if mirrored { mirror(sides, device, &config, output) } else { Ok(()) };
    let end = Follower::new(output, followed).follow(&mut sides, patience, on_taken)?;
    ended(output, device, &target, &end)
}

/// Hears the broker that the device goes to, if it can be reached.
fn other_side(there: Option<Reach>, needed: bool, output: &Output) -> Result<Option<Side>, Failure> {
    let Some(reach) = there else { return Ok(None) };
    let endpoint = reach.endpoint.to_string();
    match Cloud::connect(reach, CONNECT_PATIENCE) {
        Ok(cloud) => {
            cloud.stop_on_signals()?;
            Ok(Some(Side { label: "other", cloud }))
        }
        Err(error) if needed => Err(error.into()),
        Err(error) => {
            output.remark(format!("{endpoint} is not heard: {error}"));
            Ok(None)
        }
    }
}

/// Publishes the config at the other broker as well, as the conformance suite does (§5.3).
fn mirror(
    sides: &mut [Side],
    device: &str,
    config: &Map<String, Value>,
    output: &Output,
) -> Result<(), Failure> {
    let [_, other] = sides else { return Ok(()) };
    let mut config = config.clone();
    let timestamp = refresh(&mut config);
    other.cloud.publish_config(device, &Value::Object(config))?;
    if output.json {
        return output.line(json!({ "mirrored": device, "timestamp": timestamp }));
    }
    output.line(output.paint(Role::Faint, "           the config is at the other broker as well"))
}

fn published(output: &Output, device: &str, order: &Order, target: &Target) -> Result<(), Failure> {
    let Order { sha256, generation, .. } = order;
    let shown = target.shown();
    if output.json {
        return output.line(json!({
            "ordered": ENDPOINT, "device": device, "endpoint": shown, "sha256": sha256,
            "generation": generation,
        }));
    }
    let device = output.paint(Role::Strong, Plain(device));
    output.line(format!("ordered {device} to {target}, generation {generation}"))?;
    output.line(output.paint(Role::Faint, format!("  {shown}")))
}

fn ended(output: &Output, device: &str, target: &Target, end: &End) -> Result<ExitCode, Failure> {
    if let End::Failed(status) = end {
        if output.json {
            output.line(json!({ "failed": ENDPOINT, "status": status }))?;
        } else {
            output.line(output.paint(Role::Bad, format!("the redirect failed: {}", Brief(status))))?;
        }
        return Ok(ExitCode::from(FINDING));
    }
    if output.json {
        output.line(json!({ "final": ENDPOINT, "device": device, "endpoint": target.to_string() }))?;
    } else {
        output.line(output.paint(Role::Good, format!("{} is at {target}", Plain(device))))?;
    }
    if *end == End::Elsewhere {
        output.remark("its config there has no such order, which --mirror would have put there");
    }
    Ok(ExitCode::SUCCESS)
}
