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
