//! Claims about [`decode`] and [`encode`] that hold for all packets.

use super::*;
use bytes::BytesMut;
use proptest::prelude::*;
use std::format;
use std::string::ToString;
use std::vec;

const LIMIT: usize = 1 << 20;

fn id(number: u16) -> PacketId {
    PacketId::new(number).unwrap()
}

fn bytes_of(packet: &Packet) -> BytesMut {
    let mut out = BytesMut::new();
    encode(packet, &mut out).unwrap();
    out
}

fn connect() -> Connect {
    Connect {
        client_id: "dev".into(),
        clean_session: true,
        keep_alive: 60,
        will: None,
        username: None,
        password: None,
    }
}

fn publish(topic: &str, payload: Bytes) -> Publish {
    Publish { topic: topic.into(), payload, qos: Qos::AtMostOnce, retain: false, dup: false, id: None }
}

fn qos() -> impl Strategy<Value = Qos> {
    prop_oneof![Just(Qos::AtMostOnce), Just(Qos::AtLeastOnce), Just(Qos::ExactlyOnce)]
}

fn any_id() -> impl Strategy<Value = PacketId> {
    (1..=u16::MAX).prop_map(id)
}

fn payload() -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<u8>(), 0..300).prop_map(Bytes::from)
}

fn name() -> impl Strategy<Value = String> {
    "[a-zé/$ ]{1,20}"
}

fn filter() -> impl Strategy<Value = String> {
    prop_oneof![name(), Just("#".to_string()), Just("+/a/#".to_string()), Just("a/+".to_string())]
}

fn any_connect() -> impl Strategy<Value = Packet> {
    let will = (name(), payload(), qos(), any::<bool>()).prop_map(|(topic, payload, qos, retain)| Will {
        topic,
        payload,
        qos,
        retain,
    });
    let login = prop::option::of(("[a-zé]{0,9}", prop::option::of(payload())));
    ("[a-z/]{0,9}", any::<bool>(), any::<u16>(), prop::option::of(will), login).prop_map(
        |(client_id, clean, keep_alive, will, login)| {
            let (username, password) = login.map_or((None, None), |(name, password)| (Some(name), password));
            let clean_session = clean || client_id.is_empty();
            Packet::Connect(Connect { client_id, clean_session, keep_alive, will, username, password })
        },
    )
}

fn any_publish() -> impl Strategy<Value = Packet> {
    (name(), payload(), qos(), any::<bool>(), any::<bool>(), any_id()).prop_map(
        |(topic, payload, qos, retain, dup, id)| {
            let numbered = qos != Qos::AtMostOnce;
            let id = numbered.then_some(id);
            Packet::Publish(Publish { topic, payload, qos, retain, dup: dup && numbered, id })
        },
    )
}

fn code() -> impl Strategy<Value = ConnectCode> {
    prop_oneof![
        Just(ConnectCode::UnacceptableProtocol),
        Just(ConnectCode::IdentifierRejected),
        Just(ConnectCode::ServerUnavailable),
        Just(ConnectCode::BadUsernameOrPassword),
        Just(ConnectCode::NotAuthorized),
    ]
}

fn any_packet() -> impl Strategy<Value = Packet> {
    let filters = prop::collection::vec((filter(), qos()), 1..5);
    let names = prop::collection::vec(filter(), 1..5);
    let codes = prop::collection::vec(prop::option::of(qos()), 1..5);
    prop_oneof![
        any_connect(),
        any_publish(),
        any::<bool>()
            .prop_map(|session_present| Packet::ConnAck { session_present, code: ConnectCode::Accepted }),
        code().prop_map(|code| Packet::ConnAck { session_present: false, code }),
        any_id().prop_map(Packet::PubAck),
        any_id().prop_map(Packet::PubRec),
        any_id().prop_map(Packet::PubRel),
        any_id().prop_map(Packet::PubComp),
        any_id().prop_map(Packet::UnsubAck),
        (any_id(), filters).prop_map(|(id, filters)| Packet::Subscribe { id, filters }),
        (any_id(), names).prop_map(|(id, filters)| Packet::Unsubscribe { id, filters }),
        (any_id(), codes).prop_map(|(id, codes)| Packet::SubAck { id, codes }),
        Just(Packet::PingReq),
        Just(Packet::PingResp),
        Just(Packet::Disconnect),
    ]
}

