//! Properties of every run.

use std::collections::{BTreeMap, BTreeSet};

use device_link::trace::{Header, replay};
use proptest::prelude::*;
use serde_json::{Value, json};
use udmi_proto::{Hook, Limits, Notice, Settings, Udmi};
use udmi_tests::world::{Cut, Emitted, Opens, Setup, World};

use super::operations::{Broken, Config, Op, local_ops, ops, options, play, settle, setup, setup_with};

/// The least milliseconds between two states of one run (§7.2).
const FLOOR_MS: u64 = 2000;

/// Runs of each property: 40, or as many as `UDMI_CASES` says.
pub(crate) fn cases() -> u32 {
    std::env::var("UDMI_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(40)
}

pub(crate) fn played(setup: Setup, ops: &[Op]) -> World {
    let mut world = World::new(setup);
    play(&mut world, ops);
    world
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

/// A config that leaves nothing to be done by itself.
pub(crate) fn quiet_config(world: &World) -> Value {
    let mut quiet = last_config();
    quiet.points = None;
    quiet.to_json(world)
}

/// Two minutes after the quiet config there is an hour in which nothing but the connection is kept.
pub(crate) fn check_quiet_hour(world: &mut World) {
    world.advance(120_000);
    let (calls, messages) = (world.calls(), world.watch.emitted.len());
    world.advance(3_600_000);
    assert_eq!(world.watch.emitted.len(), messages, "messages without a cause");
    // One PINGREQ a minute and its answer.
    assert!(world.calls() - calls <= 130, "{} calls in a quiet hour", world.calls() - calls);
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

/// Every hook, store and publish comes to its end.
pub(crate) fn check_resolved(world: &mut World) {
    assert!(
        world.device().is_none() || world.is_linked(),
        "not connected after five minutes of good weather"
    );
    let resolved = world.run_until(10_000, |world| {
        let staged = world.staging.unreleased();
        world.open_hooks() + world.open_stores() + world.watch.unacknowledged.len() + staged == 0
    });
    let (hooks, stores) = (world.open_hooks(), world.open_stores());
    assert!(resolved, "{hooks} hooks, {stores} stores, {:?} without an end", world.watch.unacknowledged);
}

pub(crate) fn check_floor(world: &World) {
    let states: Vec<&Emitted> = world.watch.states().collect();
    for pair in states.windows(2).filter(|pair| pair[0].run == pair[1].run) {
        let gap = pair[1].at - pair[0].at;
        assert!(gap >= FLOOR_MS, "states {gap} ms apart: {:?}", (pair[0].at, pair[1].at));
    }
}

/// A device that runs answers a config, and tells all in the answer.
pub(crate) fn check_last_state_is_complete(world: &mut World) {
    if world.device().is_none() {
        return;
    }
    let config = last_config().to_json(world);
    world.publish_config(&config);
    world.advance(10_000);
    let told = world.cloud.state().expect("there is a state").clone();
    assert_eq!(told["system"]["last_config"], config["timestamp"], "last_config is that of the last config");
    check_last_state_tells_all(world, &config);
}

/// Whenever a state goes out, its `last_config` is the last one that was accepted.
pub(crate) fn check_last_config(world: &World) {
    let accepted: Vec<&str> = world.notices().iter().filter_map(applied).collect();
    for state in world.watch.states() {
        let told = state.payload["system"]["last_config"].as_str().unwrap();
        assert!(told == "1970-01-01T00:00:00Z" || accepted.contains(&told), "{told} was never accepted");
    }
}

fn applied(notice: &Notice) -> Option<&str> {
    if let Notice::ConfigApplied { timestamp, .. } = notice { Some(timestamp) } else { None }
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

pub(crate) fn check_replay(world: &World, settings: &Settings) {
    for trace in world.traces() {
        let header: Header<Value> = Header::read(&trace[0]).unwrap();
        let outcome = replay(header.boot, Udmi::new(settings.clone()).unwrap(), &trace[1..]);
        assert_eq!(outcome.map(|count| count.lines), Ok(trace.len() - 1));
    }
}

/// All that the device let out, whatever call it was in: messages, notices, hooks.
#[derive(Debug, PartialEq)]
struct Output {
    messages: Vec<(u64, String, Value)>,
    notices: Vec<Notice>,
    hooks: Vec<Hook>,
}

fn output(world: &World) -> Output {
    let emitted = &world.watch.emitted;
    let messages = emitted.iter().map(|message| (message.at, message.topic.clone(), message.payload.clone()));
    Output {
        messages: messages.collect(),
        notices: world.notices().to_vec(),
        hooks: world.plant.asked().to_vec(),
    }
}

pub(crate) fn check_cuts_are_invisible(ops: &[Op], setup: &Setup) {
    let whole = played(setup.clone(), ops);
    for cut in [Cut::Every(1), Cut::Seeded(40)] {
        let mut setup = setup.clone();
        setup.weather.cut = cut;
        assert_eq!(output(&whole), output(&played(setup, ops)), "{cut:?}");
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

pub(crate) fn check_broken_changes_nothing(world: &mut World, broken: Broken) {
    if world.device().is_none() {
        return;
    }
    let config = last_config().to_json(world);
    world.publish_config(&config);
    world.advance(10_000);
    let before = world.cloud.state().unwrap().clone();
    assert_eq!(before.pointer("/system/status"), None);
    let values =
        |world: &World| world.watch.on("events/pointset").last().map(|event| event.payload["points"].clone());
    let sample = |world: &mut World| {
        world.command(udmi_proto::Command::SampleNow);
        world.advance(5000);
        values(world)
    };
    let shown = sample(world);
    world.publish("config", broken.payload(), true);
    world.advance(10_000);
    let after = world.cloud.state().unwrap();
    assert_eq!(after["system"]["status"]["level"], 500, "{after}");
    assert_eq!(after["system"]["status"]["category"], "system.config.parse");
    let variable = ["/timestamp", "/system/status"];
    assert_eq!(without(&before, &variable), without(after, &variable));
    assert_eq!(sample(world), shown);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_a_run_ends_in_order(ops in ops(40), seed in any::<u64>(), options in options()) {
        let setup = setup_with(seed, options);
        let settings = setup.settings.clone();
        let mut world = played(setup, &ops);
        settle(&mut world);
        check_resolved(&mut world);
        check_floor(&world);
        check_last_config(&world);
        check_discovery(&world);
        check_every_entry_goes_out_once(&world);
        if !ops.iter().any(|op| matches!(op, Op::StoreFails(true))) {
            check_runs_are_told_apart(&world);
        }
        check_last_state_is_complete(&mut world);
        check_replay(&world, &settings);
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
    fn how_the_transport_cuts_bytes_is_invisible(ops in ops(25), seed in any::<u64>(), options in options()) {
        check_cuts_are_invisible(&ops, &setup_with(seed, options));
    }

    #[test]
    fn a_broken_config_changes_nothing_but_the_status(
        ops in ops(25),
        broken in prop::sample::select(Broken::ALL.to_vec()),
    ) {
        let mut world = played(setup(1), &ops);
        settle(&mut world);
        check_broken_changes_nothing(&mut world, broken);
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
        check_resolved(&mut world);
    }

    #[test]
    fn a_run_of_only_ticks_reaches_quiet(ops in ops(25)) {
        let mut world = played(setup(1), &ops);
        settle(&mut world);
        let quiet = quiet_config(&world);
        world.publish_config(&quiet);
        check_quiet_hour(&mut world);
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
