//! Whatever happens to a gateway: it comes to rest acting for whom it is to act, and owes nobody anything.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::Value;
use udmi_proto::{Limits, Notice};
use udmi_tests::sim::Shape;
use udmi_tests::world::{Answer, Opens, World};

use super::super::always::{cases, last_config, lives};
use super::super::operations::settle;
use super::operations::{BOUND, IDS, KNOWN, OnProxy, Op, act_for, ops, perform, played, setup, wanted};

/// Subscriptions of the gateway itself, and of each device it acts for.
const SUBSCRIPTIONS: usize = 3;
/// Deadlines of the link, of the gateway, and of each device.
const TIMERS: usize = 16;

/// Whom the gateway acts for in the end, being told once more.
fn check_attached(world: &mut World, ids: &[usize]) {
    act_for(world, ids);
    world.advance(60_000);
    let bound: BTreeSet<_> = IDS[..BOUND].iter().map(|id| (*id).to_owned()).collect();
    for id in IDS {
        let is_wanted = wanted(world).contains(id) && bound.contains(id);
        let is_attached = world.watch.is_attached(&world.prefix_of(id));
        assert_eq!(is_attached, is_wanted, "{id} of {:?}", wanted(world));
    }
    let status = world.cloud.state_at("/gateway/status/category");
    let is_odd = wanted(world).contains(IDS[BOUND]);
    assert_eq!(status.and_then(Value::as_str), is_odd.then_some("gateway.setup.attach"));
}

/// What the broker has acknowledged is known to the gateway a way later.
fn let_acknowledgements_arrive(world: &mut World) {
    let has_come = |world: &mut World| {
        let Some(device) = world.device() else { return true };
        let (gateway, publishes) = (device.dialect().gateway_load(), device.load().publishes);
        let waits = wanted(world).contains(IDS[BOUND]);
        (waits || publishes == 0) && gateway.is_some_and(|gateway| gateway.receipts == publishes)
    };
    assert!(world.run_until(10_000, has_come), "a publish without an end");
}

/// Nothing is left of what is over; what a device has to tell that the broker refuses waits with it.
fn check_rest(world: &mut World) {
    let_acknowledgements_arrive(world);
    let Some(device) = world.device() else { return };
    let (load, gateway) = (device.load(), device.dialect().gateway_load().unwrap());
    assert_eq!((gateway.hooks, load.hooks, gateway.receipts), (0, 0, load.publishes));
    let waits = wanted(world).contains(IDS[BOUND]);
    assert!(waits || load.publishes == 0, "{load:?}");
    assert_eq!(gateway.wanted, wanted(world).len());
    // One the broker refuses is in one of its attempts, at most.
    let attached = SUBSCRIPTIONS * (1 + gateway.attached);
    assert!((attached..=attached + SUBSCRIPTIONS).contains(&load.subscriptions), "{load:?} {gateway:?}");
    assert!(load.timers <= TIMERS * (1 + gateway.wanted), "{load:?} {gateway:?}");
}

/// What waited for a device that the broker refuses ends with it.
fn check_left(world: &mut World, ids: &[usize]) {
    if ids.contains(&BOUND) {
        let others: Vec<_> = ids.iter().copied().filter(|id| *id != BOUND).collect();
        act_for(world, &others);
        world.advance(10_000);
        check_rest(world);
    }
}

/// Each device the gateway acts for answers a config, with nothing of its siblings in the answer.
fn check_answers(world: &mut World) {
    for id in IDS.iter().filter(|id| world.watch.is_attached(&world.prefix_of(id))).collect::<Vec<_>>() {
        let config = last_config().to_json(world);
        world.for_proxied(id, |world| world.publish_config(&config));
        world.advance(10_000);
        let told = world.for_proxied(id, |world| world.cloud.state().cloned()).expect("there is a state");
        assert_eq!(told["system"]["last_config"], config["timestamp"], "{id}");
        assert_eq!(told["system"]["status"], Value::Null, "{id}");
        let serial = told["system"]["serial_no"].as_str();
        assert!([Some(*id), Some("unknown")].contains(&serial), "{id}: {serial:?}");
    }
}

