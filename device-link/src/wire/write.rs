//! Packets to bytes: every rule is checked before the first byte is written.

use super::topic::{MAX_STRING, filters_fault, text_fault, topic_name_ok};
use super::{Connect, ConnectCode, MAX_REMAINING, Packet, PacketId, Qos, WireError};
use alloc::string::String;
use alloc::vec::Vec;
use bytes::{BufMut as _, BytesMut};
use mqttbytes::v4;

/// Appends exactly one packet to `out`, or nothing; returns how many bytes.
///
/// # Errors
///
/// [`WireError::Unencodable`] when MQTT 3.1.1 cannot express the packet or forbids it.
pub fn encode(packet: &Packet, out: &mut BytesMut) -> Result<usize, WireError> {
    match packet {
        Packet::Connect(connect) => encode_connect(connect, out),
        Packet::ConnAck { session_present, code } => {
            let fault = *session_present && *code != ConnectCode::Accepted;
            refuse(fault.then_some("session present on a refusal"))?;
            append(out, |out| v4::ConnAck::new(their_code(*code), *session_present).write(out))
        }
        Packet::Publish(publish) => encode_publish(
            &publish.topic,
            &publish.payload,
            publish.qos,
            publish.retain,
            publish.dup,
            publish.id,
            out,
        ),
        Packet::PubAck(id) => append(out, |out| v4::PubAck::new(id.get()).write(out)),
        Packet::PubRec(id) => append(out, |out| v4::PubRec::new(id.get()).write(out)),
        Packet::PubRel(id) => append(out, |out| v4::PubRel::new(id.get()).write(out)),
        Packet::PubComp(id) => append(out, |out| v4::PubComp::new(id.get()).write(out)),
        Packet::Subscribe { id, filters } => encode_subscribe(*id, filters, out),
        Packet::SubAck { id, codes } => encode_suback(*id, codes, out),
        Packet::Unsubscribe { id, filters } => {
            refuse(filters_fault(filters))?;
            let packet = v4::Unsubscribe { pkid: id.get(), topics: filters.clone() };
            append(out, |out| packet.write(out))
        }
        Packet::UnsubAck(id) => append(out, |out| v4::UnsubAck::new(id.get()).write(out)),
        Packet::PingReq => append(out, |out| v4::PingReq.write(out)),
        Packet::PingResp => append(out, |out| v4::PingResp.write(out)),
        Packet::Disconnect => append(out, |out| v4::Disconnect.write(out)),
    }
}

/// Appends a PUBLISH without building a [`Packet`] first; the payload is copied once, into `out`.
///
/// # Errors
///
/// [`WireError::Unencodable`] when `topic` is no topic name, the packet is over 256 MiB, `id` is missing or
/// superfluous for `qos`, or `dup` is set with QoS 0. Nothing is written then.
pub fn encode_publish(
    topic: &str,
    payload: &[u8],
    qos: Qos,
    retain: bool,
    dup: bool,
    id: Option<PacketId>,
    out: &mut BytesMut,
) -> Result<usize, WireError> {
    // Once for all of it: the head by itself would make the buffer grow twice.
    out.reserve((11 + topic.len()).saturating_add(payload.len()));
    let head = encode_publish_head(topic, payload.len(), qos, retain, dup, id, out)?;
    out.put_slice(payload);
    Ok(head + payload.len())
}

/// As [`encode_publish`], without the payload, which is to follow it: a large one need not be copied then. Returns how
/// many bytes come before the payload.
///
/// # Errors
///
/// Those of [`encode_publish`].
pub fn encode_publish_head(
    topic: &str,
    payload: usize,
    qos: Qos,
    retain: bool,
    dup: bool,
    id: Option<PacketId>,
    out: &mut BytesMut,
) -> Result<usize, WireError> {
    refuse((!topic_name_ok(topic)).then_some("topic name"))?;
    refuse((dup && qos == Qos::AtMostOnce).then_some("duplicate of quality of service 0"))?;
    refuse((id.is_some() == (qos == Qos::AtMostOnce)).then_some("packet identifier does not fit the qos"))?;
    let remaining = (2 + topic.len() + id.map_or(0, |_| 2)).saturating_add(payload);
    refuse((remaining > MAX_REMAINING).then_some("packet over 268435455 bytes"))?;
    let before = out.len();
    out.put_u8(0x30 | u8::from(dup) << 3 | qos.bits() << 1 | u8::from(retain));
    put_remaining(remaining, out);
    put_field(topic.as_bytes(), out);
    if let Some(id) = id {
        out.put_u16(id.get());
    }
    Ok(out.len() - before)
}

