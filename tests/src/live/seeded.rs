//! Devices that are faulty, at a real broker, tested by the command: `udmi device` behind a relay that alters what it
//! sends, and `udmi conform`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::{fs, io, thread};

use serde_json::Value;

use super::relay::Relay;
use crate::conformance::fault::Fault;

/// The device of the site in whose place a faulty one is put, and how those are called.
const ORIGINAL: &str = "AHU-1";
const DEVICE: &str = "FLT-";

/// What is run.
#[derive(Debug)]
pub struct Plan<'a> {
    /// The program `udmi`.
    pub udmi: PathBuf,
    /// Where the broker listens; it lets in whoever comes.
    pub broker: SocketAddr,
    /// The log of the broker, if that is a mosquitto that logs everything.
    pub broker_log: Option<PathBuf>,
    /// The faults, each of which a device of its own has.
    pub faults: Vec<Fault>,
    /// These sequences alone.
    pub only: Option<String>,
    /// An empty folder.
    pub folder: &'a Path,
}

/// What was told of one device.
#[derive(Debug)]
pub struct Told {
    /// Its fault.
    pub fault: String,
    /// How many sequences have run.
    pub ran: usize,
    /// What failed.
    pub failures: Vec<(String, String)>,
    /// How that differs from its fault.
    pub differences: Vec<String>,
}

/// A process that ends with this.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill(); // it may have ended by itself
        let _ = self.0.wait();
    }
}

/// Runs it all. Of what is expected of a fault only sequences that have run count.
///
/// # Errors
/// A program cannot be started or a file not be written or read, or `udmi conform` cannot begin.
pub fn run(plan: &Plan) -> io::Result<Vec<Told>> {
    let ids = (1..=plan.faults.len()).map(|number| format!("{DEVICE}{number}"));
    let faults: BTreeMap<String, Fault> = ids.zip(plan.faults.iter().cloned()).collect();
    let relay = Relay::to(plan.broker, faults.clone())?;
    let relay = format!("mqtt://{}", relay.address());
    thread::scope(|scope| {
        let runs = faults.iter().map(|(id, fault)| {
            let relay = relay.as_str();
            scope.spawn(move || one(plan, relay, id, fault))
        });
        let runs: Vec<_> = runs.collect();
        runs.into_iter().map(|run| run.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    })
}

/// A device with a fault in a site of its own, and who tests it.
fn one(plan: &Plan, relay: &str, id: &str, fault: &Fault) -> io::Result<Told> {
    let folder = plan.folder.join(id);
    let site = folder.join("site");
    copy_site(&Path::new(env!("CARGO_MANIFEST_DIR")).join("site"), &site, id)?;
    let _device = device(plan, &folder, id, relay)?;
    conform(plan, &folder, id, relay)?;
    judge(fault, &fs::read_to_string(folder.join("results/results.json"))?)
}

/// The site, in which AHU-1 has another name.
fn copy_site(from: &Path, to: &Path, id: &str) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let name = if name == ORIGINAL { id } else { &name };
        if path.is_dir() {
            copy_site(&path, &to.join(name), id)?;
        } else {
            fs::write(to.join(name), fs::read_to_string(path)?.replace(ORIGINAL, id))?;
        }
    }
    Ok(())
}

fn device(plan: &Plan, folder: &Path, id: &str, relay: &str) -> io::Result<Running> {
    let mut command = Command::new(&plan.udmi);
    command.args(["-q", "device", "--device", id, "--endpoint", relay, "--restart", "exec"]);
    command.args(["--state-interval", "1"]).arg("--site").arg(folder.join("site"));
    command.arg("--state-dir").arg(folder.join("state"));
    Ok(Running(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?))
}

fn conform(plan: &Plan, folder: &Path, id: &str, relay: &str) -> io::Result<()> {
    let mut command = Command::new(&plan.udmi);
    command.args(["-q", "conform", "--device", id, "--stage", "alpha", "--alternate-registry", "ALT"]);
    command.args(["--endpoint", &format!("mqtt://{}", plan.broker), "--device-endpoint", relay]);
    command.arg("--site").arg(folder.join("site")).arg("--results").arg(folder.join("results"));
    if let Some(log) = &plan.broker_log {
        command.arg("--broker-log").arg(log);
    }
    if let Some(only) = &plan.only {
        command.args(["--only", only]);
    }
    let output = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).output()?;
    let said = || format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    match output.status.code() {
        Some(0 | 1) => Ok(()),
        Some(_) | None => Err(io::Error::other(said())),
    }
}

fn judge(fault: &Fault, results: &str) -> io::Result<Told> {
    let results: Value = serde_json::from_str(results)?;
    let outcomes = results["outcomes"].as_array().cloned().unwrap_or_default();
    let ran = outcomes.iter().filter(|outcome| outcome["verdict"]["result"] != "skip");
    let ran: Vec<_> = ran.map(name).collect();
    let mut fault = fault.clone();
    fault.fails.retain(|what, _| what.split([' ', '.']).next().is_some_and(|what| ran.contains(&what)));
    let failures: Vec<_> = outcomes.iter().flat_map(failures).collect();
    let differences = fault.differs(&failures);
    Ok(Told { fault: fault.name, ran: ran.len(), failures, differences })
}

/// The name of a sequence without its family.
fn name(outcome: &Value) -> &str {
    outcome["sequence"].as_str().and_then(|name| name.split('+').next()).unwrap_or_default()
}

/// As [`crate::conformance::fault::failures`], of an outcome in writing.
fn failures(outcome: &Value) -> Vec<(String, String)> {
    let name = name(outcome);
    let message = |verdict: &Value| {
        let failed = verdict["result"] == "fail";
        failed.then(|| verdict["message"].as_str().unwrap_or_default().to_owned())
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |member: &str| outcome[member].as_array().cloned().unwrap_or_default();
    let own = message(&outcome["verdict"]).map(|message| (name.to_owned(), message));
    let capabilities = list("capabilities").into_iter().filter_map(|capability| {
        Some((format!("{name}.{}", text(&capability["name"])), message(&capability["verdict"])?))
    });
    let schemas = list("schemas").into_iter().filter_map(|schema| {
        let findings: Vec<_> = schema["findings"].as_array().into_iter().flatten().map(text).collect();
        let what = format!("{name} {}", text(&schema["name"]));
        (!findings.is_empty()).then(|| (what, findings.join("; ")))
    });
    own.into_iter().chain(capabilities).chain(schemas).collect()
}
