//! Faults at the border: what befalls a device's broker, its line, its disk, its names, its clock and its process, on
//! all runtimes. `docs/reliability.md` has a row for each.

#[path = "border/certificates.rs"]
mod certificates;
#[path = "border/configs.rs"]
mod configs;
#[path = "border/host.rs"]
mod host;
#[path = "border/lines.rs"]
mod lines;
#[path = "border/names.rs"]
mod names;
#[path = "border/subject.rs"]
mod subject;

use std::thread;

use udmi_proto::Notice;
use udmi_tests::live::device::{Running, Runtime};

/// Does the same on all runtimes, side by side.
fn on_all(test: impl Fn(Runtime) + Sync) {
    thread::scope(|scope| {
        let running = Runtime::ALL.map(|runtime| {
            let test = &test;
            thread::Builder::new().name(format!("{runtime:?}")).spawn_scoped(scope, move || test(runtime))
        });
        for (running, runtime) in running.into_iter().zip(Runtime::ALL) {
            assert!(running.unwrap().join().is_ok(), "it fails on {runtime:?}");
        }
    });
}

fn connected(device: &Running) {
    device.notice("connected", |notice| matches!(notice, Notice::Connected { .. }).then_some(()));
}

/// No connection was lost since notices were last looked at.
fn assert_kept_link(device: &Running) {
    for notice in device.notices() {
        assert!(!matches!(notice, Notice::Disconnected { .. }), "{notice:?}");
    }
}
