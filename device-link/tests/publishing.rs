//! Publishes: when they go out, when they wait, and the one receipt each of them gets.

mod support;

use std::time::Duration;

use device_link::wire::{Packet, Qos};
use device_link::{Boot, Closed, Limits, Tally};

use support::probe::{Do, Got, Policy, Probe, Told};
use support::{World, boot, id, publishes, say};

const ONE: Qos = Qos::AtLeastOnce;

fn within(limits: Limits) -> Boot {
    Boot { limits, ..boot() }
}

fn payloads(packets: &[Packet]) -> Vec<String> {
    publishes(packets).into_iter().map(|(payload, _, _)| payload).collect()
}

#[test]
fn quality_0_is_sent_and_1_is_acknowledged_and_2_goes_out_as_1() {
    let mut world = World::connected(Probe::new());
    world.order(say("a", Qos::AtMostOnce, Policy::Drop));
    assert_eq!(world.receipts(), [Got::Sent]);
    world.order(say("b", ONE, Policy::Drop));
    world.order(say("c", Qos::ExactlyOnce, Policy::Drop));
    assert_eq!(world.receipts(), []);
    assert!(
        world.sent.iter().all(|packet| !matches!(packet, Packet::Publish(p) if p.qos == Qos::ExactlyOnce))
    );
    world.acknowledge();
    assert_eq!(world.receipts(), [Got::Acked, Got::Acked]);
}

#[test]
fn late_double_and_unknown_acknowledgements_are_ignored() {
    let mut world = World::connected(Probe::new());
    world.order(say("a", ONE, Policy::Bounded));
    let number = publishes(&world.sent)[0].1.unwrap();
    world.peer(&[Packet::PubAck(id(number)), Packet::PubAck(id(number)), Packet::PubAck(id(999))]);
    assert_eq!(world.receipts(), [Got::Acked]);
}

#[test]
fn offline_drop_is_lost_at_once_bounded_waits_and_a_slot_keeps_its_latest() {
    let mut world = World::connected(Probe::new());
    world.closed(Closed::Eof);
    world.order(say("dropped", ONE, Policy::Drop));
    assert_eq!(world.receipts(), [Got::Offline]);
    world.order(say("event", ONE, Policy::Bounded));
    world.order(say("state 1", ONE, Policy::Latest(3)));
    world.order(say("state 2", ONE, Policy::Latest(3)));
    assert_eq!(world.receipts(), [Got::Superseded]);
    world.reconnect();
    assert_eq!(payloads(&world.sent), ["state 2", "event"]);
    assert_eq!(world.receipts(), [Got::Acked, Got::Acked]);
}

#[test]
fn a_retracted_slot_is_not_sent() {
    let mut world = World::connected(Probe::new());
    world.closed(Closed::Eof);
    world.order(say("state", ONE, Policy::Latest(3)));
    world.order(Do::Retract(3));
    world.order(Do::Retract(3));
    assert_eq!(world.receipts(), [Got::Superseded]);
    world.reconnect();
    assert_eq!(payloads(&world.sent), [] as [&str; 0]);
}

#[test]
fn what_is_withdrawn_is_not_sent_unless_it_was_already() {
    let limits = Limits { inflight: 1, ..Limits::default() };
    let mut world = World::connected_within(within(limits), Probe::new());
    for text in ["1", "2", "3", "4"] {
        world.order(say(text, ONE, Policy::Bounded));
    }
    let number = publishes(&world.take_sent())[0].1.unwrap();
    let tokens: Vec<_> = world.published();
    world.order(Do::Withdraw(vec![tokens[0], tokens[1], tokens[3]]));
    assert_eq!(world.receipts(), [Got::Superseded, Got::Superseded]);
    world.peer(&[Packet::PubAck(id(number))]);
    world.acknowledge();
    assert_eq!(payloads(&world.take_sent()), ["3"]);
    assert_eq!(world.receipts(), [Got::Acked, Got::Acked]);
}

