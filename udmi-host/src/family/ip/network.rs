//! Networks: addresses that begin alike.

use std::net::{IpAddr, Ipv4Addr};

/// A network such as `192.0.2.0/24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Network {
    /// Any address in it.
    base: IpAddr,
    /// Bits that all have in common; no more than there are.
    prefix: u32,
}

impl Network {
    /// The network an address with so many common bits is in.
    pub(super) fn new(base: IpAddr, prefix: u32) -> Option<Self> {
        let bits = if base.is_ipv4() { 32 } else { 128 };
        (prefix <= bits).then_some(Self { base, prefix })
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let (base, prefix) = text.split_once('/')?;
        Self::new(base.parse().ok()?, prefix.parse().ok()?)
    }

    pub(super) fn contains(self, address: IpAddr) -> bool {
        let differing = match (self.base, address) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                // All 32 bits are shifted away where none is in common.
                let differing = base.to_bits() ^ address.to_bits();
                u128::from(differing.checked_shr(32 - self.prefix).unwrap_or(0))
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                let differing = base.to_bits() ^ address.to_bits();
                differing.checked_shr(128 - self.prefix).unwrap_or(0)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => 1,
        };
        differing == 0
    }

    /// The hosts of a network of IPv4, without the network itself and its broadcast address; none if it has more
    /// than so many.
    pub(super) fn hosts(self, most: usize) -> Option<impl Iterator<Item = Ipv4Addr>> {
        let IpAddr::V4(base) = self.base else { return None };
        let mask = u32::MAX.checked_shr(self.prefix).unwrap_or(0);
        let first = base.to_bits() & !mask;
        let count = usize::try_from(mask.saturating_sub(1)).ok()?;
        let hosts = (1..mask).map(move |number| Ipv4Addr::from_bits(first | number));
        (count <= most).then_some(hosts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        Network::parse(text).unwrap()
    }

    #[test]
    fn a_network_contains_what_begins_alike() {
        let contains = |text: &str, address: &str| network(text).contains(address.parse().unwrap());
        assert!(contains("192.0.2.0/24", "192.0.2.255") && !contains("192.0.2.0/24", "192.0.3.0"));
        assert!(contains("192.0.2.7/32", "192.0.2.7") && !contains("192.0.2.7/32", "192.0.2.6"));
        assert!(contains("0.0.0.0/0", "203.0.113.9") && !contains("0.0.0.0/0", "::1"));
        assert!(contains("fd00::/8", "fdff::1") && !contains("fd00::/8", "fe80::1"));
        assert!(contains("::/0", "fe80::1") && contains("fd00::1/128", "fd00::1"));
        for text in ["", "192.0.2.0", "192.0.2.0/33", "fd00::/129", "x/8", "192.0.2.0/-1"] {
            assert_eq!(Network::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_small_network_has_hosts_that_can_be_counted() {
        let hosts =
            |text: &str| network(text).hosts(1022).map(|hosts| hosts.map(|host| host.to_string()).collect());
        assert_eq!(hosts("192.0.2.9/30"), Some(vec!["192.0.2.9".to_owned(), "192.0.2.10".to_owned()]));
        assert_eq!(hosts("192.0.2.9/22").unwrap().len(), 1022);
        assert_eq!(hosts("192.0.2.9/21"), None);
        assert_eq!(hosts("0.0.0.0/0"), None);
        assert_eq!(hosts("192.0.2.9/31"), Some(vec![]));
        assert_eq!(hosts("192.0.2.9/32"), Some(vec![]));
        assert_eq!(hosts("fd00::/126"), None);
    }
}
