//! A gateway and the devices it acts for (§1.10, §6.7, §9.6).

#![allow(clippy::needless_pass_by_value, reason = "json!(..) reads better without a borrow")]

mod support;

#[path = "gateway/attach.rs"]
mod attach;
#[path = "gateway/discovery.rs"]
mod discovery;
#[path = "gateway/isolation.rs"]
mod isolation;
#[path = "gateway/life.rs"]
mod life;
#[path = "gateway/members.rs"]
mod members;
#[path = "gateway/target.rs"]
mod target;

use serde_json::{Value as Json, json};
use support::{Rig, polled, settings, writable};
use udmi_proto::{Command, GatewaySettings, Notice, ProxyMode, ProxySettings, Settings};

/// A gateway that knows these devices: each has a polled and a writable point and an address.
fn knowing(devices: &[&str]) -> Settings {
    let proxy = |device: &&str| ((*device).to_owned(), proxy(device));
    let gateway =
        GatewaySettings { proxies: devices.iter().map(proxy).collect(), ..GatewaySettings::default() };
    Settings { gateway: Some(gateway), ..settings() }
}

fn proxy(device: &str) -> ProxySettings {
    let mut proxy = ProxySettings::default();
    proxy.identity.serial_no = format!("serial of {device}");
    proxy.points =
        [("temperature".to_owned(), polled()), ("setpoint".to_owned(), writable(0.0, 100.0))].into();
    proxy.families = [("bacnet".to_owned(), "582312".to_owned())].into();
    proxy
}

/// A connected gateway whose first config has not come.
fn connected(settings: Settings) -> Rig {
    let mut rig = Rig::new(settings);
    rig.connect();
    rig
}

/// A gateway that has attached all these devices.
fn attached(devices: &[&str]) -> Rig {
    let mut rig = connected(knowing(devices));
    rig.config(acting_for(devices));
    assert_eq!(rig.device.dialect().gateway_load().unwrap().attached, devices.len());
    rig
}

/// The config of a gateway that acts for these devices.
fn acting_for(devices: &[&str]) -> Json {
    json!({ "gateway": { "proxy_ids": devices }, "system": { "metrics_rate_sec": 0 } })
}

/// A config of a proxied device with both points and nothing that happens by itself.
fn quiet() -> Json {
    json!({
        "system": { "metrics_rate_sec": 0, "operation": { "mode": "active" } },
        "pointset": { "sample_rate_sec": -1, "points": { "temperature": {}, "setpoint": {} } },
        "gateway": { "target": { "family": "bacnet", "addr": "582312" } },
    })
}

fn for_device(device: &str, command: Command) -> Command {
    Command::Proxied { device: device.into(), command: Box::new(command) }
}

/// The ids in notices that a device was attached, detached or refused, in order.
fn attachments(rig: &mut Rig) -> Vec<String> {
    let text = |notice| match notice {
        Notice::ProxyAttached { device } => Some(format!("+{device}")),
        Notice::ProxyDetached { device } => Some(format!("-{device}")),
        Notice::ProxyRefused { device, .. } => Some(format!("!{device}")),
        _ => None,
    };
    rig.notices().into_iter().filter_map(text).collect()
}

/// The newest state of a device after the throttle has let all of them out.
fn state_of(rig: &mut Rig, device: &str) -> Json {
    rig.advance(2000);
    rig.sent_on(&format!("{device}/state")).pop().expect("a state").payload
}

fn implicit(mut settings: Settings) -> Settings {
    settings.gateway.as_mut().unwrap().mode = ProxyMode::Implicit;
    settings
}
