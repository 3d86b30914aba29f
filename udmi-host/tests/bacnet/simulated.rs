//! Against devices simulated by the Python package bacpypes3.

use std::time::{Duration, Instant};

use serde_json::Value as Json;
use serde_json::json;
use udmi_host::family::bacnet::{BacnetProvider, BacnetSettings};
use udmi_host::family::{FamilyProvider, PointError, Stop, Target, WriteError};
use udmi_proto::Value;
use udmi_proto::model::common::Depth;

use super::python::Devices;
use super::{device, gateway, scan, scan_for, settings};

#[test]
fn a_scan_finds_devices_and_describes_their_objects() {
    let Some(devices) = Devices::start("a_scan_finds_devices_and_describes_their_objects") else { return };
    let gateway = gateway(devices.addresses());
    let found = scan(&gateway, &scan_for(Depth::Refs, 60, &["1001", "1002", "1003"])).unwrap();
    let addresses: Vec<_> = found.iter().map(|found| found.address.as_str()).collect();
    assert_eq!(addresses, ["1001", "1002", "1003"]);
    let first = &found[0];
    assert_eq!((first.network.as_deref(), first.status.as_deref()), (None, None));
    assert_eq!(first.families["ipv4"], "127.0.0.2");
    let system = serde_json::to_value(&first.system).unwrap();
    let expected = json!({
        "name": "AHU one", "serial_no": "SN-1001",
        "hardware": { "make": "Simulated", "model": "Loopback" },
        "ancillary": { "firmware": "1.2", "application_version": "3.4", "location": "rack" },
    });
    assert_eq!(system, expected);
    let references: Vec<_> = first.references.keys().map(String::as_str).collect();
    let all = ["AI/1", "AO/1", "AV/12", "AV/13", "BI/3", "BO/4", "BV/11", "CSV/1", "IV/1", "MSV/1"];
    assert_eq!(references, all);
    let reference = |name: &str| serde_json::to_value(&first.references[name]).unwrap();
    assert_eq!(
        reference("AI/1"),
        json!({
            "point": "supply_air_temp", "name": "Supply Air Temp", "description": "behind the coil",
            "units": "Degrees-Celsius", "type": "analog-input", "writable": false,
            "ancillary": { "present_value": 21.3 },
        })
    );
    assert_eq!(reference("AV/12")["writable"], json!(true));
    assert_eq!(reference("AV/13")["writable"], Json::Null, "only a write could tell");
    assert_eq!(reference("BI/3")["possible_values"], json!(["stopped", "running"]));
    assert_eq!(reference("MSV/1")["possible_values"], json!(["auto", "on", "off"]));
    assert_eq!(reference("CSV/1")["name"], json!("Müllraum"));
    // A list of objects that fits into no packet.
    assert_eq!(found[2].references.len(), 400, "{:?}", found[2].status);
    assert_eq!(found[2].references["AV/400"].name.as_deref(), Some("Point 400"));
}

#[test]
fn a_scan_without_details_only_tells_who_is_there() {
    let Some(devices) = Devices::start("a_scan_without_details_only_tells_who_is_there") else { return };
    let found = scan(&gateway(devices.addresses()), &scan_for(Depth::Entries, 3, &[])).unwrap();
    assert_eq!(found.len(), 3);
    assert!(found.iter().all(|found| found.references.is_empty() && found.system.is_none()));
    let one = scan(&gateway(devices.addresses()), &scan_for(Depth::Entries, 60, &["1002"])).unwrap();
    assert_eq!(one.iter().map(|found| found.address.as_str()).collect::<Vec<_>>(), ["1002"]);
}

#[test]
fn points_are_read_in_their_types() {
    let Some(devices) = Devices::start("points_are_read_in_their_types") else { return };
    let gateway = gateway(devices.addresses());
    let references = [
        "AI/1",
        "AV/12#present_value",
        "BI/3",
        "BO/4",
        "MSV/1",
        "CSV/1",
        "IV/1",
        "AV/12#out_of_service",
        "AV/12#description",
        "AI/1#status_flags",
        "AI/77",
        "AI/1#cov_increment_of_nothing",
        "AI",
        "DEV/1001#location",
    ];
    let read = gateway.read(&device(1001), &references, &Stop::new()).unwrap();
    let values: Vec<_> = read.iter().map(|value| value.as_ref().ok().cloned()).collect();
    let expected = [
        Some(Value::Number(21.3)),
        Some(Value::Number(20.5)),
        Some(true.into()),
        Some(false.into()),
        Some(2.into()),
        Some("größer".into()),
        Some((-300).into()),
        Some(false.into()),
        None,
        Some("0000".into()),
        None,
        None,
        None,
        Some("rack".into()),
    ];
    assert_eq!(values, expected, "{read:?}");
    assert_eq!(read[10], Err(PointError::Refused("unknown object".into())));
    assert!(matches!(read[11], Err(PointError::Reference(_))));
    assert!(matches!(read[12], Err(PointError::Reference(_))));
}

