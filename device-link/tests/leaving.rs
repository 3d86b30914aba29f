//! Ending a run, and connecting anew, in order.

mod support;

use std::time::Duration;

use device_link::wire::{Packet, Qos};
use device_link::{Action, Closed, Down, Event, ExitReason};

use support::probe::{Do, Got, Policy, Probe, Told};
use support::{World, boot, listen, message, publishes, say};

const ONE: Qos = Qos::AtLeastOnce;
const EXIT: Do = Do::Exit(ExitReason::Restart);

fn exits(world: &World<Probe>) -> usize {
    world.actions.iter().filter(|action| matches!(action, Action::Exit(_))).count()
}

#[test]
fn with_nothing_to_wait_for_exit_disconnects_closes_and_ends_at_once() {
    let mut world = World::connected(Probe::new());
    world.order(EXIT);
    assert!(matches!(
        world.last.as_slice(),
        [Action::Send { .. }, Action::Close { .. }, Action::Exit(ExitReason::Restart)]
    ));
    assert_eq!(world.take_sent(), [Packet::Disconnect]);
    assert!(world.node.is_finished());
}

#[test]
fn exit_waits_for_acknowledgements_then_disconnects() {
    let mut world = World::connected(Probe::new());
    world.order(say("last words", ONE, Policy::Bounded));
    world.order(EXIT);
    world.advance(Duration::from_millis(2_000));
    assert_eq!(exits(&world), 0);
    world.acknowledge();
    assert_eq!(world.sent.last(), Some(&Packet::Disconnect));
    assert_eq!(exits(&world), 1);
    assert_eq!(world.receipts(), [Got::Acked]);
}

#[test]
fn exit_waits_no_longer_than_two_and_a_half_seconds() {
    let mut world = World::connected(Probe::new());
    world.order(say("last words", ONE, Policy::Bounded));
    world.order(EXIT);
    world.advance(Duration::from_millis(2_499));
    assert_eq!(exits(&world), 0);
    world.advance(Duration::from_millis(1));
    assert_eq!(exits(&world), 1, "regression: exactly one, though a timer ended the run");
    assert_eq!(world.sent.last(), Some(&Packet::Disconnect));
    assert_eq!(world.receipts(), [Got::Ended]);
}

#[test]
fn exit_is_the_last_action_and_nothing_follows() {
    let mut world = World::connected(Probe::new());
    world.order(say("last words", ONE, Policy::Bounded));
    world.order(Do::After(1, 2_600));
    world.order(EXIT);
    world.now.at = world.now.at + Duration::from_secs(100);
    world.order(Do::Note("too late".into()));
    assert!(matches!(world.last.last(), Some(Action::Exit(ExitReason::Restart))));
    assert_eq!(exits(&world), 1);
    let conn = world.conn();
    for event in [
        Event::Tick,
        Event::Closed { conn, why: Closed::Eof },
        Event::Command(Do::Note("still here?".into())),
        Event::Command(EXIT),
    ] {
        world.handle(event);
        assert_eq!(world.last, []);
        assert_eq!(world.node.deadline(), None);
    }
}

#[test]
fn exit_without_a_link_ends_at_once_and_closes_an_attempt_under_way() {
    let mut world = World::new(boot(), Probe::new());
    world.order(say("x", ONE, Policy::Bounded));
    world.order(EXIT);
    assert!(matches!(
        world.last.as_slice(),
        [Action::Close { .. }, Action::Notify(Told::Receipt(_, Got::Ended)), Action::Exit(_)]
    ));
    let mut world = World::new(boot(), Probe::new());
    world.closed(Closed::Refused);
    world.order(EXIT);
    assert!(matches!(world.last.as_slice(), [Action::Exit(_)]));
}

#[test]
fn a_link_lost_while_leaving_ends_the_run_without_another_attempt() {
    let mut world = World::connected(Probe::new());
    world.order(say("x", ONE, Policy::Bounded));
    world.order(EXIT);
    world.closed(Closed::Reset);
    assert!(matches!(world.last.last(), Some(Action::Exit(_))));
    assert_eq!(exits(&world), 1);
    assert_eq!(world.receipts(), [Got::Ended]);
}

#[test]
fn a_dialect_that_exits_at_birth_ends_at_birth() {
    let mut probe = Probe::new();
    probe.on_start = vec![EXIT];
    let world = World::new(boot(), probe);
    assert!(matches!(world.last.last(), Some(Action::Exit(_))));
    assert_eq!(exits(&world), 1);
}

#[test]
fn the_first_wish_to_exit_wins_and_a_leaving_dialect_is_left_in_peace() {
    let mut world = World::connected(Probe::new());
    world.order(say("x", ONE, Policy::Bounded));
    world.order(Do::Exit(ExitReason::Terminate));
    world.order(Do::Note("no more".into()));
    world.handle(Event::Tick);
    world.acknowledge();
    assert!(matches!(world.last.last(), Some(Action::Exit(ExitReason::Terminate))));
    assert!(!world.notices().contains(&Told::Note("no more".into())));
}

#[test]
fn refresh_disconnects_in_order_and_dials_anew_without_a_pause() {
    let mut world = World::connected(Probe::new());
    let before = world.conn();
    world.order(Do::Refresh);
    assert_eq!(world.sent.last(), Some(&Packet::Disconnect));
    assert_eq!(world.notices(), [Told::Down(Down::Refresh)]);
    world.advance(Duration::from_millis(1));
    assert_ne!(world.conn(), before);
}

