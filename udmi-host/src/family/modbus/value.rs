//! Registers into values and back: types, orders of bytes and words, scale and offset (§6.6).

use udmi_proto::Value;
use udmi_proto::family::modbus::{ByteOrder, DataType, WordOrder};

use super::point::Point;

/// The value that registers hold, or why they hold none.
pub(super) fn from_registers(point: &Point, registers: &[u16]) -> Result<Value, String> {
    let bytes = in_order(point, registers);
    match point.data_type {
        DataType::Boolean => Ok(Value::Boolean(registers.iter().any(|register| *register != 0))),
        DataType::Ascii => text(&bytes).map(Value::Text),
        DataType::Int16 => {
            fixed(&bytes).map(i16::from_be_bytes).map(i128::from).and_then(|raw| whole(point, raw))
        }
        DataType::Int32 => {
            fixed(&bytes).map(i32::from_be_bytes).map(i128::from).and_then(|raw| whole(point, raw))
        }
        DataType::Int64 => {
            fixed(&bytes).map(i64::from_be_bytes).map(i128::from).and_then(|raw| whole(point, raw))
        }
        DataType::Uint16 => {
            fixed(&bytes).map(u16::from_be_bytes).map(i128::from).and_then(|raw| whole(point, raw))
        }
        DataType::Uint32 => {
            fixed(&bytes).map(u32::from_be_bytes).map(i128::from).and_then(|raw| whole(point, raw))
        }
        DataType::Uint64 => {
            fixed(&bytes).map(u64::from_be_bytes).map(i128::from).and_then(|raw| whole(point, raw))
        }
        DataType::Float32 => fixed(&bytes).map(f32::from_be_bytes).and_then(|raw| real(point, widen(raw))),
        DataType::Float64 => fixed(&bytes).map(f64::from_be_bytes).and_then(|raw| real(point, raw)),
    }
}

/// The registers that hold a value, as many as the point has, or why there are none.
///
/// A number is rounded to what a scaled register or a float can hold; an unscaled whole number must be whole.
pub(super) fn to_registers(point: &Point, value: &Value) -> Result<Vec<u16>, String> {
    let bytes = match point.data_type {
        DataType::Boolean => vec![0, u8::from(boolean(value)?)],
        DataType::Ascii => padded(value, usize::from(point.quantity) * 2)?,
        DataType::Int16 => ranged::<i16>(point, value)?.to_be_bytes().to_vec(),
        DataType::Int32 => ranged::<i32>(point, value)?.to_be_bytes().to_vec(),
        DataType::Int64 => ranged::<i64>(point, value)?.to_be_bytes().to_vec(),
        DataType::Uint16 => ranged::<u16>(point, value)?.to_be_bytes().to_vec(),
        DataType::Uint32 => ranged::<u32>(point, value)?.to_be_bytes().to_vec(),
        DataType::Uint64 => ranged::<u64>(point, value)?.to_be_bytes().to_vec(),
        DataType::Float32 => {
            #[allow(clippy::cast_possible_truncation)]
            let narrow = unscaled(point, value)? as f32;
            if !narrow.is_finite() {
                return Err("too large for FLOAT32".into());
            }
            narrow.to_be_bytes().to_vec()
        }
        DataType::Float64 => unscaled(point, value)?.to_be_bytes().to_vec(),
    };
    let registers: Vec<u16> =
        bytes.chunks_exact(2).filter_map(|pair| Some(u16::from_be_bytes(pair.try_into().ok()?))).collect();
    let bytes = in_order(point, &registers);
    Ok(bytes.chunks_exact(2).filter_map(|pair| Some(u16::from_be_bytes(pair.try_into().ok()?))).collect())
}

/// A value for a coil.
pub(super) fn boolean(value: &Value) -> Result<bool, String> {
    match value {
        Value::Boolean(on) => Ok(*on),
        Value::Integer(0) => Ok(false),
        Value::Integer(1) => Ok(true),
        Value::Integer(_) | Value::Number(_) | Value::Text(_) => Err("true or false is expected".into()),
    }
}

