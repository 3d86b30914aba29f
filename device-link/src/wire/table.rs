//! Sixty packets by hand: what MQTT 3.1.1 allows and what it forbids, with the rule.

use super::{WireError, decode};
use bytes::BytesMut;
use std::string::String;
use std::vec::Vec;

/// Packets a server or client of MQTT 3.1.1 has to take.
const VALID: [(&str, &[u8]); 17] = [
    ("connect", b"\x10\x0d\0\x04MQTT\x04\x02\0\x3c\0\x01a"),
    (
        "connect with an empty client id and clean session [MQTT-3.1.3-6]",
        b"\x10\x0c\0\x04MQTT\x04\x02\0\0\0\0",
    ),
    (
        "connect with will, user name and binary password [MQTT-3.1.3-11]",
        b"\x10\x17\0\x04MQTT\x04\xee\0\x0a\0\x01a\0\x01w\0\0\0\0\0\x01\xff",
    ),
    ("connect with an empty user name", b"\x10\x0f\0\x04MQTT\x04\x82\0\x0a\0\x01a\0\0"),
    ("connack with session present", b"\x20\x02\x01\0"),
    ("connack refused", b"\x20\x02\0\x05"),
    ("publish qos 0 without payload", b"\x30\x03\0\x01a"),
    ("publish qos 1, dup and retain", b"\x3b\x06\0\x01a\0\x01x"),
    ("publish qos 2 of a topic beyond ascii", b"\x34\x06\0\x02\xc3\xa9\0\x07"),
    ("puback", b"\x40\x02\0\x01"),
    ("pubrel", b"\x62\x02\xff\xff"),
    ("subscribe to two filters", b"\x82\x0c\0\x01\0\x03a/+\x01\0\x01#\x02"),
    ("suback with a refusal", b"\x90\x04\0\x01\x02\x80"),
    ("unsubscribe", b"\xa2\x05\0\x01\0\x01#"),
    ("unsuback", b"\xb0\x02\0\x01"),
    ("pingreq", b"\xc0\0"),
    ("disconnect with an over-long remaining length, which 3.1.1 does not forbid", b"\xe0\x80\x80\0"),
];

