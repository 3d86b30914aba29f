//! What holds for every run, whatever peer, driver and application do.

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use device_link::trace::Header;
use device_link::transcript::Transcript;
use device_link::wire::{ConnectCode, Packet, Qos};
use device_link::{Action, Boot, Closed, ConnId, Event, ExitReason, HookId, Limits, Secret, StoreId, Token};
use proptest::collection::vec;
use proptest::prelude::*;

use support::probe::{Do, Policy, Probe, Told};
use support::{World, boot, id, message};

/// One thing that happens.
#[derive(Clone, Debug)]
enum Op {
    Wait(u64),
    Dial,
    Opened,
    ConnAck { session_present: bool, code: ConnectCode },
    Closed,
    AcknowledgeAll,
    Packets(Vec<Packet>),
    Bytes(Vec<u8>),
    Stray,
    Order(Do),
    HookDone(u64),
    Stored(u64, bool),
}

fn qos() -> impl Strategy<Value = Qos> {
    prop_oneof![Just(Qos::AtMostOnce), Just(Qos::AtLeastOnce), Just(Qos::ExactlyOnce)]
}

fn policy() -> impl Strategy<Value = Policy> {
    prop_oneof![Just(Policy::Drop), Just(Policy::Bounded), (0..5u32).prop_map(Policy::Latest)]
}

fn order() -> impl Strategy<Value = Do> {
    let filter = || prop_oneof![Just("in"), Just("in/#"), Just("+/x"), Just("other")].prop_map(String::from);
    prop_oneof![
        8 => (0..200usize, qos(), policy()).prop_map(|(size, qos, policy)| Do::Publish {
            topic: "out".into(),
            payload: "x".repeat(size),
            qos,
            policy,
        }),
        2 => (filter(), qos(), 0..9u32).prop_map(|(filter, qos, tag)| Do::Subscribe { filter, qos, tag }),
        1 => filter().prop_map(Do::Unsubscribe),
        1 => (0..5u32).prop_map(Do::Retract),
        1 => Just(Do::Invoke("hook".into())),
        1 => Just(Do::Store("key".into(), None)),
        1 => (0..4u8, 0..100_000u64).prop_map(|(timer, millis)| Do::After(timer, millis)),
        1 => (0..4u8, any::<i64>()).prop_map(|(timer, utc)| Do::AtUtc(timer, utc)),
        1 => Just(Do::Refresh),
    ]
}

