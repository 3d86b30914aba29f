//! An example beside the cloud's desk.

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::desk::Desk;
use super::program::{Program, example};

/// The registry of all examples.
pub const REGISTRY: &str = "ZZ-TRI-FECTA";
/// The device of most of them.
pub const DEVICE: &str = "AHU-1";
/// The gateway of the others.
pub const GATEWAY: &str = "GAT-1";

/// An example that runs beside the cloud's desk, in a folder of its own.
#[derive(Debug)]
pub struct Shown {
    /// The example.
    pub program: Program,
    /// Its cloud.
    pub desk: Desk,
    /// Its working directory.
    pub folder: TempDir,
}

impl Shown {
    /// Starts the example with the desk's broker as its first argument.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn start(name: &str) -> Self {
        Self::start_in(tempfile::tempdir().expect("there is a place for folders"), name, &[])
    }

    /// The same with what may be in the folder, and further arguments.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn start_in(folder: TempDir, name: &str, arguments: &[&str]) -> Self {
        let desk = Desk::start(REGISTRY).expect("there is a free port");
        let program = run(name, folder.path(), desk.address(), arguments).expect("the example starts");
        Self { program, desk, folder }
    }

    /// The example tells its load and for how long it runs: it samples both as often as the config wants.
    ///
    /// # Panics
    /// If it does not.
    pub fn tells_load_and_uptime(&mut self) {
        self.desk.configure(DEVICE, &json!({ "pointset": { "sample_rate_sec": 1 } }));
        let event = self.desk.message(DEVICE, "events/pointset", |event| {
            ["load", "uptime"].iter().all(|point| event["points"][point]["present_value"].is_number())
        });
        assert_eq!(event["partial_update"], json!(null), "{event}");
        let uptime = self.sample("uptime").as_i64().expect("a whole number of seconds");
        self.desk.message(DEVICE, "events/pointset", |event| {
            event["points"]["uptime"]["present_value"].as_i64() > Some(uptime)
        });
    }

    /// The example is a gateway of meters: it attaches two of them, samples them, and writes a limit of the second.
    ///
    /// # Panics
    /// If it does not.
    pub fn acts_for_its_meters(&mut self) {
        self.desk.configure(GATEWAY, &json!({ "gateway": { "proxy_ids": ["EM-1", "EM-2"] } }));
        self.desk.configure("EM-1", &sampling(&json!({ "voltage": {}, "power": {} })));
        self.desk.message("EM-1", "events/pointset", |event| {
            let value = |point: &str| event["points"][point]["present_value"].clone();
            value("voltage") == 230.1 && value("power") == 42
        });
        self.desk.configure("EM-2", &sampling(&json!({ "power": {}, "limit": { "set_value": 16 } })));
        self.program.line("EM-2 limit := 16");
        self.desk.state("EM-2", |state| state["pointset"]["points"]["limit"]["value_state"] == "applied");
        self.desk.message("EM-2", "events/pointset", |event| event["points"]["power"]["present_value"] == 42);
    }

    /// The point's value in the next sample that has it.
    ///
    /// # Panics
    /// If there is none in time.
    pub fn sample(&mut self, point: &str) -> Value {
        let event =
            self.desk.message(DEVICE, "events/pointset", |event| event["points"].get(point).is_some());
        event["points"][point]["present_value"].clone()
    }

    /// The point in the next state that says `wanted` of what the cloud has set.
    ///
    /// # Panics
    /// If there is none in time.
    pub fn value_state(&mut self, point: &str, wanted: &str) -> Value {
        let state =
            self.desk.state(DEVICE, |state| state["pointset"]["points"][point]["value_state"] == wanted);
        state["pointset"]["points"][point].clone()
    }
}

/// Runs an example, with its broker as the first argument.
///
/// # Errors
/// It cannot be started.
pub fn run(name: &str, folder: &Path, broker: SocketAddr, arguments: &[&str]) -> io::Result<Program> {
    let broker = broker.to_string();
    let arguments: Vec<_> = [broker.as_str()].into_iter().chain(arguments.iter().copied()).collect();
    Program::start(&example(name), folder, &arguments, &[])
}

/// The same by TLS; the broker's certificate is for `localhost`.
///
/// # Errors
/// It cannot be started.
pub fn run_over_tls(
    name: &str,
    folder: &Path,
    broker: SocketAddr,
    arguments: &[&str],
) -> io::Result<Program> {
    let url = format!("mqtts://localhost:{}", broker.port());
    let arguments: Vec<_> = [url.as_str()].into_iter().chain(arguments.iter().copied()).collect();
    Program::start(&example(name), folder, &arguments, &[])
}

/// A config that wants a sample each second of these points, with what is said of each.
#[must_use]
pub fn sampling(points: &Value) -> Value {
    json!({ "pointset": { "sample_rate_sec": 1, "points": points } })
}

/// The status of a point in a state.
#[must_use]
pub fn status<'a>(state: &'a Value, point: &str) -> &'a Value {
    &state["pointset"]["points"][point]["status"]
}

/// A path as an argument.
///
/// # Panics
/// If it is none.
#[must_use]
pub fn text(path: &Path) -> String {
    path.to_str().expect("temporary folders have plain names").to_owned()
}
