//! What the Linux kernel tells of its network (rtnetlink), as bytes: pure reading.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Bytes of a message's header: length, type, flags, sequence, port.
const HEADER: usize = 16;
/// Message types.
const ERROR: u16 = 2;
const DONE: u16 = 3;
const NEW_LINK: u16 = 16;
const NEW_ADDRESS: u16 = 20;
const NEW_ROUTE: u16 = 24;
const NEW_NEIGHBOUR: u16 = 28;
/// A request for all there is.
const REQUEST_DUMP: u16 = 0x301;

/// What the kernel is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    Links,
    Addresses,
    Routes,
    Neighbours,
}

impl Question {
    pub(super) const ALL: [Self; 4] = [Self::Links, Self::Addresses, Self::Routes, Self::Neighbours];

    /// The request, with a number that its answers carry.
    pub(super) fn request(self, sequence: u32) -> Vec<u8> {
        let (kind, body): (u16, u32) = match self {
            Self::Links => (18, 16),
            Self::Addresses => (22, 8),
            Self::Routes => (26, 12),
            Self::Neighbours => (30, 12),
        };
        let length = 16 + body;
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(REQUEST_DUMP.to_ne_bytes());
        bytes.extend(sequence.to_ne_bytes());
        bytes.resize(usize::try_from(length).unwrap_or(HEADER), 0); // no port, any family
        bytes
    }
}

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) index: u32,
    pub(super) is_loopback: bool,
    /// The hardware address, if it is one of Ethernet.
    pub(super) ether: Option<[u8; 6]>,
}

/// An address of this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) index: u32,
    pub(super) address: IpAddr,
    /// Bits that all addresses on its network have in common.
    pub(super) prefix: u8,
    /// How far it is valid: 0 is everywhere, the greater the nearer.
    pub(super) scope: u8,
}

/// A default route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DefaultRoute {
    pub(super) index: u32,
    pub(super) is_ipv4: bool,
    pub(super) metric: u32,
}

/// Another host on the same network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Neighbour {
    pub(super) index: u32,
    pub(super) address: IpAddr,
    pub(super) ether: [u8; 6],
}

/// A part of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Told {
    Link(Link),
    Address(Address),
    Route(DefaultRoute),
    Neighbour(Neighbour),
    /// There is no more.
    Done,
    /// The question is refused, with an error number of the system.
    Refused(i32),
}

