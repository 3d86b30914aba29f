//! Requests, and what may answer them: functions 1 to 6, 15 and 16, and exceptions.
//!
//! An answer is read against its request: one that does not fit in function, size or echo is refused, so that
//! nothing is ever taken for a value that was not asked for.

use std::fmt;

use super::frame::number;

/// Most coils or inputs of one reading.
pub const READ_BITS: u16 = 2000;
/// Most registers of one reading.
pub const READ_REGISTERS: u16 = 125;
/// Most coils of one writing.
pub const WRITE_BITS: u16 = 1968;
/// Most registers of one writing.
pub const WRITE_REGISTERS: u16 = 123;

/// What is set in the function of an answer that is an exception.
const EXCEPTION: u8 = 0x80;

/// The four kinds of data a unit has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// Bits that can be written.
    Coils,
    /// Bits that can only be read.
    DiscreteInputs,
    /// Registers that can be written.
    HoldingRegisters,
    /// Registers that can only be read.
    InputRegisters,
}

impl Table {
    /// The function that reads it.
    #[must_use]
    pub const fn function(self) -> u8 {
        match self {
            Self::Coils => 1,
            Self::DiscreteInputs => 2,
            Self::HoldingRegisters => 3,
            Self::InputRegisters => 4,
        }
    }

    /// Whether it holds bits, not registers.
    #[must_use]
    pub const fn is_bits(self) -> bool {
        match self {
            Self::Coils | Self::DiscreteInputs => true,
            Self::HoldingRegisters | Self::InputRegisters => false,
        }
    }

    /// How much of it one request reads at most.
    #[must_use]
    pub const fn most(self) -> u16 {
        if self.is_bits() { READ_BITS } else { READ_REGISTERS }
    }
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Read a part of a table.
    Read {
        /// The table.
        table: Table,
        /// The first, counted from 0.
        address: u16,
        /// How many, from 1 to [`Table::most`].
        quantity: u16,
    },
    /// Write one coil (function 5).
    WriteCoil {
        /// Which, counted from 0.
        address: u16,
        /// What it becomes.
        on: bool,
    },
    /// Write one register (function 6).
    WriteRegister {
        /// Which, counted from 0.
        address: u16,
        /// What it becomes.
        value: u16,
    },
    /// Write coils in a row (function 15).
    WriteCoils {
        /// The first, counted from 0.
        address: u16,
        /// What they become: from 1 to [`WRITE_BITS`].
        values: Vec<bool>,
    },
    /// Write registers in a row (function 16).
    WriteRegisters {
        /// The first, counted from 0.
        address: u16,
        /// What they become: from 1 to [`WRITE_REGISTERS`].
        values: Vec<u16>,
    },
}

impl Request {
    /// The function that carries it out.
    #[must_use]
    pub const fn function(&self) -> u8 {
        match self {
            Self::Read { table, .. } => table.function(),
            Self::WriteCoil { .. } => 5,
            Self::WriteRegister { .. } => 6,
            Self::WriteCoils { .. } => 15,
            Self::WriteRegisters { .. } => 16,
        }
    }

    /// The request's protocol data unit; none if it asks for nothing, for more than one request may, or beyond
    /// address 65535.
    #[must_use]
    pub fn encode(&self) -> Option<Vec<u8>> {
        let mut data = vec![self.function()];
        match self {
            Self::Read { table, address, quantity } => {
                check(*address, *quantity, table.most())?;
                data.extend(address.to_be_bytes());
                data.extend(quantity.to_be_bytes());
            }
            Self::WriteCoil { address, on } => {
                data.extend(address.to_be_bytes());
                data.extend([if *on { 0xff } else { 0 }, 0]);
            }
            Self::WriteRegister { address, value } => {
                data.extend(address.to_be_bytes());
                data.extend(value.to_be_bytes());
            }
            Self::WriteCoils { address, values } => {
                let quantity = u16::try_from(values.len()).ok()?;
                check(*address, quantity, WRITE_BITS)?;
                data.extend(address.to_be_bytes());
                data.extend(quantity.to_be_bytes());
                data.push(u8::try_from(values.len().div_ceil(8)).ok()?);
                data.extend(values.chunks(8).map(pack));
            }
            Self::WriteRegisters { address, values } => {
                let quantity = u16::try_from(values.len()).ok()?;
                check(*address, quantity, WRITE_REGISTERS)?;
                data.extend(address.to_be_bytes());
                data.extend(quantity.to_be_bytes());
                data.push(u8::try_from(values.len() * 2).ok()?);
                data.extend(values.iter().flat_map(|value| value.to_be_bytes()));
            }
        }
        Some(data)
    }

