//! Numbers as the standard library shows them, from the digits that JSON has of them: its own way to find the digits is
//! ten times as large as all of this.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::write;

/// A number to be shown: `{:?}` keeps its point or gives it an exponent, `{}` does neither without need.
#[derive(Clone, Copy)]
pub(crate) struct Shown(pub(crate) f64);

impl fmt::Debug for Shown {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.put(formatter, false)
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.put(formatter, true)
    }
}

impl Shown {
    fn put(self, formatter: &mut fmt::Formatter<'_>, is_plain: bool) -> fmt::Result {
        let number = self.0;
        if number.is_nan() {
            return formatter.write_str("NaN");
        }
        if number.is_sign_negative() {
            formatter.write_str("-")?;
        }
        if number.is_infinite() {
            return formatter.write_str("inf");
        }
        let mut json = Vec::new();
        // A number cannot fail.
        let _ = write::put(&mut json, &number.abs());
        let (digits, point) = digits_of(core::str::from_utf8(&json).unwrap_or_default());
        let exponent = point - 1;
        let is_short = is_plain || (-4..16).contains(&exponent);
        let before = if is_short { usize::try_from(point).unwrap_or(0) } else { 1 };
        let zeros_before = before.saturating_sub(digits.len());
        let (whole, fraction) = digits.split_at_checked(before).unwrap_or((&digits, ""));
        match whole {
            "" => formatter.write_str("0")?,
            whole => formatter.write_str(whole)?,
        }
        put_zeros(formatter, zeros_before)?;
        if is_plain && fraction.is_empty() {
            return Ok(());
        }
        if is_short || !fraction.is_empty() {
            formatter.write_str(".")?;
        }
        if is_short {
            put_zeros(formatter, usize::try_from(-point).unwrap_or(0))?;
        }
        formatter.write_str(if is_short && fraction.is_empty() { "0" } else { fraction })?;
        if is_short { Ok(()) } else { write!(formatter, "e{exponent}") }
    }
}

fn put_zeros(formatter: &mut fmt::Formatter<'_>, zeros: usize) -> fmt::Result {
    (0..zeros).try_for_each(|_| formatter.write_str("0"))
}

/// The digits of a number, without zeros in front and at the end, and how many of them stand before its point.
fn digits_of(json: &str) -> (String, i32) {
    let (mantissa, exponent) = json.split_once('e').unwrap_or((json, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = [whole, fraction].concat();
    let digits = all.trim_start_matches('0');
    let in_front = all.len() - digits.len();
    let digits = digits.trim_end_matches('0');
    if digits.is_empty() {
        return ("0".into(), 1);
    }
    let point = i32::try_from(whole.len()).unwrap_or(0) - i32::try_from(in_front).unwrap_or(0);
    (digits.into(), point + exponent.parse::<i32>().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;
    use alloc::{format, vec};

    use super::Shown;

    #[test]
    fn numbers_are_shown_as_the_standard_library_shows_them() {
        let mut numbers =
            vec![0.0, -0.0, 1.0, -1.5, 60.0, 0.1, 100.25, f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
        numbers.extend([
            f64::MAX,
            f64::MIN_POSITIVE,
            5e-324,
            9e15,
            1e16,
            123_456_789_012_345_680.0,
            1e-4,
            9.9e-5,
        ]);
        numbers.extend((-330..310).map(|exponent| format!("1.25e{exponent}").parse::<f64>().unwrap()));
        for number in numbers {
            assert_eq!(Shown(number).to_string(), number.to_string());
            assert_eq!(format!("{:?}", Shown(number)), format!("{number:?}"));
        }
    }

    #[test]
    fn any_number_is_shown_as_short_as_the_standard_library_shows_it() {
        let numbers = (1..20_000_u64).map(|n| f64::from_bits(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        for number in numbers.filter(|number| number.is_finite()) {
            let shown = Shown(number).to_string();
            // Of two that are as short and as near either will do.
            assert_eq!((shown.parse(), shown.len()), (Ok(number), number.to_string().len()), "{number}");
        }
    }
}
