//! A dialect that takes in every message and says what it is told to, and nothing else: what the link alone costs.

use bytes::{Bytes, BytesMut};
use device_link::wire::{self, ConnectCode, Packet, PacketId, Qos};
use device_link::{
    Action, Boot, ConnId, ConnectSpec, Cx, Dialect, Endpoint, Event, Filter, HookId, Instant, Limits,
    LinkEvent, Message, Node, Now, Publish, Queue, Receipt, StoreId, Stored, SubscribeRefused, Token, Topic,
    Transport, UtcMillis,
};

use crate::floor::{PublishFloor, ReceiveFloor};
use crate::rig::{Broker, EPOCH, first_conn};

/// The payload of each message, in bytes.
const PAYLOAD: usize = 200;
const INBOUND: &str = "/r/REG/d/AHU-1/commands/one";
const OUTBOUND: &str = "/r/REG/d/AHU-1/events/one";

#[derive(Debug)]
struct Plain {
    /// Bytes of messages taken in, and messages acknowledged.
    seen: usize,
    topic: Topic,
    payload: Bytes,
}

impl Dialect for Plain {
    /// Publish so many messages.
    type Command = u16;
    type Notice = ();
    type Hook = ();
    type Outcome = ();
    type Timer = ();
    type Tag = ();

    fn connect(&mut self, _now: Now) -> ConnectSpec {
        ConnectSpec {
            endpoint: Endpoint { host: "localhost".into(), port: 1883, transport: Transport::Tcp },
            client_id: "plain".into(),
            username: None,
            password: None,
            token: None,
            will: None,
            keep_alive_seconds: 0,
            clean_session: true,
        }
    }
    fn on_start(&mut self, cx: &mut Cx<'_, Self>, _stored: &[Stored]) {
        cx.subscribe(&Filter::new(INBOUND).expect("the filter is valid"), Qos::AtLeastOnce, ());
    }
    fn on_link(&mut self, _cx: &mut Cx<'_, Self>, _event: LinkEvent) {}
    fn on_subscribed(&mut self, _cx: &mut Cx<'_, Self>, _tag: (), _answer: Result<Qos, SubscribeRefused>) {}
    fn on_message(&mut self, _cx: &mut Cx<'_, Self>, _tag: (), message: Message<'_>) {
        self.seen += message.payload.len();
    }
    fn on_receipt(&mut self, _cx: &mut Cx<'_, Self>, _token: Token, _receipt: Receipt) {
        self.seen += 1;
    }
    fn on_timer(&mut self, _cx: &mut Cx<'_, Self>, _timer: ()) {}
    fn on_command(&mut self, cx: &mut Cx<'_, Self>, messages: u16) {
        for _ in 0..messages {
            cx.publish(Publish {
                topic: self.topic.clone(),
                payload: self.payload.clone(),
                qos: Qos::AtLeastOnce,
                retain: false,
                queue: Queue::Bounded,
            });
        }
    }
    fn on_hook(&mut self, _cx: &mut Cx<'_, Self>, _id: HookId, _outcome: ()) {}
    fn on_stored(&mut self, _cx: &mut Cx<'_, Self>, _id: StoreId, _ok: bool) {}
}

/// A link that is up, and a broker that answers it.
#[derive(Debug)]
pub struct Line {
    node: Node<Plain>,
    now: Now,
    conn: ConnId,
    broker: Broker,
}

impl Line {
    /// Goes through CONNECT and the subscription.
    ///
    /// # Panics
    /// If the link does not do what it has to.
    #[must_use]
    pub fn new() -> Self {
        let now = Now { at: Instant(0), utc: UtcMillis(EPOCH) };
        let mut boot = Boot::new(now, 1);
        boot.limits = Limits { inflight: 1000, ..Limits::default() };
        let topic = Topic::new(OUTBOUND).expect("the topic is valid");
        let dialect = Plain { seen: 0, topic, payload: vec![b'x'; PAYLOAD].into() };
        let (mut node, mut conn) = (Node::new(boot, dialect), first_conn());
        while let Some(action) = node.poll() {
            if let Action::Open { conn: asked, .. } = action {
                conn = asked;
            }
        }
        let mut line = Self { node, now, conn, broker: Broker::default() };
        line.handle(Event::Opened { conn });
        line.broker.sent.clear(); // the CONNECT
        let mut accepted = BytesMut::new();
        let packet = Packet::ConnAck { session_present: false, code: ConnectCode::Accepted };
        wire::encode(&packet, &mut accepted).expect("the packet is valid");
        line.handle(Event::Received { conn, bytes: accepted.freeze() });
        line.answer();
        line
    }

    /// Delivers what [`messages`] made and returns how many bytes the link sent.
    pub fn receive(&mut self, messages: &Bytes) -> usize {
        self.broker.sent.clear();
        self.handle(Event::Received { conn: self.conn, bytes: messages.clone() });
        self.broker.sent.len()
    }

    /// Sends so many messages, has them acknowledged in one read, and returns how many bytes they were.
    pub fn publish(&mut self, messages: u16) -> usize {
        self.broker.sent.clear();
        self.handle(Event::Command(messages));
        self.answer()
    }

    fn answer(&mut self) -> usize {
        let (count, answers) = self.broker.answer();
        if !answers.is_empty() {
            self.handle(Event::Received { conn: self.conn, bytes: answers });
        }
        count
    }

    fn handle(&mut self, event: Event<u16, ()>) {
        self.now.at.0 += 1;
        self.node.handle(self.now, event);
        while let Some(action) = self.node.poll() {
            if let Action::Send { bytes, .. } = action {
                bytes.parts().for_each(|part| self.broker.sent.extend_from_slice(part));
            }
        }
    }
}

impl Default for Line {
    fn default() -> Self {
        Self::new()
    }
}

/// So many messages at QoS 1, in one piece.
///
/// # Panics
/// Never for the sizes used here.
#[must_use]
pub fn messages(count: u16) -> Bytes {
    let mut packets = BytesMut::new();
    for id in (1..=count).filter_map(PacketId::new) {
        let payload = [b'x'; PAYLOAD];
        wire::encode_publish(INBOUND, &payload, Qos::AtLeastOnce, false, false, Some(id), &mut packets)
            .expect("the packet is valid");
    }
    packets.freeze()
}

/// The floor of [`Line::receive`].
#[must_use]
pub fn receive_floor(messages: Bytes) -> ReceiveFloor {
    ReceiveFloor(messages)
}

/// The floor of [`Line::publish`].
#[must_use]
pub fn publish_floor(messages: u16) -> PublishFloor {
    PublishFloor { topic: OUTBOUND.to_owned(), payload: vec![b'x'; PAYLOAD].into(), messages }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_is_taken_in_and_every_one_sent_is_acknowledged() {
        let mut line = Line::new();
        for (turn, count) in [1, 10, 100].into_iter().enumerate() {
            let inbound = messages(count);
            assert_eq!(line.receive(&inbound), receive_floor(inbound.clone()).run());
            assert_eq!(line.publish(count), publish_floor(count).run());
            assert_eq!(line.node.load().publishes, 0, "turn {turn}");
        }
        assert_eq!(line.node.dialect().seen, 111 * (PAYLOAD + 1));
    }
}
