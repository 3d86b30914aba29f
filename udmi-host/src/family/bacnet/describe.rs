//! What a device and its objects tell of themselves, as a scan reports it (§6.4).

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json};
use udmi_proto::model::discovery::{Ancillary, DiscoveryRef, DiscoverySystem};
use udmi_proto::model::state::SystemHardware;

use super::channel::Until;
use super::client::{Client, Device, Readings};
use super::codec::primitive::{Content, ObjectId, Primitive};
use super::codec::service::Property;
use super::objects::{Access, DEVICE, Kind, Row, reference, row_of};
use super::refusal::Refusal;
use super::{properties, units, value};
use crate::family::{Found, PointError, ProviderError};

/// Objects of one device that are looked at.
const OBJECTS: u32 = 10_000;
/// Objects that are asked for together.
const GROUP: usize = 16;
/// Bytes that a text takes in an answer, about.
const TEXT_BYTES: usize = 32;
/// Bytes that an object's name takes in a list, and in an answer of its own.
const OBJECT_BYTES: usize = 5;
/// What goes around a list in an answer, in bytes.
const LIST_BYTES: usize = 20;
/// Longest text that is passed on, in characters.
const TEXT: usize = 256;
/// Longest name of a point.
const POINT: usize = 64;
/// States of one object that are named.
const STATES: usize = 256;

/// Reads what a device tells of itself and its objects into what was found of it. What cannot be read is told in
/// the status.
pub(super) fn describe(
    client: &Client,
    device: &mut Device,
    found: &mut Found,
    references: bool,
    until: &Until,
) {
    let system = describe_system(client, device, until);
    let result = system.and_then(|system| {
        found.system = Some(system);
        if references { describe_objects(client, device, &mut found.references, until) } else { Ok(()) }
    });
    found.status = result.err().map(|error| error.to_string());
}

fn describe_system(
    client: &Client,
    device: &mut Device,
    until: &Until,
) -> Result<DiscoverySystem, ProviderError> {
    let wanted = [
        properties::OBJECT_NAME,
        properties::DESCRIPTION,
        properties::VENDOR_NAME,
        properties::MODEL_NAME,
        properties::SERIAL_NUMBER,
        properties::FIRMWARE_REVISION,
        properties::APPLICATION_SOFTWARE_VERSION,
        properties::LOCATION,
    ];
    let object = ObjectId { kind: DEVICE, instance: device.instance };
    let wanted = wanted.map(|property| Property { object, property, index: None });
    let readings = client.read_all(device, &wanted, TEXT_BYTES, until)?;
    let mut texts = readings.iter().map(text);
    let mut next = || texts.next().flatten();
    let (name, description) = (next(), next());
    let hardware = match (next(), next()) {
        (None, None) => None,
        (make, model) => Some(SystemHardware {
            make: make.unwrap_or_default(),
            model: model.unwrap_or_default(),
            ..SystemHardware::default()
        }),
    };
    let serial_no = next();
    let ancillary: Map<_, _> = ["firmware", "application_version", "location"]
        .into_iter()
        .filter_map(|key| next().map(|text| (key.to_owned(), Json::from(text))))
        .collect();
    Ok(DiscoverySystem {
        description,
        name,
        serial_no,
        ancillary: (!ancillary.is_empty()).then_some(Ancillary(ancillary)),
        hardware,
    })
}

fn describe_objects(
    client: &Client,
    device: &mut Device,
    references: &mut udmi_proto::Map<String, DiscoveryRef>,
    until: &Until,
) -> Result<(), ProviderError> {
    let objects = object_list(client, device, until)?;
    let points: Vec<_> =
        objects.into_iter().filter_map(|object| Some((object, row_of(object.kind)?))).collect();
    // All are told of, even if there is no time to look at each.
    for (object, row) in &points {
        references.insert(key(client, *object), plain(row));
    }
    let mut names = BTreeSet::new();
    for group in points.chunks(GROUP) {
        let wanted: Vec<_> = group.iter().map(|(object, row)| wanted_of(*object, row)).collect();
        let readings = client.read_all(device, &wanted.concat(), TEXT_BYTES, until)?;
        let mut rest = readings.as_slice();
        for ((object, row), wanted) in group.iter().zip(&wanted) {
            let (readings, others) = rest.split_at_checked(wanted.len()).unwrap_or((rest, &[]));
            rest = others;
            let described = described(row, wanted, readings);
            let described =
                DiscoveryRef { point: point_name(described.name.as_deref(), &mut names), ..described };
            references.insert(key(client, *object), described);
        }
    }
    Ok(())
}

fn key(client: &Client, object: ObjectId) -> String {
    let property = if client.settings.full_references { "#present_value" } else { "" };
    format!("{}{property}", reference(object))
}

fn plain(row: &Row) -> DiscoveryRef {
    DiscoveryRef {
        kind: Some(row.name.into()),
        writable: match row.access {
            Access::Read => Some(false),
            Access::Commanded => Some(true),
            Access::Perhaps => None,
        },
        ..DiscoveryRef::default()
    }
}

/// What is read of an object.
fn wanted_of(object: ObjectId, row: &Row) -> Vec<Property> {
    use properties::{
        ACTIVE_TEXT, DESCRIPTION, INACTIVE_TEXT, OBJECT_NAME, PRESENT_VALUE, PRIORITY_ARRAY, STATE_TEXT,
    };
    let further: &[u32] = match row.kind {
        Kind::Real | Kind::Double | Kind::Signed | Kind::Unsigned => &[properties::UNITS],
        Kind::Binary => &[INACTIVE_TEXT, ACTIVE_TEXT],
        Kind::Multistate => &[STATE_TEXT],
        Kind::Enumerated | Kind::Text | Kind::Boolean | Kind::Other => &[],
    };
    let of = |property: &u32| Property { object, property: *property, index: None };
    let mut wanted: Vec<_> =
        [OBJECT_NAME, DESCRIPTION, PRESENT_VALUE].iter().chain(further).map(of).collect();
    if row.access == Access::Perhaps {
        wanted.push(Property { object, property: PRIORITY_ARRAY, index: Some(0) });
    }
    wanted
}

