//! The link as a plain client of MQTT: a dialect that publishes ready-made bytes and tells of every message that
//! comes in. It does what a client without a cloud's rules would, so that the adapters can be put beside one.

use bytes::Bytes;
use device_link::wire::Qos;
use device_link::{
    ConnectSpec, Cx, Dialect, Endpoint, ExitReason, Filter, HookId, LinkEvent, Message, Now, Publish, Queue,
    Receipt, StoreId, Stored, SubscribeRefused, Token, Topic, Transport,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::net::SocketAddr;

use crate::client::TOPIC;

/// A payload that is shared, not copied.
#[derive(Clone, Debug)]
pub(crate) struct Payload(pub(crate) Bytes);

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Command {
    Publish(Payload),
    End,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Notice {
    Subscribed,
    Acknowledged,
    Received(Payload),
    Lost,
}

#[derive(Debug)]
pub(crate) struct Peer {
    broker: SocketAddr,
    topic: Topic,
    subscribes: bool,
}

impl Peer {
    pub(crate) fn new(broker: SocketAddr, subscribes: bool) -> Self {
        Self { broker, topic: Topic::new(TOPIC).expect("the topic is valid"), subscribes }
    }
}

impl Dialect for Peer {
    type Command = Command;
    type Notice = Notice;
    type Hook = ();
    type Outcome = ();
    type Timer = ();
    type Tag = ();

    fn connect(&mut self, _now: Now) -> ConnectSpec {
        let (host, port) = (self.broker.ip().to_string(), self.broker.port());
        ConnectSpec {
            endpoint: Endpoint { host, port, transport: Transport::Tcp },
            client_id: "peer".into(),
            username: None,
            password: None,
            token: None,
            will: None,
            keep_alive_seconds: 0,
            clean_session: true,
        }
    }

    fn on_start(&mut self, cx: &mut Cx<'_, Self>, _stored: &[Stored]) {
        // One that only publishes wants to know when it may begin as well.
        let filter = if self.subscribes { TOPIC } else { "none" };
        cx.subscribe(&Filter::new(filter).expect("the filter is valid"), Qos::AtLeastOnce, ());
    }

    fn on_link(&mut self, _cx: &mut Cx<'_, Self>, _event: LinkEvent) {}

    fn on_subscribed(&mut self, cx: &mut Cx<'_, Self>, _tag: (), _answer: Result<Qos, SubscribeRefused>) {
        cx.notify(Notice::Subscribed);
    }

    fn on_message(&mut self, cx: &mut Cx<'_, Self>, _tag: (), message: Message<'_>) {
        cx.notify(Notice::Received(Payload(message.payload.clone())));
    }

    fn on_receipt(&mut self, cx: &mut Cx<'_, Self>, _token: Token, receipt: Receipt) {
        cx.notify(match receipt {
            Receipt::Acked | Receipt::Sent => Notice::Acknowledged,
            Receipt::Lost(_) => Notice::Lost,
        });
    }

    fn on_timer(&mut self, _cx: &mut Cx<'_, Self>, _timer: ()) {}

    fn on_command(&mut self, cx: &mut Cx<'_, Self>, command: Command) {
        match command {
            Command::Publish(Payload(payload)) => {
                let (topic, queue) = (self.topic.clone(), Queue::Bounded);
                cx.publish(Publish { topic, payload, qos: Qos::AtLeastOnce, retain: false, queue });
            }
            Command::End => cx.exit(ExitReason::Shutdown),
        }
    }

    fn on_hook(&mut self, _cx: &mut Cx<'_, Self>, _id: HookId, _outcome: ()) {}

    fn on_stored(&mut self, _cx: &mut Cx<'_, Self>, _id: StoreId, _ok: bool) {}
}

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(|bytes| Self(bytes.into()))
    }
}