/// The count of starts of a device never goes back, nor its last start.
fn check_starts(world: &World) {
    let mut last: BTreeMap<&str, (u64, String)> = BTreeMap::new();
    for state in world.watch.states() {
        let operation = &state.payload["system"]["operation"];
        let count = operation["restart_count"].as_u64().unwrap();
        let start = operation["last_start"].as_str().unwrap().to_owned();
        let now = (count, start);
        if let Some(before) = last.get(state.prefix.as_str()) {
            assert!(before.0 <= now.0 && before.1 <= now.1, "{}: {before:?} {now:?}", state.prefix);
        }
        last.insert(&state.prefix, now);
    }
}

/// Every entry a device logs goes out once, on its own topic, if the device stays and nothing was too much.
fn check_every_entry_goes_out_once(world: &World) {
    let too_much = |notice: &Notice| matches!(notice, Notice::OutboxFull { .. });
    if world.runs() > 1 || world.device().is_none() || world.notices().iter().any(too_much) {
        return;
    }
    for id in &IDS[..KNOWN] {
        let logged = |notice: &Notice| match notice {
            Notice::Proxied { device, notice } if device == *id => match &**notice {
                Notice::Logged(entry) => Some(serde_json::to_value(entry).unwrap().to_string()),
                _ => None,
            },
            _ => None,
        };
        let mut logged: Vec<String> = world.notices().iter().filter_map(logged).collect();
        let prefix = world.prefix_of(id);
        let events = world.watch.of(&prefix, "events/system");
        let entries = events.filter_map(|event| event.payload.get("logentries")?.as_array()).flatten();
        let mut sent: Vec<String> = entries.map(Value::to_string).collect();
        logged.sort();
        sent.sort();
        assert_eq!(logged, sent, "{id}");
    }
}

fn takes_away(op: &Op) -> bool {
    matches!(op, Op::Act(_) | Op::To(_, OnProxy::Remove | OnProxy::Add))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_no_property_is_violated(ops in ops(40), seed in any::<u64>()) {
        lives(Shape::Gateway, seed, ops);
    }

    #[test]
    fn whatever_happens_a_gateway_comes_to_rest(
        ops in ops(40), seed in any::<u64>(),
        last in prop::sample::subsequence(vec![0usize, 1, 2, 3, 4, 5], 0..=6),
    ) {
        let mut world = played(setup(seed), &ops);
        settle(&mut world);
        if !ops.iter().any(takes_away) {
            check_every_entry_goes_out_once(&world);
        }
        check_attached(&mut world, &last);
        prop_assert!(world.is_linked() || world.device().is_none());
        check_rest(&mut world);
        check_left(&mut world, &last);
        check_answers(&mut world);
        if !ops.iter().any(|op| matches!(op, Op::StoreFails(true))) {
            check_starts(&world);
        }
    }

    #[test]
    fn queues_of_a_gateway_stay_within_their_bounds(ops in ops(40)) {
        let mut setup = setup(1);
        let bounds = Limits {
            inflight: 3, outbox_messages: 8, outbox_bytes: 6000, pending_hooks: 2, pending_stores: 1,
            ..Limits::default()
        };
        setup.limits = bounds.clone();
        let mut world = played(setup, &ops); // the world itself watches hooks and stores
        prop_assert!(world.watch.most_unacknowledged <= bounds.inflight);
        settle(&mut world);
        check_attached(&mut world, &[0, 1, 2, 3]);
        prop_assert!(world.is_linked() || world.device().is_none());
        check_rest(&mut world);
    }

    #[test]
    fn without_a_network_a_gateway_neither_spins_nor_grows(ops in ops(25)) {
        let mut world = played(setup(1), &ops);
        world.weather().opens = Opens::Unanswered;
        world.drop_link();
        world.advance(600_000);
        let calls = world.calls();
        world.advance(3_600_000);
        // Of each device a sample every two seconds at most, its read being answered twice; attempts to connect.
        prop_assert!(world.calls() - calls <= 40_000, "{} calls in an hour", world.calls() - calls);
        if let Some(device) = world.device() {
            let load = device.load();
            prop_assert!(load.publishes <= 1000 + IDS.len() + 1, "{:?}", load);
            prop_assert!(load.timers <= TIMERS * (IDS.len() + 1), "{:?}", load);
        }
    }
}

#[test]
fn regression_a_device_that_is_gone_for_a_moment_keeps_its_pace() {
    let config = || Op::To(4, OnProxy::Config(last_config()));
    let ops = [Op::Pass(5000), Op::Act(vec![4]), Op::Pass(40), config(), Op::Act(vec![]), Op::Act(vec![4])];
    lives(Shape::Gateway, 0, ops.to_vec());
}

