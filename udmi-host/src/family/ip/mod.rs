//! The host's own addresses and those of its neighbours: the families `ether`, `ipv4` and `ipv6` (§6.5, §6.6).
//!
//! A scan tells what the host's kernel knows: the host itself, and the neighbours it has heard of lately. Unless it is
//! to be silent, it has the kernel look for the others on the same networks, by a datagram to each that nobody need
//! answer. On other systems than Linux a scan is refused, and no own address is known.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[cfg(target_os = "linux")]
mod asking;
#[cfg(target_os = "linux")]
mod message;
#[cfg(target_os = "linux")]
mod netlink;
#[cfg(target_os = "linux")]
mod network;
#[cfg(target_os = "linux")]
mod scan;
#[cfg(target_os = "linux")]
mod tables;

use udmi_proto::{Map, Value};

use super::{FamilyProvider, Found, PointError, ProviderError, ScanRequest, Stop, Target, WriteError};

/// The host's address in each of the three families, of the interface of the default route with the lowest metric:
/// what a device reports of itself (§6.5). A family without an address is left out.
///
/// # Errors
/// The tables of the network cannot be read, here or on this system at all.
pub fn local_addresses() -> Result<Map<String, String>, ProviderError> {
    #[cfg(target_os = "linux")]
    return netlink::tables().map(|tables| tables.local_addresses());
    #[cfg(not(target_os = "linux"))]
    Err(not_available())
}

/// One of the families.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum IpFamily {
    /// Hardware addresses.
    Ether,
    /// Internet addresses of version 4.
    Ipv4,
    /// Internet addresses of version 6.
    Ipv6,
}

impl IpFamily {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Ether, Self::Ipv4, Self::Ipv6];

    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ether => "ether",
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
        }
    }
}

/// Hosts on the same network. They can be found; they have no points.
#[derive(Clone, Copy, Debug)]
pub struct IpProvider {
    family: IpFamily,
    #[cfg_attr(not(target_os = "linux"), allow(dead_code))]
    is_silent: bool,
}

impl IpProvider {
    /// Makes the provider of a family, whose scans have the kernel look for hosts: those that are asked for, else all
    /// in the networks of IPv4 that the host is in, 1022 at most and none of a network with more.
    #[must_use]
    pub const fn new(family: IpFamily) -> Self {
        Self { family, is_silent: false }
    }

    /// Makes one whose scans send nothing.
    #[must_use]
    pub const fn silent(family: IpFamily) -> Self {
        Self { family, is_silent: true }
    }

    fn no_points(self) -> ProviderError {
        ProviderError::Target(format!("the family {} has no points", self.family.as_str()))
    }
}

impl FamilyProvider for IpProvider {
    fn family(&self) -> &str {
        self.family.as_str()
    }

    #[cfg(target_os = "linux")]
    fn scan(
        &self,
        request: &ScanRequest,
        found: &mut dyn FnMut(Found),
        stop: &Stop,
    ) -> Result<(), ProviderError> {
        scan::scan(self.family, self.is_silent, request, found, stop)
    }

    #[cfg(not(target_os = "linux"))]
    fn scan(&self, _: &ScanRequest, _: &mut dyn FnMut(Found), _: &Stop) -> Result<(), ProviderError> {
        Err(not_available())
    }

    fn read(
        &self,
        _: &Target,
        _: &[&str],
        _: &Stop,
    ) -> Result<Vec<Result<Value, PointError>>, ProviderError> {
        Err(self.no_points())
    }

    fn write(&self, _: &Target, _: &str, _: Option<&Value>, _: &Stop) -> Result<(), WriteError> {
        Err(self.no_points().into())
    }
}

#[cfg(not(target_os = "linux"))]
fn not_available() -> ProviderError {
    ProviderError::Io("the tables of the network are not available on this system".into())
}