fn packet() -> impl Strategy<Value = Packet> {
    let topic = prop_oneof![Just("in"), Just("in/x"), Just("other"), Just("unknown")];
    prop_oneof![
        4 => (topic, qos(), 1..6u16).prop_map(|(topic, qos, id)| message(topic, "payload", qos, id)),
        4 => (1..20u16).prop_map(|number| Packet::PubAck(id(number))),
        2 => (1..6u16).prop_map(|number| Packet::PubRel(id(number))),
        2 => (1..20u16, qos()).prop_map(|(number, qos)| Packet::SubAck { id: id(number), codes: vec![Some(qos)] }),
        1 => (1..20u16).prop_map(|number| Packet::SubAck { id: id(number), codes: vec![None] }),
        1 => (1..20u16).prop_map(|number| Packet::UnsubAck(id(number))),
        2 => Just(Packet::PingResp),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let code = prop_oneof![
        6 => Just((true, ConnectCode::Accepted)),
        6 => Just((false, ConnectCode::Accepted)),
        1 => Just((false, ConnectCode::ServerUnavailable)),
    ];
    prop_oneof![
        3 => (0..5_000u64).prop_map(Op::Wait),
        1 => (0..200_000u64).prop_map(Op::Wait),
        3 => Just(Op::Dial),
        4 => Just(Op::Opened),
        4 => code.prop_map(|(session_present, code)| Op::ConnAck { session_present, code }),
        1 => Just(Op::Closed),
        3 => Just(Op::AcknowledgeAll),
        6 => vec(packet(), 1..6).prop_map(Op::Packets),
        1 => vec(any::<u8>(), 0..40).prop_map(Op::Bytes),
        1 => Just(Op::Stray),
        12 => order().prop_map(Op::Order),
        1 => (0..60u64).prop_map(Op::HookDone),
        1 => (0..60u64, any::<bool>()).prop_map(|(id, ok)| Op::Stored(id, ok)),
    ]
}

const LIMITS: Limits = Limits {
    outbox_kept_bytes: 64,
    outbox_kept_interval: Duration::from_secs(60),
    packet_bytes: 180,
    outbox_messages: 5,
    outbox_bytes: 400,
    inflight: 4,
    inflight_bytes: 1 << 20,
    slots: 3,
    subscriptions: 3,
    inbound_exactly_once: 3,
    pending_hooks: 2,
    pending_stores: 2,
    fetches: 2,
    open_timeout: Duration::from_secs(20),
    connack_timeout: Duration::from_secs(10),
    suback_timeout: Duration::from_secs(10),
    pingresp_timeout: Duration::from_secs(10),
    leave_timeout: Duration::from_millis(2500),
    reconnect_minimum: Duration::from_secs(1),
    reconnect_maximum: Duration::from_secs(120),
    healthy_after: Duration::from_secs(30),
};

fn small() -> Boot {
    Boot { limits: LIMITS, ..boot() }
}

/// A dialect that does something of its own whenever it is called.
fn busy() -> Probe {
    let say = |payload: &str, qos, policy| support::say(payload, qos, policy);
    Probe {
        on_start: vec![support::listen("in", 1), support::listen("in/#", 2)],
        on_up: vec![say("state", Qos::AtLeastOnce, Policy::Latest(0))],
        on_message: vec![Do::Invoke("hook".into()), say("answer", Qos::AtLeastOnce, Policy::Drop)],
        ..Probe::new()
    }
}

fn run(ops: &[Op], chunk: usize, probe: Probe) -> World<Probe> {
    let mut world = World::new(small(), probe);
    world.chunk = chunk;
    for op in ops {
        perform(&mut world, op.clone());
        world.node.trim(); // which changes nothing, or no run would replay
    }
    world
}

fn perform(world: &mut World<Probe>, op: Op) {
    match op {
        Op::Wait(millis) => world.advance(Duration::from_millis(millis)),
        Op::Dial => {
            if world.waits_for(device_link::LinkTimer::Backoff) {
                world.advance_to_deadline();
            }
        }
        Op::Opened => world.opened(),
        Op::ConnAck { session_present, code } => world.peer(&[Packet::ConnAck { session_present, code }]),
        Op::Closed => world.closed(Closed::Reset),
        Op::AcknowledgeAll => {
            world.acknowledge();
            world.take_sent();
        }
        Op::Packets(packets) => world.peer(&packets),
        Op::Bytes(bytes) => world.bytes(&bytes),
        Op::Stray => {
            let conn: ConnId = serde_json::from_str("1").unwrap();
            if Some(conn) != world.conn {
                world.handle(Event::Opened { conn });
                world.handle(Event::Received { conn, bytes: Bytes::from_static(b"\xd0\0") });
                world.handle(Event::Closed { conn, why: Closed::Timeout });
            }
        }
        Op::Order(order) => world.order(order),
        Op::HookDone(id) => {
            let id: HookId = serde_json::from_value(id.into()).unwrap();
            world.handle(Event::HookDone { id, outcome: "done".into() });
        }
        Op::Stored(id, ok) => {
            let id: StoreId = serde_json::from_value(id.into()).unwrap();
            world.handle(Event::Stored { id, ok });
        }
    }
}

/// How many receipts each token has got.
fn receipts(world: &World<Probe>) -> BTreeMap<Token, usize> {
    let mut receipts = BTreeMap::new();
    for action in &world.actions {
        match action {
            Action::Notify(Told::Published(token)) => {
                receipts.entry(*token).or_insert(0);
            }
            Action::Notify(Told::Receipt(token, _)) => *receipts.entry(*token).or_insert(0) += 1,
            _ => {}
        }
    }
    receipts
}

/// All that a run asked for but how its bytes were grouped: other actions in order, bytes by connection.
fn essence(world: &World<Probe>) -> (Vec<String>, BTreeMap<ConnId, Vec<u8>>) {
    let (mut others, mut bytes) = (Vec::new(), BTreeMap::<_, Vec<u8>>::new());
    for action in &world.actions {
        match action {
            Action::Send { conn, bytes: sent } => {
                bytes.entry(*conn).or_default().extend_from_slice(&sent.bytes());
            }
            other => others.push(format!("{other:?}")),
        }
    }
    (others, bytes)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn every_token_gets_exactly_one_receipt_when_the_run_ends(ops in vec(op(), 0..80)) {
        let mut world = run(&ops, usize::MAX, busy());
        world.order(Do::Exit(ExitReason::Shutdown));
        world.advance(Duration::from_secs(10));
        prop_assert!(world.node.is_finished());
        let wrong: Vec<_> = receipts(&world).into_iter().filter(|(_, count)| *count != 1).collect();
        prop_assert!(wrong.is_empty(), "{wrong:?}\n{}", world.transcript.text());
    }

    #[test]
    fn every_token_gets_exactly_one_receipt_once_the_broker_is_kind(ops in vec(op(), 0..80)) {
        let mut world = run(&ops, usize::MAX, Probe::new());
        world.closed(Closed::Eof);
        world.reconnect();
        world.acknowledge();
        let wrong: Vec<_> = receipts(&world).into_iter().filter(|(_, count)| *count != 1).collect();
        prop_assert!(wrong.is_empty(), "{wrong:?}\n{}", world.transcript.text());
    }

    #[test]
    fn how_tcp_cuts_bytes_is_invisible(ops in vec(op(), 0..80), chunk in 1..9usize, exit in any::<bool>()) {
        let mut ops = ops;
        if exit {
            ops.insert(ops.len() / 2, Op::Order(Do::Exit(ExitReason::Restart)));
        }
        let (whole, cut) = (run(&ops, usize::MAX, busy()), run(&ops, chunk, busy()));
        prop_assert_eq!(essence(&whole), essence(&cut));
        prop_assert_eq!(whole.node.deadline(), cut.node.deadline());
        prop_assert_eq!(whole.node.wake_reason(), cut.node.wake_reason());
    }

    #[test]
    fn any_run_replays_bit_for_bit_without_its_password_and_reads_alike(ops in vec(op(), 0..80)) {
        let mut world = run(&ops, 7, busy());
        world.end_trace();
        let mut unknowing = busy();
        unknowing.spec.password = Some(Secret::new("not the password".into()));
        world.assert_replays(small(), unknowing);
        let trace = format!("{}\n{}", Header::new("test", small(), ()).line(), world.trace.join("\n"));
        prop_assert!(!trace.contains("hunter2") && !trace.contains("68756e74657232"));
        prop_assert_eq!(Transcript::of_trace(&trace, 100).unwrap(), world.transcript.text());
    }

    #[test]
    fn time_alone_causes_little_work(ops in vec(op(), 0..60)) {
        let mut world = run(&ops, usize::MAX, busy());
        let before = world.trace.len();
        world.advance(Duration::from_secs(3600));
        let calls = world.trace.len() - before;
        prop_assert!(calls < 1000, "{calls} calls in an hour in which nothing happens");
    }

    #[test]
    fn the_outbox_stays_within_its_limits(ops in vec(op(), 0..150)) {
        let world = run(&ops, usize::MAX, busy());
        let bound = LIMITS.outbox_messages + LIMITS.slots + LIMITS.inflight;
        prop_assert!(world.node.dialect().deepest <= bound, "{}", world.node.dialect().deepest);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in vec(any::<u8>(), 0..300), is_up in any::<bool>(), chunk in 1..50usize) {
        let mut world = World::new(boot(), busy());
        world.opened();
        if is_up {
            world.connack(false);
        }
        world.chunk = chunk;
        world.bytes(&bytes);
    }
}

#[test]
fn a_flood_of_messages_grows_nothing() {
    let mut world = World::new(small(), busy());
    world.up();
    for round in 0..2_000u16 {
        world.peer(&[message("in", "flood", Qos::AtLeastOnce, round % 100 + 1)]);
        world.take_actions();
        world.take_sent();
        world.trace.clear();
        world.transcript.take();
    }
    let bound = LIMITS.outbox_messages + LIMITS.slots + LIMITS.inflight;
    assert!(world.node.dialect().deepest <= bound);
}
