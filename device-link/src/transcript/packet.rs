//! MQTT packets in a transcript.

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use crate::secret::MASK;
use crate::wire::{Connect, ConnectCode, Packet, Publish, Qos};

pub(super) fn render(packet: &Packet, width: usize) -> String {
    match packet {
        Packet::Connect(packet) => connect(packet),
        Packet::ConnAck { session_present, code } => {
            let session = if *session_present { " with session" } else { "" };
            let refused = if *code == ConnectCode::Accepted { "" } else { "refused: " };
            format!("CONNACK {refused}{code}{session}")
        }
        Packet::Publish(packet) => publish(packet, width),
        Packet::PubAck(id) => format!("PUBACK {}", id.get()),
        Packet::PubRec(id) => format!("PUBREC {}", id.get()),
        Packet::PubRel(id) => format!("PUBREL {}", id.get()),
        Packet::PubComp(id) => format!("PUBCOMP {}", id.get()),
        Packet::Subscribe { id, filters } => {
            let filters: Vec<_> =
                filters.iter().map(|(filter, qos)| format!("{filter} (qos {})", number(*qos))).collect();
            format!("SUBSCRIBE {} {}", id.get(), filters.join(", "))
        }
        Packet::SubAck { id, codes } => {
            let code =
                |code: &Option<Qos>| code.map_or("refused".into(), |qos| format!("qos {}", number(qos)));
            format!("SUBACK {} {}", id.get(), codes.iter().map(code).collect::<Vec<_>>().join(", "))
        }
        Packet::Unsubscribe { id, filters } => format!("UNSUBSCRIBE {} {}", id.get(), filters.join(", ")),
        Packet::UnsubAck(id) => format!("UNSUBACK {}", id.get()),
        Packet::PingReq => "PINGREQ".into(),
        Packet::PingResp => "PINGRESP".into(),
        Packet::Disconnect => "DISCONNECT".into(),
    }
}

fn connect(packet: &Connect) -> String {
    let mut text = format!("CONNECT id={}", packet.client_id);
    if let Some(user) = &packet.username {
        text.push_str(&format!(" user={user}"));
    }
    if packet.password.is_some() {
        text.push_str(&format!(" pass={MASK}"));
    }
    if let Some(will) = &packet.will {
        text.push_str(&format!(" will={}", will.topic));
    }
    if !packet.clean_session {
        text.push_str(" session=keep");
    }
    text
}

fn publish(packet: &Publish, width: usize) -> String {
    let mut details = Vec::new();
    if let Some(id) = packet.id {
        details.push(format!("qos {}, id {}", number(packet.qos), id.get()));
    }
    if packet.dup {
        details.push("dup".into());
    }
    if packet.retain {
        details.push("retain".into());
    }
    let details = if details.is_empty() { String::new() } else { format!(" ({})", details.join(", ")) };
    format!("PUBLISH {} {}{details}", packet.topic, payload(&packet.payload, width))
}

fn number(qos: Qos) -> u8 {
    match qos {
        Qos::AtMostOnce => 0,
        Qos::AtLeastOnce => 1,
        Qos::ExactlyOnce => 2,
    }
}

/// Text as text on one line, anything else by its size and first bytes.
pub(super) fn payload(bytes: &[u8], width: usize) -> String {
    match core::str::from_utf8(bytes) {
        Ok("") => "(empty)".into(),
        Ok(text) => shorten(text, width),
        Err(_) => {
            let start: Vec<_> = bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
            format!("({} bytes: {}..)", bytes.len(), start.join(" "))
        }
    }
}

/// At most `width` characters, control characters escaped; `..` stands for what is cut off.
pub(super) fn shorten(text: &str, width: usize) -> String {
    let mut characters = text.chars();
    let mut short = String::new();
    for c in characters.by_ref().take(width) {
        if c.is_control() {
            short.push_str(&c.escape_default().to_string());
        } else {
            short.push(c);
        }
    }
    if characters.next().is_some() {
        short.push_str("..");
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_stay_on_one_line_and_within_their_width() {
        assert_eq!(payload(b"{\n\"a\": 1}", 100), "{\\n\"a\": 1}");
        assert_eq!(payload("ääää".as_bytes(), 3), "äää..");
        assert_eq!(payload(b"abc", 3), "abc");
        assert_eq!(payload(&[0xff, 0], 3), "(2 bytes: ff 00..)");
        assert_eq!(payload(b"", 3), "(empty)");
    }
}
