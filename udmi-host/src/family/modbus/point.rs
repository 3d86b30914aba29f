//! What a reference asks for: which part of which table, and how its registers make a value (§6.6).

use udmi_proto::Value;
use udmi_proto::family::modbus::{DataType, Function, Parameters, Reference};

use super::codec::{Answer, READ_REGISTERS, Request, Table, WRITE_REGISTERS};
use super::value;
use crate::family::{PointError, WriteError};

/// A point behind a unit: where it is, and what its registers mean.
///
/// ```
/// use udmi_host::family::modbus::codec::Answer;
/// use udmi_host::family::modbus::point::Point;
/// use udmi_proto::Value;
///
/// let point = Point::parse("1/3/40/1?type=INT16&scale=0.1", None).unwrap();
/// assert_eq!(point.value(&Answer::Registers(vec![215])), Ok(Value::Number(21.5)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    pub(super) unit: u8,
    pub(super) table: Table,
    /// As the reference has it, counted from 0.
    pub(super) address: u16,
    /// Bits or registers; they do not pass address 65535.
    pub(super) quantity: u16,
    pub(super) data_type: DataType,
    pub(super) parameters: Parameters,
    pub(super) writing: Writing,
}

/// Which function writes a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writing {
    /// None: its table can only be read.
    Never,
    /// 5 or 6.
    Single,
    /// 15 or 16.
    Multiple,
}

impl Point {
    /// Reads a reference; where the unit is known from the target, it does not begin with it.
    ///
    /// A reference that writes (functions 5, 6, 15, 16) is read from the table it writes to, and one that reads
    /// coils or holding registers writes to them, with the plainest function that can.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(reference: &str, unit: Option<u8>) -> Result<Self, String> {
        let reference = Reference::parse(reference, unit).map_err(|error| error.to_string())?;
        let Reference { unit, function, address, quantity, parameters } = reference;
        let table = match function {
            Function::ReadCoils | Function::WriteSingleCoil | Function::WriteMultipleCoils => Table::Coils,
            Function::ReadDiscreteInputs => Table::DiscreteInputs,
            Function::ReadHoldingRegisters
            | Function::WriteSingleRegister
            | Function::WriteMultipleRegisters => Table::HoldingRegisters,
            Function::ReadInputRegisters => Table::InputRegisters,
        };
        let usual = if table.is_bits() { DataType::Boolean } else { DataType::Uint16 };
        let data_type = parameters.data_type.unwrap_or(usual);
        let quantity = size(table, data_type, quantity.map(u16::from))?;
        let writing = match function {
            Function::ReadDiscreteInputs | Function::ReadInputRegisters => Writing::Never,
            Function::WriteSingleCoil | Function::WriteSingleRegister if quantity > 1 => {
                return Err(format!(
                    "function 6 writes one register, and {} takes {quantity}",
                    data_type.as_str()
                ));
            }
            Function::WriteSingleCoil | Function::WriteSingleRegister => Writing::Single,
            Function::WriteMultipleCoils | Function::WriteMultipleRegisters => Writing::Multiple,
            Function::ReadCoils | Function::ReadHoldingRegisters if quantity == 1 => Writing::Single,
            Function::ReadCoils | Function::ReadHoldingRegisters => Writing::Multiple,
        };
        if address.checked_add(quantity - 1).is_none() {
            return Err("beyond address 65535".into());
        }
        let is_scaled = parameters.scale.is_some() || parameters.offset.is_some();
        if is_scaled && matches!(data_type, DataType::Boolean | DataType::Ascii) {
            return Err(format!("scale and offset are for numbers, not for {}", data_type.as_str()));
        }
        if parameters.scale == Some(0.0) {
            return Err("a scale of 0".into());
        }
        Ok(Self { unit, table, address, quantity, data_type, parameters, writing })
    }

    /// The unit it is behind.
    #[must_use]
    pub fn unit(&self) -> u8 {
        self.unit
    }

    /// The request that reads it.
    #[must_use]
    pub fn reading(&self) -> Request {
        Request::Read { table: self.table, address: self.address, quantity: self.quantity }
    }

    /// Its value in the answer to [`Point::reading`].
    ///
    /// # Errors
    /// The registers hold no value.
    pub fn value(&self, answer: &Answer) -> Result<Value, PointError> {
        self.value_from(answer, self.address)
    }

    /// Its value in the answer to a reading from that address on.
    pub(super) fn value_from(&self, answer: &Answer, address: u16) -> Result<Value, PointError> {
        let missing = || PointError::Garbled("an answer without the point".into());
        let first = usize::from(self.address.checked_sub(address).ok_or_else(missing)?);
        match answer {
            Answer::Bits(bits) => bits.get(first).copied().map(Value::Boolean).ok_or_else(missing),
            Answer::Registers(registers) => {
                let registers =
                    registers.get(first..first + usize::from(self.quantity)).ok_or_else(missing)?;
                value::from_registers(self, registers).map_err(PointError::Unusable)
            }
            Answer::Written => Err(missing()),
        }
    }

    /// The request that writes a value to it. A number is rounded to what a scaled register or a float can hold; an
    /// unscaled whole number must be whole.
    ///
    /// # Errors
    /// The point can only be read, or the value is none for it.
    pub fn writing(&self, value: &Value) -> Result<Request, WriteError> {
        let address = self.address;
        let request = match (self.table, self.writing) {
            (_, Writing::Never) => return Err(PointError::Refused("inputs can only be read".into()).into()),
            (Table::Coils, Writing::Single) => {
                value::boolean(value).map(|on| Request::WriteCoil { address, on })
            }
            (Table::Coils, Writing::Multiple) => {
                value::boolean(value).map(|on| Request::WriteCoils { address, values: vec![on] })
            }
            (_, Writing::Single) => {
                value::to_registers(self, value).and_then(|registers| match registers.as_slice() {
                    [value] => Ok(Request::WriteRegister { address, value: *value }),
                    _ => Err("more than one register".into()),
                })
            }
            (_, Writing::Multiple) => {
                value::to_registers(self, value).map(|values| Request::WriteRegisters { address, values })
            }
        };
        request.map_err(WriteError::Invalid)
    }

    /// Whether it can be written at all.
    pub(super) fn is_writable(&self) -> bool {
        self.writing != Writing::Never
    }

    /// The first address behind it.
    pub(super) fn end(&self) -> u32 {
        u32::from(self.address) + u32::from(self.quantity)
    }
}

