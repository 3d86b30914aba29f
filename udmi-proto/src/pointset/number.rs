//! Values as they go to the wire, and when a change is worth telling.

use alloc::string::String;
use alloc::vec::Vec;

use crate::json::{self, write};
use crate::model::value::Value;
use crate::settings::ValueKind;

/// What a reading becomes: a finite number, a boolean or a text. A text that reads as a number becomes
/// one unless the point is declared to hold texts, since consumers take such a text for a mistake (§4.4).
pub(super) fn normalise(kind: Option<&ValueKind>, value: Value) -> Result<Value, String> {
    match (kind, value) {
        (_, Value::Number(number)) if !number.is_finite() => Err("the reading is no finite number".into()),
        (Some(ValueKind::Text | ValueKind::Enumeration(_)), Value::Text(text)) => Ok(Value::Text(text)),
        (kind, Value::Text(text)) => match (java_double(&text), kind) {
            (Some(number), _) => Ok(text.trim().parse().map_or(Value::Number(number), Value::Integer)),
            (None, Some(ValueKind::Number { .. })) => Err("the reading is a text, not a number".into()),
            (None, _) => Ok(Value::Text(text)),
        },
        (_, value) => Ok(value),
    }
}

/// The finite number that Java's `Double.parseDouble` makes of a text, if any (§4.4): blanks around it, a
/// suffix of `d` or `f` and hexadecimal forms count.
fn java_double(text: &str) -> Option<f64> {
    let text = text.trim_matches(|c| c <= ' ');
    let text = text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text);
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => (-1.0, text.get(1..)?),
        b'+' => (1.0, text.get(1..)?),
        _ => (1.0, text),
    };
    let number = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hexadecimal) => hexadecimal_double(hexadecimal)?,
        None => json::number(digits)?,
    };
    Some(sign * number).filter(|number| number.is_finite())
}

/// Reads `1.8p3`: hexadecimal digits with an optional point, and a mandatory binary exponent.
fn hexadecimal_double(text: &str) -> Option<f64> {
    let (mantissa, exponent) = text.split_once(['p', 'P'])?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut number = 0.0;
    for digit in whole.chars() {
        number = number * 16.0 + f64::from(digit.to_digit(16)?);
    }
    let mut scale = 1.0;
    for digit in fraction.chars() {
        scale /= 16.0;
        number += scale * f64::from(digit.to_digit(16)?);
    }
    let exponent: i32 = exponent.parse().ok()?;
    // Beyond, any double has become zero or infinite.
    let factor = if exponent < 0 { 0.5 } else { 2.0 };
    for _ in 0..exponent.unsigned_abs().min(2200) {
        number *= factor;
    }
    Some(number)
}

/// A present value on the wire.
#[derive(Clone, Copy, Debug)]
pub(super) struct OnWire<'a> {
    pub(super) value: &'a Value,
    /// Whether it keeps all its digits; otherwise two decimals are left (§4.4).
    pub(super) exact: bool,
}

impl OnWire<'_> {
    /// Appends it as JSON.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        match self.value {
            Value::Integer(whole) => write::put_integer(out, *whole),
            Value::Text(text) => write::put_text(out, text),
            Value::Number(number) if !self.exact => put_rounded(out, *number),
            Value::Boolean(_) | Value::Number(_) => {
                // Neither can fail.
                let _ = write::put(out, self.value);
            }
        }
    }
}

/// Appends a number with two decimals. Numbers too large to have decimals stay.
fn put_rounded(out: &mut Vec<u8>, number: f64) {
    let rounded = hundredths(number);
    if rounded.and_then(|hundredths| write::put_hundredths(out, hundredths)).is_none() {
        #[allow(clippy::cast_precision_loss)]
        let number = rounded.map_or(number, |hundredths| hundredths as f64 / 100.0);
        // A number cannot fail.
        let _ = write::put(out, &number);
    }
}

/// Rounds to hundredths, halves away from zero; none of numbers too large to have any.
fn hundredths(number: f64) -> Option<i64> {
    const WHOLE_FROM: f64 = 4_503_599_627_370_496.0; // 2^52
    let scaled = number * 100.0;
    #[allow(clippy::cast_possible_truncation)]
    let rounded = || (scaled + if scaled < 0.0 { -0.5 } else { 0.5 }) as i64;
    (-WHOLE_FROM..WHOLE_FROM).contains(&scaled).then(rounded)
}

/// Whether `now` is so far from `told` that a change-of-value update is due (§4.1 `cov_increment`).
/// Texts and booleans have no distance: any change counts.
pub(super) fn changed_by(told: &Value, now: &Value, increment: f64) -> bool {
    // One tenth is not exact in binary; 21.5 is a tenth away from 21.4 all the same.
    const ALMOST: f64 = 1.0 - 1e-9;
    match (told.as_number(), now.as_number()) {
        (Some(told), Some(now)) => {
            let distance = if now > told { now - told } else { told - now };
            distance > 0.0 && distance >= increment * ALMOST
        }
        _ => told != now,
    }
}

/// Whether two values mean the same, whichever way a number is written.
pub(super) fn means_same(one: &Value, other: &Value) -> bool {
    match (one.as_number(), other.as_number()) {
        #[allow(clippy::float_cmp)]
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_java_reads_as_a_double_become_numbers() {
        for (text, number) in [
            ("1e3", 1000.0),
            ("0x1p3", 8.0),
            (" 5 ", 5.0),
            ("5d", 5.0),
            ("7f", 7.0),
            ("-0x1.8p1", -3.0),
            (".5", 0.5),
        ] {
            let value = normalise(None, Value::from(text)).unwrap();
            assert_eq!(value.as_number(), Some(number), "{text}");
        }
        for text in ["", "d", "e3", "inf", "NaN", "0x1", "1_000", "on", "0x1p", "5 d x", "1e999"] {
            assert_eq!(java_double(text), None, "{text}");
        }
    }

    #[test]
    fn a_declared_text_stays_a_text_and_a_number_is_never_a_text() {
        assert_eq!(normalise(Some(&ValueKind::Text), Value::from("007")), Ok(Value::from("007")));
        let number = ValueKind::Number { minimum: None, maximum: None };
        assert_eq!(normalise(Some(&number), Value::from("12")), Ok(Value::Integer(12)));
        assert!(normalise(Some(&number), Value::from("warm")).is_err());
        assert!(normalise(None, Value::Number(f64::NAN)).is_err());
    }

    #[test]
    fn two_decimals_are_left_and_halves_go_away_from_zero() {
        for (number, rounded) in [
            (21.456, "21.46"),
            (0.125, "0.13"),
            (-0.125, "-0.13"),
            (21.0, "21.0"),
            (1e300, "1e+300"),
            (-0.001, "0.0"),
            (4_503_599_627_370.49, "4503599627370.49"),
            (1e17, "1e+17"),
        ] {
            let mut out = Vec::new();
            OnWire { value: &Value::Number(number), exact: false }.put(&mut out);
            assert_eq!(core::str::from_utf8(&out), Ok(rounded));
        }
    }

    #[test]
    fn an_increment_is_reached_in_spite_of_binary_fractions() {
        let number = Value::Number;
        assert!(changed_by(&number(0.2), &number(0.3), 0.1));
        assert!(!changed_by(&number(0.2), &number(0.29), 0.1));
        assert!(!changed_by(&number(0.2), &number(0.2), 0.0));
        assert!(changed_by(&Value::from(true), &Value::from(false), 5.0));
    }
}
