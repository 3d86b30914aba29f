//! Values of points: a text, a boolean or a number, kept as it was written.

use alloc::borrow::ToOwned;
use alloc::string::String;
use core::fmt;

use serde::de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::describe::{Field, Kind};

/// The value of a point.
///
/// A whole number stays whole: `60` is read and written as `60`, and `60.0` as `60.0`.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `true` or `false`.
    Boolean(bool),
    /// A number written without fraction or exponent.
    Integer(i64),
    /// A number with fraction or exponent, or beyond 64 signed bits. JSON has no form for NaN and the
    /// infinities: they would be written as `null`, which no schema accepts, so use [`Value::number`].
    Number(f64),
    /// A text.
    Text(String),
}

/// What `set_value` of a point in the config holds.
#[derive(Clone, Debug, PartialEq)]
pub enum SetValue {
    /// A value of an allowed type.
    Value(Value),
    /// `null`, a list or an object: never legal, and to be reported for this point alone.
    Other,
}

impl Value {
    /// Makes a number, or nothing of NaN and the infinities.
    #[must_use]
    pub const fn number(number: f64) -> Option<Self> {
        if number.is_finite() { Some(Self::Number(number)) } else { None }
    }

    /// The number, if it is one; whole numbers beyond 2^53 are rounded.
    #[must_use]
    pub fn as_number(&self) -> Option<f64> {
        match self {
            #[allow(clippy::cast_precision_loss)]
            Self::Integer(whole) => Some(*whole as f64),
            Self::Number(number) => Some(*number),
            Self::Boolean(_) | Self::Text(_) => None,
        }
    }
}

impl Default for Value {
    fn default() -> Self {
        Self::Integer(0)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

/// Prints the value as on the wire, but a text without quotes.
impl fmt::Display for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(value) => value.fmt(formatter),
            Self::Integer(whole) => whole.fmt(formatter),
            Self::Number(number) => fmt::Debug::fmt(number, formatter),
            Self::Text(text) => formatter.write_str(text),
        }
    }
}

impl Field for Value {
    const KIND: Kind = Kind::Value;
}

impl Field for SetValue {
    const KIND: Kind = Kind::Value;

    fn absent(&self) -> bool {
        matches!(self, Self::Other)
    }

    // Here `null` is something the cloud asked for, and not the absence of a request.
    fn read_optional<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Option<Self>, A::Error> {
        map.next_value().map(Some)
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Boolean(value) => serializer.serialize_bool(*value),
            Self::Integer(whole) => serializer.serialize_i64(*whole),
            Self::Number(number) => serializer.serialize_f64(*number),
            Self::Text(text) => serializer.serialize_str(text),
        }
    }
}

impl Serialize for SetValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Value(value) => value.serialize(serializer),
            Self::Other => serializer.serialize_unit(),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_any(AnyValue)? {
            SetValue::Value(value) => Ok(value),
            SetValue::Other => Err(D::Error::custom("invalid type: expected a text, a boolean or a number")),
        }
    }
}

impl<'de> Deserialize<'de> for SetValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = SetValue;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a text, a boolean or a number")
    }

    fn visit_bool<E>(self, value: bool) -> Result<SetValue, E> {
        Ok(SetValue::Value(Value::Boolean(value)))
    }

    fn visit_i64<E>(self, whole: i64) -> Result<SetValue, E> {
        Ok(SetValue::Value(Value::Integer(whole)))
    }

    fn visit_u64<E>(self, whole: u64) -> Result<SetValue, E> {
        #[allow(clippy::cast_precision_loss)]
        let value = i64::try_from(whole).map_or(Value::Number(whole as f64), Value::Integer);
        Ok(SetValue::Value(value))
    }

    fn visit_f64<E>(self, number: f64) -> Result<SetValue, E> {
        Ok(SetValue::Value(Value::Number(number)))
    }

    fn visit_str<E>(self, text: &str) -> Result<SetValue, E> {
        Ok(SetValue::Value(Value::Text(text.to_owned())))
    }

    fn visit_string<E>(self, text: String) -> Result<SetValue, E> {
        Ok(SetValue::Value(Value::Text(text)))
    }

    fn visit_unit<E>(self) -> Result<SetValue, E> {
        Ok(SetValue::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<SetValue, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(SetValue::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<SetValue, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(SetValue::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn numbers_are_written_as_they_were_read() {
        for text in ["60", "-3", "60.0", "0.25", "9223372036854775807", "true", "\"on\""] {
            let value: Value = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&value).unwrap(), text);
        }
    }

    #[test]
    fn other_types_are_refused_as_value_and_kept_as_set_value() {
        for text in ["null", "[1, [2]]", "{\"a\": {}}"] {
            assert!(serde_json::from_str::<Value>(text).is_err());
            assert_eq!(serde_json::from_str::<SetValue>(text).unwrap(), SetValue::Other);
        }
    }

    #[test]
    fn display_is_plain() {
        assert_eq!(Value::Number(60.0).to_string(), "60.0");
        assert_eq!(Value::from("on").to_string(), "on");
    }
}
