//! `udmi scan`: what is found on a local network, without a cloud.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use udmi_host::family::{Answer, Call, FieldLimits, FieldThreads, Found, ScanRequest};
use udmi_host::site::SiteModel;
use udmi_proto::family::Family;
use udmi_proto::model::common::{Depth, Timestamp};
use udmi_proto::model::discovery::{DiscoveryRef, DiscoverySystem};

use crate::difference::Plain;
use crate::field::{FieldArguments, SimulatedFamily};
use crate::output::{FINDING, Failure, Output, Role};

/// How long threads may take to end.
const FAREWELL: Duration = Duration::from_secs(1);

const AFTER_HELP: &str = "\
Examples:
  udmi scan --family ipv4                                          hosts on this machine's networks
  udmi scan --family bacnet --depth details                        BACnet devices with their objects
  udmi scan --family bacnet --bacnet-to 10.0.0.255 --address 582312
  udmi scan --family modbus --modbus-host plc.example:502          units that answer behind a host
  udmi scan --family bacnet --site site --simulated                what a simulated gateway would find

Exit codes: 0 something was found, 1 nothing was found or the scan failed, 2 wrong usage.";

/// Look for devices of a family on the local network
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    /// The family: bacnet, modbus, ether, ipv4 or ipv6
    #[arg(long, value_parser = family)]
    family: Family,
    /// Only this address; may be repeated
    #[arg(long, value_name = "ADDRESS")]
    address: Vec<String>,
    /// Only this network; may be repeated
    #[arg(long, value_name = "NETWORK")]
    network: Vec<String>,
    /// How many seconds to look
    #[arg(long, default_value_t = 10, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=3600))]
    duration: u32,
    /// How much to ask each device: entries, or details with what it offers
    #[arg(long, default_value = "entries", value_parser = depth)]
    depth: Depth,
    /// A site model, whose references of Modbus devices are told as theirs
    #[arg(long, value_name = "DIR")]
    site: Option<std::path::PathBuf>,
    /// Find what the site model says there is, as a simulated gateway does
    #[arg(long, requires = "site")]
    simulated: bool,
    #[command(flatten)]
    field: FieldArguments,
}

/// Scans until the end of the round, and prints what is found as it is found.
pub(crate) fn run(arguments: Arguments, output: &Output) -> Result<ExitCode, Failure> {
    let Arguments { family, address, network, duration, depth, .. } = arguments;
    address.iter().try_for_each(|text| family.check_address(text)).map_err(Failure::usage)?;
    network.iter().try_for_each(|text| family.check_network(text)).map_err(Failure::usage)?;
    let site = arguments.site.as_deref().map(SiteModel::open).transpose().map_err(Failure::usage)?;
    let provider = match &site {
        Some(site) if arguments.simulated => {
            Some(Arc::new(SimulatedFamily { site: site.clone(), family }) as _)
        }
        _ => arguments.field.provider(family, site.as_ref())?,
    };
    let Some(provider) = provider else {
        let problem = format!("nobody here can scan {}", family.as_str());
        return Err(Failure::usage(problem).hint("--family is one of bacnet, modbus, ether, ipv4 and ipv6"));
    };
    let threads = FieldThreads::new([provider], FieldLimits::default()).map_err(Failure::new)?;
    let (tell, told) = channel();
    let stopped = tell.clone();
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(Failure::new)?;
    thread::spawn(move || {
        if signals.forever().next().is_some() {
            let _ = stopped.send(None); // refused only if nobody waits any more
        }
    });
    let request = ScanRequest {
        family: family.as_str().to_owned(),
        generation: now(),
        depth,
        references: depth >= Depth::Details,
        addresses: address,
        networks: network,
        duration_seconds: duration,
    };
    let report = Arc::new(move |answer| {
        let _ = tell.send(Some(answer)); // refused only if nobody waits any more
    });
    threads.start(Call::Scan(request), report).map_err(Failure::new)?;
    let since = Instant::now();
    let found = show(&told, since + Duration::from_secs(duration.into()) + FAREWELL, output);
    threads.close(FAREWELL);
    let found = found?;
    let devices = if found == 1 { "device" } else { "devices" };
    output.remark(format!("{found} {devices} in {:.1} s", since.elapsed().as_secs_f64()));
    Ok(if found == 0 { ExitCode::from(FINDING) } else { ExitCode::SUCCESS })
}

