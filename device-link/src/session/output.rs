//! What was written and is not yet taken.

use alloc::vec::Vec;

use bytes::{Bytes, BytesMut};

use crate::dialect::Publish;
use crate::port::Outbound;
use crate::wire::{self, Packet, PacketId, Qos};

/// A payload of so many bytes goes out as it is: to hand it on costs less than to copy it.
const APART_BYTES: usize = 4 << 10;

/// Packets in the order of writing.
#[derive(Debug, Default)]
pub(crate) struct Output {
    /// Precede `last`.
    parts: Vec<Bytes>,
    last: BytesMut,
    /// All of it, with secrets masked.
    masked: Option<Bytes>,
}

impl Output {
    pub(crate) fn write(&mut self, packet: &Packet) {
        let written = wire::encode(packet, &mut self.last);
        debug_assert!(written.is_ok(), "filters and identifiers are valid by construction: {written:?}");
    }

    /// Writes a CONNECT, first of all, and how it may be shown.
    pub(crate) fn begin(&mut self, connect: &Packet, masked: Option<&Packet>) -> Result<(), wire::WireError> {
        self.clear();
        if let Some(masked) = masked {
            let mut shown = BytesMut::new();
            wire::encode(masked, &mut shown)?;
            self.masked = Some(shown.freeze());
        }
        wire::encode(connect, &mut self.last).map(|_| ())
    }

    pub(crate) fn publish(&mut self, publish: &Publish, dup: bool, id: Option<PacketId>) {
        let qos = if id.is_some() { Qos::AtLeastOnce } else { Qos::AtMostOnce };
        let (topic, payload, retain) = (publish.topic.as_str(), &publish.payload, publish.retain);
        let written = if payload.len() < APART_BYTES {
            wire::encode_publish(topic, payload, qos, retain, dup, id, &mut self.last)
        } else {
            let written =
                wire::encode_publish_head(topic, payload.len(), qos, retain, dup, id, &mut self.last);
            self.parts.extend([self.last.split().freeze(), payload.clone()]);
            written
        };
        debug_assert!(written.is_ok(), "topics are valid by construction and sizes are checked: {written:?}");
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.parts.is_empty() && self.last.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.parts = Vec::new();
        self.last.clear();
        self.masked = None;
    }

    /// Gives the memory of an empty buffer back.
    pub(crate) fn trim(&mut self) {
        if self.last.is_empty() {
            self.last = BytesMut::new();
        }
    }

    /// Everything written since the last call.
    pub(crate) fn take(&mut self) -> Option<Outbound> {
        if self.is_empty() {
            return None;
        }
        let parts = core::mem::take(&mut self.parts);
        Some(Outbound::new(parts, self.last.split().freeze(), self.masked.take()))
    }
}