/// The bytes of registers with the most significant first, or the other way round: it is its own inverse.
fn in_order(point: &Point, registers: &[u16]) -> Vec<u8> {
    let mut words: Vec<[u8; 2]> = registers.iter().map(|register| register.to_be_bytes()).collect();
    if point.parameters.byte_order == Some(ByteOrder::LeastSignificantFirst) {
        words.iter_mut().for_each(|word| word.reverse());
    }
    // A text has no high word.
    if point.parameters.word_order == Some(WordOrder::LowWordFirst) && point.data_type != DataType::Ascii {
        words.reverse();
    }
    words.concat()
}

fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N], String> {
    bytes.try_into().map_err(|_| "another size than its type has".into())
}

/// The text up to the first NUL, without spaces at its end.
fn text(bytes: &[u8]) -> Result<String, String> {
    let bytes = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    if !bytes.iter().all(|byte| matches!(byte, b' '..=b'~')) {
        return Err("not ASCII".into());
    }
    Ok(String::from_utf8_lossy(bytes).trim_end().to_owned())
}

fn padded(value: &Value, size: usize) -> Result<Vec<u8>, String> {
    let Value::Text(text) = value else { return Err("a text is expected".into()) };
    if text.len() > size || !text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Err(format!("a text of up to {size} ASCII characters is expected"));
    }
    let mut bytes = text.clone().into_bytes();
    bytes.resize(size, 0);
    Ok(bytes)
}

/// What a whole number in registers means. It stays whole as long as scale and offset are, and is exact in decimal
/// digits: a hundredth of 2150 is 21.5, not what binary fractions make of it.
fn whole(point: &Point, raw: i128) -> Result<Value, String> {
    let exact = Decimal::parse(point.parameters.scale.unwrap_or(1.0))
        .and_then(|scale| scale.times(raw))
        .and_then(|product| product.plus(Decimal::parse(point.parameters.offset.unwrap_or(0.0))?));
    match exact {
        Some(Decimal { digits, places: 0 }) if i64::try_from(digits).is_ok() => {
            i64::try_from(digits).map(Value::Integer).map_err(|error| error.to_string())
        }
        Some(decimal) => decimal.number().and_then(Value::number).ok_or_else(|| "too large".into()),
        #[allow(clippy::cast_precision_loss)]
        None => real(point, raw as f64),
    }
}

fn real(point: &Point, raw: f64) -> Result<Value, String> {
    if raw.is_nan() {
        return Err("not a number (NaN)".into());
    }
    let number = raw * point.parameters.scale.unwrap_or(1.0) + point.parameters.offset.unwrap_or(0.0);
    Value::number(number).ok_or_else(|| "infinite".into())
}

/// The double with the fewest digits that is this float: 21.1, not 21.100000381469727.
fn widen(raw: f32) -> f64 {
    raw.to_string().parse().unwrap_or(f64::from(raw))
}

/// The whole number a register has to hold.
fn ranged<T: TryFrom<i128>>(point: &Point, value: &Value) -> Result<T, String> {
    let is_scaled = point.parameters.scale.is_some() || point.parameters.offset.is_some();
    let raw = match value {
        Value::Integer(raw) if !is_scaled => i128::from(*raw),
        Value::Integer(_) | Value::Number(_) => {
            let number = unscaled(point, value)?;
            if !is_scaled && number.fract() != 0.0 {
                return Err("a whole number is expected".into());
            }
            // What is beyond the type's range is beyond it after this cast as well.
            #[allow(clippy::cast_possible_truncation)]
            let rounded = number.round() as i128;
            rounded
        }
        Value::Boolean(_) | Value::Text(_) => return Err("a number is expected".into()),
    };
    T::try_from(raw).map_err(|_| format!("out of the range of {}", point.data_type.as_str()))
}

