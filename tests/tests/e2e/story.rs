//! One device's life: first config, telemetry, a write, a broken config, a lost link, a dead broker, the end.

use std::io::ErrorKind;

use serde_json::Value;
use udmi_proto::{Command, ExitReason, Json, Notice, Transport};
use udmi_tests::live::broker::{Broker, Kind, Plan};
use udmi_tests::live::certificates::{Pki, SERVER_NAME};
use udmi_tests::live::cloud::Cloud;
use udmi_tests::live::device::{self, Running, Runtime};
use udmi_tests::live::gate::Gate;
use udmi_tests::live::numbered::{self, config};
use udmi_tests::live::watch::Watch;
use udmi_tests::live::{DEVICE, DEVICE_PASSWORD};
use udmi_tests::upstream::LEFT_OUT;

#[test]
fn a_device_on_threads_lives_with_our_broker() {
    live(Kind::Embedded, Runtime::Threads, Way::Tcp);
}

#[test]
fn a_bare_device_lives_with_our_broker() {
    live(Kind::Embedded, Runtime::Bare, Way::Tcp);
}

#[test]
fn a_device_as_a_future_lives_with_our_broker() {
    live(Kind::Embedded, Runtime::Smol, Way::Tcp);
}

#[test]
fn a_device_on_threads_lives_with_mosquitto() {
    live(Kind::Mosquitto, Runtime::Threads, Way::Tcp);
}

#[test]
fn a_bare_device_lives_with_mosquitto() {
    live(Kind::Mosquitto, Runtime::Bare, Way::Tcp);
}

#[test]
fn a_device_as_a_future_lives_with_mosquitto() {
    live(Kind::Mosquitto, Runtime::Smol, Way::Tcp);
}

#[test]
fn a_device_on_threads_lives_with_our_broker_behind_tls() {
    live(Kind::Embedded, Runtime::Threads, Way::Tls);
}

#[test]
fn a_bare_device_lives_with_our_broker_behind_tls() {
    live(Kind::Embedded, Runtime::Bare, Way::Tls);
}

#[test]
fn a_device_as_a_future_lives_with_our_broker_behind_tls() {
    live(Kind::Embedded, Runtime::Smol, Way::Tls);
}

#[test]
fn a_device_on_threads_lives_with_mosquitto_over_tls() {
    live(Kind::Mosquitto, Runtime::Threads, Way::Tls);
}

#[test]
fn a_bare_device_lives_with_mosquitto_over_tls() {
    live(Kind::Mosquitto, Runtime::Bare, Way::Tls);
}

#[test]
fn a_device_as_a_future_lives_with_mosquitto_over_tls() {
    live(Kind::Mosquitto, Runtime::Smol, Way::Tls);
}

#[test]
fn a_refused_subscription_to_commands_changes_nothing() {
    for kind in [Kind::Embedded, Kind::Mosquitto] {
        for runtime in Runtime::ALL {
            let plan = Plan { accounts: true, refuses_commands: true, ..Plan::default() };
            let broker = match Broker::start(kind, &plan) {
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    eprintln!("{LEFT_OUT} {kind:?} with refused commands: it or its plug-in is missing");
                    continue;
                }
                started => started.unwrap(),
            };
            let mut watch = Watch::new(&broker);
            let device = Running::start(runtime, device::Plan::plain(broker.device_address()));
            let refused = |notice: &Notice| match notice {
                Notice::SubscriptionRefused { topic } => Some(topic.clone()),
                _ => None,
            };
            assert_eq!(device.notice("a refusal", refused), "commands");
            watch.configure(&config(1, None).to_string());
            watch.state("the config is answered", answers(1));
            assert_eq!(device.stop(), ExitReason::Shutdown);
        }
    }
}

/// How bytes travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Tcp,
    Tls,
}

