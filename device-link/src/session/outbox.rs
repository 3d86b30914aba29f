//! What waits to be sent, and what waits to be acknowledged.

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;

use crate::cx::trim;
use crate::dialect::{Gate, Lost, Publish, Queue, Receipt, Slot, Topic};
use crate::limits::Limits;
use crate::map::{Map, Set};
use crate::port::Token;
use crate::wire::{PacketId, Qos};

use super::window::{Inflight, Window};

/// A publish on its way.
#[derive(Debug)]
pub(crate) struct Parcel {
    pub(crate) token: Token,
    pub(crate) publish: Publish,
    /// It was sent before, on a link that was lost.
    pub(crate) again: bool,
}

impl Parcel {
    pub(crate) fn new(token: Token, publish: Publish) -> Self {
        Self { token, publish, again: false }
    }

    pub(crate) fn size(&self) -> usize {
        self.publish.topic.as_str().len().saturating_add(self.publish.payload.len())
    }

    fn rename_topic(&mut self, rename: &dyn Fn(&str) -> Option<String>) {
        if let Some(Ok(topic)) = rename(self.publish.topic.as_str()).map(|topic| Topic::new(&topic)) {
            self.publish.topic = topic;
        }
    }
}

/// Waiting parcels by policy, and the inflight window in the order of sending.
#[derive(Debug)]
pub(crate) struct Outbox {
    waiting: VecDeque<Parcel>,
    /// What waits behind closed gates, oldest first.
    gated: Map<Gate, VecDeque<Parcel>>,
    /// The same over all gates.
    gated_order: Map<Token, Gate>,
    open: Set<Gate>,
    /// Of what waits, gated or not.
    waiting_bytes: usize,
    latest: Map<Slot, Parcel>,
    inflight: Window,
    maximum_messages: usize,
    maximum_bytes: usize,
    maximum_slots: usize,
    window: usize,
    window_bytes: usize,
    lost_full: u64,
}

