//! BACnet: device instances, networks, and references such as `AV/12#present_value`.

use alloc::string::String;
use core::fmt;

use super::number::decimal;
use super::{Malformed, Part};

/// The greatest instance of an object: 22 bits.
pub const INSTANCE: u32 = 4_194_303;
/// Longest name of a property, in bytes; those of the standard are far shorter.
pub const PROPERTY: usize = 64;

/// The device instance that an address is.
///
/// # Errors
/// What was expected.
pub fn parse_address(address: &str) -> Result<u32, Malformed> {
    decimal(address, 1, INSTANCE).ok_or(Malformed::new(Part::Address, "a number from 1 to 4194303"))
}

/// The network number.
///
/// # Errors
/// What was expected.
pub fn parse_network(network: &str) -> Result<u16, Malformed> {
    decimal(network, 1, 65_534)
        .and_then(|number| u16::try_from(number).ok())
        .ok_or(Malformed::new(Part::Network, "a number from 1 to 65534"))
}

/// A property of an object: `TYPE/instance`, or `TYPE/instance#property` (§11 item 32).
///
/// ```
/// use udmi_proto::family::bacnet::Reference;
///
/// let reference = Reference::parse("AV/12#present_value")?;
/// assert_eq!(reference.object_type.as_str(), "AV");
/// assert_eq!((reference.instance, reference.property.as_deref()), (12, Some("present_value")));
/// # Ok::<(), udmi_proto::family::Malformed>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    /// The type of the object.
    pub object_type: ObjectType,
    /// Its instance, at most [`INSTANCE`].
    pub instance: u32,
    /// The name of the property; the present value if there is none.
    pub property: Option<String>,
}

impl Reference {
    /// Reads a reference.
    ///
    /// # Errors
    /// What was expected.
    pub fn parse(reference: &str) -> Result<Self, Malformed> {
        const FORM: Malformed = Malformed::new(
            Part::Reference,
            "an object type and an instance such as AV/12 or AV/12#present_value",
        );
        let (object, property) = match reference.split_once('#') {
            Some((object, property)) => (object, Some(property)),
            None => (reference, None),
        };
        let (object_type, instance) = object.split_once('/').ok_or(FORM)?;
        let object_type = ObjectType::parse(object_type)?;
        let instance = decimal(instance, 0, INSTANCE)
            .ok_or(Malformed::new(Part::Reference, "an instance from 0 to 4194303 after the object type"))?;
        if property.is_some_and(|property| !is_property(property)) {
            return Err(Malformed::new(Part::Reference, "a property of lower-case letters and _ after #"));
        }
        Ok(Self { object_type, instance, property: property.map(String::from) })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.object_type.as_str(), self.instance)?;
        match &self.property {
            Some(property) => write!(f, "#{property}"),
            None => Ok(()),
        }
    }
}

fn is_property(property: &str) -> bool {
    (1..=PROPERTY).contains(&property.len())
        && property.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// The abbreviation of an object type: two to four upper-case letters. Which there are is a driver's to know.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectType(String);

impl ObjectType {
    /// Reads an abbreviation such as `AV`.
    ///
    /// # Errors
    /// What was expected.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        if (2..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Ok(Self(text.into()));
        }
        Err(Malformed::new(Part::Reference, "an object type of two to four upper-case letters"))
    }

    /// The letters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
