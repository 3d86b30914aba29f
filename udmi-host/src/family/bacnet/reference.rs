//! What a reference such as `AV/12#present_value` stands for.

use super::codec::INSTANCE;
use super::codec::primitive::ObjectId;
use super::codec::service::Property;
use super::objects::{Kind, by_letters, row_of};
use super::properties;
use crate::family::PointError;

/// A property that is a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Point {
    pub(super) property: Property,
    /// What it is, where that is known without asking.
    pub(super) kind: Option<Kind>,
}

impl Point {
    pub(super) fn parse(reference: &str) -> Result<Self, PointError> {
        let unusable = |why: String| PointError::Reference(why);
        let (object, property) = reference.split_once('#').unwrap_or((reference, "present_value"));
        let (letters, instance) =
            object.split_once('/').ok_or_else(|| unusable("expected an object such as AV/12".into()))?;
        let kind = by_letters(letters).ok_or_else(|| unusable(format!("no object type {letters}")))?;
        let instance = number(instance, 0, INSTANCE)
            .ok_or_else(|| unusable("expected an instance from 0 to 4194303".into()))?;
        let property =
            properties::number(property).ok_or_else(|| unusable(format!("no property {property}")))?;
        let property = Property { object: ObjectId { kind, instance }, property, index: None };
        let row = row_of(kind).filter(|_| property.property == properties::PRESENT_VALUE);
        Ok(Self { property, kind: row.map(|row| row.kind) })
    }
}

/// The instance of a device.
pub(super) fn parse_address(address: &str) -> Result<u32, String> {
    number(address, 1, INSTANCE).ok_or_else(|| "address: expected a number from 1 to 4194303".into())
}

/// The number of a network.
pub(super) fn parse_network(network: &str) -> Result<u16, String> {
    let number = number(network, 1, 65_534).and_then(|number| u16::try_from(number).ok());
    number.ok_or_else(|| "network: expected a number from 1 to 65534".into())
}

fn number(text: &str, least: u32, greatest: u32) -> Option<u32> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let zero = text.len() > 1 && text.starts_with('0');
    text.parse().ok().filter(|number| digits && !zero && (least..=greatest).contains(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_stand_for_properties() {
        let point = Point::parse("BV/11#present_value").unwrap();
        assert_eq!((point.property.object.to_string().as_str(), point.property.property), ("BV/11", 85));
        assert_eq!(point.kind, Some(Kind::Binary));
        assert_eq!(Point::parse("BV/11"), Ok(point));
        let point = Point::parse("AV/0#out_of_service").unwrap();
        assert_eq!((point.property.property, point.kind), (81, None));
        for broken in ["AV", "AV:1", "XX/1", "AV/01", "AV/+1", "AV/4194304", "AV/1#nonsense", "AV/1#", ""] {
            assert!(matches!(Point::parse(broken), Err(PointError::Reference(_))), "{broken}");
        }
    }
}