proptest! {
    #[test]
    fn every_packet_survives_a_round_trip(packets in prop::collection::vec(any_packet(), 1..6)) {
        let mut wire = BytesMut::new();
        for packet in &packets {
            let before = wire.len();
            let size = encode(packet, &mut wire).unwrap();
            prop_assert_eq!(wire.len(), before + size);
        }
        for packet in packets {
            prop_assert_eq!(decode(&mut wire, LIMIT).unwrap(), Some(packet));
        }
        prop_assert!(wire.is_empty());
    }

    #[test]
    fn every_prefix_asks_for_more_and_consumes_nothing(packet in any_packet()) {
        let whole = bytes_of(&packet);
        for length in 0..whole.len() {
            let mut prefix = BytesMut::from(&whole[..length]);
            prop_assert_eq!(decode(&mut prefix, LIMIT).unwrap(), None);
            prop_assert_eq!(&prefix[..], &whole[..length]);
        }
    }

    #[test]
    fn random_bytes_never_panic_and_always_end(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut buf = BytesMut::from(&bytes[..]);
        while let Ok(Some(packet)) = decode(&mut buf, LIMIT) {
            let empty_id = matches!(&packet, Packet::Connect(connect) if connect.client_id.is_empty());
            prop_assert!(empty_id || encode(&packet, &mut BytesMut::new()).is_ok(), "{:?}", packet);
        }
    }

    #[test]
    fn damaged_packets_never_panic(packet in any_packet(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut wire = bytes_of(&packet);
        let at = at.index(wire.len());
        wire[at] = byte;
        let _ = decode(&mut wire, LIMIT);
    }
}

#[test]
fn the_limit_bounds_the_whole_packet_and_is_seen_in_the_header() {
    let mut twelve = bytes_of(&Packet::Publish(publish("abc", Bytes::from_static(b"56789"))));
    assert_eq!(twelve.len(), 12);
    assert_eq!(decode(&mut twelve.clone(), 11), Err(WireError::TooLarge { size: 12, limit: 11 }));
    assert!(decode(&mut twelve, 12).unwrap().is_some());
    let mut header = BytesMut::from(&[0x30, 0xFF, 0xFF, 0xFF, 0x7F][..]);
    let size = MAX_REMAINING + 5;
    assert_eq!(decode(&mut header, LIMIT), Err(WireError::TooLarge { size, limit: LIMIT }));
}

#[test]
fn a_payload_is_not_copied_out_of_the_frame() {
    let mut wire = bytes_of(&Packet::Publish(publish("a", Bytes::from_static(b"payload"))));
    let place = wire.as_ptr() as usize;
    let Ok(Some(Packet::Publish(read))) = decode(&mut wire, LIMIT) else { panic!("not a publish") };
    assert_eq!(read.payload.as_ptr() as usize, place + 5);
}

#[test]
fn a_packet_appended_to_others_leaves_them_alone() {
    let mut wire = bytes_of(&Packet::Publish(publish("t/opic", Bytes::from_static(b"0123456789"))));
    let before = wire.clone();
    let login = Connect {
        username: Some("alice".into()),
        password: Some(Bytes::from_static(b"\xFFs3cret")),
        ..connect()
    };
    encode(&Packet::Connect(login.clone()), &mut wire).unwrap();
    assert_eq!(&wire[..before.len()], &before[..]);
    assert!(matches!(decode(&mut wire, LIMIT), Ok(Some(Packet::Publish(_)))));
    assert_eq!(decode(&mut wire, LIMIT), Ok(Some(Packet::Connect(login))));
}

#[test]
fn what_cannot_be_expressed_writes_nothing() {
    let long = "x".repeat(MAX_STRING + 1);
    let huge = Bytes::from(vec![0; MAX_REMAINING]);
    let will = |topic: &str, payload: Bytes| Will {
        topic: topic.into(),
        payload,
        qos: Qos::AtMostOnce,
        retain: false,
    };
    let long_bytes = Bytes::from(long.clone());
    let refused = [
        Packet::Publish(publish(&long, Bytes::new())),
        Packet::Publish(publish("", Bytes::new())),
        Packet::Publish(publish("a/#", Bytes::new())),
        Packet::Publish(publish("a", huge)),
        Packet::Publish(Publish { qos: Qos::AtLeastOnce, ..publish("a", Bytes::new()) }),
        Packet::Publish(Publish { id: Some(PacketId::FIRST), ..publish("a", Bytes::new()) }),
        Packet::Publish(Publish { dup: true, ..publish("a", Bytes::new()) }),
        Packet::Connect(Connect { client_id: long.clone(), ..connect() }),
        Packet::Connect(Connect { client_id: "a\0".into(), ..connect() }),
        Packet::Connect(Connect { client_id: String::new(), clean_session: false, ..connect() }),
        Packet::Connect(Connect { password: Some(Bytes::new()), ..connect() }),
        Packet::Connect(Connect { username: Some(long.clone()), ..connect() }),
        Packet::Connect(Connect {
            username: Some(String::new()),
            password: Some(long_bytes.clone()),
            ..connect()
        }),
        Packet::Connect(Connect { will: Some(will("a/+", Bytes::new())), ..connect() }),
        Packet::Connect(Connect { will: Some(will("a", long_bytes)), ..connect() }),
        Packet::ConnAck { session_present: true, code: ConnectCode::NotAuthorized },
        Packet::Subscribe { id: id(1), filters: vec![] },
        Packet::Subscribe { id: id(1), filters: vec![("a+".into(), Qos::AtMostOnce)] },
        Packet::Subscribe { id: id(1), filters: vec![(long, Qos::AtMostOnce)] },
        Packet::SubAck { id: id(1), codes: vec![] },
        Packet::Unsubscribe { id: id(1), filters: vec![] },
        Packet::Unsubscribe { id: id(1), filters: vec!["a#".into()] },
    ];
    for packet in refused {
        let mut out = BytesMut::from(&b"before"[..]);
        let result = encode(&packet, &mut out);
        assert!(matches!(result, Err(WireError::Unencodable(_))), "{result:?}");
        assert_eq!(&out[..], b"before");
    }
}

#[test]
fn every_code_of_connack_keeps_its_number() {
    for number in 0..6 {
        let mut wire = BytesMut::from(&[0x20, 2, 0, number][..]);
        let packet = decode(&mut wire, LIMIT).unwrap().unwrap();
        assert_eq!(bytes_of(&packet)[3], number);
    }
}

#[test]
fn identifiers_wrap_past_zero() {
    assert_eq!(PacketId::new(0), None);
    assert_eq!(id(1).next(), id(2));
    assert_eq!(id(65_535).next(), PacketId::FIRST);
}

#[test]
fn a_password_is_not_in_the_debug_text() {
    let secret = Connect {
        username: Some("alice".into()),
        password: Some(Bytes::from_static(b"s3cret")),
        ..connect()
    };
    let text = format!("{:?}", Packet::Connect(secret));
    assert!(text.contains("alice") && text.contains("***") && !text.contains("s3cret"), "{text}");
}

#[test]
fn errors_read_as_lower_case_sentences() {
    assert_eq!(WireError::TooLarge { size: 12, limit: 10 }.to_string(), "packet of 12 bytes, 10 are allowed");
    assert_eq!(WireError::Malformed("topic name").to_string(), "malformed packet: topic name");
    assert_eq!(WireError::UnsupportedLevel(5).to_string(), "unsupported protocol level 5");
}

#[test]
fn a_packet_that_has_come_in_part_lacks_the_rest_once_its_length_is_known() {
    let whole = bytes_of(&Packet::Publish(publish("t", vec![0; 300].into())));
    assert_eq!(missing(&whole[..2], LIMIT), 0, "the length is not there yet");
    for part in 3..=whole.len() {
        assert_eq!(missing(&whole[..part], LIMIT), whole.len() - part);
    }
    assert_eq!(missing(&whole[..3], 100), 0, "it will be refused");
    let both = [&whole[..], &whole[..]].concat();
    assert_eq!(missing(&both, LIMIT), 0);
}
