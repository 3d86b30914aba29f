//! Modbus: lines and hosts, units, and references such as `1/3/40001/2?type=UINT32&scale=0.1`.

mod parameters;

use alloc::string::String;
use core::fmt;
use core::net::Ipv4Addr;
use core::num::NonZeroU16;

use super::number::{decimal, digits};
use super::{Malformed, Part};

pub use parameters::{ByteOrder, DataType, Parameters, WordOrder};

/// Longest name of a line or host, in bytes.
pub const NAME: usize = 253;

/// The name of a line or host or an IPv4 address, and a port if there is one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// The name of a line, such as `modbus_rtu_1`, or of a host, or an IPv4 address.
    pub host: String,
    /// The TCP port.
    pub port: Option<u16>,
}

impl Address {
    /// Reads an address.
    ///
    /// # Errors
    /// What was expected.
    pub fn parse(address: &str) -> Result<Self, Malformed> {
        let (host, port) = match address.split_once(':') {
            Some((host, port)) => (host, Some(parse_port(port)?)),
            None => (address, None),
        };
        if !is_host(host) {
            return Err(Malformed::new(
                Part::Address,
                "an IPv4 address, or a name of letters, digits, _, . and - that begins with a letter",
            ));
        }
        Ok(Self { host: host.into(), port })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)?;
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

pub(super) fn parse_port(port: &str) -> Result<u16, Malformed> {
    decimal(port, 0, 65_535)
        .and_then(|port| u16::try_from(port).ok())
        .ok_or(Malformed::new(Part::Port, "a number from 0 to 65535"))
}

fn is_host(host: &str) -> bool {
    let is_name = host.len() <= NAME
        && host.starts_with(|first: char| first.is_ascii_alphabetic())
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'));
    is_name || host.parse::<Ipv4Addr>().is_ok()
}

/// The number of a unit behind a line or host.
///
/// # Errors
/// What was expected.
pub fn parse_unit(unit: &str) -> Result<u8, Malformed> {
    decimal(unit, 0, 255)
        .and_then(|unit| u8::try_from(unit).ok())
        .ok_or(Malformed::new(Part::Unit, "a number from 0 to 255"))
}

/// A device behind a gateway, as a config names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// The line or host; none if only the unit is known, as in old configs.
    pub address: Option<Address>,
    /// The unit; none if references name it.
    pub unit: Option<u8>,
}

impl Target {
    /// Reads the members `addr`, `unitid` and `network` of a target in all forms there are (§11 items 35 and 36):
    /// the unit by itself, behind a slash in the address, or as the whole address, in which case the network names
    /// the line.
    ///
    /// ```
    /// use udmi_proto::family::modbus::Target;
    ///
    /// let new = Target::parse(Some("modbus_rtu_1"), Some("2"), None)?;
    /// assert_eq!(Target::parse(Some("modbus_rtu_1/2"), None, None), Ok(new.clone()));
    /// assert_eq!(Target::parse(Some("2"), None, Some("modbus_rtu_1")), Ok(new));
    /// # Ok::<(), udmi_proto::family::Malformed>(())
    /// ```
    ///
    /// # Errors
    /// What was expected.
    pub fn parse(
        address: Option<&str>,
        unit: Option<&str>,
        network: Option<&str>,
    ) -> Result<Self, Malformed> {
        let unit = unit.map(parse_unit).transpose()?;
        let numeric =
            address.filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()));
        if let (Some(number), None) = (numeric, unit) {
            let address = network.map(Address::parse).transpose()?;
            return Ok(Self { address, unit: Some(parse_unit(number)?) });
        }
        if network.is_some() {
            return Err(Malformed::new(Part::Network, "none in this family"));
        }
        let Some(address) = address else { return Ok(Self { address: None, unit }) };
        match (address.split_once('/'), unit) {
            (Some((address, number)), None) => {
                Ok(Self { address: Some(Address::parse(address)?), unit: Some(parse_unit(number)?) })
            }
            (Some(_) | None, unit) => Ok(Self { address: Some(Address::parse(address)?), unit }),
        }
    }
}

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Function {
    /// 1.
    ReadCoils,
    /// 2.
    ReadDiscreteInputs,
    /// 3.
    ReadHoldingRegisters,
    /// 4.
    ReadInputRegisters,
    /// 5.
    WriteSingleCoil,
    /// 6.
    WriteSingleRegister,
    /// 15.
    WriteMultipleCoils,
    /// 16.
    WriteMultipleRegisters,
}

