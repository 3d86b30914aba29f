//! Devices that are asked by a broadcast and announce themselves by another, as most do; and the gateway's own socket.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::time::Duration;

use udmi_host::family::bacnet::codec::apdu::Apdu;
use udmi_host::family::bacnet::codec::link::Link;
use udmi_host::family::bacnet::codec::network::{ALL_NETWORKS, Message, Packet};
use udmi_host::family::bacnet::codec::service::{IAm, WhoIs, unconfirmed};
use udmi_host::family::bacnet::{BacnetProvider, BacnetSettings};
use udmi_host::family::{FamilyProvider, ProviderError, Stop};
use udmi_proto::model::common::Depth;

use super::fake::{Fake, Reply};
use super::{PATIENCE, device, gateway, scan, scan_for, settings};

/// The broadcast address of loopback.
const ALL: Ipv4Addr = Ipv4Addr::new(127, 255, 255, 255);

#[test]
fn a_device_is_found_by_broadcasts_both_ways() {
    let there = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    there.set_broadcast(true).unwrap();
    there.set_read_timeout(Some(PATIENCE)).unwrap();
    let destination = SocketAddrV4::new(ALL, there.local_addr().unwrap().port());
    let bind = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0);
    let gateway = BacnetProvider::new(BacnetSettings { bind, ..settings(vec![destination]) });
    let own = gateway.local_address().unwrap().port();
    let answering = std::thread::spawn(move || {
        let mut buffer = [0; 1500];
        let (length, _) = there.recv_from(&mut buffer).unwrap();
        let Ok(Link::Broadcast(packet)) = Link::decode(&buffer[..length]) else { panic!("no broadcast") };
        let packet = Packet::decode(packet).unwrap();
        assert_eq!(packet.destination.unwrap().network, ALL_NETWORKS);
        let Message::Apdu(apdu) = packet.message else { panic!("no APDU") };
        let Ok(Apdu::Unconfirmed { service: unconfirmed::WHO_IS, content }) = Apdu::decode(apdu) else {
            panic!("no Who-Is")
        };
        assert_eq!(WhoIs::decode(content), Ok(WhoIs { range: Some((7, 7)) }));
        let i_am = IAm { device: 7, max_apdu: 1476, segmentation: 3, vendor: 999 }.encode();
        let i_am = Apdu::Unconfirmed { service: unconfirmed::I_AM, content: &i_am }.encode();
        let packet = Packet::new(None, false, &i_am).encode();
        there.send_to(&Link::Broadcast(&packet).encode(), (ALL, own)).unwrap();
    });
    let found = scan(&gateway, &scan_for(Depth::Entries, 60, &["7"])).unwrap();
    assert_eq!(found.len(), 1);
    answering.join().unwrap();
}

#[test]
fn instances_are_asked_for_by_their_ranges() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let SocketAddr::V4(address) = socket.local_addr().unwrap() else { unreachable!() };
    assert_eq!(
        scan(&gateway(vec![address]), &scan_for(Depth::Entries, 1, &["9", "5", "6", "5"])),
        Ok(vec![])
    );
    let ranges = || {
        let mut buffer = [0; 1500];
        let (length, _) = socket.recv_from(&mut buffer).unwrap();
        let link = Link::decode(&buffer[..length]).unwrap();
        let Message::Apdu(apdu) = Packet::decode(link.packet().unwrap()).unwrap().message else { panic!() };
        WhoIs::decode(&apdu[2..]).unwrap().range
    };
    assert_eq!([ranges(), ranges()], [Some((5, 6)), Some((9, 9))]);
}

#[test]
fn the_port_is_free_once_the_provider_is_dropped() {
    let fake = Fake::start(7, |_| Reply::Holds(true.into()));
    let first = gateway(vec![fake.address]);
    let SocketAddr::V4(bind) = first.local_address().unwrap() else { unreachable!() };
    for provider in [first, BacnetProvider::new(BacnetSettings { bind, ..settings(vec![fake.address]) })] {
        assert!(provider.read(&device(7), &["BV/1#out_of_service"], &Stop::new()).is_ok());
    }
}

#[test]
fn a_port_in_use_is_an_error_that_passes() {
    let fake = Fake::start(7, |_| Reply::Holds(true.into()));
    let other = UdpSocket::bind("127.0.0.1:0").unwrap();
    let SocketAddr::V4(bind) = other.local_addr().unwrap() else { unreachable!() };
    let timeout = Duration::from_secs(1);
    let gateway = BacnetProvider::new(BacnetSettings { bind, timeout, ..settings(vec![fake.address]) });
    let read = || gateway.read(&device(7), &["BV/1#out_of_service"], &Stop::new());
    assert!(matches!(read(), Err(ProviderError::Io(_))));
    drop(other);
    assert!(read().is_ok());
}
