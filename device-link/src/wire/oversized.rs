//! Messages over the limit: enough is read of them to go on behind them.

use super::check::{self, Frame};
use super::topic::{text_fault, topic_name_ok};
use super::{PacketId, Qos, WireError};
use alloc::string::String;

/// A PUBLISH whose payload is not to be held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oversized {
    /// A topic name without wildcards.
    pub topic: String,
    /// How it is delivered.
    pub qos: Qos,
    /// From a server: it was kept.
    pub retain: bool,
    /// Present exactly when `qos` is not [`Qos::AtMostOnce`].
    pub id: Option<PacketId>,
    /// Bytes before the payload.
    pub head: usize,
    /// Bytes of the payload.
    pub payload: usize,
}

/// Reads the head of a packet that [`decode`](super::decode) refuses as too large, if it is a PUBLISH; `None` while
/// the head is incomplete, which is 65544 bytes at most.
///
/// # Errors
///
/// The packet cannot become valid, or is of a type that cannot be skipped: [`WireError::TooLarge`], whose limit is then
/// the largest packet of MQTT.
pub fn oversized(buf: &[u8]) -> Result<Option<Oversized>, WireError> {
    let Some(Frame { kind, header, total }) = check::frame(buf, usize::MAX)? else { return Ok(None) };
    let flags = buf.first().copied().unwrap_or_default() & 0x0F;
    if kind != 3 {
        return Err(WireError::TooLarge { size: total, limit: super::MAX_REMAINING });
    }
    let Some((length, rest)) = buf.get(header..).and_then(<[u8]>::split_first_chunk::<2>) else {
        return Ok(None);
    };
    let length = usize::from(u16::from_be_bytes(*length));
    let qos = match flags & 0b0110 {
        0b0010 => Qos::AtLeastOnce,
        0b0100 => Qos::ExactlyOnce,
        _ => Qos::AtMostOnce, // QoS 3 was refused with the fixed header
    };
    let id_length = if qos == Qos::AtMostOnce { 0 } else { 2 };
    let head = header + 2 + length + id_length;
    let Some(payload) = total.checked_sub(head) else { return Err(WireError::Malformed("body")) };
    let Some((topic, rest)) = rest.split_at_checked(length) else { return Ok(None) };
    let id = match (id_length, rest.first_chunk::<2>()) {
        (0, _) => None,
        (_, None) => return Ok(None),
        (_, Some(id)) => {
            let id = PacketId::new(u16::from_be_bytes(*id));
            Some(id.ok_or(WireError::Malformed("packet identifier 0"))?)
        }
    };
    let topic = core::str::from_utf8(topic).map_err(|_| WireError::Malformed("string is not utf-8"))?;
    if text_fault(topic).is_some() || !topic_name_ok(topic) {
        return Err(WireError::Malformed("topic name"));
    }
    Ok(Some(Oversized { topic: topic.into(), qos, retain: flags & 1 != 0, id, head, payload }))
}
