//! Claims about the core that hold for any clients, well-behaved or not.

use bytes::BytesMut;
use device_broker::{Access, Broker, ConnId, Limits, Output, Qos, Users};
use device_link::wire::{Connect, Packet, PacketId, Publish, Will, decode, encode};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const LIMITS: Limits = Limits {
    connections: 6,
    sessions: 3,
    subscriptions: 4,
    topic_levels: 3,
    queued_messages: 4,
    queued_bytes: 100,
    inflight: 2,
    incoming: 2,
    retained_messages: 3,
    retained_bytes: 100,
    packet_bytes: 200,
    unsent_bytes: 300,
    credential_bytes: 10,
    connect_ms: 1_000,
};

#[derive(Debug, Clone)]
enum Step {
    /// Opens a connection, as a rule with a proper CONNECT.
    Open(Option<Packet>),
    /// To one of the connections that are open, counted from the newest.
    Send(usize, Packet),
    Raw(usize, Vec<u8>),
    Written(usize),
    Lose(usize),
    Wait(u64),
    Restart,
}

fn topic() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "a/b", "a/b/a", "a/b/a/b", "$x"]).prop_map(String::from)
}

fn filter() -> impl Strategy<Value = String> {
    prop_oneof![topic(), prop::sample::select(vec!["#", "+", "a/#", "+/b", "+/+/+/+"]).prop_map(String::from)]
}

fn qos() -> impl Strategy<Value = Qos> {
    prop::sample::select(vec![Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce])
}

fn id() -> impl Strategy<Value = PacketId> {
    (1_u16..5).prop_map(|id| PacketId::new(id).unwrap())
}

fn payload() -> impl Strategy<Value = bytes::Bytes> {
    prop::collection::vec(any::<u8>(), 0..60).prop_map(bytes::Bytes::from)
}

fn connect() -> impl Strategy<Value = Packet> {
    let will = (topic(), payload(), qos(), any::<bool>()).prop_map(|(topic, payload, qos, retain)| Will {
        topic,
        payload,
        qos,
        retain,
    });
    let client = prop::sample::select(vec!["a", "b", "c", "d", ""]).prop_map(String::from);
    let user = prop::option::of(prop::sample::select(vec!["alice", "eve"]).prop_map(String::from));
    (client, any::<bool>(), 0_u16..3, prop::option::of(will), user).prop_map(
        |(client_id, clean, keep_alive, will, username)| {
            let password = username.as_ref().map(|_| bytes::Bytes::from_static(b"1"));
            let clean_session = clean || client_id.is_empty();
            Packet::Connect(Connect { client_id, clean_session, keep_alive, will, username, password })
        },
    )
}

fn packet() -> impl Strategy<Value = Packet> {
    let publish =
        (topic(), payload(), qos(), any::<bool>(), id()).prop_map(|(topic, payload, qos, retain, id)| {
            let id = (qos != Qos::AtMostOnce).then_some(id);
            Packet::Publish(Publish { topic, payload, qos, retain, dup: false, id })
        });
    let filters = prop::collection::vec((filter(), qos()), 1..3);
    prop_oneof![
        1 => connect(),
        6 => publish,
        4 => (id(), filters).prop_map(|(id, filters)| Packet::Subscribe { id, filters }),
        1 => (id(), filter()).prop_map(|(id, filter)| Packet::Unsubscribe { id, filters: vec![filter] }),
        2 => id().prop_map(Packet::PubAck),
        2 => id().prop_map(Packet::PubRec),
        2 => id().prop_map(Packet::PubRel),
        2 => id().prop_map(Packet::PubComp),
        1 => Just(Packet::PingReq),
        1 => Just(Packet::Disconnect),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop::option::weighted(0.9, connect()).prop_map(Step::Open),
        20 => (0_usize..4, packet()).prop_map(|(ix, packet)| Step::Send(ix, packet)),
        1 => (0_usize..4, prop::collection::vec(any::<u8>(), 1..9)).prop_map(|(ix, raw)| Step::Raw(ix, raw)),
        6 => (0_usize..4).prop_map(Step::Written),
        1 => (0_usize..4).prop_map(Step::Lose),
        1 => (0_u64..2_000).prop_map(Step::Wait),
        1 => Just(Step::Restart),
    ]
}

