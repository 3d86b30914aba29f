//! Values of points: a text, a boolean or a number, kept as it was written.

use alloc::borrow::ToOwned as _;
use alloc::string::String;
use core::fmt;

use serde::{Serialize, Serializer};

use crate::json::shown::Shown;

use super::describe::{Field, Kind};
use super::place::{Leaf, Place, Read, Refusal, Scalar, leaf};
use super::read::readable;

/// The value of a point.
///
/// A whole number stays whole: `60` is read and written as `60`, and `60.0` as `60.0`.
#[derive(Clone, PartialEq)]
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
#[derive(Clone, Debug, Default, PartialEq)]
pub enum SetValue {
    /// A value of an allowed type.
    Value(Value),
    /// `null`, a list or an object: never legal, and to be reported for this point alone.
    #[default]
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
            Self::Number(number) => write!(formatter, "{:?}", Shown(*number)),
            Self::Text(text) => formatter.write_str(text),
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(value) => formatter.debug_tuple("Boolean").field(value).finish(),
            Self::Integer(whole) => formatter.debug_tuple("Integer").field(whole).finish(),
            Self::Number(number) => formatter.debug_tuple("Number").field(&Shown(*number)).finish(),
            Self::Text(text) => formatter.debug_tuple("Text").field(text).finish(),
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

leaf! {
    Value: "a text, a boolean or a number", |scalar| match of(scalar) {
        SetValue::Value(value) => Ok(value),
        SetValue::Other => Err(Refusal::Because("invalid type: expected a text, a boolean or a number")),
    };
}

impl<'de> Leaf<'de> for SetValue {
    fn expected(&self) -> &'static str {
        "a text, a boolean or a number"
    }

    fn take(&mut self, scalar: Scalar<'de>) -> Result<(), Refusal<'de>> {
        *self = of(scalar);
        Ok(())
    }
}

impl<'de> Read<'de> for SetValue {
    fn place(&mut self) -> Place<'_, 'de> {
        Place::Leaf(self)
    }

    // Here `null` is something the cloud asked for, and not the absence of a request.
    fn null() -> Option<Self> {
        Some(Self::Other)
    }
}

readable!(Value, SetValue);

fn of(scalar: Scalar<'_>) -> SetValue {
    SetValue::Value(match scalar {
        Scalar::Boolean(value) => Value::Boolean(value),
        Scalar::Integer(whole) => Value::Integer(whole),
        #[allow(clippy::cast_precision_loss)]
        Scalar::Natural(whole) => Value::Number(whole as f64),
        Scalar::Number(number) => Value::Number(number),
        Scalar::Text(text) => Value::Text(text.into_owned()),
        Scalar::Null | Scalar::List | Scalar::Object => return SetValue::Other,
    })
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