    /// Reads the protocol data unit of an answer.
    ///
    /// # Errors
    /// An exception, or an answer to something else.
    pub fn answer(&self, data: &[u8]) -> Result<Answer, AnswerError> {
        let Some((&function, rest)) = data.split_first() else { return Err(AnswerError::Size) };
        if function == self.function() | EXCEPTION {
            return Err(match rest {
                [code] if *code > 0 => AnswerError::Exception(Exception(*code)),
                _ => AnswerError::Size,
            });
        }
        if function != self.function() {
            return Err(AnswerError::Function(function));
        }
        match self {
            Self::Read { table, quantity, .. } if table.is_bits() => {
                let quantity = usize::from(*quantity);
                let bytes = counted(rest, quantity.div_ceil(8))?;
                Ok(Answer::Bits(bytes.iter().flat_map(|byte| unpack(*byte)).take(quantity).collect()))
            }
            Self::Read { quantity, .. } => {
                let bytes = counted(rest, usize::from(*quantity) * 2)?;
                Ok(Answer::Registers(
                    (0..usize::from(*quantity)).filter_map(|ix| number(bytes, ix * 2)).collect(),
                ))
            }
            Self::WriteCoil { .. } | Self::WriteRegister { .. } => {
                if self.encode().is_some_and(|sent| sent == data) {
                    Ok(Answer::Written)
                } else {
                    Err(AnswerError::Echo)
                }
            }
            Self::WriteCoils { address, values } => echo(rest, *address, values.len()),
            Self::WriteRegisters { address, values } => echo(rest, *address, values.len()),
        }
    }
}

/// Whether so many may be asked for from there on.
fn check(address: u16, quantity: u16, most: u16) -> Option<()> {
    let last = address.checked_add(quantity.checked_sub(1)?);
    (quantity <= most && last.is_some()).then_some(())
}

/// The bytes behind their count, which is known.
fn counted(rest: &[u8], count: usize) -> Result<&[u8], AnswerError> {
    match rest.split_first() {
        Some((&told, bytes)) if usize::from(told) == count && bytes.len() == count => Ok(bytes),
        Some(_) | None => Err(AnswerError::Size),
    }
}

/// Address and quantity of a writing, said again by who has done it.
fn echo(rest: &[u8], address: u16, quantity: usize) -> Result<Answer, AnswerError> {
    let quantity = u16::try_from(quantity).ok();
    if rest.len() == 4 && number(rest, 0) == Some(address) && number(rest, 2) == quantity {
        Ok(Answer::Written)
    } else {
        Err(AnswerError::Echo)
    }
}

/// Up to eight bits, the first the least significant.
fn pack(bits: &[bool]) -> u8 {
    bits.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit))
}

fn unpack(byte: u8) -> impl Iterator<Item = bool> {
    (0..8).map(move |bit| byte >> bit & 1 == 1)
}

/// What a request is answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// As many bits as were asked for.
    Bits(Vec<bool>),
    /// As many registers as were asked for.
    Registers(Vec<u16>),
    /// It is written.
    Written,
}

/// Why an answer is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerError {
    /// The unit says no.
    Exception(Exception),
    /// It has another size than the request demands.
    Size,
    /// It answers another function, this one.
    Function(u8),
    /// It says that something else was written.
    Echo,
}

impl fmt::Display for AnswerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exception(exception) => exception.fmt(f),
            Self::Size => f.write_str("an answer of another size than was asked for"),
            Self::Function(function) => {
                write!(f, "an answer to function {function}, which was not asked for")
            }
            Self::Echo => f.write_str("an answer to another writing"),
        }
    }
}

impl std::error::Error for AnswerError {}

/// Why a unit says no: a code from 1 to 255.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exception(pub u8);

impl Exception {
    /// The unit does not know the function.
    pub const FUNCTION: Self = Self(1);
    /// The unit has nothing at the address.
    pub const ADDRESS: Self = Self(2);
    /// The unit does not take the value or the quantity.
    pub const VALUE: Self = Self(3);
    /// The way from the gateway to the unit cannot be used.
    pub const GATEWAY_PATH: Self = Self(10);
    /// The unit does not answer the gateway.
    pub const GATEWAY_TARGET: Self = Self(11);

    /// Whether a gateway says it in the place of the unit, which is not reached.
    #[must_use]
    pub fn is_unreached(self) -> bool {
        self == Self::GATEWAY_PATH || self == Self::GATEWAY_TARGET
    }
}

impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.0 {
            1 => "illegal function",
            2 => "illegal data address",
            3 => "illegal data value",
            4 => "server device failure",
            5 => "acknowledge",
            6 => "server device busy",
            8 => "memory parity error",
            10 => "gateway path unavailable",
            11 => "gateway target device failed to respond",
            _ => return write!(f, "exception {}", self.0),
        };
        write!(f, "exception {} ({name})", self.0)
    }
}

#[cfg(test)]
mod tests;
