//! What was sent at QoS 1 and is not yet acknowledged, in the order of sending.

use alloc::collections::VecDeque;

use super::outbox::Parcel;
use crate::cx::trim;
use crate::map::Map;
use crate::wire::PacketId;

/// How many packet identifiers there are.
const IDENTIFIERS: u64 = 65_535;

/// A parcel sent at QoS 1 and not yet acknowledged.
#[derive(Debug)]
pub(crate) struct Inflight {
    pub(crate) id: PacketId,
    pub(crate) parcel: Parcel,
    /// Grows from the front to the back of the window, from one parcel to the next by as much as their identifiers
    /// are apart.
    order: u64,
}

/// The inflight window. An identifier is found in O(log n), wherever its parcel stands; brokers acknowledge in
/// order [MQTT-4.6.0-2], so it mostly stands in front.
#[derive(Debug, Default)]
pub(crate) struct Window {
    sent: VecDeque<Inflight>,
    /// Of all that was sent.
    bytes: usize,
    /// The `order` of those in front that the identifiers have gone round since, of which there are none but with a
    /// broker that leaves out some.
    passed: Map<PacketId, u64>,
}

impl Window {
    pub(crate) fn len(&self) -> usize {
        self.sent.len()
    }

    /// Bytes of topics and payloads.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.sent.is_empty()
    }

    pub(crate) fn uses(&self, id: PacketId) -> bool {
        self.find(id).is_some()
    }

    /// Remembers a parcel as the last that was sent, under an identifier that is not in use.
    pub(crate) fn push(&mut self, id: PacketId, parcel: Parcel) {
        let order = self.sent.back().map_or(0, |last| last.order.saturating_add(steps(last.id, id)));
        self.bytes = self.bytes.saturating_add(parcel.size());
        self.sent.push_back(Inflight { id, parcel, order });
        while let Some(oldest) = self.sent.get(self.passed.len())
            && oldest.order.saturating_add(IDENTIFIERS) <= order
        {
            self.passed.insert(oldest.id, oldest.order);
        }
    }

    /// Takes out the parcel that was sent under `id`.
    pub(crate) fn remove(&mut self, id: PacketId) -> Option<Parcel> {
        let at = self.find(id)?;
        if !self.passed.is_empty() {
            self.passed.remove(&id);
        }
        let removed = self.sent.remove(at)?.parcel;
        self.bytes = self.bytes.saturating_sub(removed.size());
        Some(removed)
    }

    fn find(&self, id: PacketId) -> Option<usize> {
        let (first, last) = (self.sent.front()?, self.sent.back()?);
        if first.id == id {
            return Some(0);
        }
        let order = match self.passed.get(&id) {
            Some(order) => *order,
            None => last.order.checked_sub(steps(id, last.id)).filter(|&order| order > first.order)?,
        };
        self.sent.binary_search_by_key(&order, |sent| sent.order).ok()
    }

    /// Takes everything out, in the order of sending.
    pub(crate) fn take(&mut self) -> VecDeque<Inflight> {
        (self.passed, self.bytes) = (Map::new(), 0);
        core::mem::take(&mut self.sent)
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &Inflight> {
        self.sent.iter()
    }

    /// Changes parcels, topics too.
    pub(crate) fn change(&mut self, change: &mut dyn FnMut(&mut Parcel)) {
        self.bytes = 0;
        for Inflight { parcel, .. } in &mut self.sent {
            change(parcel);
            self.bytes = self.bytes.saturating_add(parcel.size());
        }
    }

    /// Gives the memory of an empty window back.
    pub(crate) fn trim(&mut self) {
        trim(&mut self.sent);
    }
}

/// How often the next identifier is taken to get from one to another.
fn steps(from: PacketId, to: PacketId) -> u64 {
    (u64::from(to.get()) + IDENTIFIERS - u64::from(from.get())) % IDENTIFIERS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::{Publish, Queue, Topic};
    use crate::port::Token;
    use crate::wire::Qos;
    use alloc::vec::Vec;

    fn parcel(token: u64) -> Parcel {
        let (topic, payload) = (Topic::new("t").unwrap(), bytes::Bytes::new());
        let (qos, queue) = (Qos::AtLeastOnce, Queue::Bounded);
        Parcel::new(Token(token), Publish { topic, payload, qos, retain: false, queue })
    }

    fn window(ids: &[u16]) -> Window {
        let mut window = Window::default();
        for (token, id) in ids.iter().enumerate() {
            window.push(PacketId::new(*id).unwrap(), parcel(token as u64));
        }
        window
    }

    fn tokens(window: &Window) -> Vec<u64> {
        window.iter().map(|sent| sent.parcel.token.0).collect()
    }

    #[test]
    fn parcels_are_found_by_identifier_in_any_order_and_keep_the_order_of_sending() {
        let mut window = window(&[65_534, 65_535, 1, 2, 9]);
        for (id, token) in [(1, 2), (65_534, 0), (9, 4)] {
            let id = PacketId::new(id).unwrap();
            assert!(window.uses(id));
            assert_eq!(window.remove(id).unwrap().token.0, token);
            assert!(!window.uses(id) && window.remove(id).is_none());
        }
        assert_eq!(tokens(&window), [1, 3]);
        window.push(PacketId::new(1).unwrap(), parcel(7));
        assert_eq!(tokens(&window), [1, 3, 7]);
    }

    #[test]
    fn parcels_that_the_identifiers_have_gone_round_are_still_found() {
        let mut window = window(&[7, 8, 9]);
        let mut id = PacketId::new(9).unwrap();
        for turn in 0..150_000 {
            id = id.next();
            while window.uses(id) {
                assert!((7..=9).contains(&id.get()), "{id:?} is free again");
                id = id.next();
            }
            window.push(id, parcel(10 + turn));
            if turn >= 40 {
                let earlier = window.iter().nth(3).unwrap().id;
                assert!(window.remove(earlier).is_some());
            }
        }
        assert_eq!(tokens(&window).get(..3), Some(&[0, 1, 2][..]));
        assert_eq!(window.remove(PacketId::new(8).unwrap()).unwrap().token.0, 1);
        assert_eq!(window.remove(id).unwrap().token.0, 150_009);
        assert_eq!(window.remove(PacketId::new(7).unwrap()).unwrap().token.0, 0);
        assert_eq!(window.remove(PacketId::new(9).unwrap()).unwrap().token.0, 2);
        assert_eq!((window.len(), window.passed.len()), (39, 0));
    }

    #[test]
    fn an_empty_window_that_is_trimmed_holds_no_memory() {
        let mut window = window(&[5, 6, 7]);
        for id in [6, 5, 7] {
            window.remove(PacketId::new(id).unwrap());
        }
        window.trim();
        assert_eq!((window.len(), window.sent.capacity()), (0, 0));
    }
}
