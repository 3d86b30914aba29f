//! What survives a restart, as data.

use crate::message::{Delivery, Message};
use crate::session::{Session, Stage};
use crate::{Broker, Limits, Qos, Users};
use bytes::Bytes;
use device_link::wire::{PacketId, topic_filter_ok, topic_name_ok};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Retained messages and the sessions that outlive their connections.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// 1; another version is not read.
    version: u32,
    retained: Vec<Kept>,
    sessions: Vec<KeptSession>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    topic: String,
    payload: Payload,
    qos: Qos,
}

/// Text where it is text, so that a file of them can be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Payload {
    Text(String),
    Bytes(Vec<u8>),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct KeptSession {
    client: String,
    user: Option<String>,
    filters: BTreeMap<String, Qos>,
    incoming: Vec<PacketId>,
    inflight: Vec<KeptFlight>,
    queue: Vec<KeptDelivery>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct KeptFlight {
    id: PacketId,
    /// `None` once released.
    published: Option<KeptDelivery>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct KeptDelivery {
    #[serde(flatten)]
    message: Kept,
    retain: bool,
}

impl Broker {
    /// What is to survive a restart. Connections, and the sessions that end with them, do not.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            version: 1,
            retained: self.retained.iter().map(|message| Kept::of(message, message.qos)).collect(),
            sessions: self.sessions.values().filter(|session| !session.clean).map(KeptSession::of).collect(),
        }
    }

    /// A broker that goes on where `snapshot` was taken. What breaks a rule or a limit is left out.
    #[must_use]
    pub fn restore(limits: Limits, users: Users, snapshot: Snapshot) -> Self {
        let mut broker = Self::new(limits, users);
        if snapshot.version != 1 {
            return broker;
        }
        for message in snapshot.retained.into_iter().filter_map(|kept| kept.into_message(&limits)) {
            broker.retained.keep(&message, &limits);
        }
        for session in snapshot.sessions {
            if broker.sessions.len() < limits.sessions && !broker.clients.contains_key(&*session.client) {
                broker.restore_session(session);
            }
        }
        broker
    }

    fn restore_session(&mut self, kept: KeptSession) {
        let limits = self.limits;
        let id = self.new_session(kept.client.into(), kept.user);
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let filters = kept
            .filters
            .into_iter()
            .filter(|(filter, _)| topic_filter_ok(filter) && !limits.too_deep(filter));
        for (filter, qos) in filters.take(limits.subscriptions) {
            self.tree.insert(&filter, id, qos);
            session.filters.insert(filter.into(), qos);
        }
        session.incoming = kept.incoming.into_iter().take(limits.incoming).collect();
        for flight in kept.inflight {
            let stage = match flight.published {
                None => Some(Stage::Released),
                Some(delivery) => delivery.into_delivery(&limits).map(Stage::Published),
            };
            let known = session.inflight().any(|other| other.id == flight.id);
            if let Some(stage) = stage
                && session.has_room_inflight(&limits)
                && !known
            {
                session.restore_flight(flight.id, stage);
            }
        }
        for delivery in kept.queue.into_iter().filter_map(|delivery| delivery.into_delivery(&limits)) {
            session.push(delivery, &limits);
        }
    }
}

impl Kept {
    fn of(message: &Message, qos: Qos) -> Self {
        let payload = match std::str::from_utf8(&message.payload) {
            Ok(text) => Payload::Text(text.to_owned()),
            Err(_) => Payload::Bytes(message.payload.to_vec()),
        };
        Self { topic: message.topic.to_string(), payload, qos }
    }

    fn into_message(self, limits: &Limits) -> Option<Arc<Message>> {
        let fits = topic_name_ok(&self.topic) && !limits.too_deep(&self.topic);
        let payload = match self.payload {
            Payload::Text(text) => Bytes::from(text),
            Payload::Bytes(bytes) => Bytes::from(bytes),
        };
        fits.then(|| Arc::new(Message { topic: self.topic.into(), payload, qos: self.qos }))
    }
}

impl KeptDelivery {
    fn of(delivery: &Delivery) -> Self {
        Self { message: Kept::of(&delivery.message, delivery.qos), retain: delivery.retain }
    }

    fn into_delivery(self, limits: &Limits) -> Option<Delivery> {
        let (qos, retain) = (self.message.qos, self.retain);
        let message = self.message.into_message(limits)?;
        (qos != Qos::AtMostOnce).then_some(Delivery { message, qos, retain })
    }
}

impl KeptSession {
    fn of(session: &Session) -> Self {
        Self {
            client: session.client.to_string(),
            user: session.user.clone(),
            filters: session.filters.iter().map(|(filter, qos)| (filter.to_string(), *qos)).collect(),
            incoming: session.incoming.iter().copied().collect(),
            inflight: session
                .inflight()
                .map(|flight| KeptFlight {
                    id: flight.id,
                    published: match &flight.stage {
                        Stage::Published(delivery) => Some(KeptDelivery::of(delivery)),
                        Stage::Released => None,
                    },
                })
                .collect(),
            queue: session.queue().map(KeptDelivery::of).collect(),
        }
    }
}
