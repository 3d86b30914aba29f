//! What the broker has not acknowledged outlives the run, where that is wanted.

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use device_link::wire::Qos;
use device_link::{Action, Boot, Closed, Event, ExitReason, Key, Limits, Stored};

use support::probe::{Do, Policy, Probe, Told};
use support::{World, boot, publishes, say};

const ONE: Qos = Qos::AtLeastOnce;

type Store = BTreeMap<String, Bytes>;

/// A boot that keeps so many bytes and finds `stored`.
fn keeping(bytes: usize, stored: &Store) -> Boot {
    let limits = Limits { outbox_kept_bytes: bytes, ..Limits::default() };
    let value =
        |(key, value): (&String, &Bytes)| Stored { key: Key::new(key).unwrap(), value: value.clone() };
    Boot { limits, stored: stored.iter().map(value).collect(), ..boot() }
}

/// Performs the stores among what was asked for, and answers them.
fn store(world: &mut World<Probe>, store: &mut Store, ok: bool) -> usize {
    let mut stores = 0;
    for action in world.take_actions() {
        let Action::Store { id, key, value } = action else { continue };
        stores += 1;
        if ok {
            match value {
                Some(value) => drop(store.insert(key.as_str().into(), value)),
                None => drop(store.remove(key.as_str())),
            }
        }
        world.handle(Event::Stored { id, ok });
    }
    stores
}

fn payloads(world: &mut World<Probe>) -> Vec<String> {
    publishes(&world.take_sent()).into_iter().map(|(payload, _, _)| payload).collect()
}

fn exit(world: &mut World<Probe>) {
    world.order(Do::Exit(ExitReason::Restart));
    world.advance(Duration::from_secs(5));
    assert!(world.node.is_finished());
}

#[test]
fn what_waits_at_the_end_of_a_run_is_sent_first_by_the_next() {
    let mut kept = Store::new();
    let mut world = World::new(keeping(1000, &kept), Probe::new());
    for (payload, qos, policy) in [
        ("a", ONE, Policy::Bounded),
        ("lost", Qos::AtMostOnce, Policy::Bounded),
        ("lost", ONE, Policy::Latest(1)),
        ("b", ONE, Policy::Bounded),
    ] {
        world.order(say(payload, qos, policy));
    }
    exit(&mut world);
    assert_eq!(store(&mut world, &mut kept, true), 1);

    let mut world = World::new(keeping(1000, &kept), Probe::new());
    world.order(say("c", ONE, Policy::Bounded));
    world.up();
    assert_eq!(payloads(&mut world), ["a", "b", "c"]);
    let receipts = world.notices().into_iter().filter(|told| matches!(told, Told::Receipt(..)));
    assert_eq!(receipts.count(), 1, "nobody waits for the receipts of the run before");
    world.advance(Duration::from_secs(60));
    assert_eq!(store(&mut world, &mut kept, true), 1);
    assert!(kept.is_empty(), "all is acknowledged: {kept:?}");
    world.assert_replays(keeping(1000, &world_store(&["a", "b"])), Probe::new());
}

#[test]
fn what_is_unacknowledged_outlives_a_power_failure_once_a_minute_is_over() {
    let mut kept = Store::new();
    let mut world = World::connected_within(keeping(1000, &kept), Probe::new());
    world.order(say("a", ONE, Policy::Bounded));
    world.advance(Duration::from_secs(59));
    assert_eq!(store(&mut world, &mut kept, true), 0);
    world.advance(Duration::from_secs(1));
    assert_eq!(store(&mut world, &mut kept, true), 1);
    world.advance(Duration::from_secs(600));
    assert_eq!(store(&mut world, &mut kept, true), 0, "nothing has changed");

    let mut world = World::connected_within(keeping(1000, &kept), Probe::new());
    world.closed(Closed::Reset);
    world.reconnect();
    world.take_sent();
    world.advance(Duration::from_secs(60));
    store(&mut world, &mut kept, true);
    assert!(kept.is_empty());
}

#[test]
fn over_the_bound_the_oldest_are_left_out() {
    let mut kept = Store::new();
    // A topic of 3 bytes and a payload of 1 each.
    let mut world = World::new(keeping(8, &kept), Probe::new());
    for payload in ["a", "b", "c"] {
        world.order(say(payload, ONE, Policy::Bounded));
    }
    exit(&mut world);
    store(&mut world, &mut kept, true);
    let mut world = World::new(keeping(8, &kept), Probe::new());
    world.up();
    assert_eq!(payloads(&mut world), ["b", "c"]);
}

#[test]
fn a_store_that_failed_is_tried_again() {
    let mut kept = Store::new();
    let mut world = World::new(keeping(1000, &kept), Probe::new());
    world.order(say("a", ONE, Policy::Bounded));
    for ok in [false, true] {
        world.advance(Duration::from_secs(60));
        assert_eq!(store(&mut world, &mut kept, ok), 1);
    }
    world.advance(Duration::from_secs(600));
    assert_eq!(store(&mut world, &mut kept, true), 0);
    assert_eq!(kept.len(), 1);
}

#[test]
fn what_cannot_be_read_is_set_aside() {
    for broken in ["", "oops", r#"{"version":2,"publishes":[]}"#] {
        let mut kept = Store::from([("outbox".into(), Bytes::from(broken))]);
        let mut world = World::new(keeping(1000, &kept), Probe::new());
        world.up();
        world.advance(Duration::from_secs(60));
        store(&mut world, &mut kept, true);
        assert_eq!(kept, Store::from([("outbox_unreadable".into(), Bytes::from(broken))]));
    }
}

#[test]
fn unless_it_is_wanted_nothing_is_kept_or_taken_up() {
    let mut kept = world_store(&["a"]);
    let mut world = World::new(keeping(0, &kept), Probe::new());
    world.order(say("b", ONE, Policy::Bounded));
    world.advance(Duration::from_secs(200));
    exit(&mut world);
    assert_eq!(store(&mut world, &mut kept, true), 0);
    assert_eq!(payloads(&mut world), [""; 0]);
}

/// The format of version 1, byte for byte.
fn world_store(payloads: &[&str]) -> Store {
    let publish = |payload: &&str| {
        let digits: String = payload.bytes().map(|byte| format!("{byte:02x}")).collect();
        format!(r#"{{"topic":"out","payload":"{digits}","retain":false}}"#)
    };
    let publishes: Vec<_> = payloads.iter().map(publish).collect();
    let value = format!(r#"{{"version":1,"publishes":[{}]}}"#, publishes.join(","));
    Store::from([("outbox".into(), value.into())])
}
