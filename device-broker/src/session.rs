//! What the broker remembers of one client.

use crate::message::Delivery;
use crate::retained::Cursor;
use crate::{ConnId, Limits};
use device_link::wire::{PacketId, Qos};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// Names a session within one broker's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SessionId(pub(crate) u64);

/// A client's session, connected or not.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) client: Arc<str>,
    pub(crate) user: Option<String>,
    pub(crate) conn: Option<ConnId>,
    /// Ends with its connection.
    pub(crate) clean: bool,
    pub(crate) filters: BTreeMap<Arc<str>, Qos>,
    /// Retained messages still to be delivered, at most one cursor for each filter.
    pub(crate) cursors: VecDeque<Cursor>,
    /// QoS 2 messages received and not yet released.
    pub(crate) incoming: BTreeSet<PacketId>,
    queue: VecDeque<Delivery>,
    queued_bytes: usize,
    inflight: VecDeque<Flight>,
    next_id: PacketId,
}

/// A QoS 1 or 2 message sent and not yet acknowledged.
#[derive(Debug)]
pub(crate) struct Flight {
    pub(crate) id: PacketId,
    pub(crate) stage: Stage,
}

/// How far a delivery is.
#[derive(Debug)]
pub(crate) enum Stage {
    /// PUBLISH went out.
    Published(Delivery),
    /// PUBREC came, PUBREL went out; the message is no longer needed.
    Released,
}

impl Session {
    pub(crate) fn new(client: Arc<str>, user: Option<String>, clean: bool) -> Self {
        Self {
            client,
            user,
            conn: None,
            clean,
            filters: BTreeMap::new(),
            cursors: VecDeque::new(),
            incoming: BTreeSet::new(),
            queue: VecDeque::new(),
            queued_bytes: 0,
            inflight: VecDeque::new(),
            next_id: PacketId::FIRST,
        }
    }

    /// Lets `delivery` wait; `false` when there is no room.
    pub(crate) fn push(&mut self, delivery: Delivery, limits: &Limits) -> bool {
        let bytes = self.queued_bytes + delivery.message.size();
        if self.queue.len() >= limits.queued_messages || bytes > limits.queued_bytes {
            return false;
        }
        self.queued_bytes = bytes;
        self.queue.push_back(delivery);
        true
    }

    pub(crate) fn pop(&mut self) -> Option<Delivery> {
        let delivery = self.queue.pop_front()?;
        self.queued_bytes -= delivery.message.size();
        Some(delivery)
    }

    pub(crate) fn has_room_inflight(&self, limits: &Limits) -> bool {
        // One identifier always stays free for the next delivery.
        self.inflight.len() < limits.inflight.min(usize::from(u16::MAX) - 1)
    }

    /// Puts a delivery in flight under an identifier of its own; there has to be room.
    pub(crate) fn launch(&mut self, delivery: Delivery) -> PacketId {
        let id = self.next_id;
        self.restore_flight(id, Stage::Published(delivery));
        id
    }

    /// PUBACK: a QoS 1 delivery is complete.
    pub(crate) fn acknowledge(&mut self, id: PacketId) {
        self.inflight.retain(|flight| {
            let qos1 = matches!(&flight.stage, Stage::Published(sent) if sent.qos == Qos::AtLeastOnce);
            flight.id != id || !qos1
        });
    }

    /// PUBREC: a QoS 2 delivery has arrived.
    pub(crate) fn release(&mut self, id: PacketId) {
        if let Some(flight) = self.inflight.iter_mut().find(|flight| flight.id == id)
            && matches!(&flight.stage, Stage::Published(sent) if sent.qos == Qos::ExactlyOnce)
        {
            flight.stage = Stage::Released;
        }
    }

    /// PUBCOMP: a QoS 2 delivery is complete.
    pub(crate) fn complete(&mut self, id: PacketId) {
        self.inflight.retain(|flight| flight.id != id || matches!(flight.stage, Stage::Published(_)));
    }

    pub(crate) fn inflight(&self) -> impl Iterator<Item = &Flight> {
        self.inflight.iter()
    }

    pub(crate) fn queue(&self) -> impl Iterator<Item = &Delivery> {
        self.queue.iter()
    }

    /// Starts (again) on the retained messages of `filter`.
    pub(crate) fn start_cursor(&mut self, filter: Arc<str>, qos: Qos) {
        self.drop_cursor(&filter);
        self.cursors.push_back(Cursor::new(filter, qos));
    }

    pub(crate) fn drop_cursor(&mut self, filter: &str) {
        self.cursors.retain(|cursor| &*cursor.filter != filter);
    }

    /// Puts a delivery in flight under `id`, as it was before a restart.
    pub(crate) fn restore_flight(&mut self, id: PacketId, stage: Stage) {
        self.inflight.push_back(Flight { id, stage });
        while self.inflight.iter().any(|flight| flight.id == self.next_id) {
            self.next_id = self.next_id.next();
        }
    }
}
