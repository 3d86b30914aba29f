//! Values of points from and to what properties hold.

use udmi_proto::Value;

use super::codec::primitive::{Content, Primitive};
use super::objects::Kind;
use crate::family::PointError;

/// The value of a point, from what a property holds. Of a known kind it has to be, as far as devices keep to that: any
/// type of number is one.
pub(super) fn from_content(content: &Content, kind: Option<Kind>) -> Result<Value, PointError> {
    let unusable = |why: &str| Err(PointError::Unusable(why.into()));
    match content {
        Content::Constructed => return unusable("data of several parts"),
        Content::Values(values) if values.is_empty() => return unusable("an empty list"),
        Content::Values(_) => {}
    }
    let Some(value) = content.single() else { return unusable("a list") };
    if kind.is_some_and(|kind| !fits(value, kind)) {
        return Err(PointError::Garbled(format!("{value} is of another type than the object")));
    }
    let binary = kind == Some(Kind::Binary);
    Ok(match value {
        Primitive::Null => return unusable("null"),
        Primitive::Boolean(value) => Value::Boolean(*value),
        Primitive::Enumerated(state @ (0 | 1)) if binary => Value::Boolean(*state == 1),
        Primitive::Unsigned(state @ (0 | 1)) if binary => Value::Boolean(*state == 1), // some devices do
        Primitive::Enumerated(value) => Value::Integer((*value).into()),
        #[allow(clippy::cast_precision_loss)]
        Primitive::Unsigned(value) => {
            i64::try_from(*value).map_or(Value::Number(*value as f64), Value::Integer)
        }
        Primitive::Signed(value) => Value::Integer(*value),
        // A number of 32 bits means the shortest decimal that is nearest to it: 21.3, not 21.299999237060547.
        Primitive::Real(value) => number(value.to_string().parse().unwrap_or(f64::NAN))?,
        Primitive::Double(value) => number(*value)?,
        Primitive::Text(text) if text.exact => Value::Text(text.text.clone()),
        Primitive::Text(_) => return Err(PointError::Garbled("a text in an unknown character set".into())),
        Primitive::Octets(_)
        | Primitive::Bits(_)
        | Primitive::Date(_)
        | Primitive::Time(_)
        | Primitive::Object(_) => Value::Text(value.to_string()),
    })
}

/// Null fits everything: it is no value, whatever the kind.
fn fits(value: &Primitive, kind: Kind) -> bool {
    use Primitive::{Boolean, Double, Enumerated, Null, Real, Signed, Text, Unsigned};
    match kind {
        Kind::Real | Kind::Double | Kind::Signed | Kind::Unsigned => {
            matches!(value, Real(_) | Double(_) | Signed(_) | Unsigned(_) | Null)
        }
        Kind::Binary => matches!(value, Enumerated(0 | 1) | Unsigned(0 | 1) | Boolean(_) | Null),
        Kind::Multistate | Kind::Enumerated => matches!(value, Enumerated(_) | Unsigned(_) | Null),
        Kind::Text => matches!(value, Text(_) | Null),
        Kind::Boolean => matches!(value, Boolean(_) | Null),
        Kind::Other => true,
    }
}

fn number(number: f64) -> Result<Value, PointError> {
    Value::number(number).ok_or_else(|| PointError::Unusable(format!("{number} is no number")))
}

/// A value as a property of that type takes it.
///
/// # Errors
/// What was expected.
pub(super) fn to_primitive(value: &Value, like: &Primitive, kind: Option<Kind>) -> Result<Primitive, String> {
    let expected = |what: &str| Err(format!("expected {what}, not {value}"));
    Ok(match like {
        Primitive::Real(_) => {
            #[allow(clippy::cast_possible_truncation)]
            let real = value.as_number().map(|number| number as f32);
            match real {
                Some(real) if real.is_finite() => Primitive::Real(real),
                Some(_) | None => return expected("a number of 32 bits"),
            }
        }
        Primitive::Double(_) => match value.as_number() {
            Some(number) => Primitive::Double(number),
            None => return expected("a number"),
        },
        Primitive::Signed(_) => match whole(value) {
            Some(whole) => Primitive::Signed(whole),
            None => return expected("a whole number"),
        },
        Primitive::Unsigned(_) => {
            let least = u64::from(kind == Some(Kind::Multistate));
            match whole(value).and_then(|whole| u64::try_from(whole).ok()).filter(|whole| *whole >= least) {
                Some(whole) => Primitive::Unsigned(whole),
                None if least == 0 => return expected("a whole number that is not negative"),
                None => return expected("the number of a state, from 1"),
            }
        }
        Primitive::Enumerated(_) if kind == Some(Kind::Binary) => match binary(value) {
            Some(active) => Primitive::Enumerated(active.into()),
            None => return expected("true or false"),
        },
        Primitive::Enumerated(_) => match whole(value).and_then(|whole| u32::try_from(whole).ok()) {
            Some(whole) => Primitive::Enumerated(whole),
            None => return expected("a whole number that is not negative"),
        },
        Primitive::Boolean(_) => match value {
            Value::Boolean(value) => Primitive::Boolean(*value),
            Value::Integer(_) | Value::Number(_) | Value::Text(_) => return expected("true or false"),
        },
        Primitive::Text(_) => match value {
            Value::Text(text) => Primitive::Text(text.as_str().into()),
            Value::Boolean(_) | Value::Integer(_) | Value::Number(_) => return expected("a text"),
        },
        Primitive::Null
        | Primitive::Octets(_)
        | Primitive::Bits(_)
        | Primitive::Date(_)
        | Primitive::Time(_)
        | Primitive::Object(_) => return Err("values of this type cannot be written".into()),
    })
}

