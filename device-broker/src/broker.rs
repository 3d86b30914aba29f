//! The broker's core: connections in, packets out. Routing and delivery are in `delivery`.

use crate::link::{Link, Phase, Up};
use crate::message::Message;
use crate::retained::Retained;
use crate::session::{Session, SessionId, Stage};
use crate::tree::Tree;
use crate::{Counters, Ended, Limits, Note, Output, Users};
use device_link::wire::{
    Connect, ConnectCode, Packet, PacketId, Publish, Qos, WireError, decode, encode_publish,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// Names a connection; the caller never uses one twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

/// An MQTT 3.1.1 broker without sockets, clock or threads.
///
/// Call [`open`](Self::open), [`bytes`](Self::bytes), [`written`](Self::written), [`closed`](Self::closed) and
/// [`tick`](Self::tick) as things happen, and after each of them do what [`poll`](Self::poll) says until it says
/// `None`. Times are milliseconds of any steady clock; `tick` is due at [`deadline`](Self::deadline).
///
/// ```
/// use device_broker::{Broker, ConnId, Limits, Output, Users};
///
/// let mut broker = Broker::new(Limits::default(), Users::anyone());
/// broker.open(ConnId(1), 0);
/// broker.bytes(ConnId(1), b"\x10\x0d\0\x04MQTT\x04\x02\0\x3c\0\x01a", 5);
/// let Some(Output::Send { conn, bytes }) = broker.poll() else { panic!("no CONNACK") };
/// assert_eq!(&bytes[..], b"\x20\x02\0\0");
/// broker.written(conn, bytes.len());
/// assert_eq!(broker.poll(), None);
/// assert_eq!(broker.deadline(), Some(5 + 90_000));
/// ```
#[derive(Debug)]
pub struct Broker {
    pub(crate) limits: Limits,
    users: Users,
    watched: bool,
    pub(crate) links: BTreeMap<ConnId, Link>,
    pub(crate) clients: BTreeMap<Arc<str>, SessionId>,
    pub(crate) sessions: BTreeMap<SessionId, Session>,
    pub(crate) tree: Tree<SessionId>,
    pub(crate) retained: Retained,
    alarms: BTreeSet<(u64, ConnId)>,
    wills: VecDeque<(Arc<Message>, bool)>,
    /// Links with something to send, each once.
    pub(crate) listed: VecDeque<ConnId>,
    outputs: VecDeque<Output>,
    pub(crate) counters: Counters,
    next_session: u64,
    pub(crate) revision: u64,
}

impl Broker {
    /// A broker without retained messages or sessions.
    #[must_use]
    pub fn new(limits: Limits, users: Users) -> Self {
        Self {
            limits,
            users,
            watched: false,
            links: BTreeMap::new(),
            clients: BTreeMap::new(),
            sessions: BTreeMap::new(),
            tree: Tree::default(),
            retained: Retained::default(),
            alarms: BTreeSet::new(),
            wills: VecDeque::new(),
            listed: VecDeque::new(),
            outputs: VecDeque::new(),
            counters: Counters::default(),
            next_session: 0,
            revision: 0,
        }
    }

    /// Whether [`Output::Note`] is wanted; it is not at first.
    pub fn watch(&mut self, watched: bool) {
        self.watched = watched;
    }

    /// Cuts a client off as if its connection were lost; `false` when it is not connected.
    pub fn disconnect(&mut self, client: &str) -> bool {
        let session = self.clients.get(client).and_then(|id| self.sessions.get(id));
        let Some(conn) = session.and_then(|session| session.conn) else { return false };
        self.end(conn, Ended::Lost, true);
        self.settle();
        true
    }

    /// Replaces the accounts, for connections from now on.
    pub fn set_users(&mut self, users: Users) {
        self.users = users;
    }

    /// A client's connection is there.
    pub fn open(&mut self, conn: ConnId, now: u64) {
        if self.links.len() >= self.limits.connections {
            self.counters.connections_refused += 1;
            self.outputs.push_back(Output::Close { conn });
            return;
        }
        self.links.insert(conn, Link::new(now));
        self.arm(conn);
    }

    /// Bytes came. Those of an unknown connection are ignored.
    pub fn bytes(&mut self, conn: ConnId, bytes: &[u8], now: u64) {
        let Some(link) = self.links.get_mut(&conn) else { return };
        link.read.extend_from_slice(bytes);
        while let Some(link) = self.links.get_mut(&conn) {
            let fresh = matches!(link.phase, Phase::Fresh);
            if fresh && link.read.first().is_some_and(|byte| byte >> 4 != 1) {
                self.end(conn, Ended::Violation(WireError::Malformed("first packet is not connect")), true);
                break;
            }
            let result = match decode(&mut link.read, self.limits.packet_bytes) {
                Ok(None) => {
                    link.shrink();
                    break;
                }
                Ok(Some(packet)) => {
                    link.heard = now;
                    self.packet(conn, packet)
                }
                Err(WireError::UnsupportedLevel(_)) if fresh => {
                    self.refuse(conn, ConnectCode::UnacceptableProtocol)
                }
                Err(error) => Err(Ended::Violation(error)),
            };
            if let Err(ended) = result {
                self.end(conn, ended, true);
            }
        }
        self.settle();
    }

    /// `count` bytes of [`Output::Send`] have been taken by the network.
    pub fn written(&mut self, conn: ConnId, count: usize) {
        let Some(link) = self.links.get_mut(&conn) else { return };
        link.unsent = link.unsent.saturating_sub(count);
        if let Some(session) = link.session() {
            self.flush(session);
        }
        self.settle();
    }

    /// The connection is gone. Not needed after [`Output::Close`].
    pub fn closed(&mut self, conn: ConnId) {
        self.end(conn, Ended::Lost, false);
        self.settle();
    }

    /// Time has passed: ends the connections that were silent for too long.
    pub fn tick(&mut self, now: u64) {
        while let Some(&(at, conn)) = self.alarms.first()
            && at <= now
        {
            self.alarms.remove(&(at, conn));
            let Some(link) = self.links.get_mut(&conn) else { continue };
            link.alarm = None;
            match link.due(self.limits.connect_ms) {
                Some(due) if due <= now => self.end(conn, Ended::Silent, true),
                Some(_) => self.arm(conn),
                None => {}
            }
        }
        self.settle();
    }

    /// When `tick` is due at the latest.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        self.alarms.first().map(|&(at, _)| at)
    }

    /// What to do next; everything one call led to, coalesced for each connection.
    pub fn poll(&mut self) -> Option<Output> {
        while let Some(conn) = self.listed.pop_front() {
            if let Some(link) = self.links.get_mut(&conn) {
                return Some(Output::Send { conn, bytes: link.take_write() });
            }
        }
        self.outputs.pop_front()
    }

    /// What has been counted so far, and what there is.
    #[must_use]
    pub fn counters(&self) -> Counters {
        Counters {
            connections: self.links.len(),
            sessions: self.sessions.len(),
            retained_messages: self.retained.len(),
            retained_bytes: self.retained.bytes(),
            ..self.counters
        }
    }

    /// Grows whenever something changed that [`snapshot`](Self::snapshot) holds.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    fn packet(&mut self, conn: ConnId, packet: Packet) -> Result<(), Ended> {
        let Some(session) = self.links.get(&conn).and_then(Link::session) else {
            return match packet {
                Packet::Connect(connect) => self.connect(conn, connect),
                _ => Err(violation("first packet is not connect")),
            };
        };
        match packet {
            Packet::Publish(publish) => self.on_publish(conn, session, &publish)?,
            Packet::Subscribe { id, filters } => self.subscribe(conn, session, id, &filters),
            Packet::Unsubscribe { id, filters } => {
                self.unsubscribe(session, &filters);
                self.send(conn, &Packet::UnsubAck(id));
            }
            Packet::PubAck(id) => self.with_session(session, |session| session.acknowledge(id)),
            Packet::PubRec(id) => {
                self.with_session(session, |session| session.release(id));
                self.send(conn, &Packet::PubRel(id));
            }
            Packet::PubComp(id) => self.with_session(session, |session| session.complete(id)),
            Packet::PubRel(id) => {
                self.with_session(session, |session| _ = session.incoming.remove(&id));
                self.send(conn, &Packet::PubComp(id));
            }
            Packet::PingReq => self.send(conn, &Packet::PingResp),
            Packet::Disconnect => return Err(Ended::Goodbye),
            Packet::Connect(_) => return Err(violation("second connect")),
            Packet::ConnAck { .. } | Packet::SubAck { .. } | Packet::UnsubAck(_) | Packet::PingResp => {
                return Err(violation("packet of a server"));
            }
        }
        Ok(())
    }

    fn connect(&mut self, conn: ConnId, connect: Connect) -> Result<(), Ended> {
        if connect.will.as_ref().is_some_and(|will| self.limits.too_deep(&will.topic)) {
            return Err(violation("too many topic levels"));
        }
        let limit = self.limits.credential_bytes;
        if connect.client_id.len() > limit || (connect.client_id.is_empty() && !connect.clean_session) {
            return self.refuse(conn, ConnectCode::IdentifierRejected);
        }
        let (user, password) = (connect.username.as_deref(), connect.password.as_deref());
        if user.is_some_and(|user| user.len() > limit) || password.is_some_and(|word| word.len() > limit) {
            return self.refuse(conn, ConnectCode::BadUsernameOrPassword);
        }
        let client = self.client_name(&connect.client_id);
        let Some(access) = self.users.access(user, password) else {
            return self.refuse(conn, ConnectCode::NotAuthorized);
        };
        let access = access.filled_in(&client, user);
        if !self.clients.contains_key(&client) && self.sessions.len() >= self.limits.sessions {
            return self.refuse(conn, ConnectCode::ServerUnavailable);
        }
        let (session, session_present) = self.claim_session(conn, &client, &connect);
        let patience_ms = (connect.keep_alive != 0).then(|| u64::from(connect.keep_alive) * 1_500);
        if let Some(link) = self.links.get_mut(&conn) {
            link.phase = Phase::Up(Box::new(Up { session, will: connect.will, patience_ms, access }));
        }
        self.arm(conn);
        self.note(|| Note::Connected { client: client.clone(), user: connect.username.clone() });
        self.send(conn, &Packet::ConnAck { session_present, code: ConnectCode::Accepted });
        self.resend(conn, session);
        self.flush(session);
        Ok(())
    }

    fn client_name(&mut self, given: &str) -> Arc<str> {
        if !given.is_empty() {
            return given.into();
        }
        loop {
            self.counters.names_given += 1;
            let name: Arc<str> = format!("auto-{}", self.counters.names_given).into();
            if !self.clients.contains_key(&name) {
                return name;
            }
        }
    }

    /// The client's session, its own alone: an older connection is closed, and a session that is to be clean, or
    /// was another user's, starts anew. Returns whether it was there before.
    fn claim_session(&mut self, conn: ConnId, client: &Arc<str>, connect: &Connect) -> (SessionId, bool) {
        if let Some(id) = self.clients.get(client).copied() {
            if let Some(older) = self.sessions.get(&id).and_then(|session| session.conn) {
                self.end(older, Ended::TakenOver, true);
            }
            let same_user = self.sessions.get(&id).is_some_and(|session| session.user == connect.username);
            if connect.clean_session || !same_user {
                self.remove_session(id);
            }
        }
        let present = self.clients.contains_key(client);
        let id = match self.clients.get(client) {
            Some(id) => *id,
            None => self.new_session(client.clone(), connect.username.clone()),
        };
        if let Some(session) = self.sessions.get_mut(&id) {
            session.clean = connect.clean_session;
            session.conn = Some(conn);
        }
        self.revision += 1;
        (id, present)
    }

    pub(crate) fn new_session(&mut self, client: Arc<str>, user: Option<String>) -> SessionId {
        self.next_session += 1;
        let id = SessionId(self.next_session);
        self.clients.insert(client.clone(), id);
        self.sessions.insert(id, Session::new(client, user, false));
        id
    }

    fn remove_session(&mut self, id: SessionId) {
        let Some(session) = self.sessions.remove(&id) else { return };
        self.clients.remove(&session.client);
        for filter in session.filters.keys() {
            self.tree.remove(filter, id);
        }
        self.revision += 1;
    }

    /// What was on its way when the last connection ended goes out again, in its order [MQTT-4.4.0-1].
    fn resend(&mut self, conn: ConnId, session: SessionId) {
        let (Some(session), Some(link)) = (self.sessions.get(&session), self.links.get_mut(&conn)) else {
            return;
        };
        for flight in session.inflight() {
            match &flight.stage {
                Stage::Released => link.put(&Packet::PubRel(flight.id)),
                Stage::Published(sent) => {
                    let (topic, payload) = (&sent.message.topic, &sent.message.payload);
                    let out = &mut link.write;
                    let size =
                        encode_publish(topic, payload, sent.qos, sent.retain, true, Some(flight.id), out);
                    link.unsent += size.unwrap_or(0);
                }
            }
        }
    }

    fn on_publish(&mut self, conn: ConnId, session: SessionId, publish: &Publish) -> Result<(), Ended> {
        if self.limits.too_deep(&publish.topic) {
            return Err(violation("too many topic levels"));
        }
        let Some(up) = self.links.get(&conn).and_then(Link::up) else { return Ok(()) };
        let allowed = up.access.may_publish(&publish.topic);
        let first = self.first_of(session, publish)?;
        if !allowed {
            self.counters.publishes_denied += 1;
        } else if first {
            let client = self.sessions.get(&session).map(|session| session.client.clone());
            self.note(|| Note::published(client, publish));
            self.route(&publish.topic, &publish.payload, publish.qos, publish.retain);
        }
        match (publish.qos, publish.id) {
            (Qos::AtLeastOnce, Some(id)) => self.send(conn, &Packet::PubAck(id)),
            (Qos::ExactlyOnce, Some(id)) => self.send(conn, &Packet::PubRec(id)),
            _ => {}
        }
        Ok(())
    }

    /// Whether this is not a repetition of a QoS 2 message that was taken before [MQTT-4.3.3-2].
    fn first_of(&mut self, session: SessionId, publish: &Publish) -> Result<bool, Ended> {
        let (Qos::ExactlyOnce, Some(id)) = (publish.qos, publish.id) else { return Ok(true) };
        let limit = self.limits.incoming;
        let Some(session) = self.sessions.get_mut(&session) else { return Ok(true) };
        let first = session.incoming.insert(id);
        if session.incoming.len() > limit {
            session.incoming.remove(&id);
            return Err(Ended::TooManyUnreleased);
        }
        Ok(first)
    }

    fn subscribe(&mut self, conn: ConnId, id: SessionId, packet: PacketId, filters: &[(String, Qos)]) {
        let codes = filters.iter().map(|(filter, qos)| self.subscribe_one(conn, id, filter, *qos)).collect();
        self.send(conn, &Packet::SubAck { id: packet, codes });
        self.revision += 1;
        self.flush(id);
    }

    fn subscribe_one(&mut self, conn: ConnId, id: SessionId, filter: &str, qos: Qos) -> Option<Qos> {
        let up = self.links.get(&conn).and_then(Link::up)?;
        let session = self.sessions.get_mut(&id)?;
        let full =
            !session.filters.contains_key(filter) && session.filters.len() >= self.limits.subscriptions;
        if full || self.limits.too_deep(filter) || !up.access.may_subscribe(filter) {
            self.counters.subscriptions_refused += 1;
            return None;
        }
        let filter: Arc<str> = filter.into();
        session.filters.insert(filter.clone(), qos);
        self.tree.insert(&filter, id, qos);
        session.start_cursor(filter, qos);
        Some(qos)
    }

    fn unsubscribe(&mut self, id: SessionId, filters: &[String]) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        for filter in filters {
            if session.filters.remove(filter.as_str()).is_some() {
                session.drop_cursor(filter);
                self.tree.remove(filter, id);
            }
        }
        self.revision += 1;
    }

    fn with_session(&mut self, id: SessionId, change: impl FnOnce(&mut Session)) {
        if let Some(session) = self.sessions.get_mut(&id) {
            change(session);
            self.revision += u64::from(!session.clean);
        }
        self.flush(id);
    }

    fn refuse(&mut self, conn: ConnId, code: ConnectCode) -> Result<(), Ended> {
        self.counters.connects_refused += 1;
        self.send(conn, &Packet::ConnAck { session_present: false, code });
        Err(Ended::Refused(code))
    }

    /// Forgets a connection, and with it a clean session; the will goes out unless DISCONNECT came.
    pub(crate) fn end(&mut self, conn: ConnId, why: Ended, close: bool) {
        let Some(mut link) = self.links.remove(&conn) else { return };
        if let Some(at) = link.alarm {
            self.alarms.remove(&(at, conn));
        }
        if close {
            if !link.write.is_empty() {
                self.outputs.push_back(Output::Send { conn, bytes: link.take_write() });
            }
            self.outputs.push_back(Output::Close { conn });
        }
        let Phase::Up(up) = link.phase else { return };
        if let Some(session) = self.sessions.get_mut(&up.session) {
            session.conn = None;
            let (client, clean) = (session.client.clone(), session.clean);
            if clean {
                self.remove_session(up.session);
            }
            self.note(|| Note::Disconnected { client, why });
        }
        let Some(will) = up.will.filter(|will| why != Ended::Goodbye && up.access.may_publish(&will.topic))
        else {
            return;
        };
        let message = Message { topic: will.topic.into(), payload: will.payload, qos: will.qos };
        self.wills.push_back((Arc::new(message), will.retain));
    }

    /// Publishes the wills of the connections that ended; that may end further ones.
    pub(crate) fn settle(&mut self) {
        while let Some((will, retain)) = self.wills.pop_front() {
            self.route_message(&will, retain);
        }
    }

    fn arm(&mut self, conn: ConnId) {
        let Some(link) = self.links.get_mut(&conn) else { return };
        if let Some(at) = link.alarm.take() {
            self.alarms.remove(&(at, conn));
        }
        link.alarm = link.due(self.limits.connect_ms);
        if let Some(at) = link.alarm {
            self.alarms.insert((at, conn));
        }
    }

    pub(crate) fn note(&mut self, note: impl FnOnce() -> Note) {
        if self.watched {
            self.outputs.push_back(Output::Note(note()));
        }
    }
}

fn violation(what: &'static str) -> Ended {
    Ended::Violation(WireError::Malformed(what))
}
