//! The core without sockets: time, limits, slow readers, snapshots.

use bytes::{Bytes, BytesMut};
use device_broker::{Access, Broker, ConnId, Ended, Limits, Note, Output, Snapshot, Users};
use device_link::wire::{
    Connect, ConnectCode, Packet, PacketId, Publish, Qos, Will, decode, encode, encode_publish,
};
use std::collections::{BTreeMap, BTreeSet};

/// A broker, and what it sent to each connection.
struct World {
    broker: Broker,
    now: u64,
    sent: BTreeMap<ConnId, BytesMut>,
    closed: BTreeSet<ConnId>,
    notes: Vec<Note>,
    /// Connections that take nothing: what is sent to them is never reported as written.
    stuck: BTreeSet<ConnId>,
}

impl World {
    fn new(limits: Limits) -> Self {
        Self::of(Broker::new(limits, Users::anyone()))
    }

    fn of(mut broker: Broker) -> Self {
        broker.watch(true);
        Self {
            broker,
            now: 0,
            sent: BTreeMap::new(),
            closed: BTreeSet::new(),
            notes: Vec::new(),
            stuck: BTreeSet::new(),
        }
    }

    fn settle(&mut self) {
        while let Some(output) = self.broker.poll() {
            match output {
                Output::Send { conn, bytes } => {
                    self.sent.entry(conn).or_default().extend_from_slice(&bytes);
                    if !self.stuck.contains(&conn) {
                        self.broker.written(conn, bytes.len());
                    }
                }
                Output::Close { conn } => drop(self.closed.insert(conn)),
                Output::Note(note) => self.notes.push(note),
            }
        }
    }

    fn send(&mut self, conn: ConnId, packet: &Packet) {
        let mut bytes = BytesMut::new();
        encode(packet, &mut bytes).unwrap();
        self.broker.bytes(conn, &bytes, self.now);
        self.settle();
    }

    fn publish(&mut self, conn: ConnId, topic: &str, payload: &[u8], qos: Qos, retain: bool) {
        let id = (qos != Qos::AtMostOnce).then_some(PacketId::FIRST);
        let mut bytes = BytesMut::new();
        encode_publish(topic, payload, qos, retain, false, id, &mut bytes).unwrap();
        self.broker.bytes(conn, &bytes, self.now);
        self.settle();
    }

    fn subscribe(&mut self, conn: ConnId, filter: &str, qos: Qos) {
        self.send(conn, &Packet::Subscribe { id: PacketId::FIRST, filters: vec![(filter.into(), qos)] });
    }

    fn join(&mut self, number: u64, connect: Connect) -> ConnId {
        let conn = ConnId(number);
        self.broker.open(conn, self.now);
        self.send(conn, &Packet::Connect(connect));
        conn
    }

    fn tick(&mut self, now: u64) {
        self.now = now;
        self.broker.tick(now);
        self.settle();
    }

    /// What came since the last time.
    fn take(&mut self, conn: ConnId) -> Vec<Packet> {
        let mut packets = Vec::new();
        let bytes = self.sent.entry(conn).or_default();
        while let Some(packet) = decode(bytes, 1 << 24).unwrap() {
            packets.push(packet);
        }
        packets
    }

    fn messages(&mut self, conn: ConnId) -> Vec<Publish> {
        let publish = |packet| if let Packet::Publish(publish) = packet { Some(publish) } else { None };
        self.take(conn).into_iter().filter_map(publish).collect()
    }

    fn code(&mut self, conn: ConnId) -> Option<ConnectCode> {
        let code =
            |packet: &Packet| if let Packet::ConnAck { code, .. } = packet { Some(*code) } else { None };
        self.take(conn).first().and_then(code)
    }
}

fn client(client_id: &str) -> Connect {
    Connect {
        client_id: client_id.into(),
        clean_session: true,
        keep_alive: 60,
        will: None,
        username: None,
        password: None,
    }
}

fn kept(client_id: &str) -> Connect {
    Connect { clean_session: false, ..client(client_id) }
}