impl Function {
    /// The number on the line.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::ReadCoils => 1,
            Self::ReadDiscreteInputs => 2,
            Self::ReadHoldingRegisters => 3,
            Self::ReadInputRegisters => 4,
            Self::WriteSingleCoil => 5,
            Self::WriteSingleRegister => 6,
            Self::WriteMultipleCoils => 15,
            Self::WriteMultipleRegisters => 16,
        }
    }

    /// The function of that number.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        const ALL: [Function; 8] = [
            Function::ReadCoils,
            Function::ReadDiscreteInputs,
            Function::ReadHoldingRegisters,
            Function::ReadInputRegisters,
            Function::WriteSingleCoil,
            Function::WriteSingleRegister,
            Function::WriteMultipleCoils,
            Function::WriteMultipleRegisters,
        ];
        ALL.into_iter().find(|function| function.code() == code)
    }
}

/// Coils, inputs or registers of a unit, and what they mean: `unit/function/address[/quantity][?parameters]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Reference {
    /// The unit.
    pub unit: u8,
    /// How they are read or written.
    pub function: Function,
    /// The first one, as the reference has it: whether 40001 means 0 is a driver's to know.
    pub address: u16,
    /// How many, if it is said.
    pub quantity: Option<NonZeroU16>,
    /// What they mean.
    pub parameters: Parameters,
}

impl Reference {
    /// Reads a reference. Where the unit is known from the target, the reference does not begin with it.
    ///
    /// # Errors
    /// What was expected.
    pub fn parse(reference: &str, unit: Option<u8>) -> Result<Self, Malformed> {
        let (place, parameters) = match reference.split_once('?') {
            Some((place, parameters)) => (place, Parameters::parse(parameters)?),
            None => (reference, Parameters::default()),
        };
        let mut parts = place.split('/');
        let form = match unit {
            Some(_) => {
                Malformed::new(Part::Reference, "function/address, then perhaps /quantity and ?parameters")
            }
            None => Malformed::new(
                Part::Reference,
                "unit/function/address, then perhaps /quantity and ?parameters",
            ),
        };
        let unit = match unit {
            Some(unit) => unit,
            None => parse_unit(parts.next().ok_or(form)?)?,
        };
        let function = parts.next().ok_or(form)?;
        let address = parts.next().ok_or(form)?;
        let quantity = parts.next();
        if parts.next().is_some() {
            return Err(form);
        }
        let function = digits(function).and_then(|code| Function::from_code(u8::try_from(code).ok()?));
        Ok(Self {
            unit,
            function: function
                .ok_or(Malformed::new(Part::Reference, "a function of 1, 2, 3, 4, 5, 6, 15 or 16"))?,
            address: digits(address)
                .and_then(|number| u16::try_from(number).ok())
                .ok_or(Malformed::new(Part::Reference, "an address from 0 to 65535"))?,
            quantity: quantity.map(parse_quantity).transpose()?,
            parameters,
        })
    }
}

fn parse_quantity(quantity: &str) -> Result<NonZeroU16, Malformed> {
    digits(quantity)
        .and_then(|number| NonZeroU16::new(u16::try_from(number).ok()?))
        .ok_or(Malformed::new(Part::Reference, "a quantity from 1 to 65535"))
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.unit, self.function.code(), self.address)?;
        if let Some(quantity) = self.quantity {
            write!(f, "/{quantity}")?;
        }
        write!(f, "{}", self.parameters)
    }
}