#[test]
fn regression_a_device_that_was_left_is_silent_after_the_link_is_lost() {
    let config = Op::To(0, OnProxy::Config(last_config()));
    let mut world = played(setup(0), &[config, Op::BreakUp(0), Op::Act(vec![]), Op::Pass(10)]);
    settle(&mut world); // the world itself watches who is attached
    check_rest(&mut world);
}

#[test]
fn regression_what_is_told_of_a_device_that_is_not_acted_for_does_not_wait_for_ever() {
    let to = |op| Op::To(1, op);
    let ops = [Op::Refuse, Op::Crash(0), Op::Pass(0), to(OnProxy::Event), Op::Act(vec![])];
    let mut world = played(setup(0), &ops);
    settle(&mut world);
    check_rest(&mut world);
    perform(&mut world, &to(OnProxy::Event));
    perform(&mut world, &to(OnProxy::Log(3)));
    settle(&mut world);
    check_rest(&mut world);
}

#[test]
fn regression_what_is_told_of_a_device_that_the_broker_refuses_waits_until_it_is_left() {
    let mut world = played(setup(0), &[Op::Act(vec![BOUND]), Op::Pass(10), Op::To(BOUND, OnProxy::Event)]);
    settle(&mut world);
    check_attached(&mut world, &[BOUND]);
    assert_eq!(world.device().unwrap().load().publishes, 1);
    check_rest(&mut world);
    check_left(&mut world, &[BOUND]);
}

/// The moment nobody is to be acted for, there is nothing but the gateway: no deadline of a device that is left.
#[test]
fn devices_that_are_left_while_they_are_busy_take_all_they_had_with_them() {
    let load = |world: &World| world.device().unwrap().load();
    let mut idle = World::new(setup(1));
    act_for(&mut idle, &[]);
    idle.advance(60_000);
    let mut world = super::operations::begun(setup(1));
    for id in 0..BOUND {
        let config = super::super::operations::Config { metrics: 600, ..last_config() };
        perform(&mut world, &Op::To(id, OnProxy::Reads(Answer::Never)));
        perform(&mut world, &Op::To(id, OnProxy::Writes(Answer::Never)));
        perform(&mut world, &Op::To(id, OnProxy::Config(config)));
    }
    act_for(&mut world, &[0, 1, 2, 3, 4]);
    world.advance(5000);
    assert!(load(&world).hooks >= KNOWN && load(&world).timers > 2 * BOUND, "{:?}", load(&world));
    for id in 0..BOUND {
        perform(&mut world, &Op::To(id, OnProxy::Writes(Answer::Ok(0)))); // what is written is given back
    }
    act_for(&mut world, &[]);
    world.advance(4000);
    assert_eq!(load(&world), load(&idle));
}

/// Removing and adding devices under load, counted: what there is afterwards is what there was before.
#[test]
fn devices_that_come_and_go_under_load_leave_nothing_behind() {
    let mut world = super::operations::begun(setup(1));
    let busy = |world: &mut World| {
        for id in 0..IDS.len() {
            let config = super::super::operations::Config { rate: 2, ..last_config() };
            perform(world, &Op::To(id, OnProxy::Config(config)));
            perform(world, &Op::To(id, OnProxy::Reads(Answer::Ok(1500))));
            perform(world, &Op::To(id, OnProxy::Writes(Answer::Ok(1500))));
            perform(world, &Op::To(id, OnProxy::Log(5)));
        }
    };
    let rest = |world: &mut World| {
        act_for(world, &[0, 1, 2, 3]);
        settle(world);
        for id in 0..IDS.len() {
            perform(world, &Op::To(id, OnProxy::Config(last_config())));
        }
        world.advance(20_000);
        check_rest(world);
        let device = world.device().unwrap();
        (device.load(), device.dialect().gateway_load())
    };
    busy(&mut world);
    let before = rest(&mut world);
    for round in 0..50u64 {
        busy(&mut world);
        world.advance(round * 37 % 2500);
        act_for(&mut world, if round % 2 == 0 { &[1, 4] } else { &[0, 2, 4] });
        perform(&mut world, &Op::To(2, if round % 3 == 0 { OnProxy::Remove } else { OnProxy::Add }));
        world.advance(round * 91 % 3100);
        act_for(&mut world, &[0, 1, 2, 3, 4]);
        world.advance(round * 53 % 2100);
    }
    perform(&mut world, &Op::To(2, OnProxy::Add));
    assert_eq!(rest(&mut world), before);
}