/// A number without a fraction, as far as it can be told.
fn whole(value: &Value) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0; // 2^53
    match value {
        Value::Integer(whole) => Some(*whole),
        #[allow(clippy::cast_possible_truncation)]
        Value::Number(number) if number.fract() == 0.0 && number.abs() <= EXACT => Some(*number as i64),
        Value::Number(_) | Value::Boolean(_) | Value::Text(_) => None,
    }
}

fn binary(value: &Value) -> Option<bool> {
    match value {
        Value::Boolean(active) => Some(*active),
        Value::Text(text) if text == "active" => Some(true),
        Value::Text(text) if text == "inactive" => Some(false),
        Value::Text(_) => None,
        Value::Integer(_) | Value::Number(_) => match whole(value) {
            Some(0) => Some(false),
            Some(1) => Some(true),
            Some(_) | None => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: Primitive) -> Result<Value, PointError> {
        from_content(&Content::Values(vec![value]), None)
    }

    #[test]
    fn numbers_of_32_bits_are_read_as_they_were_meant() {
        assert_eq!(read(Primitive::Real(21.3)), Ok(Value::Number(21.3)));
        assert_eq!(read(Primitive::Real(1e-7)), Ok(Value::Number(1e-7)));
        assert!(matches!(read(Primitive::Real(f32::NAN)), Err(PointError::Unusable(_))));
        assert!(matches!(read(Primitive::Double(f64::INFINITY)), Err(PointError::Unusable(_))));
        assert_eq!(read(Primitive::Unsigned(u64::MAX)), Ok(Value::Number(18_446_744_073_709_551_615.0)));
    }

    #[test]
    fn only_inactive_and_active_are_states_of_a_binary_object() {
        let binary =
            |state| from_content(&Content::Values(vec![Primitive::Enumerated(state)]), Some(Kind::Binary));
        assert_eq!((binary(0), binary(1)), (Ok(Value::Boolean(false)), Ok(Value::Boolean(true))));
        assert!(matches!(binary(2), Err(PointError::Garbled(_))));
    }

    #[test]
    fn a_value_of_another_type_than_the_object_is_refused() {
        let read = |value, kind| from_content(&Content::Values(vec![value]), Some(kind));
        assert!(matches!(read(Primitive::Text("21.5".into()), Kind::Real), Err(PointError::Garbled(_))));
        assert!(matches!(read(Primitive::Enumerated(3), Kind::Real), Err(PointError::Garbled(_))));
        assert!(matches!(read(Primitive::Real(1.5), Kind::Multistate), Err(PointError::Garbled(_))));
        assert!(matches!(read(Primitive::Real(1.0), Kind::Binary), Err(PointError::Garbled(_))));
        assert!(matches!(read(Primitive::Null, Kind::Real), Err(PointError::Unusable(_))));
        assert_eq!(read(Primitive::Unsigned(21), Kind::Real), Ok(Value::Integer(21)));
        assert_eq!(read(Primitive::Boolean(true), Kind::Binary), Ok(Value::Boolean(true)));
    }

    #[test]
    fn what_is_no_single_value_is_no_value_of_a_point() {
        for content in [
            Content::Constructed,
            Content::Values(Vec::new()),
            Content::Values(vec![Primitive::Null]),
            Content::Values(vec![Primitive::Real(1.0), Primitive::Real(2.0)]),
        ] {
            assert!(matches!(from_content(&content, None), Err(PointError::Unusable(_))));
        }
    }

    #[test]
    fn values_are_written_in_the_type_of_the_property_or_refused() {
        let write =
            |value: Value, kind: Kind| to_primitive(&value, &kind.example().unwrap(), Some(kind)).ok();
        assert_eq!(write(60.into(), Kind::Real), Some(Primitive::Real(60.0)));
        assert_eq!(write(Value::Number(1e39), Kind::Real), None);
        assert_eq!(write(true.into(), Kind::Real), None);
        assert_eq!(write(true.into(), Kind::Binary), Some(Primitive::Enumerated(1)));
        assert_eq!(write("inactive".into(), Kind::Binary), Some(Primitive::Enumerated(0)));
        assert_eq!(write(2.into(), Kind::Binary), None);
        assert_eq!(write(2.into(), Kind::Multistate), Some(Primitive::Unsigned(2)));
        assert_eq!(write(0.into(), Kind::Multistate), None);
        assert_eq!(write(Value::Number(2.5), Kind::Multistate), None);
        assert_eq!(write(Value::Number(-3.0), Kind::Signed), Some(Primitive::Signed(-3)));
        assert_eq!(write("on".into(), Kind::Text), Some(Primitive::Text("on".into())));
        assert_eq!(write(1.into(), Kind::Text), None);
    }
}
