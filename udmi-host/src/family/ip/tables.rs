//! What the tables of the host's network mean: its own addresses, and who else is there.

use std::net::IpAddr;

use super::IpFamily;
use super::message::{Address, DefaultRoute, Link, Neighbour};
use super::network::Network;
use crate::family::{Found, ScanRequest};
use udmi_proto::Map;

/// The tables, as the kernel told them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tables {
    pub(super) links: Vec<Link>,
    pub(super) addresses: Vec<Address>,
    pub(super) routes: Vec<DefaultRoute>,
    pub(super) neighbours: Vec<Neighbour>,
}

impl Tables {
    /// The addresses of the interface of the default route with the lowest metric, one in each family (§6.5). A
    /// route of IPv4 comes first; without any there is nothing to tell.
    pub(super) fn local_addresses(&self) -> Map<String, String> {
        let Some(route) = self.routes.iter().min_by_key(|route| (!route.is_ipv4, route.metric)) else {
            return Map::new();
        };
        let own = |is_ipv4: bool| {
            let of_interface = self.addresses.iter().filter(|own| own.index == route.index);
            of_interface
                .filter(|own| own.address.is_ipv4() == is_ipv4)
                .min_by_key(|own| own.scope)
                .map(|own| own.address.to_string())
        };
        [
            (IpFamily::Ether, self.ether(route.index)),
            (IpFamily::Ipv4, own(true)),
            (IpFamily::Ipv6, own(false)),
        ]
        .into_iter()
        .filter_map(|(family, address)| Some((family.as_str().to_owned(), address?)))
        .collect()
    }

    /// The host itself and its neighbours, each address once, as a request wants them.
    pub(super) fn found(&self, family: IpFamily, request: &ScanRequest) -> Vec<Found> {
        let mut found: std::collections::BTreeMap<String, Found> = std::collections::BTreeMap::new();
        for (address, ether) in self.hosts() {
            let text = address.to_string();
            let internet = if address.is_ipv4() { IpFamily::Ipv4 } else { IpFamily::Ipv6 };
            let (own, other) = match family {
                IpFamily::Ether => (ether, Some((internet, text))),
                IpFamily::Ipv4 | IpFamily::Ipv6 if family == internet => {
                    (Some(text), ether.map(|ether| (IpFamily::Ether, ether)))
                }
                IpFamily::Ipv4 | IpFamily::Ipv6 => continue,
            };
            let Some(own) = own else { continue };
            let device =
                found.entry(own).or_insert_with_key(|own| Found { address: own.clone(), ..Found::default() });
            if let Some((family, address)) = other {
                device.families.entry(family.as_str().to_owned()).or_insert(address);
            }
        }
        found.into_values().filter_map(|device| wanted(device, request)).collect()
    }

    /// All addresses there are behind interfaces that lead to others, the farther valid first, with their hardware
    /// addresses.
    fn hosts(&self) -> impl Iterator<Item = (IpAddr, Option<String>)> {
        let mut own: Vec<_> = self.addresses.iter().collect();
        own.sort_by_key(|own| own.scope);
        let own = own.into_iter().map(|own| (own.index, own.address, self.ether(own.index)));
        let is_near = |neighbour: &&Neighbour| is_link_local(neighbour.address);
        let (near, far): (Vec<_>, Vec<_>) = self.neighbours.iter().partition(is_near);
        let others = far.into_iter().chain(near);
        let others = others.map(|other| (other.index, other.address, Some(ether_text(other.ether))));
        own.chain(others)
            .filter(|(index, address, _)| !self.is_loopback(*index) && !address.is_loopback())
            .map(|(_, address, ether)| (address, ether))
    }

    fn ether(&self, index: u32) -> Option<String> {
        self.links.iter().find(|link| link.index == index)?.ether.map(ether_text)
    }

    pub(super) fn is_loopback(&self, index: u32) -> bool {
        self.links.iter().any(|link| link.index == index && link.is_loopback)
    }
}

/// The device with the network it was asked for in; nothing if it was not asked for.
fn wanted(device: Found, request: &ScanRequest) -> Option<Found> {
    let is_asked =
        |asked: &String| asked.eq_ignore_ascii_case(&device.address) || same(asked, &device.address);
    if !request.addresses.is_empty() && !request.addresses.iter().any(is_asked) {
        return None;
    }
    if request.networks.is_empty() {
        return Some(device);
    }
    // Ethernet's networks are VLANs, which the tables do not tell.
    let address: IpAddr = device.address.parse().ok()?;
    let network = request.networks.iter().find(|network| contains(network, address))?;
    Some(Found { network: Some(network.clone()), ..device })
}

/// Whether two texts are the same Internet address.
fn same(left: &str, right: &str) -> bool {
    let parse = |text: &str| text.parse::<IpAddr>().ok();
    parse(left).is_some() && parse(left) == parse(right)
}

