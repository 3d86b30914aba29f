//! From a published message to its subscribers.

use crate::message::{Delivery, Message};
use crate::session::SessionId;
use crate::{Broker, ConnId, Ended};
use bytes::Bytes;
use device_link::wire::{Packet, PacketId, Qos, WireError, encode_publish, topic_name_ok};
use std::sync::Arc;

impl Broker {
    /// Publishes a message of the broker's own, past all accounts.
    ///
    /// # Errors
    ///
    /// When `topic` is no topic name or has too many levels.
    pub fn publish(&mut self, topic: &str, payload: &[u8], qos: Qos, retain: bool) -> Result<(), WireError> {
        if !topic_name_ok(topic) || self.limits.too_deep(topic) {
            return Err(WireError::Unencodable("topic name"));
        }
        self.route(topic, payload, qos, retain);
        self.settle();
        Ok(())
    }

    /// Copies the payload out of the read buffer, once for all who keep it, and delivers.
    pub(crate) fn route(&mut self, topic: &str, payload: &[u8], qos: Qos, retain: bool) {
        let message = Message { topic: topic.into(), payload: Bytes::copy_from_slice(payload), qos };
        self.route_message(&Arc::new(message), retain);
    }

    pub(crate) fn route_message(&mut self, message: &Arc<Message>, retain: bool) {
        self.counters.published += 1;
        if retain {
            self.revision += 1;
            if !self.retained.keep(message, &self.limits) {
                self.counters.retained_refused += 1;
            }
        }
        for (session, granted) in self.tree.subscribers(&message.topic) {
            self.deliver(session, message, granted);
        }
    }

    fn deliver(&mut self, id: SessionId, message: &Arc<Message>, granted: Qos) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let delivery = Delivery { message: message.clone(), qos: message.qos.min(granted), retain: false };
        match (delivery.qos, session.conn) {
            (Qos::AtMostOnce, None) => {}
            (Qos::AtMostOnce, Some(conn)) => self.send_delivery(conn, &delivery, None),
            (Qos::AtLeastOnce | Qos::ExactlyOnce, _) => {
                self.revision += u64::from(!session.clean);
                if session.push(delivery, &self.limits) {
                    self.flush(id);
                } else {
                    self.counters.messages_dropped += 1;
                }
            }
        }
    }

    /// Sends what waits for a client as far as its connection and the number in flight have room.
    pub(crate) fn flush(&mut self, id: SessionId) {
        while let Some((conn, delivery)) = self.next_delivery(id) {
            let number = match delivery.qos {
                Qos::AtMostOnce => None,
                Qos::AtLeastOnce | Qos::ExactlyOnce => {
                    let session = self.sessions.get_mut(&id);
                    self.revision += u64::from(session.as_ref().is_some_and(|session| !session.clean));
                    session.map(|session| session.launch(delivery.clone()))
                }
            };
            self.send_delivery(conn, &delivery, number);
        }
    }

    /// The queue comes first, then retained messages.
    fn next_delivery(&mut self, id: SessionId) -> Option<(ConnId, Delivery)> {
        let session = self.sessions.get_mut(&id)?;
        let conn = session.conn?;
        if self.links.get(&conn)?.unsent > self.limits.unsent_bytes / 2 {
            return None;
        }
        let room = session.has_room_inflight(&self.limits);
        if room && let Some(delivery) = session.pop() {
            return Some((conn, delivery));
        }
        while let Some(cursor) = session.cursors.front_mut() {
            let Some((message, qos)) = cursor.peek(&self.retained) else {
                session.cursors.pop_front();
                continue;
            };
            if qos != Qos::AtMostOnce && !room {
                return None;
            }
            let delivery = Delivery { message: message.clone(), qos, retain: true };
            cursor.advance(message.topic.clone());
            return Some((conn, delivery));
        }
        None
    }

    fn send_delivery(&mut self, conn: ConnId, delivery: &Delivery, id: Option<PacketId>) {
        let Some(link) = self.links.get_mut(&conn) else { return };
        let (topic, payload) = (&delivery.message.topic, &delivery.message.payload);
        let size = encode_publish(topic, payload, delivery.qos, delivery.retain, false, id, &mut link.write);
        link.unsent += size.unwrap_or(0);
        self.after_put(conn);
    }

    pub(crate) fn send(&mut self, conn: ConnId, packet: &Packet) {
        if let Some(link) = self.links.get_mut(&conn) {
            link.put(packet);
            self.after_put(conn);
        }
    }

    /// Lists the link for `poll`, or gives it up when its reader is too slow.
    fn after_put(&mut self, conn: ConnId) {
        let Some(link) = self.links.get_mut(&conn) else { return };
        if link.unsent > self.limits.unsent_bytes {
            self.counters.slow_readers += 1;
            // It would not read this either.
            link.write.clear();
            return self.end(conn, Ended::SlowReader, true);
        }
        if !link.listed {
            link.listed = true;
            self.listed.push_back(conn);
        }
    }
}