/// Packets after which the connection has to be closed.
const VIOLATIONS: [(&str, &[u8]); 43] = [
    // Headers.
    ("type 0 [table 2.1]", b"\0\0"),
    ("type 15 [table 2.1]", b"\xf0\0"),
    ("type 15 is refused without its body", b"\xf0\xff\xff\x3f"),
    ("five digits of remaining length [2.2.3]", b"\x30\xff\xff\xff\xff\x01"),
    ("connect flags in the header [MQTT-2.2.2-2]", b"\x11\x0d\0\x04MQTT\x04\x02\0\x3c\0\x01a"),
    ("connack flags in the header [MQTT-2.2.2-2]", b"\x2f\x02\0\0"),
    ("pubrel without its flags [MQTT-3.6.1-1]", b"\x60\x02\0\x01"),
    ("subscribe without its flags [MQTT-3.8.1-1]", b"\x80\x06\0\x01\0\x01a\0"),
    ("unsubscribe without its flags [MQTT-3.10.1-1]", b"\xa0\x05\0\x01\0\x01a"),
    ("pingreq flags in the header [MQTT-2.2.2-2]", b"\xcf\0"),
    ("dup with qos 0 [MQTT-3.3.1-2]", b"\x38\x03\0\x01a"),
    ("qos 3 [MQTT-3.3.1-4]", b"\x36\x06\0\x01a\0\x01x"),
    ("qos 3 is refused without its body [MQTT-3.3.1-4]", b"\x36\xff\xff\x3f"),
    // Lengths.
    ("pingreq with a body [3.12.2]", b"\xc0\x03\x01\x02\x03"),
    ("disconnect with a body [3.14.2]", b"\xe0\x02\0\0"),
    ("connack of five bytes [3.2.1]", b"\x20\x03\0\0\0"),
    ("puback of nine bytes [3.4.1]", b"\x40\x07\0\x01\0\0\0\0\0"),
    ("unsuback of one byte [3.11.1]", b"\xb0\x01\x01"),
    ("connect with trailing bytes [3.1.3]", b"\x10\x10\0\x04MQTT\x04\x02\0\x3c\0\x01axyz"),
    ("connect cut short in its will [MQTT-3.1.3-1]", b"\x10\x0e\0\x04MQTT\x04\x06\0\x3c\0\x01a\0"),
    ("topic longer than its packet [1.5.3]", b"\x30\x03\0\x09a"),
    ("filter longer than its packet [1.5.3]", b"\x82\x06\0\x01\0\x09a\0"),
    // Identifiers.
    ("puback of identifier 0 [MQTT-2.3.1-1]", b"\x40\x02\0\0"),
    ("pubcomp of identifier 0 [MQTT-2.3.1-1]", b"\x70\x02\0\0"),
    ("publish of identifier 0 [MQTT-2.3.1-1]", b"\x32\x05\0\x01a\0\0"),
    ("subscribe of identifier 0 [MQTT-2.3.1-1]", b"\x82\x06\0\0\0\x01a\0"),
    ("unsubscribe of identifier 0 [MQTT-2.3.1-1]", b"\xa2\x05\0\0\0\x01a"),
    // Contents.
    ("reserved connect flag [MQTT-3.1.2-3]", b"\x10\x0d\0\x04MQTT\x04\x03\0\x3c\0\x01a"),
    ("will qos without a will [MQTT-3.1.2-13]", b"\x10\x0d\0\x04MQTT\x04\x0a\0\x3c\0\x01a"),
    ("will qos 3 [MQTT-3.1.2-14]", b"\x10\x12\0\x04MQTT\x04\x1e\0\x3c\0\x01a\0\x01w\0\0"),
    ("password without user name [MQTT-3.1.2-22]", b"\x10\x10\0\x04MQTT\x04\x42\0\x3c\0\x01a\0\x01p"),
    ("another protocol's name [MQTT-3.1.2-1]", b"\x10\x0d\0\x04mqtt\x04\x02\0\x3c\0\x01a"),
    ("protocol level 5 [MQTT-3.1.2-2]", b"\x10\x0e\0\x04MQTT\x05\x02\0\x3c\0\0\x01a"),
    ("client id that is not utf-8 [MQTT-1.5.3-1]", b"\x10\x0d\0\x04MQTT\x04\x02\0\x3c\0\x01\xff"),
    ("connack reserved flags [MQTT-3.2.2-1]", b"\x20\x02\xfe\0"),
    ("connack with session present on a refusal [MQTT-3.2.2-4]", b"\x20\x02\x01\x05"),
    ("empty topic [MQTT-4.7.3-1]", b"\x30\x03\0\0x"),
    ("topic with a wildcard [MQTT-3.3.2-2]", b"\x30\x05\0\x03a/#"),
    ("topic with a null [MQTT-1.5.3-2]", b"\x30\x05\0\x03a\0b"),
    ("subscribe to nothing [MQTT-3.8.3-3]", b"\x82\x02\0\x01"),
    ("reserved bits of the options [MQTT-3.8.3-4]", b"\x82\x06\0\x01\0\x01a\xfc"),
    ("filter with a wildcard in a level [MQTT-4.7.1-3]", b"\x82\x0a\0\x01\0\x05a+#b/\0"),
    ("unsubscribe from nothing [MQTT-3.10.3-2]", b"\xa2\x02\0\x01"),
];

#[test]
fn all_of_seventeen_valid_packets_are_read() {
    let refused: Vec<_> = VALID
        .iter()
        .filter_map(|(name, bytes)| {
            let mut buf = BytesMut::from(*bytes);
            let read = decode(&mut buf, 1 << 20);
            (!matches!(read, Ok(Some(_))) || !buf.is_empty()).then_some((name, read))
        })
        .collect();
    assert!(refused.is_empty(), "{refused:#?}");
}

#[test]
fn none_of_forty_three_violations_is_read() {
    let accepted: Vec<_> = VIOLATIONS
        .iter()
        .filter_map(|(name, bytes)| {
            let read = decode(&mut BytesMut::from(*bytes), 1 << 20);
            let refused = matches!(read, Err(WireError::Malformed(_) | WireError::UnsupportedLevel(5)));
            (!refused).then_some((name, read))
        })
        .collect();
    assert!(accepted.is_empty(), "{accepted:#?}");
}

/// The length announced is the length there, so that each row is refused for the reason it names.
#[test]
fn the_rows_are_framed_as_they_claim() {
    let header_only = ["type 15 is refused", "qos 3 is refused", "five digits", "over-long"];
    for (name, bytes) in VALID.iter().chain(&VIOLATIONS) {
        if !header_only.iter().any(|start| name.contains(start)) {
            assert_eq!(usize::from(bytes[1]), bytes.len() - 2, "{name}");
        }
    }
    let names: std::collections::BTreeSet<String> =
        VALID.iter().chain(&VIOLATIONS).map(|(name, _)| String::from(*name)).collect();
    assert_eq!(names.len(), 60);
}

/// Why this module exists; a newer codec that refuses more is noticed here.
#[test]
fn the_codec_alone_takes_twenty_seven_of_the_violations() {
    let alone = |bytes: &[u8]| mqttbytes::v4::Packet::read(&mut BytesMut::from(bytes), 1 << 20);
    let taken = VIOLATIONS.iter().filter(|(_, bytes)| alone(bytes).is_ok()).count();
    assert_eq!(taken, 27);
}