struct World {
    broker: Broker,
    now: u64,
    next: u64,
    open: BTreeSet<ConnId>,
    unsent: BTreeMap<ConnId, usize>,
    received: BTreeMap<ConnId, BytesMut>,
}

fn users() -> Users {
    let alice = Access::default().publish("a/#").subscribe("a/#");
    Users::default().with_anonymous(Access::all()).with("alice", "1", alice)
}

impl World {
    fn new() -> Self {
        Self {
            broker: Broker::new(LIMITS, users()),
            now: 0,
            next: 0,
            open: BTreeSet::new(),
            unsent: BTreeMap::new(),
            received: BTreeMap::new(),
        }
    }

    fn conn(&self, ix: usize) -> ConnId {
        self.open.iter().rev().nth(ix).copied().unwrap_or(ConnId(u64::MAX))
    }

    fn send(&mut self, conn: ConnId, packet: &Packet) {
        let mut bytes = BytesMut::new();
        encode(packet, &mut bytes).unwrap();
        self.broker.bytes(conn, &bytes, self.now);
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Open(connect) => {
                self.next += 1;
                self.open.insert(ConnId(self.next));
                self.broker.open(ConnId(self.next), self.now);
                if let Some(connect) = connect {
                    self.send(ConnId(self.next), &connect);
                }
            }
            Step::Send(ix, packet) => self.send(self.conn(ix), &packet),
            Step::Raw(ix, raw) => self.broker.bytes(self.conn(ix), &raw, self.now),
            Step::Written(ix) => {
                let conn = self.conn(ix);
                if let Some(unsent) = self.unsent.remove(&conn) {
                    self.broker.written(conn, unsent);
                }
            }
            Step::Lose(ix) => {
                let conn = self.conn(ix);
                self.open.remove(&conn);
                self.broker.closed(conn);
            }
            Step::Wait(time) => {
                self.now += time;
                self.broker.tick(self.now);
                assert!(self.broker.deadline().is_none_or(|at| at > self.now), "a tick leaves nothing due");
            }
            Step::Restart => {
                let snapshot = self.broker.snapshot();
                self.broker = Broker::restore(LIMITS, users(), snapshot.clone());
                assert_eq!(self.broker.snapshot(), snapshot);
                self.open.clear();
            }
        }
    }

    fn check(&mut self) {
        while let Some(output) = self.broker.poll() {
            match output {
                Output::Send { conn, bytes } => {
                    assert!(self.open.contains(&conn), "sent to a closed connection");
                    *self.unsent.entry(conn).or_default() += bytes.len();
                    let received = self.received.entry(conn).or_default();
                    received.extend_from_slice(&bytes);
                    while decode(received, 1 << 20).expect("valid packets only").is_some() {}
                    assert!(received.is_empty(), "half a packet was sent");
                }
                Output::Close { conn } => assert!(self.open.remove(&conn), "closed twice"),
                Output::Note(_) => panic!("nobody watches"),
            }
        }
        let counters = self.broker.counters();
        assert!(counters.connections <= LIMITS.connections && counters.connections == self.open.len());
        assert!(counters.sessions <= LIMITS.sessions);
        assert!(counters.retained_messages <= LIMITS.retained_messages);
        assert!(counters.retained_bytes <= LIMITS.retained_bytes);
        // What is resent on reconnect is not counted out: at most the messages in flight.
        let most = LIMITS.unsent_bytes + LIMITS.inflight * LIMITS.packet_bytes;
        assert!(self.unsent.iter().all(|(conn, unsent)| !self.open.contains(conn) || *unsent <= most));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn whatever_clients_do_the_broker_keeps_to_its_rules_and_limits(
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let mut world = World::new();
        for step in steps {
            world.step(step);
            world.check();
        }
    }
}