/// All that a datagram tells in answer to the request of that number. What is of no interest, of another number or
/// not well formed is left out.
pub(super) fn read(mut bytes: &[u8], sequence: u32) -> Vec<Told> {
    let mut told = Vec::new();
    while let (Some(length), Some(kind), Some(number)) =
        (u32_at(bytes, 0), u16_at(bytes, 4), u32_at(bytes, 8))
    {
        let Ok(length) = usize::try_from(length) else { break };
        let Some(body) = bytes.get(HEADER..length) else { break };
        if number == sequence {
            told.extend(message(kind, body));
        }
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    told
}

fn message(kind: u16, body: &[u8]) -> Option<Told> {
    match kind {
        DONE => Some(Told::Done),
        ERROR => u32_at(body, 0).map(|error| Told::Refused(error.cast_signed().wrapping_neg())),
        NEW_LINK => link(body).map(Told::Link),
        NEW_ADDRESS => address(body).map(Told::Address),
        NEW_ROUTE => default_route(body).map(Told::Route),
        NEW_NEIGHBOUR => neighbour(body).map(Told::Neighbour),
        _ => None,
    }
}

fn link(body: &[u8]) -> Option<Link> {
    const ETHERNET: u16 = 1;
    const LOOPBACK_FLAG: u32 = 8;
    const HARDWARE_ADDRESS: u16 = 1;
    let hardware = attributes(body, 16).find(|(kind, _)| *kind == HARDWARE_ADDRESS).map(|(_, value)| value);
    let is_ethernet = u16_at(body, 2)? == ETHERNET;
    let ether = hardware.and_then(ether).filter(|_| is_ethernet);
    Some(Link { index: u32_at(body, 4)?, is_loopback: u32_at(body, 8)? & LOOPBACK_FLAG != 0, ether })
}

fn address(body: &[u8]) -> Option<Address> {
    const REMOTE: u16 = 1;
    const LOCAL: u16 = 2;
    const FLAGS: u16 = 8;
    // Not yet known to be nobody else's, or known to be somebody else's.
    const UNUSABLE: u32 = 0x40 | 0x08;
    let (mut remote, mut local, mut flags) = (None, None, u32::from(*body.get(2)?));
    for (kind, value) in attributes(body, 8) {
        match kind {
            REMOTE => remote = internet(value),
            LOCAL => local = internet(value),
            FLAGS => flags = u32_at(value, 0)?,
            _ => {}
        }
    }
    // On a line between two, the first one is the other end's.
    let address = local.or(remote)?;
    let (prefix, scope, index) = (*body.get(1)?, *body.get(3)?, u32_at(body, 4)?);
    (flags & UNUSABLE == 0).then_some(Address { index, address, prefix, scope })
}

/// A route to everywhere, of the main table.
fn default_route(body: &[u8]) -> Option<DefaultRoute> {
    const IPV4: u8 = 2;
    const IPV6: u8 = 10;
    const MAIN: u32 = 254;
    const UNICAST: u8 = 1;
    const INTERFACE: u16 = 4;
    const METRIC: u16 = 6;
    const SEVERAL: u16 = 9;
    const TABLE: u16 = 15;
    let [family, 0, _, _, table, _, _, UNICAST] = *body.first_chunk()? else { return None };
    let (mut index, mut metric, mut table) = (None, 0, u32::from(table));
    for (kind, value) in attributes(body, 12) {
        match kind {
            INTERFACE => index = u32_at(value, 0),
            METRIC => metric = u32_at(value, 0)?,
            SEVERAL => index = index.or(u32_at(value, 4)), // the first of them
            TABLE => table = u32_at(value, 0)?,
            _ => {}
        }
    }
    let is_main = table == MAIN && (family == IPV4 || family == IPV6);
    is_main.then_some(DefaultRoute { index: index?, is_ipv4: family == IPV4, metric })
}

/// Somebody whose hardware address is known and was not found to be wrong.
fn neighbour(body: &[u8]) -> Option<Neighbour> {
    const ADDRESS: u16 = 1;
    const HARDWARE_ADDRESS: u16 = 2;
    // Reachable, stale, delayed, probed, permanent.
    const KNOWN: u16 = 0x02 | 0x04 | 0x08 | 0x10 | 0x80;
    let (mut address, mut hardware) = (None, None);
    for (kind, value) in attributes(body, 12) {
        match kind {
            ADDRESS => address = internet(value),
            HARDWARE_ADDRESS => hardware = ether(value),
            _ => {}
        }
    }
    let is_known = u16_at(body, 8)? & KNOWN != 0;
    let neighbour = Neighbour { index: u32_at(body, 4)?, address: address?, ether: hardware? };
    (is_known && !neighbour.address.is_multicast()).then_some(neighbour)
}

/// The attributes behind a message's fixed part: their types and values.
fn attributes(body: &[u8], fixed: usize) -> impl Iterator<Item = (u16, &[u8])> {
    const TYPE: u16 = 0x3fff;
    let mut rest = body.get(fixed..).unwrap_or_default();
    std::iter::from_fn(move || {
        let length = usize::from(u16_at(rest, 0)?);
        let kind = u16_at(rest, 2)? & TYPE;
        let value = rest.get(4..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

fn internet(value: &[u8]) -> Option<IpAddr> {
    if let Ok(four) = <[u8; 4]>::try_from(value) {
        return Some(Ipv4Addr::from(four).into());
    }
    <[u8; 16]>::try_from(value).ok().map(|sixteen| Ipv6Addr::from(sixteen).into())
}

/// A hardware address; the one of zeros stands for none.
fn ether(value: &[u8]) -> Option<[u8; 6]> {
    <[u8; 6]>::try_from(value).ok().filter(|ether| *ether != [0; 6])
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().copied().map(u16::from_ne_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_ne_bytes)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A message as the kernel makes it.
    pub(crate) fn message(kind: u16, sequence: u32, fixed: &[u8], attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut body = fixed.to_vec();
        for (kind, value) in attributes {
            body.extend(u16::try_from(value.len() + 4).unwrap().to_ne_bytes());
            body.extend(kind.to_ne_bytes());
            body.extend(*value);
            body.resize(body.len().next_multiple_of(4), 0);
        }
        let mut bytes = u32::try_from(HEADER + body.len()).unwrap().to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([2, 0]);
        bytes.extend(sequence.to_ne_bytes());
        bytes.extend([0; 4]);
        bytes.extend(body);
        bytes
    }

    fn fixed(parts: &[&[u8]]) -> Vec<u8> {
        parts.concat()
    }

    const ETHER: [u8; 6] = [2, 0xfc, 0, 0, 0, 5];

    fn link_message(kind: u16, flags: u32) -> Vec<u8> {
        let fixed =
            fixed(&[&[0, 0], &kind.to_ne_bytes(), &4_u32.to_ne_bytes(), &flags.to_ne_bytes(), &[0; 4]]);
        message(NEW_LINK, 7, &fixed, &[(3, b"eth0\0"), (1, &ETHER)])
    }

    fn neighbour_message(state: u16, address: &[u8]) -> Vec<u8> {
        let fixed = fixed(&[&[2, 0, 0, 0], &4_u32.to_ne_bytes(), &state.to_ne_bytes(), &[0, 1]]);
        message(NEW_NEIGHBOUR, 7, &fixed, &[(1, address), (2, &ETHER)])
    }

    fn route_message(head: [u8; 8], attributes: &[(u16, &[u8])]) -> Vec<u8> {
        message(NEW_ROUTE, 7, &fixed(&[&head, &[0; 4]]), attributes)
    }

    #[test]
    fn links_are_read() {
        let link = |is_loopback, ether| Told::Link(Link { index: 4, is_loopback, ether });
        assert_eq!(read(&link_message(1, 0x1003), 7), [link(false, Some(ETHER))]);
        assert_eq!(read(&link_message(772, 9), 7), [link(true, None)]);
        assert_eq!(read(&link_message(1, 0), 8), []);
    }

    #[test]
    fn own_addresses_are_read_unless_they_may_be_somebody_elses() {
        let told = |flags: u8, attributes: &[(u16, &[u8])]| {
            let fixed = fixed(&[&[2, 24, flags, 0], &4_u32.to_ne_bytes()]);
            read(&message(NEW_ADDRESS, 7, &fixed, attributes), 7)
        };
        let own = |address: IpAddr| vec![Told::Address(Address { index: 4, address, prefix: 24, scope: 0 })];
        let (one, two) = ([192, 0, 2, 1], [192, 0, 2, 2]);
        assert_eq!(told(0x80, &[(1, &one), (2, &two)]), own(two.into()));
        assert_eq!(told(0, &[(1, &Ipv6Addr::LOCALHOST.octets())]), own(Ipv6Addr::LOCALHOST.into()));
        assert_eq!(told(0x40, &[(1, &one)]), []);
        assert_eq!(told(0, &[(1, &one), (8, &0x40_u32.to_ne_bytes())]), []);
        assert_eq!(told(0, &[(1, &[1, 2, 3])]), []);
    }

    #[test]
    fn default_routes_of_the_main_table_are_read() {
        let told = |head, attributes: &[(u16, &[u8])]| read(&route_message(head, attributes), 7);
        let interface = 4_u32.to_ne_bytes();
        let metric = 100_u32.to_ne_bytes();
        let route = |is_ipv4, metric| vec![Told::Route(DefaultRoute { index: 4, is_ipv4, metric })];
        let unicast = [2, 0, 0, 0, 254, 3, 0, 1];
        assert_eq!(told(unicast, &[(5, &[192, 0, 2, 1]), (4, &interface)]), route(true, 0));
        assert_eq!(told(unicast, &[(6, &metric), (4, &interface)]), route(true, 100));
        assert_eq!(told([10, 0, 0, 0, 254, 3, 0, 1], &[(4, &interface)]), route(false, 0));
        let several = fixed(&[&[8, 0, 0, 0], &interface, &[8, 0, 0, 0], &5_u32.to_ne_bytes()]);
        assert_eq!(told(unicast, &[(9, &several)]), route(true, 0));
        for head in [[2, 24, 0, 0, 254, 3, 0, 1], [2, 0, 0, 0, 255, 3, 0, 1], [10, 0, 0, 0, 254, 3, 0, 7]] {
            assert_eq!(told(head, &[(4, &interface)]), [], "{head:?}");
        }
        assert_eq!(told(unicast, &[(4, &interface), (15, &100_u32.to_ne_bytes())]), []);
        assert_eq!(told(unicast, &[]), []);
    }

    #[test]
    fn neighbours_are_read_if_they_are_known() {
        let address = [192, 0, 2, 9];
        let neighbour = Told::Neighbour(Neighbour { index: 4, address: address.into(), ether: ETHER });
        for state in [2, 4, 8, 16, 128] {
            assert_eq!(
                read(&neighbour_message(state, &address), 7),
                std::slice::from_ref(&neighbour),
                "{state}"
            );
        }
        for state in [0, 1, 32, 64] {
            assert_eq!(read(&neighbour_message(state, &address), 7), [], "{state}");
        }
        assert_eq!(read(&neighbour_message(2, &[224, 0, 0, 1]), 7), []);
    }

    #[test]
    fn the_end_and_a_refusal_are_told() {
        assert_eq!(read(&message(DONE, 7, &[0; 4], &[]), 7), [Told::Done]);
        assert_eq!(read(&message(ERROR, 7, &(-1_i32).to_ne_bytes(), &[]), 7), [Told::Refused(1)]);
    }

    #[test]
    fn several_messages_are_read_and_cut_ones_are_left_out() {
        let whole =
            [link_message(1, 0), neighbour_message(2, &[192, 0, 2, 9]), message(DONE, 7, &[0; 4], &[])]
                .concat();
        assert_eq!(read(&whole, 7).len(), 3);
        for end in 0..whole.len() {
            assert!(read(&whole[..end], 7).len() < 3, "{end}");
        }
    }

    #[test]
    fn whatever_comes_is_read_without_panic_or_end() {
        let whole = [link_message(1, 0), neighbour_message(2, &[192, 0, 2, 9])].concat();
        for at in 0..whole.len() {
            for byte in [0, 1, 3, 4, 0x7f, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] = byte;
                assert!(read(&bytes, 7).len() <= 2);
            }
        }
    }

    #[test]
    fn a_request_has_the_length_it_says() {
        for question in Question::ALL {
            let request = question.request(7);
            assert_eq!(u32_at(&request, 0), u32::try_from(request.len()).ok());
            assert_eq!(u32_at(&request, 8), Some(7));
        }
    }
}
