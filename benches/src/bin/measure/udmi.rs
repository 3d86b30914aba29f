//! The `udmi` command, its sample site, and devices that run as processes of their own.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, thread};

use serde_json::{Value, json};
use tempfile::TempDir;
use udmi_tests::live::PATIENCE;
use udmi_tests::live::broker::{Broker, Kind, Plan};
use udmi_tests::live::certificates::{Pki, SERVER_NAME};
use udmi_tests::live::cloud::{Cloud, Message};

use crate::Failure;

/// The device of the sample site, which has ten points.
const DEVICE: &str = "AHU-1";

/// The command, and a site for it.
#[derive(Debug)]
pub(crate) struct Udmi {
    program: PathBuf,
    folder: TempDir,
}

impl Udmi {
    /// Takes the command at `path`, or builds it.
    pub(crate) fn new(path: Option<PathBuf>) -> Result<Self, Failure> {
        let udmi = Self { program: path.map_or_else(build, Ok)?, folder: tempfile::tempdir()? };
        let mut init = Command::new(&udmi.program);
        let output = init.arg("--quiet").arg("init").arg(udmi.folder.path().join("site")).output()?;
        if output.status.success() { Ok(udmi) } else { Err(String::from_utf8_lossy(&output.stderr).into()) }
    }

    /// The command.
    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// A folder for what a device remembers.
    pub(crate) fn state_folder(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// All points of the sample site's device, as a config names them.
    fn points(&self) -> Result<Value, Failure> {
        let file = self.folder.path().join("site/devices").join(DEVICE).join("metadata.json");
        let metadata: Value = serde_json::from_slice(&std::fs::read(file)?)?;
        let points = metadata["pointset"]["points"].as_object().ok_or("the sample site has no points")?;
        let config = |point: &Value| match &point["ref"] {
            Value::String(reference) => json!({ "ref": reference }),
            _ => json!({}),
        };
        Ok(points.iter().map(|(name, point)| (name.clone(), config(point))).collect())
    }

    /// Starts the sample site's device.
    pub(crate) fn device(&self, bench: &Bench, runtime: &str, state: &str) -> io::Result<Process> {
        let mut command = Command::new(&self.program);
        command.args(["--color", "never", "device", "--device", DEVICE, "--registry", "REG"]);
        command.arg("--site").arg(self.folder.path().join("site"));
        command.arg("--state-dir").arg(self.state_folder(state));
        command.args(["--runtime", runtime, "--endpoint"]);
        match &bench.pki {
            None => command.arg(format!("mqtt://{}", bench.broker.device_address())),
            Some(pki) => {
                let port = bench.broker.device_address().port();
                let [authority, certificate, key] = pki.write_device(self.folder.path())?;
                command.arg(format!("mqtts://{SERVER_NAME}:{port}")).arg("--ca").arg(authority);
                command.arg("--cert").arg(certificate).arg("--key").arg(key)
            }
        };
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        Process::start(command)
    }
}

/// Builds the command as this one was built, and finds it beside it.
fn build() -> Result<PathBuf, Failure> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let mut command = Command::new(cargo);
    command.args([
        "build",
        "--release",
        "-p",
        "udmi-cli",
        "--message-format",
        "json",
        "--manifest-path",
        manifest,
    ]);
    let output = command.stderr(Stdio::inherit()).stdin(Stdio::null()).output()?;
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    let artifact = |line: &str| {
        let line: Value = serde_json::from_str(line).ok()?;
        let is_command = line["target"]["name"] == "udmi" && line["executable"].is_string();
        is_command.then(|| line["executable"].as_str().map(PathBuf::from)).flatten()
    };
    lines.lines().find_map(artifact).ok_or_else(|| "cargo has not built the udmi command".into())
}

/// Memory of a process, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    /// Resident now.
    pub(crate) resident: u64,
    /// Resident at most so far.
    pub(crate) most: u64,
    /// Resident now and no part of the program's files, which are there once for all processes.
    pub(crate) own: u64,
}

/// A running device; killed when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    /// Just before it was started.
    pub(crate) started: Instant,
}

impl Process {
    /// Starts a command.
    pub(crate) fn start(mut command: Command) -> io::Result<Self> {
        let started = Instant::now();
        Ok(Self { child: command.spawn()?, started })
    }

    /// What `/proc` tells of its memory.
    pub(crate) fn memory(&self) -> Result<Memory, Failure> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let bytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            Some(line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? * 1024)
        };
        let memory =
            || Some(Memory { resident: bytes("VmRSS:")?, most: bytes("VmHWM:")?, own: bytes("RssAnon:")? });
        memory().ok_or_else(|| "the memory of a process is not to be seen".into())
    }

    /// Kills it, and returns what it said on standard error.
    pub(crate) fn kill(mut self) -> io::Result<String> {
        self.child.kill()?;
        self.child.wait()?;
        let mut said = String::new();
        if let Some(mut output) = self.child.stderr.take() {
            output.read_to_string(&mut said)?;
        }
        Ok(said)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended by itself
        let _ = self.child.wait();
    }
}

/// A broker that keeps a config for the sample site's device, and a cloud that sees its states.
#[derive(Debug)]
pub(crate) struct Bench {
    broker: Broker,
    pki: Option<Pki>,
    cloud: Cloud,
}

impl Bench {
    /// Without TLS.
    pub(crate) fn start(udmi: &Udmi) -> Result<Self, Failure> {
        Self::with(udmi, Plan::default())
    }

    /// With TLS, and certificates on both sides.
    pub(crate) fn with_tls(udmi: &Udmi) -> Result<Self, Failure> {
        Self::with(udmi, Plan { pki: Some(Pki::new()), ..Plan::default() })
    }

    fn with(udmi: &Udmi, plan: Plan) -> Result<Self, Failure> {
        let broker = Broker::start(Kind::Embedded, &plan)?;
        let filters = ["/r/REG/d/+/state", "/r/REG/d/+/events/#"];
        let mut cloud = Cloud::connect(broker.plain_address(), "measure", None, &filters)?;
        let config = json!({
            "timestamp": "2026-11-20T05:00:00Z",
            "version": "1.5.7",
            "system": { "min_loglevel": 300, "metrics_rate_sec": 10, "operation": {} },
            "pointset": { "sample_rate_sec": 1, "points": udmi.points()? },
        });
        cloud.publish(&format!("/r/REG/d/{DEVICE}/config"), config.to_string(), true)?;
        Ok(Self { broker, pki: plan.pki, cloud })
    }

    /// The next message whose topic ends so, if one comes before `deadline`.
    pub(crate) fn next(&self, topic: &str, deadline: Instant) -> Option<Message> {
        loop {
            let message = self.cloud.next(deadline.saturating_duration_since(Instant::now()))?;
            if message.topic.ends_with(topic) {
                return Some(message);
            }
        }
    }

    /// The next message whose topic ends so.
    pub(crate) fn wait(&self, topic: &str) -> Result<Message, Failure> {
        self.next(topic, Instant::now() + PATIENCE).ok_or_else(|| format!("no {topic} comes").into())
    }

    /// Drops what has come until nothing more comes for a moment.
    pub(crate) fn settle(&self) {
        while self.cloud.next(Duration::from_millis(20)).is_some() {}
    }
}

/// Sleeps until a moment that was chosen by chance: there is no event to wait for.
pub(crate) fn sleep_until(moment: Instant) {
    thread::sleep(moment.saturating_duration_since(Instant::now()));
}
