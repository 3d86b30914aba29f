//! A dying broker loses no event, and no state comes late. The measurements do the same for longer.

use udmi_tests::live::broker::Kind;
use udmi_tests::live::device::Runtime;
use udmi_tests::live::restarts::{Plan, run};
use udmi_tests::live::watch::judged;

#[test]
fn a_device_on_threads_loses_nothing_with_our_broker() {
    loses_nothing(Kind::Embedded, Runtime::Threads);
}

#[test]
fn a_bare_device_loses_nothing_with_our_broker() {
    loses_nothing(Kind::Embedded, Runtime::Bare);
}

#[test]
fn a_device_as_a_future_loses_nothing_with_our_broker() {
    loses_nothing(Kind::Embedded, Runtime::Smol);
}

#[test]
fn a_device_on_threads_loses_nothing_with_mosquitto() {
    loses_nothing(Kind::Mosquitto, Runtime::Threads);
}

#[test]
fn a_bare_device_loses_nothing_with_mosquitto() {
    loses_nothing(Kind::Mosquitto, Runtime::Bare);
}

#[test]
fn a_device_as_a_future_loses_nothing_with_mosquitto() {
    loses_nothing(Kind::Mosquitto, Runtime::Smol);
}

/// What the other tests stand on: a loss would be seen.
#[test]
fn what_does_not_fit_the_outbox_is_missed_and_said_by_the_device() {
    let plan = Plan::new(Kind::Embedded, Runtime::Threads, 1);
    let report = run(Plan { outbox: 10, ..plan }).unwrap();
    assert!(!report.missing.is_empty() && !report.is_clean());
    assert_eq!((report.overflows, report.disorder), (1, Vec::new()));
}

fn loses_nothing(kind: Kind, runtime: Runtime) {
    if !kind.is_there_or_say("three restarts") {
        return;
    }
    let report = run(Plan::new(kind, runtime, 3)).unwrap();
    assert_eq!(report.missing, [0_u64; 0]);
    assert_eq!((report.overflows, report.refused, report.seen), (0, 0, report.sent));
    assert_eq!(report.disorder, [""; 0]);
    assert!(report.repeated > 0, "unacknowledged events are sent again");
    assert!(report.states >= 4, "a state after each start, not {}", report.states);
    for message in &report.messages {
        let _ = judged(message);
    }
}
