//! The floors: what the bytes of an exchange cost at the very least, by serde_json and the MQTT codec alone.
//!
//! Each floor takes in the bytes that the core takes in, and writes the bytes that the core writes: its documents are
//! what a core has sent, read into plain structs. It knows nothing of sessions, times, bounds or rules.

use bytes::{Bytes, BytesMut};
use device_link::wire::{self, Packet, PacketId, Publish, Qos};
use serde::Serialize;
use serde::de::DeserializeOwned;
use udmi_proto::model::{config, events, state};

use crate::{Connected, PACKET_BYTES, config_packet};

/// What a config and the state that answers it cost: decode the packet, parse the document, write the
/// acknowledgement, write the state, encode it, decode its acknowledgement.
#[derive(Debug)]
pub struct ConfigFloor {
    packet: Bytes,
    state: Outgoing<state::State>,
}

impl ConfigFloor {
    /// For so many points.
    #[must_use]
    pub fn new(points: usize) -> Self {
        let mut device = Connected::new(points);
        let packet = config_packet(points, 1);
        device.config(&packet);
        Self { packet, state: Outgoing::of(device.last_sent()) }
    }

    /// Does it once and returns how many bytes there were to send.
    ///
    /// # Panics
    /// If the bytes are no config.
    #[must_use]
    pub fn run(&self) -> usize {
        let mut inbound = BytesMut::from(&self.packet[..]);
        let packet = wire::decode(&mut inbound, PACKET_BYTES).expect("the packet is valid");
        let Some(Packet::Publish(publish)) = packet else { return 0 };
        let config: config::Config = serde_json::from_slice(&publish.payload).expect("the config is valid");
        std::hint::black_box(&config);
        let mut out = BytesMut::new();
        if let Some(id) = publish.id {
            wire::encode(&Packet::PubAck(id), &mut out).expect("an acknowledgement fits");
        }
        self.state.send(&mut out);
        out.len()
    }
}

/// What a sample costs: write the document, encode the packet, decode its acknowledgement.
#[derive(Debug)]
pub struct SampleFloor(Outgoing<events::Pointset>);

impl SampleFloor {
    /// For so many points.
    #[must_use]
    pub fn new(points: usize) -> Self {
        let mut device = Connected::new(points);
        device.sample();
        Self(Outgoing::of(device.last_sent()))
    }

    /// Does it once and returns how many bytes there were to send.
    #[must_use]
    pub fn run(&self) -> usize {
        let mut out = BytesMut::new();
        self.0.send(&mut out);
        out.len()
    }
}

/// What so many messages in one read cost: decode each and write its acknowledgement.
#[derive(Debug)]
pub struct ReceiveFloor(pub(crate) Bytes);

impl ReceiveFloor {
    /// Does it once and returns how many bytes there were to send.
    ///
    /// # Panics
    /// If the bytes are no packets.
    #[must_use]
    pub fn run(&self) -> usize {
        let (mut inbound, mut out) = (BytesMut::from(&self.0[..]), BytesMut::new());
        while let Some(packet) = wire::decode(&mut inbound, PACKET_BYTES).expect("the packet is valid") {
            if let Packet::Publish(Publish { id: Some(id), .. }) = packet {
                wire::encode(&Packet::PubAck(id), &mut out).expect("an acknowledgement fits");
            }
        }
        out.len()
    }
}

/// What so many messages cost that are sent and then acknowledged: encode each, decode each acknowledgement.
#[derive(Debug)]
pub struct PublishFloor {
    pub(crate) topic: String,
    pub(crate) payload: Bytes,
    pub(crate) messages: u16,
}

impl PublishFloor {
    /// Does it once and returns how many bytes there were to send.
    ///
    /// # Panics
    /// Never for the sizes used here.
    #[must_use]
    pub fn run(&self) -> usize {
        let (mut out, mut answers) = (BytesMut::new(), BytesMut::new());
        for id in (1..=self.messages).filter_map(PacketId::new) {
            let id = Some(id);
            wire::encode_publish(&self.topic, &self.payload, Qos::AtLeastOnce, false, false, id, &mut out)
                .expect("the packet is valid");
        }
        for id in 1..=self.messages {
            answers.extend_from_slice(&puback(id));
        }
        while let Some(packet) = wire::decode(&mut answers, PACKET_BYTES).expect("the packet is valid") {
            std::hint::black_box(packet);
        }
        out.len()
    }
}

/// A document that is sent again and again.
#[derive(Debug)]
struct Outgoing<T> {
    topic: String,
    document: T,
}

impl<T: Serialize + DeserializeOwned> Outgoing<T> {
    /// What a core has published last.
    fn of(sent: &[u8]) -> Self {
        let (mut sent, mut last) = (BytesMut::from(sent), None);
        while let Some(packet) = wire::decode(&mut sent, PACKET_BYTES).expect("the core sends packets") {
            if let Packet::Publish(publish) = packet {
                last = Some(publish);
            }
        }
        let publish = last.expect("the core has published");
        let document = serde_json::from_slice(&publish.payload).expect("the core publishes documents");
        Self { topic: publish.topic, document }
    }

    /// Writes it and takes in its acknowledgement.
    fn send(&self, out: &mut BytesMut) {
        let json = serde_json::to_vec(&self.document).expect("the document is valid");
        let id = PacketId::new(9);
        wire::encode_publish(&self.topic, &json, Qos::AtLeastOnce, false, false, id, out)
            .expect("the packet is valid");
        let mut answer = BytesMut::from(&puback(9)[..]);
        let acknowledged = wire::decode(&mut answer, PACKET_BYTES).expect("it is valid");
        std::hint::black_box(acknowledged);
    }
}

/// The acknowledgement of the message with that packet identifier.
pub(crate) fn puback(id: u16) -> [u8; 4] {
    let [high, low] = id.to_be_bytes();
    [0x40, 2, high, low]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The document of the last packet, with every digit made the same: times are all that may differ.
    fn document(sent: &[u8]) -> serde_json::Value {
        let text = String::from_utf8_lossy(sent);
        let (start, end) = (text.find('{').expect("a document"), text.rfind('}').expect("a document"));
        let mut shape = String::new();
        for letter in text[start..=end].chars() {
            shape.push(if letter.is_ascii_digit() { '1' } else { letter });
        }
        serde_json::from_str(&shape).expect("a document")
    }

    #[test]
    fn the_floors_write_what_the_core_writes() {
        for points in [10, 100] {
            let mut device = Connected::new(points);
            device.config(&config_packet(points, 1));
            let (floor, mut out) = (ConfigFloor::new(points), BytesMut::new());
            floor.state.send(&mut out);
            assert_eq!(document(&out), document(device.last_sent()));
            for second in 2..5 {
                assert_eq!(device.config(&config_packet(points, second)), floor.run());
            }
            device.sample();
            let (floor, mut out) = (SampleFloor::new(points), BytesMut::new());
            floor.0.send(&mut out);
            assert_eq!(document(&out), document(device.last_sent()));
            assert_eq!(device.sample(), floor.run());
        }
    }
}
