//! What `mqttbytes` lets pass and MQTT 3.1.1 forbids, looked at before it sees a frame.

use super::topic::{text_fault, topic_name_ok};
use super::{Connect, Qos, Will, WireError};
use alloc::string::String;
use bytes::Bytes;

/// Where one packet stands in the read buffer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    /// The packet type, 1 to 14.
    pub(super) kind: u8,
    /// Bytes before the variable header, 2 to 5.
    pub(super) header: usize,
    /// Bytes of the whole packet.
    pub(super) total: usize,
}

/// Reads the fixed header: `None` while it is incomplete. A packet that cannot become valid, or is over
/// `limit`, is refused here, so that no peer makes us wait for its body.
pub(super) fn frame(buf: &[u8], limit: usize) -> Result<Option<Frame>, WireError> {
    let Some((&first, rest)) = buf.split_first() else { return Ok(None) };
    let (kind, flags) = (first >> 4, first & 0x0F);
    if !flags_ok(kind, flags) {
        return Err(WireError::Malformed("fixed header"));
    }
    let Some((digits, remaining)) = remaining_length(rest)? else { return Ok(None) };
    let header = 1 + digits;
    let total = header + remaining;
    if total > limit {
        return Err(WireError::TooLarge { size: total, limit });
    }
    if !length_possible(kind, flags, remaining) {
        return Err(WireError::Malformed("remaining length for this type"));
    }
    Ok(Some(Frame { kind, header, total }))
}

/// Table 2.2 of MQTT 3.1.1; for PUBLISH any flags but QoS 3 [MQTT-3.3.1-4] and DUP on QoS 0 [MQTT-3.3.1-2].
fn flags_ok(kind: u8, flags: u8) -> bool {
    match kind {
        3 => flags & 0b0110 != 0b0110 && (flags & 0b0110 != 0 || flags & 0b1000 == 0),
        6 | 8 | 10 => flags == 0b0010,
        1 | 2 | 4 | 5 | 7 | 9 | 11..=14 => flags == 0,
        _ => false,
    }
}

/// Section 2.2.3: one to four digits of seven bits; returns how many and the value.
fn remaining_length(bytes: &[u8]) -> Result<Option<(usize, usize)>, WireError> {
    let mut value = 0;
    for (place, &byte) in bytes.iter().take(4).enumerate() {
        value |= usize::from(byte & 0x7F) << (7 * place);
        if byte & 0x80 == 0 {
            return Ok(Some((place + 1, value)));
        }
    }
    if bytes.len() >= 4 { Err(WireError::Malformed("remaining length")) } else { Ok(None) }
}

fn length_possible(kind: u8, flags: u8, remaining: usize) -> bool {
    match kind {
        1 => remaining >= 12,
        2 | 4..=7 | 11 => remaining == 2,
        3 => remaining >= if flags & 0b0110 == 0 { 3 } else { 5 },
        8 => remaining >= 6,
        9 => remaining >= 3,
        10 => remaining >= 5,
        _ => remaining == 0,
    }
}

/// CONNACK: only bit 0 of the flags is used [MQTT-3.2.2-1], and never together with a refusal [MQTT-3.2.2-4].
pub(super) fn connack_fault(body: &[u8]) -> Option<&'static str> {
    match body {
        [0, _] | [1, 0] => None,
        [1, _] => Some("session present on a refusal"),
        _ => Some("connack flags"),
    }
}

/// SUBSCRIBE: the upper six bits of each options byte are reserved [MQTT-3.8.3-4].
pub(super) fn subscribe_fault(body: &[u8]) -> Option<&'static str> {
    let mut fields = Fields(body);
    fields.number()?;
    while !fields.0.is_empty() {
        if fields.bytes().is_none() {
            return Some("topic filter length");
        }
        match fields.byte() {
            Some(options) if options & 0xFC == 0 => {}
            _ => return Some("subscription options"),
        }
    }
    None
}

/// Reads CONNECT, which `mqttbytes` would flatten: it loses empty user names and refuses binary passwords.
pub(super) fn connect(body: &[u8]) -> Result<Connect, WireError> {
    let mut fields = Fields(body);
    let short = WireError::Malformed("connect is cut short");
    if fields.bytes().ok_or(short)? != b"MQTT" {
        return Err(WireError::Malformed("protocol name"));
    }
    let level = fields.byte().ok_or(short)?;
    if level != 4 {
        return Err(WireError::UnsupportedLevel(level));
    }
    let flags = fields.byte().ok_or(short)?;
    if let Some(fault) = connect_flags_fault(flags) {
        return Err(WireError::Malformed(fault));
    }
    let keep_alive = fields.number().ok_or(short)?;
    let client_id = fields.text()?;
    let will = if flags & 0x04 == 0 { None } else { Some(read_will(&mut fields, flags)?) };
    let username = if flags & 0x80 == 0 { None } else { Some(fields.text()?) };
    let password =
        if flags & 0x40 == 0 { None } else { Some(Bytes::copy_from_slice(fields.bytes().ok_or(short)?)) };
    if !fields.0.is_empty() {
        return Err(WireError::Malformed("bytes after connect"));
    }
    Ok(Connect { client_id, clean_session: flags & 0x02 != 0, keep_alive, will, username, password })
}

fn connect_flags_fault(flags: u8) -> Option<&'static str> {
    if flags & 0x01 != 0 {
        Some("reserved connect flag")
    } else if flags & 0xC0 == 0x40 {
        Some("password without user name")
    } else if flags & 0x04 == 0 && flags & 0x38 != 0 {
        Some("will flags without a will")
    } else if flags & 0x18 == 0x18 {
        Some("will quality of service")
    } else {
        None
    }
}

fn read_will(fields: &mut Fields<'_>, flags: u8) -> Result<Will, WireError> {
    let topic = fields.text()?;
    if !topic_name_ok(&topic) {
        return Err(WireError::Malformed("will topic"));
    }
    let payload = fields.bytes().ok_or(WireError::Malformed("will message"))?;
    let qos = match flags & 0x18 {
        0x10 => Qos::ExactlyOnce,
        0x08 => Qos::AtLeastOnce,
        _ => Qos::AtMostOnce,
    };
    Ok(Will { topic, payload: Bytes::copy_from_slice(payload), qos, retain: flags & 0x20 != 0 })
}

/// Takes fields off the front of a body; `None` when the body is too short.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    fn number(&mut self) -> Option<u16> {
        let (&number, rest) = self.0.split_first_chunk::<2>()?;
        self.0 = rest;
        Some(u16::from_be_bytes(number))
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::from(self.number()?);
        let (field, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(field)
    }

    fn text(&mut self) -> Result<String, WireError> {
        let bytes = self.bytes().ok_or(WireError::Malformed("string length"))?;
        let text = core::str::from_utf8(bytes).map_err(|_| WireError::Malformed("string is not utf-8"))?;
        text_fault(text).map_or(Ok(()), |fault| Err(WireError::Malformed(fault)))?;
        Ok(String::from(text))
    }
}