/// How many bits or registers, one at least. A value is one value: a quantity that is not the type's is refused,
/// rather than to guess what the rest may mean.
fn size(table: Table, data_type: DataType, told: Option<u16>) -> Result<u16, String> {
    let takes = match data_type {
        DataType::Boolean => 1,
        _ if table.is_bits() => return Err(format!("{} is for registers, not for bits", data_type.as_str())),
        DataType::Int16 | DataType::Uint16 => 1,
        DataType::Int32 | DataType::Uint32 | DataType::Float32 => 2,
        DataType::Int64 | DataType::Uint64 | DataType::Float64 => 4,
        DataType::Ascii => {
            let most = if table == Table::HoldingRegisters { WRITE_REGISTERS } else { READ_REGISTERS };
            return match told.unwrap_or(1) {
                quantity @ 1.. if quantity <= most => Ok(quantity),
                _ => Err(format!("a text of 1 to {most} registers can be read")),
            };
        }
    };
    match told {
        None => Ok(takes),
        Some(quantity) if quantity == takes => Ok(takes),
        Some(quantity) => {
            let what = if table.is_bits() { "bit" } else { "register" };
            Err(format!("{} takes {takes} {what}(s), not {quantity}", data_type.as_str()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(reference: &str) -> Point {
        Point::parse(reference, None).unwrap()
    }

    #[test]
    fn a_reference_says_where_and_what() {
        let found = point("12/3/40001/2?type=FLOAT32");
        assert_eq!((found.unit, found.table, found.address), (12, Table::HoldingRegisters, 40_001));
        assert_eq!(
            (found.quantity, found.data_type, found.writing),
            (2, DataType::Float32, Writing::Multiple)
        );
        assert_eq!(Point::parse("3/40001/2?type=FLOAT32", Some(12)), Ok(found));
    }

    #[test]
    fn what_is_not_said_is_usual() {
        assert_eq!(point("1/1/5").data_type, DataType::Boolean);
        assert_eq!((point("1/4/5").data_type, point("1/4/5").quantity), (DataType::Uint16, 1));
        assert_eq!(point("1/4/5?type=INT64").quantity, 4);
        assert_eq!(point("1/4/5?type=ASCII").quantity, 1);
    }

    #[test]
    fn each_function_reads_and_writes_its_table() {
        let cases = [
            ("1/1/0", Table::Coils, Writing::Single),
            ("1/2/0", Table::DiscreteInputs, Writing::Never),
            ("1/3/0", Table::HoldingRegisters, Writing::Single),
            ("1/3/0?type=INT32", Table::HoldingRegisters, Writing::Multiple),
            ("1/4/0", Table::InputRegisters, Writing::Never),
            ("1/5/0", Table::Coils, Writing::Single),
            ("1/6/0", Table::HoldingRegisters, Writing::Single),
            ("1/15/0", Table::Coils, Writing::Multiple),
            ("1/16/0", Table::HoldingRegisters, Writing::Multiple),
        ];
        for (reference, table, writing) in cases {
            assert_eq!((point(reference).table, point(reference).writing), (table, writing), "{reference}");
        }
    }

    #[test]
    fn what_cannot_be_one_value_is_refused() {
        for reference in [
            "1/3/0/2",
            "1/3/0/4?type=INT16",
            "1/3/0/1?type=FLOAT32",
            "1/1/0/8",
            "1/1/0?type=UINT16",
            "1/6/0?type=INT32",
            "1/3/65535?type=INT32",
            "1/3/0?scale=0",
            "1/1/0?scale=2",
            "1/3/0/124?type=ASCII",
            "1/4/0/126?type=ASCII",
            "1/7/0",
            "3/0",
            "addr-0a1b",
        ] {
            assert!(Point::parse(reference, None).is_err(), "{reference}");
        }
        assert_eq!(point("1/4/0/125?type=ASCII").quantity, 125);
    }
}
