//! The examples, as processes of their own, against brokers that are there; what counts is what the cloud sees.

mod blobs;
mod connect;
mod endpoint;
mod gateway;
mod points;
mod system;
mod writeback;

use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;
use udmi_tests::live::desk::Desk;
use udmi_tests::live::program::{Program, example};

const REGISTRY: &str = "ZZ-TRI-FECTA";
const DEVICE: &str = "AHU-1";

/// An example that runs beside the cloud's desk, in a folder of its own.
struct Shown {
    program: Program,
    desk: Desk,
    folder: TempDir,
}

impl Shown {
    /// Starts the example with the desk's broker as its first argument.
    fn start(name: &str) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), name, &[])
    }

    /// The same with what may be in the folder, and further arguments.
    fn start_in(folder: TempDir, name: &str, arguments: &[&str]) -> Self {
        let desk = Desk::start(REGISTRY).unwrap();
        let program = run(name, folder.path(), desk.address(), arguments);
        Self { program, desk, folder }
    }

    /// The point of the next sample that has it.
    fn sample(&mut self, point: &str) -> Value {
        let event =
            self.desk.message(DEVICE, "events/pointset", |event| event["points"].get(point).is_some());
        event["points"][point]["present_value"].clone()
    }

    /// The next state whose point is in that state of its value.
    fn value_state(&mut self, point: &str, wanted: &str) -> Value {
        let state =
            self.desk.state(DEVICE, |state| state["pointset"]["points"][point]["value_state"] == wanted);
        state["pointset"]["points"][point].clone()
    }
}

/// Runs an example.
fn run(name: &str, folder: &Path, broker: SocketAddr, arguments: &[&str]) -> Program {
    let broker = broker.to_string();
    let arguments: Vec<_> = [broker.as_str()].into_iter().chain(arguments.iter().copied()).collect();
    Program::start(&example(name), folder, &arguments, &[]).unwrap()
}

/// A config that wants samples of these points, with what is said of each.
fn sampling(points: &Value) -> Value {
    json!({ "pointset": { "sample_rate_sec": 1, "points": points } })
}

/// The status of a point in a state.
fn status<'a>(state: &'a Value, point: &str) -> &'a Value {
    &state["pointset"]["points"][point]["status"]
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// A moment that is about to come, in UDMI's form.
fn soon() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let now = i64::try_from(now.as_millis()).unwrap();
    udmi_std::udmi_proto::model::common::Timestamp::from_millis_whole_seconds(now + 1000).as_str().to_owned()
}
