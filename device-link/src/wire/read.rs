//! Bytes to packets.

use super::topic::{filters_fault, topic_name_ok};
use super::{ConnectCode, Packet, PacketId, Publish, Qos, WireError, check};
use bytes::{Buf as _, BytesMut};
use mqttbytes::v4;

/// Takes one packet off the front of `buf`; `None`, with `buf` as it was, while it is incomplete.
///
/// `max_packet` bounds the whole packet in bytes; more than that, or a header no valid packet can have, is
/// refused without waiting for the body.
///
/// # Errors
///
/// After any error the connection is to be closed; what `buf` then holds is unspecified, but for
/// [`WireError::TooLarge`], which leaves it as it was: a PUBLISH can be skipped ([`oversized`](super::oversized)).
pub fn decode(buf: &mut BytesMut, max_packet: usize) -> Result<Option<Packet>, WireError> {
    let Some(frame) = check::frame(buf, max_packet)? else { return Ok(None) };
    let Some(body) = buf.get(frame.header..frame.total) else { return Ok(None) };
    let fault = match frame.kind {
        1 => {
            let packet = Packet::Connect(check::connect(body)?);
            buf.advance(frame.total);
            return Ok(Some(packet));
        }
        2 => check::connack_fault(body),
        // One comes for each message of ours; mqttbytes would allocate for each.
        4 => {
            let id = own_id(body.try_into().map_or(0, u16::from_be_bytes))?;
            buf.advance(frame.total);
            return Ok(Some(Packet::PubAck(id)));
        }
        8 => check::subscribe_fault(body),
        _ => None,
    };
    if let Some(fault) = fault {
        return Err(WireError::Malformed(fault));
    }
    let packet = v4::Packet::read(buf, max_packet).map_err(|error| WireError::Malformed(reason(&error)))?;
    own(packet).map(Some)
}

/// How many bytes `buf` still lacks of the packet that it begins with; 0 if that cannot be known yet, if none are
/// lacking, or of a packet that [`decode`] will refuse.
#[must_use]
pub fn missing(buf: &[u8], max_packet: usize) -> usize {
    let frame = check::frame(buf, max_packet).ok().flatten();
    frame.map_or(0, |frame| frame.total.saturating_sub(buf.len()))
}

fn reason(error: &mqttbytes::Error) -> &'static str {
    use mqttbytes::Error;
    if matches!(error, Error::TopicNotUtf8) {
        "string is not utf-8"
    } else if matches!(error, Error::PacketIdZero) {
        "packet identifier 0"
    } else if matches!(error, Error::InvalidQoS(_)) {
        "quality of service"
    } else if matches!(error, Error::InvalidConnectReturnCode(_) | Error::InvalidSubscribeReasonCode(_)) {
        "return code"
    } else {
        "body"
    }
}

/// Turns what `mqttbytes` parsed into our own type, refusing what it does not look at.
fn own(packet: v4::Packet) -> Result<Packet, WireError> {
    Ok(match packet {
        // Read by `check::connect` and never handed to mqttbytes.
        v4::Packet::Connect(_) => return Err(WireError::Malformed("connect")),
        v4::Packet::ConnAck(ack) => {
            Packet::ConnAck { session_present: ack.session_present, code: own_code(ack.code) }
        }
        v4::Packet::Publish(publish) => Packet::Publish(own_publish(publish)?),
        // Read above and never handed to mqttbytes.
        v4::Packet::PubAck(_) => return Err(WireError::Malformed("puback")),
        v4::Packet::PubRec(ack) => Packet::PubRec(own_id(ack.pkid)?),
        v4::Packet::PubRel(ack) => Packet::PubRel(own_id(ack.pkid)?),
        v4::Packet::PubComp(ack) => Packet::PubComp(own_id(ack.pkid)?),
        v4::Packet::Subscribe(subscribe) => {
            refuse(filters_fault(subscribe.filters.iter().map(|filter| &filter.path)))?;
            let filters = subscribe.filters.into_iter().map(|filter| (filter.path, own_qos(filter.qos)));
            Packet::Subscribe { id: own_id(subscribe.pkid)?, filters: filters.collect() }
        }
        v4::Packet::SubAck(ack) => {
            let codes = ack.return_codes.into_iter().map(|code| match code {
                v4::SubscribeReasonCode::Success(qos) => Some(own_qos(qos)),
                v4::SubscribeReasonCode::Failure => None,
            });
            Packet::SubAck { id: own_id(ack.pkid)?, codes: codes.collect() }
        }
        v4::Packet::Unsubscribe(unsubscribe) => {
            refuse(filters_fault(&unsubscribe.topics))?;
            Packet::Unsubscribe { id: own_id(unsubscribe.pkid)?, filters: unsubscribe.topics }
        }
        v4::Packet::UnsubAck(ack) => Packet::UnsubAck(own_id(ack.pkid)?),
        v4::Packet::PingReq => Packet::PingReq,
        v4::Packet::PingResp => Packet::PingResp,
        v4::Packet::Disconnect => Packet::Disconnect,
    })
}

fn own_publish(publish: v4::Publish) -> Result<Publish, WireError> {
    refuse((!topic_name_ok(&publish.topic)).then_some("topic name"))?;
    Ok(Publish {
        topic: publish.topic,
        payload: publish.payload,
        qos: own_qos(publish.qos),
        retain: publish.retain,
        dup: publish.dup,
        id: PacketId::new(publish.pkid),
    })
}

fn own_id(id: u16) -> Result<PacketId, WireError> {
    PacketId::new(id).ok_or(WireError::Malformed("packet identifier 0"))
}

fn own_qos(qos: mqttbytes::QoS) -> Qos {
    match qos {
        mqttbytes::QoS::AtMostOnce => Qos::AtMostOnce,
        mqttbytes::QoS::AtLeastOnce => Qos::AtLeastOnce,
        mqttbytes::QoS::ExactlyOnce => Qos::ExactlyOnce,
    }
}

fn own_code(code: v4::ConnectReturnCode) -> ConnectCode {
    match code {
        v4::ConnectReturnCode::Success => ConnectCode::Accepted,
        v4::ConnectReturnCode::RefusedProtocolVersion => ConnectCode::UnacceptableProtocol,
        v4::ConnectReturnCode::BadClientId => ConnectCode::IdentifierRejected,
        v4::ConnectReturnCode::ServiceUnavailable => ConnectCode::ServerUnavailable,
        v4::ConnectReturnCode::BadUserNamePassword => ConnectCode::BadUsernameOrPassword,
        v4::ConnectReturnCode::NotAuthorized => ConnectCode::NotAuthorized,
    }
}

fn refuse(fault: Option<&'static str>) -> Result<(), WireError> {
    fault.map_or(Ok(()), |fault| Err(WireError::Malformed(fault)))
}
