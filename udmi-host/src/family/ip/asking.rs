//! Whom a scan asks, so that the kernel looks for them: a datagram of no bytes is enough for that.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};

use super::IpFamily;
use super::network::Network;
use super::tables::Tables;
use crate::family::ScanRequest;

/// Hosts that one scan asks; networks with more are not asked as a whole. More would be more than the kernel keeps
/// neighbours for.
pub(super) const HOSTS: usize = 1022;

/// Hosts that are asked at once.
pub(super) const AT_ONCE: usize = 16;

/// The port where what comes is thrown away.
const DISCARD: u16 = 9;

/// Whom to ask: what the request names, else everybody in the networks of the interfaces. Only on those, and nobody
/// who is known already.
pub(super) fn whom(tables: &Tables, family: IpFamily, request: &ScanRequest) -> Vec<SocketAddr> {
    let known: BTreeSet<IpAddr> = tables
        .neighbours
        .iter()
        .map(|neighbour| neighbour.address)
        .chain(tables.addresses.iter().map(|own| own.address))
        .collect();
    let mut found = BTreeSet::new();
    for own in tables.addresses.iter().filter(|own| !tables.is_loopback(own.index)) {
        let Some(network) = Network::new(own.address, own.prefix.into()) else { continue };
        let here = candidates(network, family, request).into_iter().filter(|address| {
            network.contains(*address) && !known.contains(address) && !address.is_multicast()
        });
        found.extend(here.map(|address| destination(address, own.index)));
    }
    found.into_iter().take(HOSTS).collect()
}

/// Whom the request means, on or off a network.
fn candidates(network: Network, family: IpFamily, request: &ScanRequest) -> Vec<IpAddr> {
    let is_internet = family != IpFamily::Ether;
    if is_internet && !request.addresses.is_empty() {
        let addresses = request.addresses.iter().filter_map(|text| text.parse::<IpAddr>().ok());
        return addresses.filter(|address| address.is_ipv4() == (family == IpFamily::Ipv4)).collect();
    }
    let asked: Vec<Network> = match is_internet && !request.networks.is_empty() {
        true => request.networks.iter().filter_map(|text| Network::parse(text)).collect(),
        false => vec![network],
    };
    let hosts = asked.into_iter().filter_map(|network| network.hosts(HOSTS)).flatten();
    if family == IpFamily::Ipv6 { Vec::new() } else { hosts.map(IpAddr::V4).collect() }
}

fn destination(address: IpAddr, index: u32) -> SocketAddr {
    match address {
        IpAddr::V4(address) => (address, DISCARD).into(),
        // Addresses that are valid on one interface alone need its number.
        IpAddr::V6(address) => SocketAddrV6::new(address, DISCARD, 0, index).into(),
    }
}

/// Sends each a datagram of no bytes. Whether it arrives does not matter.
pub(super) fn ask(whom: &[SocketAddr]) {
    let bind = |any: IpAddr| {
        let socket = UdpSocket::bind((any, 0)).ok()?;
        socket.set_nonblocking(true).ok().map(|()| socket)
    };
    let (ipv4, ipv6) = (bind(Ipv4Addr::UNSPECIFIED.into()), bind(Ipv6Addr::UNSPECIFIED.into()));
    for address in whom {
        let socket = if address.is_ipv4() { &ipv4 } else { &ipv6 };
        if let Some(socket) = socket {
            let _ = socket.send_to(&[], address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tables::tests::{request, tables};
    use super::*;

    fn asked(family: IpFamily, addresses: &[&str], networks: &[&str]) -> Vec<String> {
        let request = ScanRequest {
            addresses: addresses.iter().map(|&text| text.into()).collect(),
            networks: networks.iter().map(|&text| text.into()).collect(),
            ..request()
        };
        whom(&tables(), family, &request).into_iter().map(|address| address.to_string()).collect()
    }

    #[test]
    fn everybody_on_the_networks_is_asked_but_those_who_are_known() {
        // Two networks of 254 hosts, of whom four are known or the host itself.
        for family in [IpFamily::Ipv4, IpFamily::Ether] {
            let asked = asked(family, &[], &[]);
            assert_eq!(asked.len(), 504);
            assert!(
                !asked.contains(&"192.0.2.1:9".to_owned()) && asked.contains(&"192.0.2.254:9".to_owned())
            );
        }
        assert!(asked(IpFamily::Ipv6, &[], &[]).is_empty());
    }

    #[test]
    fn only_who_is_named_and_near_is_asked() {
        let named = ["192.0.2.77", "192.0.2.1", "203.0.113.1", "127.0.0.2", "fd00::7", "nonsense"];
        assert_eq!(asked(IpFamily::Ipv4, &named, &[]), ["192.0.2.77:9"]);
        assert_eq!(asked(IpFamily::Ipv6, &named, &[]), ["[fd00::7%2]:9"]);
        assert_eq!(
            asked(IpFamily::Ipv4, &[], &["192.0.2.8/30", "203.0.113.0/24"]),
            ["192.0.2.9:9", "192.0.2.10:9"]
        );
    }

    #[test]
    fn a_large_network_is_not_asked_as_a_whole() {
        let mut tables = tables();
        tables.addresses.iter_mut().for_each(|own| own.prefix = 8);
        assert!(whom(&tables, IpFamily::Ipv4, &request()).is_empty());
        let part = ScanRequest { networks: vec!["192.0.2.0/24".into()], ..request() };
        assert_eq!(whom(&tables, IpFamily::Ipv4, &part).len(), 251);
    }
}
