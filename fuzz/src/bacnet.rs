//! BACnet/IP: what comes in on UDP, down to the values of points.

use udmi_host::family::bacnet::codec::Broken;
use udmi_host::family::bacnet::codec::apdu::Apdu;
use udmi_host::family::bacnet::codec::link::Link;
use udmi_host::family::bacnet::codec::network::{Message, Packet};
use udmi_host::family::bacnet::codec::primitive::Content;
use udmi_host::family::bacnet::codec::service::{
    Failure, IAm, ReadProperty, ReadPropertyAck, ReadPropertyMultiple, ReadPropertyMultipleAck, WhoIs,
    WriteProperty, content,
};
use udmi_host::family::bacnet::value_of;

/// Reads a UDP packet. Whatever can be read is written, read again and written again, to the same bytes.
pub fn run(input: &[u8]) {
    let Ok(link) = Link::decode(input) else { return };
    again(&link.encode(), |bytes| Link::decode(bytes).map(|link| link.encode()));
    let Some(packet) = link.packet() else { return };
    let Ok(packet) = Packet::decode(packet) else { return };
    again(&packet.encode(), |bytes| Packet::decode(bytes).map(|packet| packet.encode()));
    let Message::Apdu(apdu) = packet.message else { return };
    let Ok(apdu) = Apdu::decode(apdu) else { return };
    again(&apdu.encode(), |bytes| Apdu::decode(bytes).map(|apdu| apdu.encode()));
    match apdu {
        Apdu::Confirmed { content, .. }
        | Apdu::Unconfirmed { content, .. }
        | Apdu::ComplexAck { content, .. }
        | Apdu::Error { content, .. } => services(content),
        Apdu::SimpleAck { .. }
        | Apdu::Segment { .. }
        | Apdu::SegmentAck { .. }
        | Apdu::Reject { .. }
        | Apdu::Abort { .. } => {}
    }
}

/// All services, whichever it is: a peer may lie about that.
fn services(bytes: &[u8]) {
    let who_is = |bytes: &[u8]| WhoIs::decode(bytes).map(|who_is| who_is.encode());
    let i_am = |bytes: &[u8]| IAm::decode(bytes).map(|i_am| i_am.encode());
    let read = |bytes: &[u8]| ReadProperty::decode(bytes).map(|read| read.encode());
    let read_ack = |bytes: &[u8]| ReadPropertyAck::decode(bytes).map(|ack| ack.encode());
    let multiple = |bytes: &[u8]| ReadPropertyMultiple::decode(bytes).map(|read| read.encode());
    let multiple_ack = |bytes: &[u8]| ReadPropertyMultipleAck::decode(bytes).map(|ack| ack.encode());
    let write = |bytes: &[u8]| WriteProperty::decode(bytes).map(|write| write.encode());
    let failure = |bytes: &[u8]| Failure::decode(bytes).map(|failure| failure.encode());
    let _ = who_is(bytes).map(|written| again(&written, who_is));
    let _ = i_am(bytes).map(|written| again(&written, i_am));
    let _ = read(bytes).map(|written| again(&written, read));
    let _ = read_ack(bytes).map(|written| again(&written, read_ack));
    let _ = multiple(bytes).map(|written| again(&written, multiple));
    let _ = multiple_ack(bytes).map(|written| again(&written, multiple_ack));
    let _ = write(bytes).map(|written| again(&written, write));
    let _ = failure(bytes).map(|written| again(&written, failure));

    values(bytes);
    if let Ok(ack) = ReadPropertyAck::decode(bytes) {
        values(ack.content);
    }
    if let Ok(ack) = ReadPropertyMultipleAck::decode(bytes) {
        ack.0.iter().filter_map(|(_, content)| content.ok()).for_each(values);
    }
    if let Ok(write) = WriteProperty::decode(bytes) {
        values(write.content);
    }
}

/// What a property holds.
fn values(bytes: &[u8]) {
    for binary in [false, true] {
        if let Ok(value) = value_of(bytes, binary) {
            assert!(
                value.as_number().is_none_or(|number| number.is_finite()),
                "a value that JSON has no form for"
            );
        }
    }
    let Ok(Content::Values(values)) = Content::decode(bytes) else { return };
    for value in &values {
        // A number of 64 bits has up to 330 digits and more.
        assert!(value.to_string().len() <= 8 * bytes.len() + 400, "a text that grows");
    }
    let rewritten = |bytes: &[u8]| match Content::decode(bytes)? {
        Content::Values(values) => Ok(content(&values)),
        Content::Constructed => Ok::<_, Broken>(Vec::new()),
    };
    again(&content(&values), rewritten);
}

fn again<E: std::fmt::Debug>(written: &[u8], rewrite: impl Fn(&[u8]) -> Result<Vec<u8>, E>) {
    match rewrite(written) {
        Ok(rewritten) => assert_eq!(rewritten, written, "written again, it is not the same"),
        Err(error) => panic!("what was written cannot be read: {error:?}, {written:02x?}"),
    }
}

/// Makes the length of the packet what it says.
pub fn repair(input: &mut Vec<u8>) {
    input.truncate(1497);
    if let (Ok(length), Some(bytes)) = (u16::try_from(input.len()), input.get_mut(2..4)) {
        bytes.copy_from_slice(&length.to_be_bytes());
    }
}
