//! Families of addresses: which texts are addresses, networks, references and parameters in each (§6.6).
//!
//! Nothing here touches a network. A driver gets typed results where it needs them ([`bacnet`], [`modbus`]);
//! everybody else asks [`Family`] whether a text is well formed, and is told what was expected:
//!
//! ```
//! use udmi_proto::family::{Family, Url};
//!
//! assert!(Family::Bacnet.check_address("582312").is_ok());
//! let error = Family::Bacnet.check_address("addr-0a1b").unwrap_err();
//! assert_eq!(error.to_string(), "address: expected a number from 1 to 4194303");
//!
//! let url = Url::parse("modbus://plc:502/1/3/40001?type=INT16")?;
//! assert_eq!((url.address.as_str(), url.port, url.reference.as_deref()), ("plc", Some(502), Some("1/3/40001?type=INT16")));
//! # Ok::<(), udmi_proto::family::Malformed>(())
//! ```

pub mod bacnet;
mod internet;
mod malformed;
pub mod modbus;
mod number;
mod url;

pub use malformed::{Malformed, Part};
pub use url::{Url, check_point, is_absolute};

use internet::{check_domain, check_ether, check_ipv4, check_ipv4_network, check_ipv6, check_ipv6_network};
use number::decimal;

/// A family of addresses that UDMI knows. Any other name is an unknown family: nothing can be said of its
/// addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// The maker's own references, of any form.
    Vendor,
    /// IPv4 addresses.
    Ipv4,
    /// IPv6 addresses.
    Ipv6,
    /// Ethernet hardware addresses.
    Ether,
    /// Ids of devices in the cloud.
    Iot,
    /// BACnet device instances.
    Bacnet,
    /// Modbus lines and hosts.
    Modbus,
    /// Domain names.
    Fqdn,
}

impl Family {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Vendor,
        Self::Ipv4,
        Self::Ipv6,
        Self::Ether,
        Self::Iot,
        Self::Bacnet,
        Self::Modbus,
        Self::Fqdn,
    ];

    /// The family of that name, none if it is unknown.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|family| family.as_str() == name)
    }

    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Vendor => "vendor",
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
            Self::Ether => "ether",
            Self::Iot => "iot",
            Self::Bacnet => "bacnet",
            Self::Modbus => "modbus",
            Self::Fqdn => "fqdn",
        }
    }

    /// Whether a text is an address of the family.
    ///
    /// # Errors
    /// What was expected.
    pub fn check_address(self, address: &str) -> Result<(), Malformed> {
        match self {
            Self::Vendor | Self::Iot => not_empty(Part::Address, address),
            Self::Ipv4 => check_ipv4(Part::Address, address),
            Self::Ipv6 => check_ipv6(Part::Address, address),
            Self::Ether => check_ether(address),
            Self::Bacnet => bacnet::parse_address(address).map(drop),
            Self::Modbus => modbus::Address::parse(address).map(drop),
            Self::Fqdn => check_domain(address),
        }
    }

    /// Whether a text is a network of the family.
    ///
    /// # Errors
    /// What was expected; nothing at all in a family without networks.
    pub fn check_network(self, network: &str) -> Result<(), Malformed> {
        match self {
            Self::Vendor => not_empty(Part::Network, network),
            Self::Ipv4 => check_ipv4_network(network),
            Self::Ipv6 => check_ipv6_network(network),
            Self::Ether => decimal(network, 1, 4094)
                .map(drop)
                .ok_or(Malformed::new(Part::Network, "a VLAN id from 1 to 4094")),
            Self::Bacnet => bacnet::parse_network(network).map(drop),
            Self::Iot | Self::Modbus | Self::Fqdn => {
                Err(Malformed::new(Part::Network, "none in this family"))
            }
        }
    }

    /// Whether a text names a point behind an address of the family. For Modbus it begins with the unit;
    /// where the unit is known from elsewhere, see [`check_point`].
    ///
    /// # Errors
    /// What was expected; nothing at all in a family without points.
    pub fn check_reference(self, reference: &str) -> Result<(), Malformed> {
        match self {
            Self::Vendor => not_empty(Part::Reference, reference),
            Self::Bacnet => bacnet::Reference::parse(reference).map(drop),
            Self::Modbus => modbus::Reference::parse(reference, None).map(drop),
            Self::Iot | Self::Ipv4 | Self::Ipv6 | Self::Ether | Self::Fqdn => {
                Err(Malformed::new(Part::Reference, "none in this family"))
            }
        }
    }

    /// Whether these members `addr`, `unitid` and `network` of a config's target are well formed together. For
    /// Modbus this takes all forms that [`modbus::Target::parse`] reads.
    ///
    /// # Errors
    /// What was expected.
    pub fn check_target(
        self,
        address: Option<&str>,
        unit: Option<&str>,
        network: Option<&str>,
    ) -> Result<(), Malformed> {
        if self == Self::Modbus {
            return modbus::Target::parse(address, unit, network).map(drop);
        }
        address.map_or(Ok(()), |address| self.check_address(address))?;
        network.map_or(Ok(()), |network| self.check_network(network))
    }

    /// The keys of further parameters the family knows.
    #[must_use]
    pub const fn adjunct_keys(self) -> &'static [&'static str] {
        match self {
            Self::Ipv4 => &["cidr", "bcast"],
            Self::Modbus => &["protocol", "device", "baud", "parity", "data_bits", "stop_bits"],
            Self::Vendor | Self::Iot | Self::Bacnet | Self::Ether | Self::Ipv6 | Self::Fqdn => &[],
        }
    }

    /// Whether these are keys of further parameters the family knows.
    ///
    /// # Errors
    /// What was expected, at the first that is none.
    pub fn check_adjunct<'a>(self, keys: impl IntoIterator<Item = &'a str>) -> Result<(), Malformed> {
        let known = self.adjunct_keys();
        if keys.into_iter().all(|key| known.contains(&key)) {
            return Ok(());
        }
        Err(Malformed::new(
            Part::Adjunct,
            match self {
                Self::Ipv4 => "cidr or bcast",
                Self::Modbus => "protocol, device, baud, parity, data_bits or stop_bits",
                Self::Vendor | Self::Iot | Self::Bacnet | Self::Ether | Self::Ipv6 | Self::Fqdn => {
                    "none in this family"
                }
            },
        ))
    }
}

fn not_empty(part: Part, text: &str) -> Result<(), Malformed> {
    if text.is_empty() { Err(Malformed::new(part, "a text that is not empty")) } else { Ok(()) }
}
