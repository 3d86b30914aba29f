//! What waits to be sent, and what waits to be acknowledged.

use alloc::collections::{BTreeMap, VecDeque};

use crate::dialect::{Lost, Publish, Queue, Receipt, Slot, Topic};
use crate::limits::Limits;
use crate::port::Token;
use crate::wire::{PacketId, Qos};

/// A publish on its way.
#[derive(Debug)]
pub(crate) struct Parcel {
    pub(crate) token: Token,
    pub(crate) publish: Publish,
}

impl Parcel {
    pub(crate) fn size(&self) -> usize {
        self.publish.topic.as_str().len().saturating_add(self.publish.payload.len())
    }

    fn move_topic(&mut self, from: &str, to: &str) {
        let rest = self.publish.topic.as_str().strip_prefix(from).filter(|rest| rest.starts_with('/'));
        if let Some(Ok(topic)) = rest.map(|rest| Topic::new(&alloc::format!("{to}{rest}"))) {
            self.publish.topic = topic;
        }
    }
}

/// A parcel sent at QoS 1 and not yet acknowledged.
#[derive(Debug)]
pub(crate) struct Inflight {
    pub(crate) id: PacketId,
    pub(crate) parcel: Parcel,
}

/// Waiting parcels by policy, and the inflight window in the order of sending.
#[derive(Debug)]
pub(crate) struct Outbox {
    waiting: VecDeque<Parcel>,
    waiting_bytes: usize,
    latest: BTreeMap<Slot, Parcel>,
    inflight: VecDeque<Inflight>,
    maximum_messages: usize,
    maximum_bytes: usize,
    maximum_slots: usize,
    window: usize,
    lost_full: u64,
}

