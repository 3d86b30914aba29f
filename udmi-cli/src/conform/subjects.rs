//! The devices in question, as the site model has them.

use std::collections::BTreeMap;

use serde_json::Value;
use udmi_host::site::{Device, DeviceClass, GeneratedConfig, SiteModel};
use udmi_tests::conformance::Subject;
use udmi_tests::model::Role;

use crate::output::{Failure, Output};

/// What is said in place of an id to mean all devices of the site.
const ALL: &str = "all";

/// The devices that are named, each with the id of the one that connects for it.
///
/// # Errors
/// A device is not in the site model or cannot be tested, or none is named.
pub(super) fn of(
    site: &SiteModel,
    named: &[String],
    base: &str,
    alternate: Option<&str>,
    serial: Option<&str>,
    output: &Output,
) -> Result<Vec<(String, Subject)>, Failure> {
    let list = site.device_list().map_err(Failure::usage)?.ids;
    let chosen = site.chosen_device().map(ToOwned::to_owned);
    let named: Vec<_> = if named.is_empty() { chosen.into_iter().collect() } else { named.to_vec() };
    if named.is_empty() {
        let hint = format!("say --device; the site has {}", list.join(", "));
        return Err(Failure::usage("which device is not said").hint(hint));
    }
    if serial.is_some() && named != [named[0].as_str()] {
        return Err(Failure::usage("a serial number is that of one device"));
    }
    let takes_all = named.iter().any(|id| id == ALL);
    let ids = if takes_all { &list } else { &named };
    let devices = list.iter().filter_map(|id| match site.device(id) {
        Ok(device) => Some((id.clone(), device)),
        Err(error) => {
            output.remark(format!("left out: {error}"));
            None
        }
    });
    let devices: BTreeMap<_, _> = devices.collect();
    let mut subjects = Vec::new();
    for id in ids {
        let hint = || format!("the site has {}", list.join(", "));
        let device = match devices.get(id) {
            Some(device) => device,
            None if takes_all => continue,
            None => return Err(Failure::usage(format!("there is no device {id}")).hint(hint())),
        };
        match (device.class, takes_all) {
            (DeviceClass::Virtual, true) => {}
            (DeviceClass::Virtual, false) => {
                return Err(Failure::usage(format!("{id} is virtual: it has no connection of its own")));
            }
            (DeviceClass::Direct | DeviceClass::Gateway | DeviceClass::Proxied, _) => {
                subjects.push(subject(device, &devices, base, alternate, serial)?);
            }
        }
    }
    Ok(subjects)
}

fn subject(
    device: &Device,
    devices: &BTreeMap<String, Device>,
    base: &str,
    alternate: Option<&str>,
    serial: Option<&str>,
) -> Result<(String, Subject), Failure> {
    let (role, connects) = match (device.class, &device.gateway_id) {
        (DeviceClass::Gateway, _) => (Role::Gateway, &device.id),
        (DeviceClass::Proxied, Some(gateway)) => (Role::Proxied, gateway),
        (DeviceClass::Direct | DeviceClass::Proxied | DeviceClass::Virtual, _) => (Role::Direct, &device.id),
    };
    let mut neighbours = BTreeMap::new();
    let lists = |id: &String| devices.get(connects).is_some_and(|gateway| gateway.proxy_ids.contains(id));
    for (id, other) in devices.iter().filter(|(id, _)| *id != &device.id && role != Role::Direct) {
        if id == connects || other.gateway_id.as_ref() == Some(connects) || lists(id) {
            neighbours.insert(format!("{base}/{id}"), config(other)?);
        }
    }
    let mut metadata = device.document.clone();
    if let Some(serial) = serial {
        metadata["system"]["serial_no"] = serial.into();
    }
    let families = metadata.pointer("/discovery/families").and_then(Value::as_object);
    let families: Vec<_> = families.into_iter().flatten().map(|(family, _)| family.clone()).collect();
    let alternate = alternate.filter(|_| role != Role::Proxied);
    let subject = Subject {
        id: device.id.clone(),
        prefix: format!("{base}/{}", device.id),
        alternate: alternate.map(|registry| format!("/r/{registry}/d/{}", device.id)),
        role,
        config: config(device)?,
        sends_state: metadata.pointer("/testing/nostate") != Some(&Value::Bool(true)),
        neighbours,
        site: devices.values().map(|device| device.document.clone()).collect(),
        facet: Subject::primary(&families),
        families,
        metadata,
    };
    Ok((connects.clone(), subject))
}

fn config(device: &Device) -> Result<Value, Failure> {
    match device.generated_config().map_err(Failure::usage)? {
        GeneratedConfig::Document(config) => Ok(config),
        GeneratedConfig::Static { file, content } => serde_json::from_slice(&content)
            .map_err(|error| Failure::usage(format!("{}: no config: {error}", file.display()))),
    }
}
