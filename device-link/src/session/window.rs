//! What was sent at QoS 1 and is not yet acknowledged, in the order of sending.

use alloc::collections::VecDeque;

use super::outbox::Parcel;
use crate::map::Map;
use crate::wire::PacketId;

/// A parcel sent at QoS 1 and not yet acknowledged.
#[derive(Debug)]
pub(crate) struct Inflight {
    pub(crate) id: PacketId,
    pub(crate) parcel: Parcel,
    /// Counts up from the front to the back of the window.
    order: u64,
}

/// The inflight window. An identifier is found in O(log n), wherever its parcel stands; brokers acknowledge in
/// order [MQTT-4.6.0-2], so it mostly stands in front. An empty window holds no memory.
#[derive(Debug, Default)]
pub(crate) struct Window {
    sent: VecDeque<Inflight>,
    /// The `order` of each identifier.
    orders: Map<PacketId, u64>,
    next: u64,
}

impl Window {
    pub(crate) fn len(&self) -> usize {
        self.sent.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.sent.is_empty()
    }

    pub(crate) fn uses(&self, id: PacketId) -> bool {
        self.orders.contains_key(&id)
    }

    /// Remembers a parcel as the last that was sent.
    pub(crate) fn push(&mut self, id: PacketId, parcel: Parcel) {
        let order = self.next;
        self.next = order.saturating_add(1);
        self.orders.insert(id, order);
        self.sent.push_back(Inflight { id, parcel, order });
    }

    /// Takes out the parcel that was sent under `id`.
    pub(crate) fn remove(&mut self, id: PacketId) -> Option<Parcel> {
        let order = self.orders.remove(&id)?;
        let at = self.sent.binary_search_by_key(&order, |sent| sent.order).ok()?;
        let removed = self.sent.remove(at)?;
        if self.sent.is_empty() {
            (self.sent, self.orders) = (VecDeque::new(), Map::new());
        }
        Some(removed.parcel)
    }

    /// Takes everything out, in the order of sending.
    pub(crate) fn take(&mut self) -> VecDeque<Inflight> {
        self.orders = Map::new();
        core::mem::take(&mut self.sent)
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &Inflight> {
        self.sent.iter()
    }

    pub(crate) fn parcels_mut(&mut self) -> impl Iterator<Item = &mut Parcel> {
        self.sent.iter_mut().map(|sent| &mut sent.parcel)
    }
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
    fn an_empty_window_holds_no_memory() {
        let mut window = window(&[5, 6, 7]);
        for id in [6, 5, 7] {
            window.remove(PacketId::new(id).unwrap());
        }
        assert_eq!((window.len(), window.sent.capacity(), window.orders.len()), (0, 0, 0));
    }
}