/// Whether an address is in a network written `192.0.2.0/24`.
fn contains(network: &str, address: IpAddr) -> bool {
    Network::parse(network).is_some_and(|network| network.contains(address))
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

/// Six bytes in lower-case hexadecimal digits with colons (§6.6).
fn ether_text(ether: [u8; 6]) -> String {
    ether.map(|byte| format!("{byte:02x}")).join(":")
}

#[cfg(test)]
pub(super) mod tests {
    use udmi_proto::model::common::{Depth, Timestamp};

    use super::*;

    const OWN: [u8; 6] = [2, 0xfc, 0, 0, 0, 1];
    const ROUTER: [u8; 6] = [2, 0xfc, 0, 0, 0, 5];

    /// A host with a loop, two interfaces, and a router that is seen through both of its addresses.
    pub(crate) fn tables() -> Tables {
        let link = |index, ether| Link { index, is_loopback: index == 1, ether };
        let own = |index, address: &str, scope| {
            let address: IpAddr = address.parse().unwrap();
            Address { index, address, prefix: if address.is_ipv4() { 24 } else { 64 }, scope }
        };
        let route = |index, is_ipv4, metric| DefaultRoute { index, is_ipv4, metric };
        let neighbour =
            |address: &str| Neighbour { index: 2, address: address.parse().unwrap(), ether: ROUTER };
        Tables {
            links: vec![link(1, None), link(2, Some(OWN)), link(3, Some([2, 0, 0, 0, 0, 3]))],
            addresses: vec![
                own(1, "127.0.0.1", 254),
                own(1, "::1", 254),
                own(2, "192.0.2.2", 0),
                own(2, "192.0.2.3", 0),
                own(2, "fe80::fc:ff:fe00:1", 253),
                own(2, "fd00::2", 0),
                own(3, "198.51.100.3", 0),
            ],
            routes: vec![route(3, false, 50), route(3, true, 600), route(2, true, 100)],
            neighbours: vec![neighbour("fe80::1"), neighbour("192.0.2.1"), neighbour("fd00::1")],
        }
    }

    pub(crate) fn request() -> ScanRequest {
        ScanRequest {
            family: String::new(),
            generation: Timestamp::EPOCH,
            depth: Depth::Entries,
            references: false,
            addresses: Vec::new(),
            networks: Vec::new(),
            duration_seconds: 10,
        }
    }

    fn addresses(family: IpFamily, request: &ScanRequest) -> Vec<String> {
        tables().found(family, request).into_iter().map(|found| found.address).collect()
    }

    #[test]
    fn own_addresses_are_those_of_the_default_route_with_the_lowest_metric() {
        let expected = [("ether", "02:fc:00:00:00:01"), ("ipv4", "192.0.2.2"), ("ipv6", "fd00::2")];
        let expected = expected.map(|(family, address)| (family.to_owned(), address.to_owned()));
        assert_eq!(tables().local_addresses(), Map::from(expected));
        let mut ipv6_only = tables();
        ipv6_only.routes.retain(|route| !route.is_ipv4);
        assert_eq!(ipv6_only.local_addresses().keys().collect::<Vec<_>>(), ["ether", "ipv4"]);
        assert_eq!(Tables { routes: vec![], ..tables() }.local_addresses(), Map::new());
    }

    #[test]
    fn a_link_local_address_is_told_if_there_is_no_other() {
        let mut tables = tables();
        tables.addresses.retain(|own| own.address.to_string() != "fd00::2");
        assert_eq!(tables.local_addresses()["ipv6"], "fe80::fc:ff:fe00:1");
    }

    #[test]
    fn the_host_and_its_neighbours_are_found_and_no_loop() {
        let request = request();
        let ipv4 = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "198.51.100.3"];
        assert_eq!(addresses(IpFamily::Ipv4, &request), ipv4);
        let ipv6 = ["fd00::1", "fd00::2", "fe80::1", "fe80::fc:ff:fe00:1"];
        assert_eq!(addresses(IpFamily::Ipv6, &request), ipv6);
        let ether = ["02:00:00:00:00:03", "02:fc:00:00:00:01", "02:fc:00:00:00:05"];
        assert_eq!(addresses(IpFamily::Ether, &request), ether);
    }

    #[test]
    fn the_families_of_a_device_are_linked() {
        let router = &tables().found(IpFamily::Ether, &request())[2];
        let expected = [("ipv4", "192.0.2.1"), ("ipv6", "fd00::1")];
        assert_eq!(router.families, expected.map(|(family, address)| (family.into(), address.into())).into());
        let router = &tables().found(IpFamily::Ipv4, &request())[0];
        assert_eq!(router.families, [("ether".into(), "02:fc:00:00:00:05".into())].into());
    }

    #[test]
    fn only_what_is_asked_for_is_found() {
        let these = |addresses: &[&str], networks: &[&str]| ScanRequest {
            addresses: addresses.iter().map(|&text| text.into()).collect(),
            networks: networks.iter().map(|&text| text.into()).collect(),
            ..request()
        };
        let none: [&str; 0] = [];
        assert_eq!(addresses(IpFamily::Ipv4, &these(&["192.0.2.1", "192.0.2.77"], &[])), ["192.0.2.1"]);
        assert_eq!(addresses(IpFamily::Ipv6, &these(&["FD00:0::1"], &[])), ["fd00::1"]);
        assert_eq!(addresses(IpFamily::Ether, &these(&["02:FC:00:00:00:05"], &[])), ["02:fc:00:00:00:05"]);
        assert_eq!(addresses(IpFamily::Ipv4, &these(&[], &["198.51.100.0/24"])), ["198.51.100.3"]);
        assert_eq!(addresses(IpFamily::Ipv4, &these(&[], &["fd00::/8", "nonsense", "192.0.2.0/33"])), none);
        assert_eq!(addresses(IpFamily::Ipv4, &these(&[], &["0.0.0.0/0"])).len(), 4);
        assert_eq!(addresses(IpFamily::Ipv6, &these(&[], &["fd00::/64"])).len(), 2);
        assert_eq!(addresses(IpFamily::Ether, &these(&[], &["100"])), none);
        let found = tables().found(IpFamily::Ipv4, &these(&[], &["192.0.2.2/32"]));
        assert_eq!(found[0].network.as_deref(), Some("192.0.2.2/32"));
    }
}
