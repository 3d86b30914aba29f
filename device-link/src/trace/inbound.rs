//! What a peer sent, with the secrets in its messages masked before anybody sees it.
//!
//! Bytes are masked without changing how many there are, so that the lines of a trace keep the pieces the
//! transport cut. A message can only be masked when it is whole; until then its bytes are kept here.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use bytes::BytesMut;

use crate::port::ConnId;
use crate::wire::{self, Packet, WireError};

/// What stands in place of each byte that nobody is to see.
const STAR: u8 = b'*';

/// The longest fixed header: one byte and four digits of the length.
const LONGEST_HEADER: usize = 5;

/// Masks the payload of a message, if there is something to mask.
pub(super) type Mask = fn(topic: &str, payload: &[u8]) -> Option<Vec<u8>>;

/// The bytes of one connection that are not yet let go.
#[derive(Debug)]
pub(super) struct Inbound {
    mask: Mask,
    packet_bytes: usize,
    /// The connection whose bytes the node looks at.
    heard: Option<ConnId>,
    /// Of all pieces that wait, in order.
    bytes: Vec<u8>,
    /// How many of them are fit to be seen.
    ready: usize,
    /// How many bytes each piece has.
    pieces: VecDeque<usize>,
    /// How many bytes are to come of a message over the limit, which the node does not look at.
    skipping: usize,
    /// Whether the peer broke the protocol, after which the node looks at nothing more.
    is_broken: bool,
}

impl Inbound {
    pub(super) fn new(packet_bytes: usize, mask: Mask) -> Self {
        Self {
            mask,
            packet_bytes,
            heard: None,
            bytes: Vec::new(),
            ready: 0,
            pieces: VecDeque::new(),
            skipping: 0,
            is_broken: false,
        }
    }

    /// From its first bytes to the peer on, a node looks at what comes on a connection.
    pub(super) fn sent(&mut self, conn: ConnId) {
        if self.heard != Some(conn) {
            self.end();
            self.heard = Some(conn);
            self.is_broken = false;
        }
    }

    /// A connection is gone, and nothing more of it is looked at.
    pub(super) fn closed(&mut self, conn: ConnId) {
        if self.heard == Some(conn) {
            self.end();
        }
    }

    /// Nothing more is looked at: what is unfinished will stay so, and is concealed but for its header.
    pub(super) fn end(&mut self) {
        self.heard = None;
        self.skipping = 0;
        let header = header(self.unready()).map_or(LONGEST_HEADER, |(header, _)| header);
        self.conceal(header);
    }

    /// Takes a piece; it comes back from [`Inbound::next`], after all pieces before it.
    pub(super) fn received(&mut self, conn: ConnId, bytes: &[u8]) {
        self.pieces.push_back(bytes.len());
        if self.heard == Some(conn) {
            self.bytes.extend_from_slice(bytes);
            self.skip();
            while self.packet() {}
        } else {
            // The pieces before it are whole, since they are of a connection that is over.
            self.bytes.resize(self.bytes.len() + bytes.len(), STAR);
            self.ready = self.bytes.len();
        }
    }

    /// The oldest piece, once it is fit to be seen.
    pub(super) fn next(&mut self) -> Option<Vec<u8>> {
        let length = *self.pieces.front()?;
        if length > self.ready {
            return None;
        }
        self.pieces.pop_front();
        self.ready -= length;
        Some(self.bytes.drain(..length).collect())
    }

    /// How many bytes wait.
    pub(super) fn waiting(&self) -> usize {
        self.bytes.len()
    }

    /// Makes the next packet fit to be seen; false if there is no whole one.
    fn packet(&mut self) -> bool {
        let rest = self.unready();
        if self.is_broken {
            self.conceal(0);
            return false;
        }
        let (header, total) = match header(rest) {
            Some((header, total)) if total <= self.packet_bytes => (header, total),
            None if rest.len() < LONGEST_HEADER => return false,
            Some((header, _)) => return self.oversized(header),
            None => return self.broken(LONGEST_HEADER),
        };
        let Some(packet) = rest.get(..total) else { return false };
        match wire::decode(&mut BytesMut::from(packet), self.packet_bytes) {
            Ok(Some(Packet::Publish(publish))) => {
                let masked = (self.mask)(&publish.topic, &publish.payload);
                if let Some(masked) = masked.filter(|masked| masked.len() == publish.payload.len()) {
                    self.replace(total - masked.len(), &masked);
                }
                self.ready += total;
                true
            }
            Ok(_) => {
                self.ready += total;
                true
            }
            Err(refused) => {
                let shown = shown_of_malformed(packet, header, refused, self.packet_bytes);
                self.broken(shown)
            }
        }
    }

    /// Begins to skip a message over the limit, of which the node looks at the head; true if there is one.
    fn oversized(&mut self, header: usize) -> bool {
        let rest = self.unready();
        match wire::oversized(rest) {
            Ok(None) => false,
            Ok(Some(message)) => {
                self.ready += message.head;
                self.skipping = message.payload;
                self.skip();
                true
            }
            Err(WireError::TooLarge { .. }) => self.broken(LONGEST_HEADER),
            Err(_) => {
                let length = rest.get(header..).and_then(<[u8]>::first_chunk::<2>);
                let topic = length.map_or(0, |length| usize::from(u16::from_be_bytes(*length)));
                self.broken(header + 2 + topic + 2)
            }
        }
    }

    /// Makes what has come of a message over the limit fit to be seen, concealed.
    fn skip(&mut self) {
        let come = self.unready().len().min(self.skipping);
        for byte in self.bytes.iter_mut().skip(self.ready).take(come) {
            *byte = STAR;
        }
        self.ready += come;
        self.skipping -= come;
    }

    /// The node has closed the connection after so many more bytes.
    fn broken(&mut self, shown: usize) -> bool {
        self.is_broken = true;
        self.conceal(shown);
        false
    }

    /// Makes all that waits fit to be seen, concealed after so many bytes.
    fn conceal(&mut self, shown: usize) {
        for byte in self.bytes.iter_mut().skip(self.ready + shown) {
            *byte = STAR;
        }
        self.ready = self.bytes.len();
    }

    /// Replaces bytes of the packet that is next, from a place in it on.
    fn replace(&mut self, from: usize, by: &[u8]) {
        for (byte, masked) in self.bytes.iter_mut().skip(self.ready + from).zip(by) {
            *byte = *masked;
        }
    }

    fn unready(&self) -> &[u8] {
        self.bytes.get(self.ready..).unwrap_or_default()
    }
}

/// The bytes of the fixed header and of the whole packet; none while they are not known, and for a length
/// that no packet has.
fn header(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut remaining = 0;
    for (place, byte) in bytes.iter().skip(1).take(LONGEST_HEADER - 1).enumerate() {
        remaining |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some((place + 2, place + 2 + remaining));
        }
    }
    None
}

/// How much of a packet that cannot be read has to be shown to be refused for the same reason.
fn shown_of_malformed(packet: &[u8], header: usize, refused: WireError, packet_bytes: usize) -> usize {
    let (mut too_little, mut enough) = (header, packet.len());
    while too_little < enough {
        let middle = too_little.midpoint(enough);
        let mut concealed = BytesMut::from(packet);
        concealed.iter_mut().skip(middle).for_each(|byte| *byte = STAR);
        if wire::decode(&mut concealed, packet_bytes) == Err(refused) {
            enough = middle;
        } else {
            too_little = middle + 1;
        }
    }
    enough
}
