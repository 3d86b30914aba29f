//! Blocks of which the state shows little more than that the config has them (§0.2 fact 6, presence parity).

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::config::Block;
use crate::model::config;

/// The most families of a config that are looked at.
const FAMILIES: usize = 64;

/// The localnet block: the address in each family the config names; one without an address is left out
/// (§6.5).
#[derive(Debug)]
pub(crate) struct Localnet {
    addresses: BTreeMap<String, String>,
    wanted: Option<Vec<String>>,
}

impl Localnet {
    pub(crate) fn new(addresses: BTreeMap<String, String>) -> Self {
        Self { addresses, wanted: None }
    }

    pub(crate) fn on_config(&mut self, block: Block<config::Localnet>) {
        self.wanted = match block {
            Block::Absent => None,
            Block::Bad => Some(self.wanted.take().unwrap_or_default()),
            Block::Good(localnet) => {
                let families = localnet.families.unwrap_or_default().into_keys();
                Some(families.filter(|name| is_name(name)).take(FAMILIES).collect())
            }
        };
    }

    /// The device's address in a family, whether the config asks for it or not.
    pub(crate) fn address(&self, family: &str) -> Option<&str> {
        self.addresses.get(family).map(String::as_str)
    }

    /// The device has these addresses and no others; tells whether that changes the state.
    pub(crate) fn set_addresses(&mut self, addresses: BTreeMap<String, String>) -> bool {
        let changed = self.addresses != addresses;
        self.addresses = addresses;
        changed && self.wanted.is_some()
    }

    /// Tells whether that changes the state.
    pub(crate) fn set_address(&mut self, family: String, address: Option<String>) -> bool {
        let shown = self.wanted.as_ref().is_some_and(|wanted| wanted.contains(&family));
        let changed = match address {
            Some(address) => self.addresses.insert(family, address.clone()) != Some(address),
            None => self.addresses.remove(&family).is_some(),
        };
        shown && changed
    }

    pub(crate) fn report(&self) -> Option<LocalnetReport<'_>> {
        let families = self.wanted.as_ref()?;
        Some(LocalnetReport { families: Families { families, addresses: &self.addresses } })
    }
}

/// `state.localnet`, borrowed.
#[derive(Serialize)]
pub(crate) struct LocalnetReport<'a> {
    families: Families<'a>,
}

struct Families<'a> {
    families: &'a [String],
    addresses: &'a BTreeMap<String, String>,
}

impl Serialize for Families<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for family in self.families {
            if let Some(addr) = self.addresses.get(family) {
                map.serialize_entry(family, &Family { addr })?;
            }
        }
        map.end()
    }
}

#[derive(Serialize)]
struct Family<'a> {
    addr: &'a str,
}

/// Which of the blocks without a machine of their own the config has.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Presence {
    pub(crate) discovery: Option<DiscoveryReport>,
}

/// `state.discovery` of a device that scans nothing: families are there if the config has some (§6.2).
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct DiscoveryReport {
    #[serde(skip_serializing_if = "Option::is_none")]
    families: Option<Empty>,
}

impl DiscoveryReport {
    pub(crate) fn of(block: &Block<config::Discovery>) -> Option<Self> {
        let has_families = match block {
            Block::Absent => return None,
            Block::Bad => false,
            Block::Good(discovery) => discovery.families.is_some(),
        };
        Some(Self { families: has_families.then_some(Empty {}) })
    }
}

/// A block that is there and says nothing.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Empty {}

/// Whether a text may be a family or point name (§2.6).
pub(crate) fn is_name(name: &str) -> bool {
    let part =
        |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    name.starts_with(|c: char| c.is_ascii_lowercase()) && name.split('_').all(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lower_case_parts_joined_by_underscores() {
        for good in ["ipv4", "a", "fan_speed_2"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "_a", "4a", "a__b", "a_", "BACnet", "a-b"] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