#[test]
fn silence_of_one_and_a_half_keep_alives_ends_a_connection() {
    let mut world = World::new(Limits::default());
    let conn = world.join(1, client("a"));
    world.tick(60_000);
    world.send(conn, &Packet::PingReq);
    world.tick(149_999);
    assert!(world.closed.is_empty());
    assert_eq!(world.broker.deadline(), Some(150_000));
    world.tick(150_000);
    assert!(world.closed.contains(&conn));
    assert_eq!(world.notes.last(), Some(&Note::Disconnected { client: "a".into(), why: Ended::Silent }));
    assert_eq!(world.broker.deadline(), None);
}

#[test]
fn a_keep_alive_of_zero_is_for_ever() {
    let mut world = World::new(Limits::default());
    world.join(1, Connect { keep_alive: 0, ..client("a") });
    assert_eq!(world.broker.deadline(), None);
    world.tick(u64::MAX);
    assert!(world.closed.is_empty());
}

#[test]
fn a_connection_without_connect_is_closed_after_a_while() {
    let mut world = World::new(Limits { connect_ms: 500, ..Limits::default() });
    world.broker.open(ConnId(1), 0);
    world.broker.bytes(ConnId(1), b"\x10", 400);
    world.tick(499);
    assert!(world.closed.is_empty());
    world.tick(500);
    assert!(world.closed.contains(&ConnId(1)));
}

#[test]
fn a_reader_that_does_not_read_is_dropped_and_holds_up_nobody() {
    let mut world = World::new(Limits { unsent_bytes: 10_000, ..Limits::default() });
    let will =
        Will { topic: "w".into(), payload: Bytes::from_static(b"x"), qos: Qos::AtMostOnce, retain: false };
    let slow = world.join(1, Connect { will: Some(will), ..client("slow") });
    let quick = world.join(2, client("quick"));
    let publisher = world.join(3, client("p"));
    world.subscribe(slow, "#", Qos::AtMostOnce);
    world.subscribe(quick, "#", Qos::AtMostOnce);
    world.stuck.insert(slow);
    world.take(quick);
    for _ in 0..30 {
        world.publish(publisher, "t", &[0; 1_000], Qos::AtMostOnce, false);
    }
    assert!(world.closed.contains(&slow) && world.sent[&slow].len() <= 10_000);
    let got = world.messages(quick);
    assert_eq!(got.len(), 31, "thirty messages and the will of the slow one");
    assert_eq!(world.broker.counters().slow_readers, 1);
}

#[test]
fn a_slow_reader_of_acknowledged_messages_gets_them_when_it_reads_again() {
    let mut world = World::new(Limits { unsent_bytes: 10_000, ..Limits::default() });
    let slow = world.join(1, client("slow"));
    let publisher = world.join(2, client("p"));
    world.subscribe(slow, "#", Qos::AtLeastOnce);
    world.take(slow);
    world.stuck.insert(slow);
    for _ in 0..15 {
        world.publish(publisher, "t", &[0; 1_000], Qos::AtLeastOnce, false);
    }
    assert!(world.closed.is_empty());
    let unsent = world.sent[&slow].len();
    assert!(unsent < 7_000, "{unsent}");
    world.stuck.clear();
    world.broker.written(slow, unsent);
    world.settle();
    assert_eq!(world.messages(slow).len(), 15);
}

#[test]
fn a_wide_filter_over_many_retained_messages_gets_them_all_as_it_reads() {
    let limits = Limits { unsent_bytes: 10_000, queued_messages: 10, topic_levels: 4, ..Limits::default() };
    let mut world = World::new(limits);
    let publisher = world.join(1, client("p"));
    for number in 0..500 {
        world.publish(publisher, &format!("r/{number}/config"), &[0; 100], Qos::AtLeastOnce, true);
    }
    let reader = world.join(2, client("reader"));
    world.subscribe(reader, "r/+/config", Qos::AtLeastOnce);
    let mut topics = BTreeSet::new();
    loop {
        let got = world.messages(reader);
        if got.is_empty() {
            break;
        }
        for message in got {
            assert!(message.retain);
            topics.insert(message.topic);
            world.send(reader, &Packet::PubAck(message.id.unwrap()));
        }
    }
    assert_eq!(topics.len(), 500);
}

