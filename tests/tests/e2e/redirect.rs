//! A device is sent to another registry, to one that refuses it, and home again, on brokers with accounts.

use std::time::Duration;

use serde_json::{Value, json};
use udmi_proto::{ExitReason, Notice};
use udmi_tests::data_url;
use udmi_tests::live::broker::{Broker, Kind, Plan};
use udmi_tests::live::cloud::Cloud;
use udmi_tests::live::device::{self, Running, Runtime};
use udmi_tests::live::{ALTERNATE, CLOUD, CLOUD_PASSWORD, DEVICE, DEVICE_PASSWORD, PATIENCE};
use udmi_tests::upstream;

const NOBODY: &str = "/r/BOGUS_REGISTRY/d/AHU-1";

#[test]
fn a_bare_device_follows_orders_with_our_broker() {
    follow(Kind::Embedded, Runtime::Bare, false);
}

#[test]
fn a_device_on_threads_follows_orders_with_mosquitto() {
    follow(Kind::Mosquitto, Runtime::Threads, false);
}

#[test]
fn a_device_as_a_future_follows_orders_with_our_broker() {
    follow(Kind::Embedded, Runtime::Smol, false);
}

/// §1.5: as UDMI's local broker has it.
#[test]
fn a_device_on_threads_follows_orders_with_mosquitto_and_a_role_for_each_client() {
    follow(Kind::Mosquitto, Runtime::Threads, true);
}

/// §1.5.
#[test]
fn a_bare_device_follows_orders_with_mosquitto_and_a_role_for_each_client() {
    follow(Kind::Mosquitto, Runtime::Bare, true);
}

/// §1.5.
#[test]
fn a_device_as_a_future_follows_orders_with_mosquitto_and_a_role_for_each_client() {
    follow(Kind::Mosquitto, Runtime::Smol, true);
}

fn follow(kind: Kind, runtime: Runtime, roles: bool) {
    let test = "redirects between registries";
    if !kind.is_there_or_say(test) || roles && !kind.has_roles_or_say(test) {
        return;
    }
    let broker = Broker::start(kind, &Plan { accounts: true, roles, ..Plan::default() }).unwrap();
    let filters = [DEVICE, ALTERNATE].map(|registry| format!("{registry}/state"));
    let filters = filters.each_ref().map(String::as_str);
    let cloud = Cloud::connect(broker.plain_address(), "cloud", Some((CLOUD, CLOUD_PASSWORD)), &filters);
    let mut tester = Tester { cloud: cloud.unwrap(), port: broker.device_address().port() };
    let device = Running::start(runtime, device::Plan::plain(broker.device_address()));
    tester.publish(DEVICE, &config(0, None));
    tester.state(DEVICE, |state| state["system"]["last_config"] == timestamp(0));

    tester.order(1, DEVICE, ALTERNATE);
    tester.state(DEVICE, |state| shows(state, 1, "apply", false));
    tester.order(1, ALTERNATE, ALTERNATE);
    tester.state(ALTERNATE, |state| shows(state, 1, "final", false));

    tester.order(2, ALTERNATE, NOBODY);
    tester.state(ALTERNATE, |state| shows(state, 2, "apply", false));
    tester.state(ALTERNATE, |state| shows(state, 2, "final", true));

    tester.order(3, ALTERNATE, DEVICE);
    tester.state(ALTERNATE, |state| shows(state, 3, "apply", false));
    tester.order(3, DEVICE, DEVICE);
    tester.state(DEVICE, |state| shows(state, 3, "final", false));
    tester.publish(DEVICE, &config(4, None));
    tester.state(DEVICE, |state| {
        state["system"]["last_config"] == timestamp(4) && state.get("blobset").is_none()
    });
    let refused = |notice: &Notice| matches!(notice, Notice::SubscriptionRefused { .. });
    assert!(!device.notices().any(|notice| refused(&notice)), "a subscription was refused");
    assert_eq!(device.stop(), ExitReason::Shutdown);
    tester.nothing_more_from(ALTERNATE);
}

struct Tester {
    cloud: Cloud,
    port: u16,
}

impl Tester {
    fn publish(&mut self, registry: &str, config: &Value) {
        self.cloud.publish(&format!("{registry}/config"), config.to_string(), true).unwrap();
    }

    /// Orders the device to `to`, in the registry `within`.
    fn order(&mut self, generation: u32, within: &str, to: &str) {
        let document = json!({
            "protocol": "mqtt", "transport": "tcp", "hostname": "127.0.0.1", "port": self.port,
            "client_id": to, "topic_prefix": to,
            "auth_provider": { "basic": { "username": to, "password": DEVICE_PASSWORD } }
        });
        let document = document.to_string();
        let blob = json!({
            "phase": "final", "generation": timestamp(generation),
            "url": data_url::encode(document.as_bytes()), "sha256": data_url::sha256(document.as_bytes())
        });
        self.publish(within, &config(generation, Some(blob)));
    }

    /// Waits for such a state from this registry; on the way, none may come from the other.
    fn state(&self, registry: &str, wanted: impl Fn(&Value) -> bool) {
        let mut last = Value::Null;
        while let Some(message) = self.cloud.next(PATIENCE) {
            assert_eq!(message.topic, format!("{registry}/state"), "a state from the other registry");
            let state: Value = serde_json::from_slice(&message.payload).unwrap();
            upstream::validate("state", &state).unwrap();
            if wanted(&state) {
                return;
            }
            last = state;
        }
        panic!("no such state from {registry}, the last is {last}");
    }

    fn nothing_more_from(&self, registry: &str) {
        while let Some(message) = self.cloud.next(Duration::ZERO) {
            assert!(!message.topic.starts_with(registry), "a state from {registry}, which was left");
        }
    }
}

fn timestamp(generation: u32) -> Value {
    json!(format!("2026-03-01T10:00:{generation:02}Z"))
}

fn config(number: u32, blob: Option<Value>) -> Value {
    let mut config =
        json!({ "timestamp": timestamp(number), "version": "1.5.7", "system": { "operation": {} } });
    if let Some(blob) = blob {
        config["blobset"] = json!({ "blobs": { "_iot_endpoint_config": blob } });
    }
    config
}

fn shows(state: &Value, generation: u32, phase: &str, failed: bool) -> bool {
    let blob = &state["blobset"]["blobs"]["_iot_endpoint_config"];
    blob["phase"] == phase
        && blob["generation"] == timestamp(generation)
        && (blob["status"]["level"] == 500) == failed
}
