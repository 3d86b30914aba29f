//! Devices simulated by the Python package bacpypes3, in a process of their own.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddrV4;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value as Json;

/// Names the Python interpreter that has bacpypes3; `python3` by default.
const PYTHON: &str = "UDMI_PYTHON";

/// Devices 1001 and 1002 with points of all kinds, and 1003 with 400.
pub(crate) struct Devices {
    process: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    addresses: Vec<SocketAddrV4>,
}

impl Devices {
    /// Starts them, or says that a test is left out since bacpypes3 is missing.
    pub(crate) fn start(test: &str) -> Option<Self> {
        Self::start_script(test, "devices.py")
    }

    pub(crate) fn start_script(test: &str, script: &str) -> Option<Self> {
        let python = std::env::var(PYTHON).unwrap_or_else(|_| "python3".into());
        let found = Command::new(&python).args(["-c", "import bacpypes3"]).stderr(Stdio::null()).status();
        if !found.is_ok_and(|status| status.success()) {
            println!("left out: {test}, because {python} has no package bacpypes3 ({PYTHON} names another)");
            return None;
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../udmi-host/tests/bacnet").join(script);
        let mut process = Command::new(python)
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python starts");
        let commands = process.stdin.take().unwrap();
        let answers = BufReader::new(process.stdout.take().unwrap());
        let mut devices = Self { process, commands, answers, addresses: Vec::new() };
        loop {
            let mut line = String::new();
            assert_ne!(devices.answers.read_line(&mut line).unwrap(), 0, "the simulated devices end early");
            if line.trim() == "ready" {
                return Some(devices);
            }
            let line: Json = serde_json::from_str(&line).unwrap();
            devices.addresses.push(line["address"].as_str().unwrap().parse().unwrap());
        }
    }

    pub(crate) fn addresses(&self) -> Vec<SocketAddrV4> {
        self.addresses.clone()
    }

    /// What an object holds, as the device itself says.
    pub(crate) fn show(&mut self, device: u32, object: &str) -> Json {
        writeln!(self.commands, "show {device} {object}").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

impl Drop for Devices {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