impl Outbox {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            latest: BTreeMap::new(),
            inflight: VecDeque::new(),
            maximum_messages: limits.outbox_messages,
            maximum_bytes: limits.outbox_bytes,
            maximum_slots: limits.slots,
            window: limits.inflight.clamp(1, super::EXCHANGES),
            lost_full: 0,
        }
    }

    /// Queues a parcel by its policy; each parcel that loses its place is told to `lost`.
    pub(crate) fn push(&mut self, parcel: Parcel, lost: &mut dyn FnMut(Token, Receipt)) {
        match parcel.publish.queue {
            Queue::Latest(slot) => self.push_latest(slot, parcel, lost),
            Queue::Bounded | Queue::Drop => self.push_bounded(parcel, lost),
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
        while self.waiting.len() >= self.maximum_messages
            || self.waiting_bytes.saturating_add(size) > self.maximum_bytes
        {
            let Some(oldest) = self.pop_waiting() else { break };
            self.lost_full = self.lost_full.saturating_add(1);
            lost(oldest.token, Receipt::Lost(Lost::Full));
        }
        self.waiting_bytes = self.waiting_bytes.saturating_add(size);
        self.waiting.push_back(parcel);
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

    fn has_room(&self) -> bool {
        self.inflight.len() < self.window
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
        self.inflight.push_back(Inflight { id, parcel });
    }

    /// Takes the parcel that `id` acknowledges out of the window.
    pub(crate) fn acknowledged(&mut self, id: PacketId) -> Option<Token> {
        let at = self.inflight.iter().position(|sent| sent.id == id)?;
        self.inflight.remove(at).map(|sent| sent.parcel.token)
    }

    pub(crate) fn uses(&self, id: PacketId) -> bool {
        self.inflight.iter().any(|sent| sent.id == id)
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
        // Latest first, so that of two parcels of one slot the later one wins it.
        for sent in core::mem::take(&mut self.inflight).into_iter().rev() {
            match sent.parcel.publish.queue {
                Queue::Bounded => self.inflight.push_front(sent),
                Queue::Drop => lost(sent.parcel.token, Receipt::Lost(Lost::Offline)),
                Queue::Latest(slot) if self.latest.contains_key(&slot) => {
                    lost(sent.parcel.token, Receipt::Lost(Lost::Superseded));
                }
                Queue::Latest(slot) => self.push_latest(slot, sent.parcel, lost),
            }
        }
        let (dropped, kept): (VecDeque<_>, _) = core::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|parcel| parcel.publish.queue == Queue::Drop);
        self.waiting = kept;
        self.waiting_bytes = self.waiting.iter().map(Parcel::size).sum();
        for parcel in dropped {
            lost(parcel.token, Receipt::Lost(Lost::Offline));
        }
    }

    /// Empties a slot.
    pub(crate) fn retract(&mut self, slot: Slot, lost: &mut dyn FnMut(Token, Receipt)) {
        if let Some(parcel) = self.latest.remove(&slot) {
            lost(parcel.token, Receipt::Lost(Lost::Superseded));
        }
    }

    /// Gives parcels under topics that begin with `from` and a slash the same topic under `to`. Longer topics
    /// may put the oldest over the bound.
    pub(crate) fn move_topics(&mut self, from: &str, to: &str, lost: &mut dyn FnMut(Token, Receipt)) {
        let waiting = self.waiting.iter_mut().chain(self.latest.values_mut());
        for parcel in waiting.chain(self.inflight.iter_mut().map(|sent| &mut sent.parcel)) {
            parcel.move_topic(from, to);
        }
        self.waiting_bytes = self.waiting.iter().map(Parcel::size).sum();
        while self.waiting_bytes > self.maximum_bytes {
            let Some(oldest) = self.pop_waiting() else { break };
            self.lost_full = self.lost_full.saturating_add(1);
            lost(oldest.token, Receipt::Lost(Lost::Full));
        }
    }

    /// Everything is lost: the node has ended.
    pub(crate) fn end(&mut self, lost: &mut dyn FnMut(Token, Receipt)) {
        let latest = core::mem::take(&mut self.latest).into_values();
        let inflight = core::mem::take(&mut self.inflight).into_iter().map(|sent| sent.parcel);
        let waiting = core::mem::take(&mut self.waiting);
        self.waiting_bytes = 0;
        for parcel in inflight.chain(latest).chain(waiting) {
            lost(parcel.token, Receipt::Lost(Lost::Ended));
        }
    }

    /// Whether nothing waits and nothing is unacknowledged.
    pub(crate) fn is_quiet(&self) -> bool {
        self.waiting.is_empty() && self.latest.is_empty() && self.inflight.is_empty()
    }

    pub(crate) fn depth(&self) -> usize {
        self.waiting.len() + self.latest.len() + self.inflight.len()
    }

    /// How many parcels were lost to a full outbox since birth.
    /// Whether half of what may wait is waiting.
    pub(crate) fn is_half_full(&self) -> bool {
        self.waiting.len() >= self.maximum_messages.div_ceil(2)
            || self.waiting_bytes >= self.maximum_bytes.div_ceil(2)
    }

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
mod tests {
    use alloc::borrow::ToOwned as _;
    use alloc::vec::Vec;

    use bytes::Bytes;

    use super::*;

    fn parcel(token: u64, queue: Queue) -> Parcel {
        let publish = Publish {
            topic: Topic::new("t").unwrap(),
            payload: Bytes::from_static(b"123456789"),
            qos: Qos::AtLeastOnce,
            retain: false,
            queue,
        };
        Parcel { token: Token(token), publish }
    }

    fn outbox(messages: usize, bytes: usize) -> Outbox {
        Outbox::new(&Limits {
            outbox_messages: messages,
            outbox_bytes: bytes,
            inflight: 2,
            ..Limits::default()
        })
    }

    fn tokens(outbox: &mut Outbox) -> Vec<u64> {
        core::iter::from_fn(|| outbox.next_ready()).map(|parcel| parcel.token.0).collect()
    }

    #[test]
    fn over_the_bound_the_oldest_is_lost_by_count_and_by_bytes() {
        for mut outbox in [outbox(2, 1000), outbox(100, 20)] {
            let mut lost = Vec::new();
            for token in 1..=4 {
                outbox
                    .push(parcel(token, Queue::Bounded), &mut |token, receipt| lost.push((token.0, receipt)));
            }
            assert_eq!(lost, [(1, Receipt::Lost(Lost::Full)), (2, Receipt::Lost(Lost::Full))]);
            assert_eq!(tokens(&mut outbox), [3, 4]);
            assert_eq!(outbox.lost_full(), 2);
        }
    }

    #[test]
    fn a_slot_holds_only_its_latest_and_goes_first() {
        let mut outbox = outbox(10, 1000);
        let mut lost = Vec::new();
        let mut note = |token: Token, receipt| lost.push((token.0, receipt));
        outbox.push(parcel(1, Queue::Bounded), &mut note);
        outbox.push(parcel(2, Queue::Latest(Slot(0))), &mut note);
        outbox.push(parcel(3, Queue::Latest(Slot(0))), &mut note);
        assert_eq!(lost, [(2, Receipt::Lost(Lost::Superseded))]);
        assert_eq!(tokens(&mut outbox), [3, 1]);
    }

    #[test]
    fn a_lost_link_keeps_bounded_parcels_in_the_window_and_a_slot_in_its_slot() {
        let mut outbox = outbox(10, 1000);
        let mut lost = Vec::new();
        outbox.sent(PacketId::new(1).unwrap(), parcel(1, Queue::Bounded));
        outbox.sent(PacketId::new(2).unwrap(), parcel(2, Queue::Latest(Slot(7))));
        outbox.sent(PacketId::new(3).unwrap(), parcel(3, Queue::Drop));
        outbox.link_lost(&mut |token, receipt| lost.push((token.0, receipt)));
        assert_eq!(lost, [(3, Receipt::Lost(Lost::Offline))]);
        assert_eq!(outbox.inflight().map(|sent| sent.parcel.token.0).collect::<Vec<_>>(), [1]);
        assert_eq!(tokens(&mut outbox), [2]);
    }

    #[test]
    fn topics_move_to_another_prefix_in_every_queue_and_stay_in_bounds() {
        let under = |token, topic: &str, queue| {
            let mut parcel = parcel(token, queue);
            parcel.publish.topic = Topic::new(topic).unwrap();
            parcel
        };
        let mut outbox = outbox(10, 30);
        outbox.sent(PacketId::new(1).unwrap(), under(1, "a/x", Queue::Bounded));
        outbox.push(under(2, "a/y", Queue::Bounded), &mut |_, _| {});
        outbox.push(under(3, "ab/y", Queue::Bounded), &mut |_, _| {});
        outbox.push(under(4, "a/state", Queue::Latest(Slot(0))), &mut |_, _| {});
        let mut lost = Vec::new();
        outbox.move_topics("a", "b/longer", &mut |token, receipt| lost.push((token.0, receipt)));
        assert_eq!(lost, [(2, Receipt::Lost(Lost::Full))]);
        assert_eq!(outbox.inflight().next().unwrap().parcel.publish.topic.as_str(), "b/longer/x");
        let topics: Vec<_> = core::iter::from_fn(|| outbox.next_ready())
            .map(|parcel| parcel.publish.topic.as_str().to_owned())
            .collect();
        assert_eq!(topics, ["b/longer/state", "ab/y"]);
    }

    #[test]
    fn a_full_window_holds_the_rest_back() {
        let mut outbox = outbox(10, 1000);
        outbox.sent(PacketId::new(1).unwrap(), parcel(1, Queue::Bounded));
        outbox.sent(PacketId::new(2).unwrap(), parcel(2, Queue::Bounded));
        outbox.push(parcel(3, Queue::Bounded), &mut |_, _| {});
        assert!(outbox.next_ready().is_none());
        assert_eq!(outbox.acknowledged(PacketId::new(2).unwrap()), Some(Token(2)));
        assert_eq!(tokens(&mut outbox), [3]);
    }

    #[test]
    fn no_window_takes_every_packet_identifier() {
        for (asked, given) in [(0, 1), (100, 100), (usize::MAX, 32_767)] {
            assert_eq!(Outbox::new(&Limits { inflight: asked, ..Limits::default() }).window, given);
        }
    }
}
