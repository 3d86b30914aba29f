//! A dying broker loses no event, and no state comes late. The measurements do the same for longer.

use udmi_tests::live::broker::Kind;
use udmi_tests::live::device::Runtime;
use udmi_tests::live::restarts::{Plan, run};

use crate::watch::judged;

#[test]
fn a_device_on_threads_loses_nothing_with_our_broker() {
    loses_nothing(Kind::Embedded, Runtime::Threads);
}

#[test]
fn a_bare_device_loses_nothing_with_our_broker() {
    loses_nothing(Kind::Embedded, Runtime::Bare);
}

#[test]
fn a_device_on_threads_loses_nothing_with_mosquitto() {
    loses_nothing(Kind::Mosquitto, Runtime::Threads);
}

#[test]
fn a_bare_device_loses_nothing_with_mosquitto() {
    loses_nothing(Kind::Mosquitto, Runtime::Bare);
}

fn loses_nothing(kind: Kind, runtime: Runtime) {
    if !kind.is_there_or_say("three restarts") {
        return;
    }
    let report = run(Plan { kind, runtime, restarts: 3, rate: 100, events: 50 }).unwrap();
    assert_eq!(report.missing, [0_u64; 0], "{} dropped", report.dropped);
    assert_eq!((report.dropped, report.refused, report.seen), (0, 0, report.sent));
    assert_eq!(report.disorder, [""; 0]);
    assert!(report.states >= 4, "a state after each start, not {}", report.states);
    for message in &report.messages {
        judged(message);
    }
}
