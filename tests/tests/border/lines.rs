//! What befalls the broker and the line to it.

use std::time::Duration;

use udmi_proto::{Command, Down, ExitReason, Json, Notice};
use udmi_tests::live::broker::{Broker, Kind, Plan};
use udmi_tests::live::device::{self, Running};
use udmi_tests::live::gate::Gate;
use udmi_tests::live::numbered::{answers, config};
use udmi_tests::live::watch::Watch;

use crate::{assert_kept_link, connected, on_all};

fn count(device: &Running, number: u32, text: &str) {
    let content = Json::object(&format!(r#"{{"number":{number},"text":"{text}"}}"#)).unwrap();
    device.command(Command::SendEvent { folder: "counted".into(), content });
}

fn down(device: &Running) -> Down {
    device.notice("disconnected", |notice| match notice {
        Notice::Disconnected { why } => Some(why.clone()),
        _ => None,
    })
}

/// Its sockets stay and take bytes, nobody answers.
#[test]
fn a_broker_that_stands_still_is_left_and_found_again_with_nothing_lost() {
    if !Kind::Mosquitto.is_there_or_say("a broker that stands still") {
        return;
    }
    on_all(|runtime| {
        let broker = Broker::start(Kind::Mosquitto, &Plan::default()).unwrap();
        let mut watch = Watch::new(&broker);
        let mut plan = device::Plan::plain(broker.device_address());
        plan.settings.options.keep_alive_seconds = 1;
        plan.limits.pingresp_timeout = Duration::from_secs(1);
        plan.limits.connack_timeout = Duration::from_secs(1);
        let device = Running::start(runtime, plan);
        watch.configure(&config(1, None).to_string());
        watch.state("the config is answered", |state| answers(state, 1));
        broker.suspend().unwrap();
        (1..=20).for_each(|number| count(&device, number, ""));
        assert_eq!(down(&device), Down::PingTimeout);
        assert_eq!(down(&device), Down::ConnAckTimeout);
        (21..=40).for_each(|number| count(&device, number, ""));
        broker.resume().unwrap();
        for number in 1..=40 {
            watch.wait("events/counted", "an event of that time", |event| event["number"] == number);
        }
        watch.configure(&config(2, None).to_string());
        watch.state("the config is answered", |state| answers(state, 2));
        assert_eq!(device.stop(), ExitReason::Shutdown);
    });
}

#[test]
fn a_slow_line_to_our_broker_loses_nothing_and_no_link() {
    slow(Kind::Embedded);
}

#[test]
fn a_slow_line_to_mosquitto_loses_nothing_and_no_link() {
    slow(Kind::Mosquitto);
}

fn slow(kind: Kind) {
    if !kind.is_there_or_say("a slow line") {
        return;
    }
    on_all(|runtime| {
        let broker = Broker::start(kind, &Plan::default()).unwrap();
        let gate = Gate::open_to(broker.device_address()).unwrap();
        gate.slow(100_000);
        let mut watch = Watch::new(&broker);
        let device = Running::start(runtime, device::Plan::plain(gate.address()));
        connected(&device);
        watch.configure(&config(1, None).to_string());
        watch.state("the config is answered", |state| answers(state, 1));
        let text = "x".repeat(2000);
        (1..=150).for_each(|number| count(&device, number, &text));
        watch.configure(&config(2, None).to_string());
        let mut next = 1;
        while next <= 150 {
            watch.wait("events/counted", "each event in its place", |event| event["number"] == next);
            next += 1;
        }
        watch.configure(&config(3, None).to_string());
        watch.state("the config is answered", |state| answers(state, 3));
        assert_kept_link(&device);
        assert_eq!(device.stop(), ExitReason::Shutdown);
    });
}