#[test]
fn over_the_bound_the_oldest_is_lost_and_counted() {
    let mut world =
        World::connected_within(within(Limits { outbox_messages: 2, ..Limits::default() }), Probe::new());
    world.closed(Closed::Eof);
    for text in ["1", "2", "3", "4"] {
        world.order(say(text, ONE, Policy::Bounded));
    }
    assert_eq!(world.receipts(), [Got::Full, Got::Full]);
    world.reconnect();
    assert_eq!(payloads(&world.sent), ["3", "4"]);
}

#[test]
fn what_no_packet_can_hold_is_lost_as_too_large() {
    let limits = Limits { packet_bytes: 100, ..Limits::default() };
    let mut world = World::connected_within(within(limits), Probe::new());
    world.order(say(&"x".repeat(100), ONE, Policy::Bounded));
    world.order(say(&"x".repeat(88), ONE, Policy::Bounded));
    world.acknowledge();
    assert_eq!(world.receipts(), [Got::TooLarge, Got::Acked]);
}

#[test]
fn the_inflight_window_holds_the_rest_back_in_order() {
    let limits = Limits { inflight: 2, ..Limits::default() };
    let mut world = World::connected_within(within(limits), Probe::new());
    for text in ["1", "2", "3", "4"] {
        world.order(say(text, ONE, Policy::Bounded));
    }
    world.order(say("0", Qos::AtMostOnce, Policy::Drop));
    assert_eq!(payloads(&world.sent), ["1", "2"]);
    let numbers: Vec<_> = publishes(&world.take_sent()).into_iter().filter_map(|(_, id, _)| id).collect();
    world.peer(&[Packet::PubAck(id(numbers[1]))]);
    assert_eq!(payloads(&world.take_sent()), ["3"]);
    world.peer(&[Packet::PubAck(id(numbers[0]))]);
    assert_eq!(payloads(&world.take_sent()), ["4"]);
}

#[test]
fn the_unacknowledged_is_sent_again_with_dup_and_its_identifier_in_order_mqtt_4_4_0_1() {
    let mut world = World::connected(Probe::new());
    for text in ["1", "2", "3"] {
        world.order(say(text, ONE, Policy::Bounded));
    }
    let first = publishes(&world.take_sent());
    world.peer(&[Packet::PubAck(id(first[1].1.unwrap()))]);
    world.closed(Closed::Reset);
    world.order(say("4", ONE, Policy::Bounded));
    world.reconnect();
    let again = publishes(&world.sent);
    assert_eq!(again[0], ("1".into(), first[0].1, true));
    assert_eq!(again[1], ("3".into(), first[2].1, true));
    assert_eq!((again[2].0.as_str(), again[2].2), ("4", false));
    assert_eq!(world.receipts(), [Got::Acked; 4]);
}

#[test]
fn the_tally_counts_what_is_written_acknowledged_and_lost() {
    let mut world = World::connected(Probe::new());
    world.order(say("at most once", Qos::AtMostOnce, Policy::Drop));
    world.order(say("1", ONE, Policy::Bounded));
    world.order(say("2", ONE, Policy::Bounded));
    let first = publishes(&world.take_sent());
    world.peer(&[Packet::PubAck(id(first[1].1.unwrap()))]);
    world.closed(Closed::Reset);
    world.order(say("state 1", ONE, Policy::Latest(3)));
    world.order(say("state 2", ONE, Policy::Latest(3)));
    world.order(say("dropped", ONE, Policy::Drop));
    let before = *world.node.tally();
    assert_eq!(before, Tally { connections: 1, sent: 2, acknowledged: 1, lost: 1, received: 0 });
    world.reconnect();
    let after = Tally { connections: 2, sent: 4, acknowledged: 3, ..before };
    assert_eq!(*world.node.tally(), after, "what was sent again counts again, what was replaced is not lost");
}

#[test]
fn regression_what_is_published_on_link_up_goes_out_once_and_after_the_resent() {
    let mut probe = Probe::new();
    probe.on_up = vec![say("hello", ONE, Policy::Bounded)];
    let mut world = World::new(boot(), probe);
    world.opened();
    world.connack(false);
    assert_eq!(publishes(&world.take_sent()).len(), 1, "a first link");
    world.closed(Closed::Reset);
    world.advance(Duration::from_secs(3));
    world.opened();
    world.connack(false);
    let sent: Vec<_> = publishes(&world.take_sent()).into_iter().map(|(text, _, dup)| (text, dup)).collect();
    assert_eq!(sent, [("hello".into(), true), ("hello".into(), false)]);
}