#[test]
fn every_table_stops_at_its_limit() {
    let limits = Limits {
        connections: 3,
        sessions: 2,
        subscriptions: 1,
        topic_levels: 2,
        queued_messages: 2,
        incoming: 1,
        credential_bytes: 5,
        ..Limits::default()
    };
    let mut world = World::new(limits);
    let a = world.join(1, client("a"));
    assert_eq!(world.code(a), Some(ConnectCode::Accepted));
    let long = world.join(2, client("longer"));
    assert_eq!(world.code(long), Some(ConnectCode::IdentifierRejected));
    let long = world.join(3, Connect { username: Some("longer".into()), ..client("b") });
    assert_eq!(world.code(long), Some(ConnectCode::BadUsernameOrPassword));
    let b = world.join(4, kept("b"));
    let third = world.join(5, client("c"));
    assert_eq!(world.code(third), Some(ConnectCode::ServerUnavailable));
    world.broker.open(ConnId(6), 0);
    world.broker.open(ConnId(7), 0);
    world.settle();
    assert!(!world.closed.contains(&ConnId(6)) && world.closed.contains(&ConnId(7)));

    world.take(b);
    world.subscribe(b, "a/b/c", Qos::AtLeastOnce);
    world.subscribe(b, "t", Qos::AtLeastOnce);
    world.subscribe(b, "u", Qos::AtLeastOnce);
    world.subscribe(b, "t", Qos::AtLeastOnce);
    let granted: Vec<_> = world
        .take(b)
        .into_iter()
        .map(|packet| matches!(packet, Packet::SubAck { codes, .. } if codes[0].is_some()))
        .collect();
    assert_eq!(granted, [false, true, false, true]);

    world.send(b, &Packet::Disconnect);
    for _ in 0..3 {
        world.publish(a, "t", b"x", Qos::AtLeastOnce, false);
    }
    assert_eq!(world.broker.counters().messages_dropped, 1);
    let b = world.join(8, kept("b"));
    assert_eq!(world.messages(b).len(), 2);

    world.publish(a, "t", b"x", Qos::ExactlyOnce, false);
    assert!(!world.closed.contains(&a));
    let mut second = BytesMut::new();
    encode_publish("t", b"x", Qos::ExactlyOnce, false, false, PacketId::new(2), &mut second).unwrap();
    world.broker.bytes(a, &second, 0);
    world.settle();
    assert!(world.closed.contains(&a));
    world.publish(b, "a/b/c", b"x", Qos::AtMostOnce, false);
    assert!(world.closed.contains(&b));
}

#[test]
fn another_user_does_not_inherit_a_session() {
    let users = Users::default().with("alice", "1", Access::all()).with("bob", "2", Access::all());
    let mut world = World::of(Broker::new(Limits::default(), users));
    let as_user = |name: &str, password: &'static str| Connect {
        username: Some(name.into()),
        password: Some(Bytes::from_static(password.as_bytes())),
        ..kept("shared")
    };
    world.join(1, as_user("alice", "1"));
    world.join(2, as_user("alice", "1"));
    let bob = world.join(3, as_user("bob", "2"));
    let present = |packets: &[Packet]| matches!(packets, [Packet::ConnAck { session_present: true, .. }]);
    assert!(present(&world.take(ConnId(2))));
    assert!(!present(&world.take(bob)));
}

#[test]
fn the_broker_can_publish_and_cut_off_by_itself() {
    let mut world = World::new(Limits::default());
    let conn = world.join(1, client("a"));
    world.subscribe(conn, "t", Qos::AtMostOnce);
    world.broker.publish("t", b"x", Qos::AtMostOnce, false).unwrap();
    world.settle();
    assert_eq!(world.messages(conn).len(), 1);
    assert!(world.broker.publish("t/#", b"x", Qos::AtMostOnce, false).is_err());
    assert!(world.broker.disconnect("a") && !world.broker.disconnect("a"));
    world.settle();
    assert!(world.closed.contains(&conn));
}

