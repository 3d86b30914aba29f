//! A gateway: handles, closures and families of the devices it acts for, on threads and bare.

use std::sync::mpsc::channel;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

use crate::adapter::udmi_host::family::{
    FamilyProvider, Found, PointError, ProviderError, ScanRequest, Stop, Target,
    WriteError as FieldWriteError,
};
use crate::adapter::{
    Begin as _, Device, ExitReason, GatewaySettings, Notice, PointModel, Proxied, ProxyMode, ProxySettings,
    Value, Waiting as _,
};
use crate::common::{Broker, PATIENCE, config, settings, timestamp};
use serde_json::{Value as Json, json};

/// A config for the gateway that names these devices.
fn gateway_config(proxies: &[&str]) -> Json {
    json!({ "timestamp": timestamp(1), "version": "1.5.7", "gateway": { "proxy_ids": proxies } })
}

/// A config for a proxied device with a point of that reference.
fn proxied_config(second: u32, target: Option<Json>, reference: Option<&str>) -> Json {
    let mut config = config(second, None);
    let mut point = json!({});
    if let Some(reference) = reference {
        point["ref"] = reference.into();
    }
    config["pointset"]["points"] = json!({ "power": point });
    if let Some(target) = target {
        config["gateway"] = json!({ "target": target });
    }
    config
}

fn meter() -> ProxySettings {
    let mut proxy = ProxySettings::default();
    proxy.points.insert("power".into(), PointModel { writable: true, ..PointModel::default() });
    proxy
}

/// A meter with an address in the family and a point of that reference.
fn field_meter(family: &str, address: &str) -> ProxySettings {
    let mut proxy = meter();
    proxy.families.insert(family.into(), address.into());
    proxy.points.get_mut("power").unwrap().reference = Some("AV/1".into());
    proxy
}

fn power(event: &Json) -> &Json {
    &event["points"]["power"]["present_value"]
}

#[test]
fn proxied_devices_have_handles_and_closures() {
    let broker = Broker::start();
    broker.configure(&gateway_config(&["EM-1", "EM-2"]));
    let mut with_set_value = proxied_config(2, None, None);
    with_set_value["pointset"]["points"]["power"]["set_value"] = 7.into();
    with_set_value["cooling"] = json!({ "level": 3 });
    broker.send_to("EM-1", "config", &with_set_value);
    broker.send_to("EM-2", "config", &with_set_value);
    let ((written, own), (all, writes)) = (channel(), channel());
    let ((heard, commands), (cooling, blocks)) = (channel(), channel());
    let device = Device::builder(settings(broker.address))
        .proxied(
            "EM-1",
            Proxied::new(meter())
                .on_writeback_point(
                    "power",
                    hook!(
                        [written] | value | {
                            written.send(value.clone()).unwrap();
                            Ok(())
                        }
                    ),
                )
                .poll("more", hook!(|| 5)),
        )
        .proxied("EM-2", Proxied::new(meter()))
        .on_proxied_writeback(hook!(
            [all] | device,
            point,
            value | {
                all.send(format!("{device} {point} {value}")).unwrap();
                Ok(())
            }
        ))
        .on_proxied_command(hook!(
            [heard] | device,
            name,
            payload | {
                heard.send(format!("{device} {name} {payload}")).unwrap();
                Ok(())
            }
        ))
        .on_proxied_config_block(
            "cooling",
            hook!(
                [cooling] | device,
                block | {
                    if let Some(block) = block {
                        cooling.send(format!("{device} {block}")).unwrap();
                    }
                }
            ),
        )
        .begin()
        .unwrap();
    assert_eq!(own.recv_timeout(PATIENCE).unwrap(), Value::Integer(7));
    assert_eq!(writes.recv_timeout(PATIENCE).unwrap(), "EM-2 power 7");
    let mut told: Vec<_> = (0..2).map(|_| blocks.recv_timeout(PATIENCE).unwrap()).collect();
    told.sort();
    assert_eq!(told, [r#"EM-1 {"level":3}"#, r#"EM-2 {"level":3}"#]);
    let second = device.proxied("EM-2");
    second.set_point("power", 21.5).unwrap();
    second.warn("fan is loud").unwrap();
    broker.message_of("EM-2", "events/pointset", |event| power(event) == &json!(21.5));
    broker.message_of("EM-2", "events/system", |event| event.to_string().contains("fan is loud"));
    broker.send_to("EM-2", "commands/identify", &json!({}));
    assert_eq!(commands.recv_timeout(PATIENCE).unwrap(), "EM-2 identify {}");
    device.stop();
    assert_eq!(device.ended(PATIENCE), Some(ExitReason::Shutdown));
}

#[test]
fn devices_come_and_go_and_are_read_by_the_closure_for_all() {
    let broker = Broker::start();
    broker.configure(&gateway_config(&[]));
    broker.send_to("EM-7", "config", &proxied_config(2, None, None));
    let mut settings = settings(broker.address);
    settings.gateway = Some(GatewaySettings { mode: ProxyMode::Implicit, ..GatewaySettings::default() });
    let (tell, told) = channel();
    let reachable = Arc::new(Mutex::new(false));
    let is_reachable = reachable.clone();
    let device = Device::builder(settings)
        .on_proxied_read(hook!(
            [is_reachable] | device,
            points | {
                if !*is_reachable.lock().unwrap() {
                    return Err(format!("{device} is silent"));
                }
                Ok(points.iter().map(|point| (point.clone(), 42)).collect::<Vec<_>>())
            }
        ))
        .on_notice(hook!(
            [tell] | notice | {
                if let Notice::ProxyAttached { device } | Notice::ProxyDetached { device } = notice {
                    tell.send(device.clone()).unwrap();
                }
            }
        ))
        .begin()
        .unwrap();
    device.add_proxy("EM-7", meter()).unwrap();
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), "EM-7");
    // The device's config has no gateway block, so that only its log can tell.
    broker.message_of("EM-7", "events/system", |event| event.to_string().contains("EM-7 is silent"));
    *reachable.lock().unwrap() = true;
    broker.message_of("EM-7", "events/pointset", |event| power(event) == &json!(42));
    device.remove_proxy("EM-7").unwrap();
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), "EM-7");
    device.stop();
    device.ended(PATIENCE).unwrap();
}