#[test]
fn an_unacknowledged_slot_yields_to_a_later_one() {
    let mut world = World::connected(Probe::new());
    world.order(say("state 1", ONE, Policy::Latest(3)));
    world.take_sent();
    world.closed(Closed::Reset);
    world.order(say("state 2", ONE, Policy::Latest(3)));
    world.reconnect();
    assert_eq!(payloads(&world.sent), ["state 2"]);
    assert_eq!(world.receipts(), [Got::Superseded, Got::Acked]);
}

#[test]
fn regression_of_two_unacknowledged_states_the_later_one_is_sent_again() {
    let mut world = World::connected(Probe::new());
    world.order(say("state 1", ONE, Policy::Latest(3)));
    world.order(say("state 2", ONE, Policy::Latest(3)));
    world.take_sent();
    world.closed(Closed::Reset);
    world.reconnect();
    assert_eq!(payloads(&world.sent), ["state 2"]);
    assert_eq!(world.receipts(), [Got::Superseded, Got::Acked]);
}

#[test]
fn slots_stay_within_their_limit_though_a_lost_link_gives_some_back() {
    let limits = Limits { slots: 2, ..Limits::default() };
    let mut world = World::connected_within(within(limits), Probe::new());
    for slot in 0..4 {
        world.order(say("sent", ONE, Policy::Latest(slot)));
    }
    world.take_actions();
    world.closed(Closed::Reset);
    assert_eq!(world.receipts(), [Got::Full, Got::Full]);
    world.order(say("more", ONE, Policy::Latest(9)));
    assert_eq!(world.receipts(), [Got::Full]);
}

#[test]
fn a_dialect_that_answers_every_loss_with_a_publish_does_not_hold_the_node() {
    let mut probe = Probe::new();
    probe.on_lost = vec![say("again", ONE, Policy::Drop)];
    let mut world = World::new(boot(), probe);
    world.order(say("first", ONE, Policy::Drop));
    let before = world.notices().len();
    world.advance(Duration::from_millis(10));
    let after = world.notices().len();
    assert!(before <= 6 && (1..=60).contains(&after), "{before} then {after}");
}

#[test]
fn hooks_and_stores_are_bounded_and_answered_once() {
    let limits = Limits { pending_hooks: 1, pending_stores: 1, ..Limits::default() };
    let mut world = World::connected_within(within(limits), Probe::new());
    world.order(Do::Invoke("a".into()));
    world.order(Do::Invoke("b".into()));
    world.order(Do::Store("k".into(), Some("v".into())));
    world.order(Do::Store("k".into(), None));
    let actions = world.take_actions();
    let (mut hook, mut store) = (None, None);
    for action in &actions {
        match action {
            device_link::Action::InvokeHook { id, .. } => hook = Some(*id),
            device_link::Action::Store { id, .. } => store = Some(*id),
            _ => {}
        }
    }
    let (hook, store) = (hook.unwrap(), store.unwrap());
    let full = actions.iter().filter(|action| matches!(action, device_link::Action::Notify(Told::Full)));
    assert_eq!(full.count(), 2);
    for _ in 0..2 {
        world.handle(device_link::Event::HookDone { id: hook, outcome: "done".into() });
        world.handle(device_link::Event::Stored { id: store, ok: true });
    }
    assert_eq!(world.notices(), [Told::Hook(hook, "done".into()), Told::Stored(store, true)]);
}

#[test]
fn the_answer_to_a_cancelled_hook_is_ignored() {
    let mut world = World::connected(Probe::new());
    world.order(Do::Invoke("a".into()));
    let Some(device_link::Action::InvokeHook { id, .. }) = world.last.first().cloned() else {
        panic!("{:?}", world.last)
    };
    world.order(Do::Cancel(id));
    world.order(Do::Cancel(id));
    world.handle(device_link::Event::HookDone { id, outcome: "late".into() });
    assert_eq!(world.notices(), []);
}