#[test]
fn more_points_are_read_than_fit_into_a_packet() {
    let Some(devices) = Devices::start("more_points_are_read_than_fit_into_a_packet") else { return };
    let references: Vec<_> = (1..=400).map(|number| format!("AV/{number}")).collect();
    let references: Vec<_> = references.iter().map(String::as_str).collect();
    let read = gateway(devices.addresses()).read(&device(1003), &references, &Stop::new()).unwrap();
    let expected: Vec<_> = (1..=400u16).map(|number| Ok(Value::Number(number.into()))).collect();
    assert_eq!(read, expected);
}

#[test]
fn points_are_written_with_a_priority_and_released() {
    let Some(mut devices) = Devices::start("points_are_written_with_a_priority_and_released") else { return };
    for priority in [16, 8] {
        let gateway = BacnetProvider::new(BacnetSettings { priority, ..settings(devices.addresses()) });
        let write = |reference: &str, value: Option<Value>| {
            gateway.write(&device(1001), reference, value.as_ref(), &Stop::new())
        };
        let held = priority.to_string();
        for (reference, name, value, there, free) in [
            ("AV/12", "analog-value,12", Value::Number(23.25), json!(23.25), json!(20.5)),
            ("AO/1", "analog-output,1", 42.into(), json!(42.0), json!(5.0)),
            ("BV/11", "binary-value,11", true.into(), json!(1), json!(0)),
            ("MSV/1", "multi-state-value,1", 3.into(), json!(3), json!(2)),
        ] {
            assert_eq!(write(reference, Some(value.clone())), Ok(()), "{reference}");
            let shown = devices.show(1001, name);
            assert_eq!(
                shown,
                json!({ "present": there, "priorities": { held.as_str(): there } }),
                "{reference}"
            );
            let read = gateway.read(&device(1001), &[reference], &Stop::new()).unwrap();
            assert_eq!(read[0].as_ref().unwrap().as_number(), value.as_number(), "{reference}");
            assert_eq!(write(reference, None), Ok(()), "{reference}");
            assert_eq!(devices.show(1001, name), json!({ "present": free, "priorities": {} }), "{reference}");
        }
    }
}

#[test]
fn what_cannot_be_written_is_refused() {
    let Some(mut devices) = Devices::start("what_cannot_be_written_is_refused") else { return };
    let gateway = gateway(devices.addresses());
    let write =
        |reference: &str, value: Value| gateway.write(&device(1001), reference, Some(&value), &Stop::new());
    assert!(matches!(write("AV/12", "warm".into()), Err(WriteError::Invalid(_))));
    assert!(matches!(write("AV/12", true.into()), Err(WriteError::Invalid(_))));
    assert!(matches!(write("MSV/1", 0.into()), Err(WriteError::Invalid(_))));
    assert!(matches!(write("AV/77", 1.into()), Err(WriteError::Point(PointError::Refused(_)))));
    assert!(matches!(write("AV/1#nonsense", 1.into()), Err(WriteError::Point(PointError::Reference(_)))));
    assert_eq!(devices.show(1001, "analog-value,12"), json!({ "present": 20.5, "priorities": {} }));
    // A value without priorities is written and stays when it is released.
    assert_eq!(write("AV/13", 7.into()), Ok(()));
    assert_eq!(gateway.write(&device(1001), "AV/13", None, &Stop::new()), Ok(()));
    assert_eq!(devices.show(1001, "analog-value,13"), json!({ "present": 7.0, "priorities": {} }));
}

#[test]
fn a_device_that_ends_is_unreachable_and_stopping_does_not_wait_for_it() {
    let name = "a_device_that_ends_is_unreachable_and_stopping_does_not_wait_for_it";
    let Some(devices) = Devices::start(name) else { return };
    let gateway = gateway(devices.addresses());
    assert!(gateway.read(&device(1001), &["AI/1"], &Stop::new()).is_ok());
    drop(devices);
    let stop = Stop::new();
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| {
            let result = gateway.read(&device(1001), &["AI/1"], &stop);
            (result, Instant::now())
        });
        stop.set();
        let stopped = Instant::now();
        let (result, ended) = reading.join().unwrap();
        assert_eq!(result, Err(udmi_host::family::ProviderError::Stopped));
        assert!(ended.saturating_duration_since(stopped) < Duration::from_millis(200));
    });
}

#[test]
fn a_device_behind_a_router_is_found_through_a_broadcast_device() {
    let name = "a_device_behind_a_router_is_found_through_a_broadcast_device";
    let Some(router) = Devices::start_script(name, "router.py") else { return };
    let broadcast_device = router.addresses().first().copied();
    let gateway = || BacnetProvider::new(BacnetSettings { broadcast_device, ..settings(Vec::new()) });
    let found = scan(&gateway(), &scan_for(Depth::Refs, 60, &["2005"])).unwrap();
    assert_eq!((found[0].address.as_str(), found[0].network.as_deref()), ("2005", Some("5")));
    assert_eq!(found[0].references["AI/1"].name.as_deref(), Some("Routed"), "{:?}", found[0].status);
    for network in [None, Some("5")] {
        let target = Target { network: network.map(Into::into), ..device(2005) };
        let read = gateway().read(&target, &["AI/1"], &Stop::new());
        assert_eq!(read, Ok(vec![Ok(Value::Number(12.5))]));
    }
}
