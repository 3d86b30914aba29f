//! What comes in: bytes to packets, packets to what they mean.

use alloc::string::ToString as _;

use bytes::{Buf as _, Bytes, BytesMut};

use crate::dialect::SubscribeRefused;
use crate::load::Tally;
use crate::wire::{self, Oversized, Packet, PacketId, Qos, WireError};

use super::{Fault, Incoming, Session};

/// A message over the limit while it goes by: nothing is held of its payload but how much is still to come.
#[derive(Debug)]
pub(super) struct Skipped {
    message: Oversized,
    left: usize,
}

impl Skipped {
    fn new(message: Oversized) -> Self {
        Self { left: message.payload, message }
    }

    /// So many bytes have come; says how many of them belong to the message.
    fn pass(&mut self, come: usize) -> usize {
        let count = come.min(self.left);
        self.left -= count;
        count
    }
}

impl<T: Copy> Session<T> {
    /// Takes bytes from the transport.
    pub(crate) fn receive(&mut self, mut bytes: Bytes) {
        if let Some(skipped) = &mut self.skipped {
            bytes.advance(skipped.pass(bytes.len()));
        }
        if self.inbound.is_empty() {
            match bytes.try_into_mut() {
                Ok(buffer) => self.inbound = buffer,
                Err(shared) => self.inbound.extend_from_slice(&shared),
            }
        } else {
            self.inbound.extend_from_slice(&bytes);
        }
    }

    /// How many bytes the packet lacks that has come in part.
    pub(crate) fn missing(&self) -> usize {
        wire::missing(&self.inbound, self.packet_bytes)
    }

    /// Whether a packet has come in part.
    pub(crate) fn is_in_packet(&self) -> bool {
        self.skipped.is_some() || !self.inbound.is_empty()
    }

    /// Handles the next complete packet, if there is one. Acknowledgements are written at once.
    pub(crate) fn next(&mut self) -> Result<Option<Incoming<T>>, Fault> {
        match self.skipped.take() {
            Some(gone) if gone.left == 0 => return self.on_oversized(gone.message).map(Some),
            Some(going) => {
                self.skipped = Some(going);
                return Ok(None);
            }
            None => {}
        }
        let packet = match wire::decode(&mut self.inbound, self.packet_bytes) {
            Ok(Some(packet)) => packet,
            Ok(None) => {
                if self.inbound.is_empty() {
                    self.inbound = BytesMut::new();
                }
                return Ok(None);
            }
            Err(WireError::TooLarge { .. }) => {
                return if self.skip()? { self.next() } else { Ok(None) };
            }
            Err(error) => return Err(Fault::Protocol(error.to_string())),
        };
        self.packet(packet).map(Some)
    }

    /// Begins to let a message go by of which no more than the head is held. Says whether there was one.
    fn skip(&mut self) -> Result<bool, Fault> {
        let message = match wire::oversized(&self.inbound) {
            Ok(None) => return Ok(false),
            Ok(Some(_)) if !self.acknowledged => {
                return Err(Fault::Protocol("a packet before CONNACK".into()));
            }
            Ok(Some(message)) => message,
            Err(WireError::TooLarge { .. }) => return Err(Fault::PacketTooLarge),
            Err(error) => return Err(Fault::Protocol(error.to_string())),
        };
        self.inbound.advance(message.head);
        let mut skipped = Skipped::new(message);
        self.inbound.advance(skipped.pass(self.inbound.len()));
        if self.inbound.is_empty() {
            self.inbound = BytesMut::new();
        }
        self.skipped = Some(skipped);
        Ok(true)
    }

    fn packet(&mut self, packet: Packet) -> Result<Incoming<T>, Fault> {
        // CONNACK comes first and only once [MQTT-3.2.0-1].
        match (matches!(packet, Packet::ConnAck { .. }), self.acknowledged) {
            (true, true) => return Err(Fault::Protocol("a second CONNACK".into())),
            (false, false) => return Err(Fault::Protocol("a packet before CONNACK".into())),
            (true, false) | (false, true) => {}
        }
        Ok(match packet {
            Packet::ConnAck { session_present, code } => {
                self.acknowledged = true;
                Incoming::ConnAck { session_present, code }
            }
            Packet::Publish(publish) => self.on_publish(publish)?,
            Packet::PubAck(id) => match self.outbox.acknowledged(id) {
                Some(token) => {
                    Tally::count(&mut self.tally.acknowledged);
                    Incoming::Acked { token }
                }
                None => Incoming::Nothing,
            },
            Packet::PubRel(id) => {
                self.received.remove(&id);
                self.write(&Packet::PubComp(id));
                Incoming::Nothing
            }
            Packet::SubAck { id, codes } => self.on_suback(id, codes.first().copied().flatten()),
            Packet::UnsubAck(id) => {
                if self.unsubscribing.remove(&id) {
                    Incoming::Unsubscribed
                } else {
                    Incoming::Nothing
                }
            }
            Packet::PingResp => Incoming::Pong,
            // We never publish at QoS 2, so nothing of ours can be received or complete.
            Packet::PubRec(_) | Packet::PubComp(_) => Incoming::Nothing,
            Packet::Connect(_)
            | Packet::Subscribe { .. }
            | Packet::Unsubscribe { .. }
            | Packet::PingReq
            | Packet::Disconnect => return Err(Fault::Protocol("a packet only a client may send".into())),
        })
    }

    fn on_publish(&mut self, publish: wire::Publish) -> Result<Incoming<T>, Fault> {
        if !self.acknowledge(publish.qos, publish.id)? {
            return Ok(Incoming::Nothing);
        }
        Ok(match self.route(&publish.topic) {
            Some(tag) => Incoming::Message { tag, message: publish },
            None => Incoming::Nothing,
        })
    }

    /// Acknowledged, or it would come again and again.
    fn on_oversized(&mut self, message: Oversized) -> Result<Incoming<T>, Fault> {
        if !self.acknowledge(message.qos, message.id)? {
            return Ok(Incoming::Nothing);
        }
        Ok(match self.route(&message.topic) {
            Some(tag) => Incoming::Oversized { tag, message },
            None => Incoming::Nothing,
        })
    }

    /// Acknowledges a message as its quality of service wants it, and says whether it is new.
    fn acknowledge(&mut self, qos: Qos, id: Option<PacketId>) -> Result<bool, Fault> {
        match (qos, id) {
            (Qos::AtMostOnce, _) | (_, None) => {}
            (Qos::AtLeastOnce, Some(id)) => self.write(&Packet::PubAck(id)),
            (Qos::ExactlyOnce, Some(id)) => {
                let known = self.received.contains(&id);
                if !known && self.received.len() >= self.maximum_received {
                    return Err(Fault::Protocol("too many QoS 2 messages are not released".into()));
                }
                self.received.insert(id);
                self.write(&Packet::PubRec(id));
                return Ok(!known); // [MQTT-4.3.3-2]: handed on already
            }
        }
        Ok(true)
    }

    /// What the subscription means that a message is of.
    fn route(&mut self, topic: &str) -> Option<T> {
        let tag = self.router.route(topic)?;
        Tally::count(&mut self.tally.received);
        Some(tag)
    }

    fn on_suback(&mut self, id: PacketId, granted: Option<Qos>) -> Incoming<T> {
        let Some(filter) = self.subscribing.remove(&id) else { return Incoming::Nothing };
        // Unsubscribed meanwhile: nobody cares for the answer.
        let Some(tag) = self.router.tag(&filter) else { return Incoming::Unsubscribed };
        Incoming::Subscribed { tag, answer: granted.ok_or(SubscribeRefused::ByBroker) }
    }
}