/// A number before scale and offset; finite.
fn unscaled(point: &Point, value: &Value) -> Result<f64, String> {
    let number = value.as_number().ok_or("a number is expected")?;
    let raw = (number - point.parameters.offset.unwrap_or(0.0)) / point.parameters.scale.unwrap_or(1.0);
    if raw.is_finite() { Ok(raw) } else { Err("too large".into()) }
}

/// A number of decimal digits: `digits` / 10^`places`.
#[derive(Clone, Copy, Debug)]
struct Decimal {
    digits: i128,
    places: u32,
}

impl Decimal {
    /// The shortest decimal that is this double; none if it has too many digits.
    fn parse(number: f64) -> Option<Self> {
        let text = number.to_string();
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        let places = u32::try_from(fraction.len()).ok()?;
        Some(Self { digits: format!("{whole}{fraction}").parse().ok()?, places })
    }

    fn times(self, factor: i128) -> Option<Self> {
        Some(Self { digits: self.digits.checked_mul(factor)?, ..self })
    }

    fn plus(self, other: Self) -> Option<Self> {
        let places = self.places.max(other.places);
        Some(Self { digits: self.shifted(places)?.checked_add(other.shifted(places)?)?, places })
    }

    /// The digits with so many places, which are no fewer than there are.
    fn shifted(self, places: u32) -> Option<i128> {
        self.digits.checked_mul(10_i128.checked_pow(places.checked_sub(self.places)?)?)
    }

