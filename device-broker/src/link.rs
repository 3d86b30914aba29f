//! One connection, as the broker sees it.

use crate::session::SessionId;
use crate::users::Access;
use bytes::{Bytes, BytesMut};
use device_link::wire::{Packet, Will, encode};

/// Buffers above this are given back when they have been emptied, for the sake of idle connections.
const IDLE_BYTES: usize = 4_096;

#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) read: BytesMut,
    pub(crate) phase: Phase,
    /// When the last packet came, milliseconds.
    pub(crate) heard: u64,
    /// The alarm that is armed for it.
    pub(crate) alarm: Option<u64>,
    /// To be sent, not yet polled.
    pub(crate) write: BytesMut,
    /// Bytes in `write` and those polled but not yet written.
    pub(crate) unsent: usize,
    /// Whether it stands in the list of links with something to send.
    pub(crate) listed: bool,
}

#[derive(Debug)]
pub(crate) enum Phase {
    /// CONNECT has not come.
    Fresh,
    Up(Box<Up>),
}

#[derive(Debug)]
pub(crate) struct Up {
    pub(crate) session: SessionId,
    pub(crate) will: Option<Will>,
    /// One and a half times the keep-alive, milliseconds; `None` is for ever.
    pub(crate) patience_ms: Option<u64>,
    pub(crate) access: Access,
}

impl Link {
    pub(crate) fn new(now: u64) -> Self {
        Self {
            read: BytesMut::new(),
            phase: Phase::Fresh,
            heard: now,
            alarm: None,
            write: BytesMut::new(),
            unsent: 0,
            listed: false,
        }
    }

    pub(crate) fn up(&self) -> Option<&Up> {
        match &self.phase {
            Phase::Fresh => None,
            Phase::Up(up) => Some(up),
        }
    }

    pub(crate) fn session(&self) -> Option<SessionId> {
        self.up().map(|up| up.session)
    }

    /// When its peer has been silent for too long.
    pub(crate) fn due(&self, connect_ms: u64) -> Option<u64> {
        match &self.phase {
            Phase::Fresh => Some(self.heard.saturating_add(connect_ms)),
            Phase::Up(up) => up.patience_ms.map(|patience| self.heard.saturating_add(patience)),
        }
    }

    /// Appends a packet of ours; what MQTT cannot express is never made here.
    pub(crate) fn put(&mut self, packet: &Packet) {
        self.unsent += encode(packet, &mut self.write).unwrap_or(0);
    }

    pub(crate) fn take_write(&mut self) -> Bytes {
        self.listed = false;
        let bytes = self.write.split().freeze();
        if bytes.len() > IDLE_BYTES {
            self.write = BytesMut::new();
        }
        bytes
    }

    pub(crate) fn shrink(&mut self) {
        if self.read.is_empty() && self.read.capacity() > IDLE_BYTES {
            self.read = BytesMut::new();
        }
    }
}
