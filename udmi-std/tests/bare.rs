//! The driver without threads.

mod common;

use std::time::{Duration, Instant};

use common::{Broker, PATIENCE, config, settings, timestamp};
use udmi_std::bare::Bare;
use udmi_std::driver::Driver;
use udmi_std::udmi_proto::{Command, Hook, Outcome, Udmi};
use udmi_std::{ExitReason, Notice, Value};

#[test]
fn a_bare_device_answers_its_config_writes_and_stops() {
    let broker = Broker::start();
    broker.configure(&config(1, Some(7.0)));
    let dialect = Udmi::new(settings(broker.address)).unwrap();
    let (heard, notices) = std::sync::mpsc::channel();
    let answer = |hook: Hook| match hook {
        Hook::WritePoint { value: Value::Number(7.0), .. } => Outcome::Done,
        _ => Outcome::Unhandled,
    };
    let hear = move |notice: Notice| heard.send(notice).unwrap();
    let mut device = Bare::start(Driver::new(dialect, (answer, hear))).unwrap();

    let deadline = Instant::now() + PATIENCE;
    let turn = |device: &mut Bare<Udmi>| {
        assert!(Instant::now() < deadline, "too late");
        device.turn(Duration::from_millis(100))
    };
    let mut states = 0;
    while states < 2 {
        assert_eq!(turn(&mut device), None);
        states += notices.try_iter().filter(|notice| *notice == Notice::StatePublished).count();
    }
    let applied =
        |state: &serde_json::Value| state["pointset"]["points"]["setpoint"]["value_state"] == "applied";
    assert_eq!(broker.message("state", applied)["system"]["last_config"], timestamp(1));
    device.command(Command::Stop { reason: ExitReason::Shutdown });
    let reason = loop {
        if let Some(reason) = turn(&mut device) {
            break reason;
        }
    };
    assert_eq!(reason, ExitReason::Shutdown);
    assert!(device.node().is_finished());
    broker.message("state", |state| state["system"]["operation"]["mode"] == "shutdown");
}

#[test]
fn a_turn_lasts_no_longer_than_wanted() {
    let broker = Broker::start();
    let dialect = Udmi::new(settings(broker.address)).unwrap();
    let mut device =
        Bare::start(Driver::new(dialect, (|_: Hook| Outcome::Unhandled, |_: Notice| {}))).unwrap();
    let started = Instant::now();
    for _ in 0..10 {
        assert_eq!(device.turn(Duration::ZERO), None);
    }
    assert!(started.elapsed() < Duration::from_secs(5));
}