/// Prints until the scan ends by itself, by time or by a signal, and tells how many devices there were.
fn show(told: &Receiver<Option<Answer>>, end: Instant, output: &Output) -> Result<u32, Failure> {
    let mut count = 0;
    while let Ok(Some(answer)) = told.recv_timeout(end.saturating_duration_since(Instant::now())) {
        match answer {
            Answer::Found(found) => {
                if count == 0 && !output.json {
                    output.line(output.paint(Role::Strong, heading()))?;
                }
                count += 1;
                print(&found, output)?;
            }
            Answer::Scanned(result) => return result.map(|()| count).map_err(Failure::new),
            Answer::Read(_) | Answer::Written(_) => {} // nobody has asked for that
        }
    }
    Ok(count)
}

fn heading() -> String {
    format!("{:<24} {:<18} {:<24} {}", "ADDRESS", "NETWORK", "NAME", "DESCRIPTION")
}

fn print(found: &Found, output: &Output) -> Result<(), Failure> {
    if output.json {
        return output.line(serde_json::to_string(found).map_err(Failure::new)?);
    }
    let network = found.network.as_deref().unwrap_or("-");
    let (name, description) = found.system.as_ref().map(described).unwrap_or_default();
    let text = |text: &str| Plain(text).to_string();
    let row = format!(
        "{:<24} {:<18} {:<24} {}",
        text(&found.address),
        text(network),
        text(&name),
        text(&description)
    );
    output.line(row.trim_end())?;
    for (family, address) in &found.families {
        output.line(format!("    {} {}", text(family), text(address)))?;
    }
    for (reference, offered) in &found.references {
        output.line(format!("    {}", reference_line(reference, offered)).trim_end())?;
    }
    match &found.status {
        Some(status) => output.line(format!("    {}", output.paint(Role::Warning, Plain(status)))),
        None => Ok(()),
    }
}

/// Name and description.
fn described(system: &DiscoverySystem) -> (String, String) {
    let DiscoverySystem { description, name, serial_no, ancillary, hardware } = system;
    let other = ancillary.as_ref().and_then(|ancillary| ancillary.0.get("name")?.as_str());
    let hardware = hardware.as_ref().map(|hardware| format!("{} {}", hardware.make, hardware.model));
    let parts = [hardware, serial_no.clone(), description.clone()];
    let parts: Vec<_> = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
    (name.as_deref().or(other).unwrap_or("-").to_owned(), parts.join(", "))
}

fn reference_line(reference: &str, offered: &DiscoveryRef) -> String {
    let DiscoveryRef { point, name, units, writable, description, .. } = offered;
    let writable = writable.unwrap_or(false).then(|| "writable".to_owned());
    let named = name.clone().or_else(|| point.clone()).unwrap_or_default();
    let parts = [units.clone(), writable, description.clone()];
    let parts: Vec<_> = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
    format!(
        "{:<24} {:<24} {}",
        Plain(reference).to_string(),
        Plain(&named).to_string(),
        Plain(&parts.join(", "))
    )
}

fn family(text: &str) -> Result<Family, String> {
    Family::from_name(text).ok_or_else(|| "expected bacnet, modbus, ether, ipv4 or ipv6".to_owned())
}

fn depth(text: &str) -> Result<Depth, String> {
    let known = [Depth::Entries, Depth::Details, Depth::Parts, Depth::System, Depth::Refs];
    known
        .into_iter()
        .find(|depth| depth.as_str() == text)
        .ok_or_else(|| "expected entries or details".to_owned())
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
