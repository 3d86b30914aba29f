//! Full references: `family://address/reference`, or `family:/network/address/reference`.

use alloc::format;
use alloc::string::String;
use core::fmt;

use super::modbus::{Reference, parse_port, parse_unit};
use super::{Family, Malformed, Part};

/// Whether a point's reference is a full one rather than relative to its device's target (§6.6).
#[must_use]
pub fn is_absolute(reference: &str) -> bool {
    reference.contains("://")
}

/// Whether a point's reference fits its device's target: a full one by its own family, any other by the target's,
/// with the target's unit in front if it names one.
///
/// # Errors
/// What was expected.
pub fn check_point(family: Family, unit: Option<&str>, reference: &str) -> Result<(), Malformed> {
    // The maker's own references may look like anything, full ones too.
    if family != Family::Vendor && is_absolute(reference) {
        return Url::parse(reference).map(drop);
    }
    match (family, unit) {
        (Family::Modbus, Some(unit)) => Reference::parse(reference, Some(parse_unit(unit)?)).map(drop),
        (family, Some(unit)) => family.check_reference(&format!("{unit}/{reference}")),
        (family, None) => family.check_reference(reference),
    }
}

/// A full reference, well formed in its family.
///
/// An IPv4 or IPv6 network does not fit into one, since it has a slash of its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Url {
    /// The family.
    pub family: Family,
    /// The network the address is in.
    pub network: Option<String>,
    /// The address, without port and brackets.
    pub address: String,
    /// The port, in the families `ipv4`, `ipv6`, `fqdn` and `modbus`.
    pub port: Option<u16>,
    /// The point behind the address; none if the device as a whole is meant.
    pub reference: Option<String>,
}

impl Url {
    /// Reads a full reference.
    ///
    /// # Errors
    /// What was expected.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        const FORM: Malformed =
            Malformed::new(Part::Url, "family://address/reference or family:/network/address/reference");
        let mut parts = text.splitn(4, '/');
        let family = parts.next().and_then(|family| family.strip_suffix(':')).ok_or(FORM)?;
        let network = parts.next().ok_or(FORM)?;
        let place = parts.next().ok_or(FORM)?;
        let reference = parts.next();
        let family = Family::from_name(family).ok_or(Malformed::new(
            Part::Family,
            "one of vendor, ipv4, ipv6, ether, iot, bacnet, modbus and fqdn",
        ))?;
        if !network.is_empty() {
            family.check_network(network)?;
        }
        let (address, port) = split_port(family, place)?;
        family.check_address(address)?;
        if let Some(reference) = reference {
            family.check_reference(reference)?;
        }
        Ok(Self {
            family,
            network: (!network.is_empty()).then(|| network.into()),
            address: address.into(),
            port,
            reference: reference.map(String::from),
        })
    }
}

/// Address and port, where the family has ports.
fn split_port(family: Family, place: &str) -> Result<(&str, Option<u16>), Malformed> {
    match family {
        Family::Ipv4 | Family::Fqdn | Family::Modbus => match place.rsplit_once(':') {
            Some((address, port)) => Ok((address, Some(parse_port(port)?))),
            None => Ok((place, None)),
        },
        Family::Ipv6 => {
            const BRACKETS: Malformed =
                Malformed::new(Part::Address, "an IPv6 address in brackets such as [2001:db8::1]");
            let (address, rest) =
                place.strip_prefix('[').and_then(|rest| rest.split_once(']')).ok_or(BRACKETS)?;
            match rest.strip_prefix(':') {
                Some(port) => Ok((address, Some(parse_port(port)?))),
                None if rest.is_empty() => Ok((address, None)),
                None => Err(BRACKETS),
            }
        }
        Family::Vendor | Family::Iot | Family::Bacnet | Family::Ether => Ok((place, None)),
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:/{}/", self.family.as_str(), self.network.as_deref().unwrap_or(""))?;
        match self.family {
            Family::Ipv6 => write!(f, "[{}]", self.address)?,
            Family::Vendor
            | Family::Ipv4
            | Family::Ether
            | Family::Iot
            | Family::Bacnet
            | Family::Modbus
            | Family::Fqdn => f.write_str(&self.address)?,
        }
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        match &self.reference {
            Some(reference) => write!(f, "/{reference}"),
            None => Ok(()),
        }
    }
}