#[test]
fn refresh_loses_nothing() {
    let mut world = World::connected(Probe::new());
    world.order(listen("in", 1));
    world.acknowledge();
    world.order(say("unacknowledged", ONE, Policy::Bounded));
    world.order(say("state", ONE, Policy::Latest(1)));
    world.take_sent();
    world.order(Do::Refresh);
    world.peer(&[message("in", "meanwhile", ONE, 5)]);
    world.order(say("late", ONE, Policy::Bounded));
    world.advance(Duration::from_millis(2_500));
    world.order(say("offline", ONE, Policy::Bounded));
    world.advance(Duration::from_millis(1));
    world.take_sent();
    world.up();
    let mut again: Vec<_> = publishes(&world.sent).into_iter().map(|(text, _, _)| text).collect();
    again.sort();
    assert_eq!(again, ["late", "offline", "state", "unacknowledged"]);
    let notices = world.notices();
    assert!(
        notices.iter().any(|told| matches!(told, Told::Message { payload, .. } if payload == "meanwhile"))
    );
    let acked = notices.iter().filter(|told| matches!(told, Told::Receipt(_, Got::Acked))).count();
    assert_eq!(acked, 4);
}

#[test]
fn refresh_waits_for_acknowledgements() {
    let mut world = World::connected(Probe::new());
    world.order(say("x", ONE, Policy::Drop));
    world.order(Do::Refresh);
    assert!(!world.is_closing());
    world.acknowledge();
    assert!(world.is_closing());
    assert_eq!(world.receipts(), [Got::Acked]);
}

#[test]
fn regression_refresh_during_an_attempt_starts_it_over_since_the_dialect_may_want_another_endpoint() {
    for opened in [false, true] {
        let mut world = World::new(boot(), Probe::new());
        let before = world.conn();
        if opened {
            world.opened();
        }
        world.order(Do::Refresh);
        assert!(world.is_closing());
        world.advance(Duration::from_millis(1));
        assert_ne!(world.conn(), before);
        world.up();
        assert!(!world.is_closing(), "the new attempt is not torn down again");
    }
}

#[test]
fn refresh_between_attempts_and_at_birth_changes_nothing() {
    let mut probe = Probe::new();
    probe.on_start = vec![Do::Refresh];
    let mut world = World::new(boot(), probe);
    assert!(matches!(world.last.as_slice(), [Action::Open { .. }]));
    world.closed(Closed::Refused);
    let deadline = world.node.deadline();
    world.order(Do::Refresh);
    assert_eq!(world.node.deadline(), deadline, "no way around the pause");
    world.advance(Duration::from_secs(3));
    world.up();
    assert!(!world.is_closing());
}

fn opens(world: &World<Probe>) -> usize {
    world.actions.iter().filter(|action| matches!(action, Action::Open { .. })).count()
}

/// A dialect that tries another broker knows better than the link how long to wait.
#[test]
fn a_named_pause_takes_the_place_of_the_drawn_one_once() {
    let mut world = World::connected(Probe::new());
    world.closed(Closed::Reset);
    world.order(Do::DialAfter(400));
    let before = opens(&world);
    world.advance(Duration::from_millis(399));
    assert_eq!(opens(&world), before);
    world.advance(Duration::from_millis(1));
    assert_eq!(opens(&world), before + 1);
    world.closed(Closed::Refused);
    world.advance(Duration::from_millis(999));
    assert_eq!(opens(&world), before + 1, "the next pause is drawn again, and is a second at least");
}

#[test]
fn an_attempt_given_up_is_followed_by_another_after_the_named_pause() {
    let mut world = World::connected(Probe::new());
    world.closed(Closed::Reset);
    world.order(Do::DialAfter(0));
    world.advance(Duration::from_millis(1));
    let before = opens(&world);
    world.order(Do::DialAfter(2_000));
    world.order(Do::Refresh);
    assert!(matches!(world.actions.last(), Some(Action::Notify(Told::Down(Down::Refresh)))));
    world.advance(Duration::from_millis(1_999));
    assert_eq!(opens(&world), before);
    world.advance(Duration::from_millis(1));
    assert_eq!(opens(&world), before + 1);
}

#[test]
fn a_pause_named_on_a_live_link_does_not_outlive_it() {
    let mut world = World::connected(Probe::new());
    world.closed(Closed::Reset);
    world.order(Do::DialAfter(0));
    world.advance(Duration::from_millis(1));
    world.order(Do::DialAfter(60_000));
    world.opened();
    world.connack(false);
    world.closed(Closed::Reset);
    let before = opens(&world);
    world.advance(Duration::from_millis(9_000));
    assert_eq!(opens(&world), before + 1);
}

#[test]
fn what_waits_for_one_broker_can_be_told_to_another() {
    let mut world = World::connected(Probe::new());
    world.closed(Closed::Reset);
    for topic in ["old/events", "older/events", "old"] {
        let (topic, payload) = (topic.into(), "kept".into());
        world.order(Do::Publish { topic, payload, qos: ONE, policy: Policy::Bounded });
    }
    world.order(Do::MoveTopics("old".into(), "new".into()));
    world.take_sent();
    world.reconnect();
    let topic =
        |packet: Packet| if let Packet::Publish(publish) = packet { Some(publish.topic) } else { None };
    let topics: Vec<_> = world.take_sent().into_iter().filter_map(topic).collect();
    assert_eq!(topics, ["new/events", "older/events", "old"]);
}