fn live(kind: Kind, runtime: Runtime, way: Way) {
    if !kind.is_there_or_say("a device's life") {
        return;
    }
    let pki = (way == Way::Tls).then(Pki::new);
    let mut broker =
        Broker::start(kind, &Plan { accounts: true, pki: pki.clone(), ..Plan::default() }).unwrap();
    let gate = Gate::open_to(broker.device_address()).unwrap();
    let mut plan = match &pki {
        None => device::Plan::plain(gate.address()),
        Some(_) => device::Plan::new(SERVER_NAME, gate.address().port(), Transport::Tls),
    };
    plan.tls = pki.as_ref().map(Pki::device);
    plan.settings.options.minimum_updating_ms = 1500; // for a state that tells of it, whatever the runtime
    let mut watch = Watch::new(&broker);
    let device = Running::start(runtime, plan);
    device.notice("connected", |notice| matches!(notice, Notice::Connected { .. }).then_some(()));
    let name = format!("{kind:?}, {runtime:?}, {way:?}");
    first_config(&mut watch, &name);
    telemetry(&watch, &device);
    write(&mut watch, &device);
    broken_config(&mut watch);
    lost_link(&watch, &broker);
    let watch = dead_broker(watch, &device, &mut broker, &gate);
    assert_eq!(device.stop(), ExitReason::Shutdown);
    watch.state("the last state", |state| state["system"]["operation"]["mode"] == "shutdown");
    broker.kill();
    watch.judge_rest();
}

fn first_config(watch: &mut Watch, name: &str) {
    let sent = watch.configure(&config(1, None).to_string());
    let (_, answered) = watch.state("the first config is answered", answers(1));
    println!("{name}: first config answered after {:?}", answered.saturating_duration_since(sent));
}

fn telemetry(watch: &Watch, device: &Running) {
    device.command(Command::SetPoint { point: "temperature".into(), value: udmi_proto::Value::Number(21.5) });
    watch.sample("the temperature", |event| event["points"]["temperature"]["present_value"] == 21.5);
}

fn write(watch: &mut Watch, device: &Running) {
    watch.configure(&config(2, Some(60.0)).to_string());
    let value_state = |state: &Value| state["pointset"]["points"]["setpoint"]["value_state"].clone();
    watch.state("the write is on its way", |state| answers(2)(state) && value_state(state) == "updating");
    assert_eq!(device.write(), ("setpoint".to_owned(), udmi_proto::Value::Number(60.0)));
    watch.state("the write is in force", |state| value_state(state) == "applied");
    watch.sample("the written value", |event| event["points"]["setpoint"]["present_value"] == 60.0);
}

/// §7.5: it changes the status and nothing else; the next good one mends it.
fn broken_config(watch: &mut Watch) {
    watch.configure("{ broken by a test");
    let (state, _) = watch.state("the config is refused", |state| state["system"]["status"]["level"] == 500);
    assert_eq!(state["system"]["status"]["category"], "system.config.parse");
    assert!(answers(2)(&state), "{state}");
    watch.configure(&config(3, Some(60.0)).to_string());
    let (state, _) = watch.state("the config is mended", answers(3));
    assert_eq!(state["system"].get("status"), None);
}

/// Somebody else takes the client identifier over; the device comes back and gets the config that was kept.
fn lost_link(watch: &Watch, broker: &Broker) {
    let usurper = Cloud::connect(broker.plain_address(), DEVICE, Some((DEVICE, DEVICE_PASSWORD)), &[]);
    drop(usurper.unwrap());
    let (state, _) = watch.state("the kept config is answered", answers(3));
    assert_eq!(state["pointset"]["points"]["setpoint"]["value_state"], "applied");
}

/// The broker dies and comes back without a memory, to the same watch before the device (see the gate).
fn dead_broker(watch: Watch, device: &Running, broker: &mut Broker, gate: &Gate) -> Watch {
    let send = |number: u32| {
        let content = Json::object(&format!(r#"{{"number":{number}}}"#)).unwrap();
        device.command(Command::SendEvent { folder: "counted".into(), content });
    };
    (1..=20).for_each(send);
    for number in 1..=20 {
        watch.wait("events/counted", "an event before", |event| event["number"] == number);
    }
    device.notices().for_each(drop);
    broker.kill();
    gate.shut();
    watch.judge_rest();
    device.notice("lost", |notice| matches!(notice, Notice::Disconnected { .. }).then_some(()));
    (21..=60).for_each(send);
    broker.restart().unwrap();
    let mut watch = Watch::new(broker);
    watch.configure(&config(4, Some(60.0)).to_string());
    gate.open();
    for number in 21..=60 {
        watch.wait("events/counted", "an event meanwhile", |event| event["number"] == number);
    }
    watch.configure(&config(5, Some(60.0)).to_string());
    watch.state("a config is answered", answers(5));
    watch
}

fn answers(number: u32) -> impl Fn(&Value) -> bool {
    move |state| numbered::answers(state, number)
}