fn encode_connect(connect: &Connect, out: &mut BytesMut) -> Result<usize, WireError> {
    refuse(connect_fault(connect))?;
    let mut flags = u8::from(connect.clean_session) << 1;
    let mut remaining = 10 + 2 + connect.client_id.len();
    if let Some(will) = &connect.will {
        flags |= 0x04 | will.qos.bits() << 3 | u8::from(will.retain) << 5;
        remaining += 4 + will.topic.len() + will.payload.len();
    }
    if let Some(username) = &connect.username {
        flags |= 0x80;
        remaining += 2 + username.len();
    }
    if let Some(password) = &connect.password {
        flags |= 0x40;
        remaining += 2 + password.len();
    }
    let before = out.len();
    out.put_u8(0x10);
    put_remaining(remaining, out);
    put_field(b"MQTT", out);
    out.put_slice(&[4, flags]);
    out.put_u16(connect.keep_alive);
    put_field(connect.client_id.as_bytes(), out);
    if let Some(will) = &connect.will {
        put_field(will.topic.as_bytes(), out);
        put_field(&will.payload, out);
    }
    for field in [connect.username.as_ref().map(String::as_bytes), connect.password.as_deref()] {
        put_field_if(field, out);
    }
    Ok(out.len() - before)
}

fn connect_fault(connect: &Connect) -> Option<&'static str> {
    if connect.client_id.is_empty() && !connect.clean_session {
        return Some("empty client identifier without clean session");
    }
    if connect.password.is_some() && connect.username.is_none() {
        return Some("password without user name");
    }
    if connect.password.as_ref().is_some_and(|password| password.len() > MAX_STRING) {
        return Some("password over 65535 bytes");
    }
    if let Some(will) = &connect.will {
        if !topic_name_ok(&will.topic) {
            return Some("will topic");
        }
        if will.payload.len() > MAX_STRING {
            return Some("will over 65535 bytes");
        }
    }
    text_fault(&connect.client_id).or_else(|| connect.username.as_deref().and_then(text_fault))
}

fn encode_subscribe(id: PacketId, filters: &[(String, Qos)], out: &mut BytesMut) -> Result<usize, WireError> {
    refuse(filters_fault(filters.iter().map(|(filter, _)| filter)))?;
    let filters = filters.iter().map(|(path, qos)| v4::SubscribeFilter::new(path.clone(), their_qos(*qos)));
    let packet = v4::Subscribe { pkid: id.get(), filters: filters.collect() };
    append(out, |out| packet.write(out))
}

fn encode_suback(id: PacketId, codes: &[Option<Qos>], out: &mut BytesMut) -> Result<usize, WireError> {
    refuse(codes.is_empty().then_some("no return code"))?;
    let codes: Vec<_> = codes
        .iter()
        .map(|code| match code {
            Some(qos) => v4::SubscribeReasonCode::Success(their_qos(*qos)),
            None => v4::SubscribeReasonCode::Failure,
        })
        .collect();
    append(out, |out| v4::SubAck::new(id.get(), codes).write(out))
}

/// Lets `mqttbytes` write, and takes back what it wrote of a packet it then refuses.
fn append(
    out: &mut BytesMut,
    write: impl FnOnce(&mut BytesMut) -> Result<usize, mqttbytes::Error>,
) -> Result<usize, WireError> {
    let before = out.len();
    if write(out).is_err() {
        out.truncate(before);
        return Err(WireError::Unencodable("packet over 268435455 bytes"));
    }
    Ok(out.len() - before)
}

fn their_qos(qos: Qos) -> mqttbytes::QoS {
    match qos {
        Qos::AtMostOnce => mqttbytes::QoS::AtMostOnce,
        Qos::AtLeastOnce => mqttbytes::QoS::AtLeastOnce,
        Qos::ExactlyOnce => mqttbytes::QoS::ExactlyOnce,
    }
}

fn their_code(code: ConnectCode) -> v4::ConnectReturnCode {
    match code {
        ConnectCode::Accepted => v4::ConnectReturnCode::Success,
        ConnectCode::UnacceptableProtocol => v4::ConnectReturnCode::RefusedProtocolVersion,
        ConnectCode::IdentifierRejected => v4::ConnectReturnCode::BadClientId,
        ConnectCode::ServerUnavailable => v4::ConnectReturnCode::ServiceUnavailable,
        ConnectCode::BadUsernameOrPassword => v4::ConnectReturnCode::BadUserNamePassword,
        ConnectCode::NotAuthorized => v4::ConnectReturnCode::NotAuthorized,
    }
}

/// Writes the remaining length; the caller has checked it against [`MAX_REMAINING`].
fn put_remaining(mut remaining: usize, out: &mut BytesMut) {
    loop {
        let digit = (remaining & 0x7F) as u8;
        remaining >>= 7;
        if remaining == 0 {
            return out.put_u8(digit);
        }
        out.put_u8(digit | 0x80);
    }
}

/// Writes a field with its length; the caller has checked it against [`MAX_STRING`].
fn put_field(field: &[u8], out: &mut BytesMut) {
    out.put_u16(field.len() as u16);
    out.put_slice(field);
}

fn put_field_if(field: Option<&[u8]>, out: &mut BytesMut) {
    if let Some(field) = field {
        put_field(field, out);
    }
}

fn refuse(fault: Option<&'static str>) -> Result<(), WireError> {
    fault.map_or(Ok(()), |fault| Err(WireError::Unencodable(fault)))
}
