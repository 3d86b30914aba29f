//! What the registers of a reference mean: `type=UINT32&worder=LWF&scale=0.01`.

use core::fmt;

use crate::family::{Malformed, Part};
use crate::json::{self, shown::Shown};

/// Longest number, in bytes: more digits than any double tells apart.
const NUMBER: usize = 32;

/// How registers make a value. What is not said is a driver's to choose; usually the most significant comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Parameters {
    /// Which byte of a register comes first.
    pub byte_order: Option<ByteOrder>,
    /// Which register of several comes first.
    pub word_order: Option<WordOrder>,
    /// What the bytes are.
    pub data_type: Option<DataType>,
    /// What the number read is multiplied with.
    pub scale: Option<f64>,
    /// What is added to it then.
    pub offset: Option<f64>,
}

impl Parameters {
    /// Reads what follows the question mark: `key=value`, joined by `&`, each key once at most.
    ///
    /// # Errors
    /// What was expected.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let mut parameters = Self::default();
        for pair in text.split('&') {
            let (key, value) = pair.split_once('=').ok_or(UNKNOWN)?;
            match key {
                "border" => {
                    once(&mut parameters.byte_order, ByteOrder::from_text(value), "border=MSB or LSB")?;
                }
                "worder" => {
                    once(&mut parameters.word_order, WordOrder::from_text(value), "worder=HWF or LWF")?;
                }
                "type" => once(&mut parameters.data_type, DataType::from_text(value), TYPES)?,
                "scale" => once(&mut parameters.scale, number(value), "scale= and a decimal number")?,
                "offset" => once(&mut parameters.offset, number(value), "offset= and a decimal number")?,
                _ => return Err(UNKNOWN),
            }
        }
        Ok(parameters)
    }
}

const UNKNOWN: Malformed = Malformed::new(
    Part::Reference,
    "parameters border=, worder=, type=, scale= or offset= after ?, joined by &",
);
const TYPES: &str = "type=INT16, INT32, INT64, UINT16, UINT32, UINT64, FLOAT32, FLOAT64, BOOLEAN or ASCII";

/// Sets what is not set yet.
fn once<T>(slot: &mut Option<T>, value: Option<T>, expected: &'static str) -> Result<(), Malformed> {
    let value = value.ok_or(Malformed::new(Part::Reference, expected))?;
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(Malformed::new(Part::Reference, "each parameter once")),
    }
}

/// A decimal number: digits, with a fraction and a minus sign if there are some.
fn number(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if text.len() > NUMBER || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let sign = if text.starts_with('-') { -1.0 } else { 1.0 };
    json::number(unsigned).map(|number| sign * number)
}

impl fmt::Display for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sign = '?';
        let mut write = |f: &mut fmt::Formatter<'_>, key: &str, value: &dyn fmt::Display| {
            write!(f, "{sign}{key}={value}")?;
            sign = '&';
            Ok(())
        };
        if let Some(order) = self.byte_order {
            write(f, "border", &order.as_str())?;
        }
        if let Some(order) = self.word_order {
            write(f, "worder", &order.as_str())?;
        }
        if let Some(data_type) = self.data_type {
            write(f, "type", &data_type.as_str())?;
        }
        if let Some(scale) = self.scale {
            write(f, "scale", &Shown(scale))?;
        }
        if let Some(offset) = self.offset {
            write(f, "offset", &Shown(offset))?;
        }
        Ok(())
    }
}

/// Which byte of a register comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteOrder {
    /// The most significant: big-endian.
    MostSignificantFirst,
    /// The least significant: little-endian.
    LeastSignificantFirst,
}

impl ByteOrder {
    fn from_text(text: &str) -> Option<Self> {
        [Self::MostSignificantFirst, Self::LeastSignificantFirst]
            .into_iter()
            .find(|order| order.as_str() == text)
    }

    /// The text in a reference.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MostSignificantFirst => "MSB",
            Self::LeastSignificantFirst => "LSB",
        }
    }
}

/// Which of several registers comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WordOrder {
    /// The most significant.
    HighWordFirst,
    /// The least significant.
    LowWordFirst,
}

impl WordOrder {
    fn from_text(text: &str) -> Option<Self> {
        [Self::HighWordFirst, Self::LowWordFirst].into_iter().find(|order| order.as_str() == text)
    }

    /// The text in a reference.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HighWordFirst => "HWF",
            Self::LowWordFirst => "LWF",
        }
    }
}

/// What the bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataType {
    /// A signed number of 16 bits.
    Int16,
    /// A signed number of 32 bits.
    Int32,
    /// A signed number of 64 bits.
    Int64,
    /// An unsigned number of 16 bits.
    Uint16,
    /// An unsigned number of 32 bits.
    Uint32,
    /// An unsigned number of 64 bits.
    Uint64,
    /// A number by IEEE 754 of 32 bits.
    Float32,
    /// A number by IEEE 754 of 64 bits.
    Float64,
    /// True or false.
    Boolean,
    /// A text.
    Ascii,
}

impl DataType {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Int16,
        Self::Int32,
        Self::Int64,
        Self::Uint16,
        Self::Uint32,
        Self::Uint64,
        Self::Float32,
        Self::Float64,
        Self::Boolean,
        Self::Ascii,
    ];

    fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|data_type| data_type.as_str() == text)
    }

    /// The text in a reference.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Int16 => "INT16",
            Self::Int32 => "INT32",
            Self::Int64 => "INT64",
            Self::Uint16 => "UINT16",
            Self::Uint32 => "UINT32",
            Self::Uint64 => "UINT64",
            Self::Float32 => "FLOAT32",
            Self::Float64 => "FLOAT64",
            Self::Boolean => "BOOLEAN",
            Self::Ascii => "ASCII",
        }
    }
}