fn described(row: &Row, wanted: &[Property], readings: &[Result<Content, PointError>]) -> DiscoveryRef {
    use properties::{ACTIVE_TEXT, INACTIVE_TEXT, STATE_TEXT};
    let reading = |number: u32| {
        let at = wanted.iter().position(|property| property.property == number)?;
        readings.get(at)
    };
    let plain = plain(row);
    let present = reading(properties::PRESENT_VALUE)
        .map(|reading| reading.clone().and_then(|content| value::from_content(&content, Some(row.kind))));
    let priorities = reading(properties::PRIORITY_ARRAY).map(|reading| {
        matches!(reading.as_ref().map(Content::single), Ok(Some(Primitive::Unsigned(count))) if *count > 0)
    });
    let states = match row.kind {
        Kind::Binary => {
            let texts = [INACTIVE_TEXT, ACTIVE_TEXT].map(|number| reading(number).and_then(text));
            texts.into_iter().collect::<Option<Vec<_>>>()
        }
        Kind::Multistate => reading(STATE_TEXT).and_then(texts),
        _ => None,
    };
    let ancillary = present.and_then(Result::ok).and_then(|value| serde_json::to_value(value).ok());
    DiscoveryRef {
        name: reading(properties::OBJECT_NAME).and_then(text),
        description: reading(properties::DESCRIPTION).and_then(text),
        units: match reading(properties::UNITS).and_then(|reading| reading.as_ref().ok()?.single()) {
            Some(Primitive::Enumerated(number)) => units::name(*number),
            Some(_) | None => None,
        },
        possible_values: states,
        // Without priorities it may be writable all the same.
        writable: plain.writable.or(priorities.filter(|has| *has)),
        ancillary: ancillary
            .map(|value| Ancillary([("present_value".to_owned(), value)].into_iter().collect())),
        ..plain
    }
}

/// The objects of a device: in one answer where they fit, else one by one.
fn object_list(client: &Client, device: &mut Device, until: &Until) -> Result<Vec<ObjectId>, ProviderError> {
    let object = ObjectId { kind: DEVICE, instance: device.instance };
    let list = Property { object, property: properties::OBJECT_LIST, index: None };
    let garbled = || ProviderError::Garbled("the list of objects holds something else".into());
    let element = |index| Property { index: Some(index), ..list };
    let count = match client.read(device, element(0), until) {
        Ok(content) => match content.single() {
            Some(Primitive::Unsigned(count)) => u32::try_from(*count).unwrap_or(u32::MAX).min(OBJECTS),
            Some(_) | None => return Err(garbled()),
        },
        Err(refusal) => return Err(refusal.at_device()),
    };
    let bytes = usize::try_from(count).unwrap_or(usize::MAX).saturating_mul(OBJECT_BYTES);
    let whole = match bytes.saturating_add(LIST_BYTES) <= usize::from(device.max_apdu) {
        true => match client.read(device, list, until) {
            Err(Refusal::TooLong) => None,
            read => Some(read.map_err(Refusal::at_device)?),
        },
        false => None,
    };
    let contents: Readings = match whole {
        Some(content) => vec![Ok(content)],
        None => {
            let elements: Vec<_> = (1..=count).map(element).collect();
            client.read_all(device, &elements, OBJECT_BYTES, until)?
        }
    };
    let mut objects = Vec::new();
    for content in contents {
        let Content::Values(values) = content.map_err(|error| ProviderError::Refused(error.to_string()))?
        else {
            return Err(garbled());
        };
        for value in values {
            let Primitive::Object(object) = value else { return Err(garbled()) };
            objects.push(object);
        }
    }
    Ok(objects)
}

fn text(reading: &Result<Content, PointError>) -> Option<String> {
    match reading.as_ref().ok()?.single()? {
        Primitive::Text(text) if !text.text.is_empty() => Some(text.text.chars().take(TEXT).collect()),
        _ => None,
    }
}

fn texts(reading: &Result<Content, PointError>) -> Option<Vec<String>> {
    let Content::Values(values) = reading.as_ref().ok()? else { return None };
    let texts = values.iter().take(STATES).map(|value| match value {
        Primitive::Text(text) => Some(text.text.chars().take(TEXT).collect()),
        _ => None,
    });
    texts.collect::<Option<Vec<_>>>().filter(|texts| !texts.is_empty())
}

/// A name as UDMI allows it for a point, made from the object's and not yet taken.
fn point_name(name: Option<&str>, taken: &mut BTreeSet<String>) -> Option<String> {
    let words = name?.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let name = words.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("_");
    let name = name.trim_start_matches(|letter: char| !letter.is_ascii_lowercase());
    let name: String = name.chars().take(POINT).collect();
    let name = name.trim_end_matches('_');
    (!name.is_empty() && taken.insert(name.to_owned())).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_points_are_made_as_udmi_wants_them() {
        let mut taken = BTreeSet::new();
        let mut name = |name: &str| point_name(Some(name), &mut taken);
        assert_eq!(name("FCU_1180 Room Temp"), Some("fcu_1180_room_temp".into()));
        assert_eq!(name("fcu-1180.Room/Temp!"), None, "taken");
        assert_eq!(name("1. Setpoint (°C)"), Some("setpoint_c".into()));
        assert_eq!(name("42"), None);
        assert_eq!(name(""), None);
    }
}