impl Outbox {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            waiting: VecDeque::new(),
            gated: Map::new(),
            gated_order: Map::new(),
            open: Set::new(),
            waiting_bytes: 0,
            latest: Map::new(),
            inflight: Window::default(),
            maximum_messages: limits.outbox_messages,
            maximum_bytes: limits.outbox_bytes,
            maximum_slots: limits.slots,
            window: limits.inflight.clamp(1, super::EXCHANGES),
            window_bytes: limits.inflight_bytes.max(1),
            lost_full: 0,
        }
    }

    /// Queues a parcel by its policy; each parcel that loses its place is told to `lost`.
    pub(crate) fn push(&mut self, parcel: Parcel, lost: &mut dyn FnMut(Token, Receipt)) {
        match parcel.publish.queue {
            Queue::Latest(slot) => self.push_latest(slot, parcel, lost),
            Queue::Bounded | Queue::Drop | Queue::Gated(_) => self.push_bounded(parcel, lost),
        }
    }

    /// Whether a parcel of that policy need not wait for its gate.
    pub(crate) fn is_open(&self, queue: Queue) -> bool {
        match queue {
            Queue::Drop | Queue::Bounded | Queue::Latest(_) => true,
            Queue::Gated(gate) => self.open.contains(&gate),
        }
    }

    /// What waits behind a gate waits for its turn from now on.
    pub(crate) fn open_gate(&mut self, gate: Gate) {
        self.open.insert(gate);
        for parcel in self.gated.remove(&gate).unwrap_or_default() {
            self.gated_order.remove(&parcel.token);
            self.waiting.push_back(parcel);
        }
    }

    /// What waits for its turn waits behind its gate again.
    pub(crate) fn close_gate(&mut self, gate: Gate) {
        if self.open.remove(&gate) {
            let of_gate = |parcel: &Parcel| parcel.publish.queue == Queue::Gated(gate);
            if !self.waiting.iter().any(of_gate) {
                return;
            }
            let (held, waiting) = core::mem::take(&mut self.waiting).into_iter().partition(of_gate);
            self.waiting = waiting;
            for parcel in <VecDeque<_> as IntoIterator>::into_iter(held) {
                self.hold(gate, parcel);
            }
        }
    }

    fn hold(&mut self, gate: Gate, parcel: Parcel) {
        self.gated_order.insert(parcel.token, gate);
        self.gated.entry(gate).or_default().push_back(parcel);
    }

    /// Everything that waits behind a gate is withdrawn, and what is unacknowledged is not sent again.
    pub(crate) fn discard(&mut self, gate: Gate, lost: &mut dyn FnMut(Token, Receipt)) {
        self.send_but_once(Queue::Gated(gate));
        self.close_gate(gate);
        for parcel in self.gated.remove(&gate).unwrap_or_default() {
            self.gated_order.remove(&parcel.token);
            self.waiting_bytes = self.waiting_bytes.saturating_sub(parcel.size());
            lost(parcel.token, Receipt::Lost(Lost::Superseded));
        }
    }

    fn push_latest(&mut self, slot: Slot, parcel: Parcel, lost: &mut dyn FnMut(Token, Receipt)) {
        if !self.latest.contains_key(&slot) && self.latest.len() >= self.maximum_slots {
            self.lost_full = self.lost_full.saturating_add(1);
            return lost(parcel.token, Receipt::Lost(Lost::Full));
        }
        if let Some(older) = self.latest.insert(slot, parcel) {
            lost(older.token, Receipt::Lost(Lost::Superseded));
        }
    }

    fn push_bounded(&mut self, parcel: Parcel, lost: &mut dyn FnMut(Token, Receipt)) {
        let size = parcel.size();
        if size > self.maximum_bytes || self.maximum_messages == 0 {
            return lost(parcel.token, Receipt::Lost(Lost::TooLarge));
        }
        while self.waiting_messages() >= self.maximum_messages
            || self.waiting_bytes.saturating_add(size) > self.maximum_bytes
        {
            let Some(oldest) = self.pop_oldest() else { break };
            self.lost_full = self.lost_full.saturating_add(1);
            lost(oldest.token, Receipt::Lost(Lost::Full));
        }
        self.waiting_bytes = self.waiting_bytes.saturating_add(size);
        match parcel.publish.queue {
            Queue::Gated(gate) if !self.open.contains(&gate) => self.hold(gate, parcel),
            Queue::Gated(_) | Queue::Bounded | Queue::Drop | Queue::Latest(_) => {
                self.waiting.push_back(parcel);
            }
        }
    }

    fn waiting_messages(&self) -> usize {
        self.waiting.len().saturating_add(self.gated_order.len())
    }

    /// The oldest of all that waits, gated or not.
    fn pop_oldest(&mut self) -> Option<Parcel> {
        let waiting = self.waiting.front().map(|parcel| parcel.token);
        match (waiting, self.gated_order.first_key_value()) {
            (Some(waiting), Some((gated, _))) if waiting < *gated => self.pop_waiting(),
            (_, None) => self.pop_waiting(),
            (_, Some(_)) => self.pop_gated(),
        }
    }

    fn pop_gated(&mut self) -> Option<Parcel> {
        let (token, gate) = self.gated_order.pop_first()?;
        let held = self.gated.get_mut(&gate)?;
        let at = held.iter().position(|parcel| parcel.token == token)?;
        let parcel = held.remove(at)?;
        if held.is_empty() {
            self.gated.remove(&gate);
        }
        self.waiting_bytes = self.waiting_bytes.saturating_sub(parcel.size());
        Some(parcel)
    }

    fn pop_waiting(&mut self) -> Option<Parcel> {
        let parcel = self.waiting.pop_front()?;
        self.waiting_bytes = self.waiting_bytes.saturating_sub(parcel.size());
        Some(parcel)
    }

    /// Whether a parcel could be sent at once without overtaking another.
    pub(crate) fn is_clear(&self) -> bool {
        self.waiting.is_empty() && self.latest.is_empty() && self.has_room()
    }

    /// Whether a slot's publish has not been sent yet.
    pub(crate) fn is_waiting(&self, slot: Slot) -> bool {
        self.latest.contains_key(&slot)
    }

    fn has_room(&self) -> bool {
        self.inflight.len() < self.window && self.inflight.bytes() < self.window_bytes
    }

    /// The next parcel that may go out: slots first, since they tell what the rest refers to.
    pub(crate) fn next_ready(&mut self) -> Option<Parcel> {
        if !self.has_room() {
            return None;
        }
        match self.latest.pop_first() {
            Some((_, parcel)) => Some(parcel),
            None => self.pop_waiting(),
        }
    }

    /// Remembers a parcel that has been sent at QoS 1.
    pub(crate) fn sent(&mut self, id: PacketId, parcel: Parcel) {
        self.inflight.push(id, parcel);
    }

    /// Takes the parcel that `id` acknowledges out of the window.
    pub(crate) fn acknowledged(&mut self, id: PacketId) -> Option<Token> {
        self.inflight.remove(id).map(|parcel| parcel.token)
    }

    pub(crate) fn uses(&self, id: PacketId) -> bool {
        self.inflight.uses(id)
    }

    /// The unacknowledged parcels, in the order of sending.
    pub(crate) fn inflight(&self) -> impl Iterator<Item = &Inflight> {
        self.inflight.iter()
    }

    /// What waits and what is unacknowledged, slots aside, in the order of publishing.
    pub(crate) fn bounded(&self) -> impl DoubleEndedIterator<Item = &Parcel> {
        self.inflight.iter().map(|sent| &sent.parcel).chain(&self.waiting)
    }

    /// The link is gone. What was not to wait is lost; a slot's parcel goes back to its slot unless a
    /// later one is there; the rest stays in the window, to be repeated.
    pub(crate) fn link_lost(&mut self, lost: &mut dyn FnMut(Token, Receipt)) {
        let mut held = Vec::new();
        let mut kept = Vec::new();
        // Latest first, so that of two parcels of one slot the later one wins it.
        for mut sent in self.inflight.take().into_iter().rev() {
            sent.parcel.again = true;
            match sent.parcel.publish.queue {
                Queue::Bounded => kept.push(sent),
                Queue::Gated(gate) => held.push((gate, sent.parcel)),
                Queue::Drop => lost(sent.parcel.token, Receipt::Lost(Lost::Offline)),
                Queue::Latest(slot) if self.latest.contains_key(&slot) => {
                    lost(sent.parcel.token, Receipt::Lost(Lost::Superseded));
                }
                Queue::Latest(slot) => self.push_latest(slot, sent.parcel, lost),
            }
        }
        for sent in kept.into_iter().rev() {
            self.inflight.push(sent.id, sent.parcel);
        }
        self.open.clear();
        for parcel in core::mem::take(&mut self.waiting) {
            match parcel.publish.queue {
                Queue::Drop => lost(parcel.token, Receipt::Lost(Lost::Offline)),
                Queue::Gated(gate) => self.hold(gate, parcel),
                Queue::Bounded | Queue::Latest(_) => self.waiting.push_back(parcel),
            }
        }
        for (gate, parcel) in held {
            self.gated_order.insert(parcel.token, gate);
            self.gated.entry(gate).or_default().push_front(parcel);
        }
        self.heed_bounds(lost);
    }

    /// Parcels have come or grown from where no bound holds: the oldest over it are lost.
    fn heed_bounds(&mut self, lost: &mut dyn FnMut(Token, Receipt)) {
        let all = self.waiting.iter().chain(self.gated.values().flatten());
        self.waiting_bytes = all.map(Parcel::size).sum();
        while self.waiting_bytes > self.maximum_bytes || self.waiting_messages() > self.maximum_messages {
            let Some(oldest) = self.pop_oldest() else { break };
            self.lost_full = self.lost_full.saturating_add(1);
            lost(oldest.token, Receipt::Lost(Lost::Full));
        }
    }

    /// Empties a slot; what is unacknowledged of it does not come back to it.
    pub(crate) fn retract(&mut self, slot: Slot, lost: &mut dyn FnMut(Token, Receipt)) {
        self.send_but_once(Queue::Latest(slot));
        if let Some(parcel) = self.latest.remove(&slot) {
            lost(parcel.token, Receipt::Lost(Lost::Superseded));
        }
    }

    /// Drops what is unwanted of what waits.
    pub(crate) fn withdraw(&mut self, unwanted: &Set<Token>, lost: &mut dyn FnMut(Token, Receipt)) {
        if unwanted.is_empty() {
            return;
        }
        let is_wanted = |parcel: &Parcel| !unwanted.contains(&parcel.token);
        for queue in self.gated.values_mut().chain([&mut self.waiting]) {
            for parcel in queue.iter().filter(|parcel| !is_wanted(parcel)) {
                self.waiting_bytes = self.waiting_bytes.saturating_sub(parcel.size());
                lost(parcel.token, Receipt::Lost(Lost::Superseded));
            }
            queue.retain(is_wanted);
        }
        self.gated.retain(|_, queue| !queue.is_empty());
        self.gated_order.retain(|token, _| !unwanted.contains(token));
    }

    fn send_but_once(&mut self, queue: Queue) {
        self.inflight.change(&mut |parcel| {
            if parcel.publish.queue == queue {
                parcel.publish.queue = Queue::Drop;
            }
        });
    }

    /// Gives parcels other topics, where `rename` has one. Longer topics may put the oldest over the bound.
    pub(crate) fn rename_topics(
        &mut self,
        rename: &dyn Fn(&str) -> Option<String>,
        lost: &mut dyn FnMut(Token, Receipt),
    ) {
        let waiting = self.waiting.iter_mut().chain(self.gated.values_mut().flatten());
        let waiting = waiting.chain(self.latest.values_mut());
        for parcel in waiting {
            parcel.rename_topic(rename);
        }
        self.inflight.change(&mut |parcel| parcel.rename_topic(rename));
        self.heed_bounds(lost);
    }

    /// Everything is lost: the node has ended.
    pub(crate) fn end(&mut self, lost: &mut dyn FnMut(Token, Receipt)) {
        let latest = core::mem::take(&mut self.latest).into_values();
        let inflight = self.inflight.take().into_iter().map(|sent| sent.parcel);
        let waiting = core::mem::take(&mut self.waiting);
        let gated = core::mem::take(&mut self.gated).into_values().flatten();
        self.gated_order.clear();
        self.waiting_bytes = 0;
        for parcel in inflight.chain(latest).chain(waiting).chain(gated) {
            lost(parcel.token, Receipt::Lost(Lost::Ended));
        }
    }

    /// Whether nothing waits and nothing is unacknowledged, but for what is behind closed gates.
    pub(crate) fn is_quiet(&self) -> bool {
        self.waiting.is_empty() && self.latest.is_empty() && self.inflight.is_empty()
    }

    pub(crate) fn depth(&self) -> usize {
        self.waiting_messages() + self.latest.len() + self.inflight.len()
    }

    /// Gives the memory of empty queues back.
    pub(crate) fn trim(&mut self) {
        trim(&mut self.waiting);
        self.inflight.trim();
    }

    /// Whether half of what may wait is waiting.
    pub(crate) fn is_half_full(&self) -> bool {
        self.waiting_messages() >= self.maximum_messages.div_ceil(2)
            || self.waiting_bytes >= self.maximum_bytes.div_ceil(2)
    }

    /// How many parcels were lost to a full outbox since birth.
    pub(crate) fn lost_full(&self) -> u64 {
        self.lost_full
    }
}

/// The quality of service a publish leaves with: QoS 2 is sent as QoS 1.
pub(crate) fn outbound_qos(qos: Qos) -> Qos {
    match qos {
        Qos::AtMostOnce => Qos::AtMostOnce,
        Qos::AtLeastOnce | Qos::ExactlyOnce => Qos::AtLeastOnce,
    }
}

#[cfg(test)]
mod tests;
