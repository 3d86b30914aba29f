//! What a reference such as `AV/12#present_value` stands for.

use udmi_proto::family::bacnet::Reference;

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
        let reference =
            Reference::parse(reference).map_err(|malformed| PointError::Reference(malformed.to_string()))?;
        let letters = reference.object_type.as_str();
        let kind =
            by_letters(letters).ok_or_else(|| PointError::Reference(format!("no object type {letters}")))?;
        let property = match reference.property.as_deref() {
            Some(name) => properties::number(name)
                .ok_or_else(|| PointError::Reference(format!("no property {name}")))?,
            None => properties::PRESENT_VALUE,
        };
        let object = ObjectId { kind, instance: reference.instance };
        let row = row_of(kind).filter(|_| property == properties::PRESENT_VALUE);
        Ok(Self { property: Property { object, property, index: None }, kind: row.map(|row| row.kind) })
    }
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