#[test]
fn a_snapshot_carries_retained_messages_and_kept_sessions_over_a_restart() {
    let mut world = World::new(Limits { inflight: 1, ..Limits::default() });
    let publisher = world.join(1, client("p"));
    let sleeper = world.join(2, kept("s"));
    world.subscribe(sleeper, "t/+", Qos::ExactlyOnce);
    world.publish(publisher, "config", b"{}", Qos::AtLeastOnce, true);
    world.publish(publisher, "raw", b"\xFF", Qos::AtLeastOnce, true);
    world.publish(publisher, "t/1", b"first", Qos::AtLeastOnce, false);
    world.publish(publisher, "t/2", b"second", Qos::ExactlyOnce, false);
    let first = world.messages(sleeper).remove(0);

    let text = serde_json::to_string(&world.broker.snapshot()).unwrap();
    let snapshot: Snapshot = serde_json::from_str(&text).unwrap();
    let mut world = World::of(Broker::restore(Limits::default(), Users::anyone(), snapshot.clone()));
    assert_eq!(world.broker.snapshot(), snapshot);

    let sleeper = world.join(1, kept("s"));
    world.subscribe(sleeper, "raw", Qos::AtMostOnce);
    world.publish(sleeper, "t/3", b"third", Qos::AtLeastOnce, false);
    let got = world.messages(sleeper);
    let payloads: Vec<_> = got.iter().map(|message| &message.payload[..]).collect();
    assert_eq!(payloads, [&b"first"[..], b"second", b"\xFF", b"third"]);
    assert!(got[0].dup && got[0].id == first.id && got[2].retain);
}

#[test]
fn a_restored_broker_keeps_to_its_own_limits() {
    let mut world = World::new(Limits::default());
    let publisher = world.join(1, client("p"));
    for topic in ["a", "b", "c"] {
        world.publish(publisher, topic, b"x", Qos::AtMostOnce, true);
        world.join(2, kept(topic));
    }
    let limits = Limits { retained_messages: 2, sessions: 1, ..Limits::default() };
    let counters = Broker::restore(limits, Users::anyone(), world.broker.snapshot()).counters();
    assert_eq!((counters.retained_messages, counters.sessions), (2, 1));
}

#[test]
fn nine_thousand_clients_are_served_by_the_tree() {
    let mut world = World::new(Limits::default());
    world.broker.watch(false);
    for number in 0..9_000 {
        let conn = world.join(number, client(&format!("/r/reg/d/D-{number}")));
        world.subscribe(conn, &format!("/r/reg/d/D-{number}/config"), Qos::AtLeastOnce);
    }
    let cloud = world.join(9_000, client("cloud"));
    for number in 0..9_000 {
        world.publish(cloud, &format!("/r/reg/d/D-{number}/config"), b"{}", Qos::AtLeastOnce, true);
    }
    for number in 0..9_000 {
        assert_eq!(world.messages(ConnId(number)).len(), 1);
    }
}

#[test]
fn how_the_network_cuts_bytes_is_invisible() {
    let mut whole = World::new(Limits::default());
    let mut cut = World::new(Limits::default());
    let mut bytes = BytesMut::new();
    encode(&Packet::Connect(client("a")), &mut bytes).unwrap();
    let filters = vec![("#".into(), Qos::ExactlyOnce)];
    encode(&Packet::Subscribe { id: PacketId::FIRST, filters }, &mut bytes).unwrap();
    encode_publish("t", &[7; 300], Qos::ExactlyOnce, true, false, Some(PacketId::FIRST), &mut bytes).unwrap();
    whole.broker.open(ConnId(1), 0);
    cut.broker.open(ConnId(1), 0);
    whole.broker.bytes(ConnId(1), &bytes, 0);
    whole.settle();
    for byte in &bytes {
        cut.broker.bytes(ConnId(1), &[*byte], 0);
        cut.settle();
    }
    assert_eq!(whole.sent, cut.sent);
}