#[test]
fn a_family_is_scanned_and_its_points_are_read_and_written_while_another_device_hangs() {
    let broker = Broker::start();
    let field = Field::default();
    configure_field(&broker);
    let device = field_gateway(&broker, &field).begin().unwrap();
    is_served(&broker, &field, &mut || ());
    is_scanned(&broker);
    device.stop();
    device.ended(PATIENCE).unwrap();
    field.release();
}

fn field_gateway(broker: &Broker, field: &Field) -> crate::adapter::Builder {
    with_field_meters(Device::builder(settings(broker.address)).family(field.clone()))
}

pub(crate) fn with_field_meters(builder: crate::adapter::Builder) -> crate::adapter::Builder {
    builder
        .proxied("EM-1", Proxied::new(field_meter("bacnet", "7")))
        .proxied("EM-2", Proxied::new(field_meter("bacnet", "13")))
}

/// EM-2 is at an address that never answers.
pub(crate) fn configure_field(broker: &Broker) {
    broker.configure(&gateway_config(&["EM-1", "EM-2"]));
    for (device, addr) in [("EM-1", "7"), ("EM-2", "13")] {
        let target = json!({ "family": "bacnet", "addr": addr });
        broker.send_to(device, "config", &proxied_config(2, Some(target), Some("AV/1")));
    }
}

pub(crate) fn is_served(broker: &Broker, field: &Field, while_waiting: &mut dyn FnMut()) {
    field.until_hanging();
    broker.message_of("EM-1", "events/pointset", |event| power(event) == &json!("7 AV/1"));
    while_waiting();
    let target = json!({ "family": "bacnet", "addr": "7" });
    let mut with_set_value = proxied_config(3, Some(target), Some("AV/1"));
    with_set_value["pointset"]["points"]["power"]["set_value"] = 9.into();
    broker.send_to("EM-1", "config", &with_set_value);
    broker.message_of("EM-1", "state", |state| {
        state["pointset"]["points"]["power"]["value_state"] == "applied"
    });
    assert_eq!(field.written(), ["7 AV/1 9"]);
}

/// Once there is something to scan, what is found comes as events, while a device still hangs.
pub(crate) fn is_scanned(broker: &Broker) {
    let mut scanning = gateway_config(&["EM-1", "EM-2"]);
    scanning["timestamp"] = timestamp(4).into();
    let round = json!({ "generation": timestamp(0), "scan_interval_sec": 3, "scan_duration_sec": 2 });
    scanning["discovery"] = json!({ "families": { "bacnet": round } });
    broker.configure(&scanning);
    broker.message("events/discovery", |event| event["addr"] == "7");
    broker.message("state", |state| state["discovery"]["families"]["bacnet"]["active_count"] == 1);
}

/// A family in which address 13 never answers.
#[derive(Clone, Default)]
pub(crate) struct Field(Arc<(Mutex<Bus>, Condvar)>);

#[derive(Default)]
struct Bus {
    written: Vec<String>,
    hanging: bool,
    released: bool,
}

impl Field {
    fn until_hanging(&self) {
        let since = Instant::now();
        let mut bus = self.0.0.lock().unwrap();
        while !bus.hanging {
            assert!(since.elapsed() < PATIENCE);
            bus = self.0.1.wait_timeout(bus, PATIENCE).unwrap().0;
        }
    }

    fn written(&self) -> Vec<String> {
        self.0.0.lock().unwrap().written.clone()
    }

    pub(crate) fn release(&self) {
        self.0.0.lock().unwrap().released = true;
        self.0.1.notify_all();
    }
}

impl FamilyProvider for Field {
    fn family(&self) -> &'static str {
        "bacnet"
    }

    fn scan(&self, _: &ScanRequest, found: &mut dyn FnMut(Found), _: &Stop) -> Result<(), ProviderError> {
        found(Found { address: "7".into(), ..Found::default() });
        Ok(())
    }

    fn read(
        &self,
        target: &Target,
        references: &[&str],
        _: &Stop,
    ) -> Result<Vec<Result<Value, PointError>>, ProviderError> {
        let addr = target.addr.as_deref().unwrap();
        if addr == "13" {
            let mut bus = self.0.0.lock().unwrap();
            bus.hanging = true;
            self.0.1.notify_all();
            drop(self.0.1.wait_while(bus, |bus| !bus.released).unwrap());
        }
        Ok(references.iter().map(|reference| Ok(Value::from(format!("{addr} {reference}")))).collect())
    }

    fn write(
        &self,
        target: &Target,
        reference: &str,
        value: Option<&Value>,
        _: &Stop,
    ) -> Result<(), FieldWriteError> {
        let value = value.map(ToString::to_string).unwrap_or_default();
        let written = format!("{} {reference} {value}", target.addr.as_deref().unwrap());
        self.0.0.lock().unwrap().written.push(written);
        Ok(())
    }
}