    fn number(self) -> Option<f64> {
        format!("{}e-{}", self.digits, self.places).parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(parameters: &str) -> Point {
        Point::parse(&format!("1/3/0?{parameters}"), None).unwrap()
    }

    fn read(parameters: &str, registers: &[u16]) -> Result<Value, String> {
        from_registers(&point(parameters), registers)
    }

    fn written(parameters: &str, value: impl Into<Value>) -> Result<Vec<u16>, String> {
        to_registers(&point(parameters), &value.into())
    }

    #[test]
    fn each_type_is_read() {
        let cases: [(&str, &[u16], Value); 14] = [
            ("type=INT16", &[0xffff], Value::Integer(-1)),
            ("type=UINT16", &[0xffff], Value::Integer(65_535)),
            ("type=INT32", &[0xffff, 0xfffe], Value::Integer(-2)),
            ("type=UINT32", &[0xffff, 0xfffe], Value::Integer(4_294_967_294)),
            ("type=UINT32&worder=LWF", &[1, 2], Value::Integer(0x0002_0001)),
            ("type=UINT32&border=LSB", &[0x0102, 0x0304], Value::Integer(0x0201_0403)),
            ("type=UINT32&border=LSB&worder=LWF", &[0x0102, 0x0304], Value::Integer(0x0403_0201)),
            ("type=INT64", &[0x8000, 0, 0, 0], Value::Integer(i64::MIN)),
            ("type=UINT64", &[0x8000, 0, 0, 0], Value::Number(9_223_372_036_854_775_808.0)),
            ("type=FLOAT32", &[0x41a8, 0xcccd], Value::Number(21.1)),
            ("type=FLOAT64", &[0x4035, 0x1999, 0x9999, 0x999a], Value::Number(21.1)),
            ("type=BOOLEAN", &[2], Value::Boolean(true)),
            ("type=BOOLEAN", &[0], Value::Boolean(false)),
            ("type=UINT16&border=LSB", &[0x0102], Value::Integer(0x0201)),
        ];
        for (parameters, registers, value) in cases {
            assert_eq!(read(parameters, registers), Ok(value), "{parameters}");
        }
        let text = Point::parse("1/4/0/3?type=ASCII", None).unwrap();
        assert_eq!(from_registers(&text, &[0x4148, 0x5520, 0x0041]), Ok(Value::Text("AHU".into())));
    }

    #[test]
    fn scale_and_offset_are_exact_in_decimal_digits() {
        assert_eq!(read("type=INT16&scale=0.1", &[3]), Ok(Value::Number(0.3)));
        assert_eq!(read("type=INT16&scale=0.01", &[2150]), Ok(Value::Number(21.5)));
        assert_eq!(read("type=INT16&scale=0.1&offset=-40", &[613]), Ok(Value::Number(21.3)));
        assert_eq!(read("type=INT16&scale=10&offset=5", &[7]), Ok(Value::Integer(75)));
        assert_eq!(
            read("type=UINT64&scale=0.1", &[0xffff; 4]),
            Ok(Value::Number(1_844_674_407_370_955_161.5))
        );
        let wide = read(&format!("type=UINT64&scale=1{}", "0".repeat(30)), &[0xffff; 4]);
        assert!(matches!(wide, Ok(Value::Number(number)) if number.is_finite()));
    }

    #[test]
    fn registers_that_hold_no_value_give_none() {
        assert!(read("type=FLOAT32", &[0x7fc0, 0]).is_err());
        assert!(read("type=FLOAT32", &[0x7f80, 0]).is_err());
        assert!(read("type=FLOAT32&scale=0.1", &[0xff80, 0]).is_err());
        assert!(read("type=FLOAT64&scale=1000", &[0x7fef, 0xffff, 0xffff, 0xffff]).is_err());
        assert!(read("type=ASCII", &[0xff41]).is_err());
        assert!(read("type=INT32", &[1]).is_err());
    }

    #[test]
    fn what_is_written_reads_back() {
        let cases: [(&str, Value); 12] = [
            ("type=INT16", Value::Integer(-7)),
            ("type=UINT16&border=LSB", Value::Integer(7)),
            ("type=INT32&worder=LWF", Value::Integer(-70_000)),
            ("type=UINT32&border=LSB", Value::Integer(70_000)),
            ("type=INT64&border=LSB&worder=LWF", Value::Integer(i64::MIN)),
            ("type=UINT64", Value::Integer(i64::MAX)),
            ("type=FLOAT32&worder=LWF", Value::Number(21.1)),
            ("type=FLOAT64&border=LSB", Value::Number(21.1)),
            ("type=BOOLEAN&border=LSB", Value::Boolean(true)),
            ("type=ASCII", Value::Text("ab".into())),
            ("type=INT16&scale=0.1", Value::Number(21.3)),
            ("type=INT16&scale=0.1&offset=-40", Value::Number(-40.1)),
        ];
        for (parameters, value) in cases {
            let registers = written(parameters, value.clone()).unwrap();
            assert_eq!(registers.len(), usize::from(point(parameters).quantity), "{parameters}");
            assert_eq!(read(parameters, &registers), Ok(value), "{parameters}");
        }
    }

    #[test]
    fn what_a_register_cannot_hold_is_not_written() {
        for (parameters, value) in [
            ("type=INT16", Value::Integer(32_768)),
            ("type=UINT16", Value::Integer(-1)),
            ("type=UINT16", Value::Number(0.5)),
            ("type=UINT16", Value::Number(1e300)),
            ("type=UINT16", Value::Boolean(true)),
            ("type=UINT16", Value::Text("1".into())),
            ("type=FLOAT32", Value::Number(1e300)),
            ("type=FLOAT64&scale=0.1", Value::Number(f64::MAX)),
            ("type=BOOLEAN", Value::Integer(2)),
            ("type=ASCII", Value::Text("abc".into())),
            ("type=ASCII", Value::Text("é".into())),
            ("type=ASCII", Value::Integer(1)),
        ] {
            assert!(written(parameters, value.clone()).is_err(), "{parameters} {value:?}");
        }
        assert_eq!(written("type=UINT16", Value::Number(7.0)), Ok(vec![7]));
        assert_eq!(written("type=UINT16&scale=0.1", Value::Number(21.34)), Ok(vec![213]));
    }
}
