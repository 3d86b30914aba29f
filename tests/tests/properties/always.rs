//! Properties of every run.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::{Value, json};
use udmi_proto::{Limits, Notice};
use udmi_tests::sim::{Plan, Shape, Way, resolves, run};
use udmi_tests::world::{Emitted, Opens, Setup, World};

use super::operations::{Config, Op, local_ops, ops, options, play, settle, setup, setup_with};

/// Runs of each property: 40, or as many as `UDMI_CASES` says.
pub(crate) fn cases() -> u32 {
    std::env::var("UDMI_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(40)
}

pub(crate) fn played(setup: Setup, ops: &[Op]) -> World {
    let mut world = World::new(setup);
    play(&mut world, ops);
    world
}

/// Runs a plan under the eyes of all oracles.
pub(crate) fn lives(shape: Shape, seed: u64, ops: Vec<Op>) {
    let way = Way { compares: Some(true), ..Way::default() };
    let done = run(&Plan { shape, seed, ops }, &way);
    assert!(done.is_ok(), "{}", done.unwrap_err());
}

/// The whole config a run ends with, so that there is something to be in step with.
pub(crate) fn last_config() -> Config {
    Config {
        level: 200,
        metrics: 0,
        mode: None,
        rate: 300,
        limit: None,
        points: Some(vec![(0, Some(json!(60)), false), (1, None, false), (4, None, false)]),
        etag: None,
        expiry: None,
        increment: None,
        blocks: vec!["localnet".into()],
        seconds_back: 0,
    }
}

fn without(state: &Value, names: &[&str]) -> Value {
    let mut state = state.clone();
    for name in names {
        let (parent, member) = name.rsplit_once('/').unwrap();
        if let Some(members) = state.pointer_mut(parent).and_then(Value::as_object_mut) {
            members.remove(member);
        }
    }
    state
}

/// Every entry logged goes out once, if the device was not cut short and nothing was too much.
pub(crate) fn check_every_entry_goes_out_once(world: &World) {
    let too_much = |notice: &Notice| matches!(notice, Notice::OutboxFull { .. });
    if world.runs() > 1 || world.device().is_none() || world.notices().iter().any(too_much) {
        return;
    }
    let logged = |notice: &Notice| match notice {
        Notice::Logged(entry) => Some(serde_json::to_value(entry).unwrap().to_string()),
        _ => None,
    };
    let mut logged: Vec<String> = world.notices().iter().filter_map(logged).collect();
    let mut sent: Vec<String> = world.watch.log_entries().map(Value::to_string).collect();
    logged.sort();
    sent.sort();
    assert_eq!(logged, sent);
}

/// A run that was heard of is counted, and starts later than the one before, if the store keeps what it is given.
pub(crate) fn check_runs_are_told_apart(world: &World) {
    let told = |state: &Emitted| {
        let operation = &state.payload["system"]["operation"];
        let start = operation["last_start"].as_str().unwrap().to_owned();
        (state.run, operation["restart_count"].as_u64().unwrap(), start)
    };
    let runs: Vec<_> = world.watch.states().map(told).collect();
    for pair in runs.windows(2) {
        let (before, after) = (&pair[0], &pair[1]);
        if before.0 == after.0 {
            assert_eq!(before, after, "count and start stay for a run");
        } else {
            assert!(before.1 < after.1 && before.2 < after.2, "{before:?} {after:?}");
        }
    }
}

/// Of each round of a scan: 0, then 1 to n with an address each, then -(n+1) unless it was called off; else
/// the device tells of itself (§6.3, §6.4).
pub(crate) fn check_discovery(world: &World) {
    let events: Vec<&Emitted> = world.watch.on("events/discovery").collect();
    let mut rounds: BTreeMap<(u32, &str), (&Value, i64, BTreeSet<&str>)> = BTreeMap::new();
    for event in &events {
        let (payload, generation) = (&event.payload, &event.payload["generation"]);
        let family = payload["family"].as_str().expect("a family");
        let Some(number) = payload["event_no"].as_i64() else {
            assert_eq!((family, payload.get("addr")), ("iot", None));
            continue;
        };
        let address = payload["addr"].as_str();
        if number == 0 {
            rounds.insert((event.run, family), (generation, 0, BTreeSet::new()));
        }
        let (name, last, seen) = rounds.get_mut(&(event.run, family)).expect("a round is under way");
        assert_eq!(*name, generation);
        match number {
            0 => assert_eq!(address, None),
            1.. => {
                assert_eq!(number, *last + 1);
                assert!(seen.insert(address.expect("an address")), "{payload} is told twice");
                *last = number;
            }
            _ => {
                assert_eq!((number, address), (-(*last + 1), None));
                rounds.remove(&(event.run, family));
            }
        }
    }
}

/// The last state tells all: one that is asked for by sending the same config again tells nothing new.
pub(crate) fn check_last_state_tells_all(world: &mut World, config: &Value) {
    let told = world.cloud.state().unwrap().clone();
    world.publish_config(config);
    world.advance(10_000);
    let again = world.cloud.state().unwrap();
    assert_ne!(told["timestamp"], again["timestamp"], "a config is answered by a state");
    assert_eq!(without(&told, &["/timestamp"]), without(again, &["/timestamp"]));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_no_property_is_violated(ops in ops(40), seed in any::<u64>()) {
        lives(Shape::Device, seed, ops);
    }

    #[test]
    fn whatever_happens_all_is_told_in_order(ops in ops(40), seed in any::<u64>(), options in options()) {
        let mut world = played(setup_with(seed, options), &ops);
        settle(&mut world);
        check_discovery(&world);
        check_every_entry_goes_out_once(&world);
        if !ops.iter().any(|op| matches!(op, Op::StoreFails(true))) {
            check_runs_are_told_apart(&world);
        }
    }

    #[test]
    fn every_change_is_told_by_a_state_without_being_asked(ops in local_ops(), options in options()) {
        let mut world = World::new(setup_with(1, options));
        // A point without a value is told of when it is sampled.
        let config = Config { rate: 10, ..last_config() }.to_json(&world);
        world.publish_config(&config);
        world.advance(10_000);
        play(&mut world, &ops);
        settle(&mut world);
        check_last_state_tells_all(&mut world, &config);
    }

    #[test]
    fn queues_stay_within_their_bounds(ops in ops(40)) {
        let mut setup = setup(1);
        let bounds = Limits {
            inflight: 3, outbox_messages: 8, outbox_bytes: 6000, pending_hooks: 2, pending_stores: 1,
            ..Limits::default()
        };
        setup.limits = bounds.clone();
        let mut world = played(setup, &ops); // the world itself watches hooks and stores
        prop_assert!(world.watch.most_unacknowledged <= bounds.inflight);
        settle(&mut world);
        prop_assert_eq!(resolves(&mut world), Ok(()));
    }

    #[test]
    fn without_a_network_a_device_neither_spins_nor_grows(ops in ops(25)) {
        let mut world = played(setup(1), &ops);
        world.weather().opens = Opens::Unanswered;
        world.drop_link();
        world.advance(600_000);
        let calls = world.calls();
        world.advance(3_600_000);
        // A sample every two seconds at most, its read being answered twice, and attempts to connect.
        prop_assert!(world.calls() - calls <= 8000, "{} calls in an hour", world.calls() - calls);
    }
}
