//! Subscriptions, and the messages they bring.

mod support;

use std::time::Duration;

use device_link::wire::{Packet, Publish, Qos};
use device_link::{Action, Boot, Closed, Down, Limits};

use support::probe::{Do, Policy, Probe, Told};
use support::{World, boot, id, listen, message, say};

fn filters<'a>(packets: &'a [Packet]) -> Vec<&'a str> {
    let filter = |packet: &'a Packet| match packet {
        Packet::Subscribe { filters, .. } => Some(filters[0].0.as_str()),
        _ => None,
    };
    packets.iter().filter_map(filter).collect()
}

fn heard(world: &mut World<Probe>) -> Vec<(u32, String)> {
    let heard =
        |told| if let Told::Message { tag, payload, .. } = told { Some((tag, payload)) } else { None };
    world.notices().into_iter().filter_map(heard).collect()
}

/// A world that listens to `in` with tag 1.
fn listening() -> World<Probe> {
    let mut world = World::connected(Probe::new());
    world.order(listen("in", 1));
    world.acknowledge();
    world.take_sent();
    world.take_actions();
    world
}

#[test]
fn subscriptions_made_before_the_link_is_up_follow_connack_in_order() {
    let mut probe = Probe::new();
    probe.on_start = vec![listen("b", 1), listen("a/#", 2), listen("c/+", 3)];
    let mut world = World::new(boot(), probe);
    world.opened();
    assert_eq!(filters(&world.sent), [] as [&str; 0]);
    world.connack(false);
    assert_eq!(filters(&world.sent), ["b", "a/#", "c/+"]);
}

#[test]
fn after_a_reconnect_all_are_asked_for_again_in_order_with_or_without_session() {
    for session_present in [false, true] {
        let mut probe = Probe::new();
        probe.spec.clean_session = false;
        let mut world = World::connected(probe);
        for (filter, tag) in [("b", 1), ("a/#", 2), ("c", 3)] {
            world.order(listen(filter, tag));
        }
        world.acknowledge();
        world.order(Do::Unsubscribe("c".into()));
        world.closed(Closed::Reset);
        world.advance(Duration::from_secs(3));
        world.take_sent();
        world.opened();
        world.connack(session_present);
        assert_eq!(filters(&world.sent), ["b", "a/#"]);
    }
}

#[test]
fn the_answer_to_a_subscription_reaches_the_dialect_refusals_too() {
    let mut world = World::connected(Probe::new());
    world.order(listen("yes", 1));
    world.order(listen("no", 2));
    let ids: Vec<_> = world
        .take_sent()
        .iter()
        .filter_map(|packet| if let Packet::Subscribe { id, .. } = packet { Some(*id) } else { None })
        .collect();
    world.peer(&[
        Packet::SubAck { id: ids[1], codes: vec![None] },
        Packet::SubAck { id: ids[0], codes: vec![Some(Qos::AtLeastOnce)] },
    ]);
    let notices = world.notices();
    assert_eq!(
        notices,
        [Told::Subscribed(2, Err("ByBroker".into())), Told::Subscribed(1, Ok(Qos::AtLeastOnce)),]
    );
}

#[test]
fn an_answer_to_no_subscription_of_ours_is_ignored() {
    let mut world = listening();
    let stray = Packet::SubAck { id: id(777), codes: vec![None] };
    world.peer(&[stray, Packet::UnsubAck(id(778)), Packet::PubComp(id(1)), Packet::PubRec(id(1))]);
    assert_eq!(world.last, []);
}

#[test]
fn without_suback_the_link_is_closed_after_10_seconds() {
    let mut world = World::connected(Probe::new());
    world.order(listen("in", 1));
    world.advance(Duration::from_millis(9_999));
    assert!(!world.is_closing());
    world.advance(Duration::from_millis(1));
    assert!(world.is_closing());
    assert_eq!(world.notices(), [Told::Down(Down::SubAckTimeout)]);
}

#[test]
fn regression_further_subscriptions_do_not_put_off_the_time_out_of_an_ignored_one() {
    let mut world = World::connected(Probe::new());
    for second in 0..10 {
        world.order(listen(&format!("in/{second}"), second));
        world.advance(Duration::from_secs(1));
    }
    assert!(world.notices().contains(&Told::Down(Down::SubAckTimeout)));
}

#[test]
fn every_answer_gives_the_rest_of_the_answers_their_time() {
    let mut world = World::connected(Probe::new());
    world.order(listen("a", 1));
    world.order(listen("b", 2));
    let sent = world.take_sent();
    for packet in sent {
        let Packet::Subscribe { id, .. } = packet else { panic!("{packet:?}") };
        world.advance(Duration::from_secs(9));
        world.peer(&[Packet::SubAck { id, codes: vec![Some(Qos::AtMostOnce)] }]);
    }
    world.advance(Duration::from_secs(30));
    assert!(!world.notices().iter().any(|told| matches!(told, Told::Down(_))));
}

#[test]
fn regression_without_unsuback_the_link_is_closed_too() {
    let mut world = listening();
    world.order(Do::Unsubscribe("in".into()));
    world.advance(Duration::from_secs(10));
    assert_eq!(world.notices(), [Told::Down(Down::SubAckTimeout)]);
}

#[test]
fn unsubscribe_is_sent_once_and_ends_delivery() {
    let mut world = listening();
    world.order(Do::Unsubscribe("in".into()));
    world.order(Do::Unsubscribe("in".into()));
    let sent = world.take_sent();
    assert!(
        matches!(sent.as_slice(), [Packet::Unsubscribe { filters, .. }] if filters == &["in"]),
        "{sent:?}"
    );
    world.peer(&[message("in", "late", Qos::AtLeastOnce, 5)]);
    assert_eq!(heard(&mut world), []);
    assert_eq!(world.take_sent(), [Packet::PubAck(id(5))], "acknowledged all the same");
}

#[test]
fn subscriptions_over_the_limit_are_refused_and_not_sent() {
    let limits = Limits { subscriptions: 2, ..Limits::default() };
    let mut world = World::connected_within(Boot { limits, ..boot() }, Probe::new());
    for tag in 0..4 {
        world.order(listen(&format!("in/{tag}"), tag));
    }
    assert_eq!(filters(&world.sent).len(), 2);
    let refusal = |tag| Told::Subscribed(tag, Err("Full".into()));
    assert_eq!(world.notices(), [refusal(2), refusal(3)]);
}

#[test]
fn messages_of_every_quality_arrive_with_their_tag_and_are_acknowledged() {
    let mut world = listening();
    let retained = Packet::Publish(Publish {
        topic: "in".into(),
        payload: "kept".into(),
        qos: Qos::AtLeastOnce,
        retain: true,
        dup: true,
        id: Some(id(9)),
    });
    world.peer(&[
        message("in", "zero", Qos::AtMostOnce, 0),
        message("in", "one", Qos::AtLeastOnce, 7),
        message("in", "two", Qos::ExactlyOnce, 8),
        retained,
        message("elsewhere", "x", Qos::AtLeastOnce, 10),
    ]);
    let told = |payload: &str, qos, flag| Told::Message {
        tag: 1,
        topic: "in".into(),
        payload: payload.into(),
        qos,
        retain: flag,
        duplicate: flag,
    };
    assert_eq!(
        world.notices(),
        [
            told("zero", Qos::AtMostOnce, false),
            told("one", Qos::AtLeastOnce, false),
            told("two", Qos::ExactlyOnce, false),
            told("kept", Qos::AtLeastOnce, true),
        ]
    );
    let acknowledgements =
        [Packet::PubAck(id(7)), Packet::PubRec(id(8)), Packet::PubAck(id(9)), Packet::PubAck(id(10))];
    assert_eq!(world.take_sent(), acknowledgements);
}

#[test]
fn puback_goes_out_before_anything_the_message_causes() {
    let mut probe = Probe::new();
    probe.on_start = vec![listen("in", 1)];
    let note = || Do::Note("seen".into());
    probe.on_message =
        vec![note(), Do::Invoke("hook".into()), say("answer", Qos::AtLeastOnce, Policy::Bounded)];
    let mut world = World::connected(probe);
    for qos in [Qos::AtLeastOnce, Qos::ExactlyOnce] {
        world.peer(&[message("in", "x", qos, 5)]);
        assert!(matches!(world.last[0], Action::Send { .. }), "{:?}", world.last);
        assert!(matches!(world.sent[0], Packet::PubAck(_) | Packet::PubRec(_)), "{:?}", world.sent);
        assert!(world.last.iter().any(|action| matches!(action, Action::InvokeHook { .. })));
        world.take_sent();
    }
}

#[test]
fn exactly_once_is_handed_on_once_until_it_is_released_mqtt_4_3_3_2() {
    let mut world = listening();
    let again = |dup| match message("in", "x", Qos::ExactlyOnce, 5) {
        Packet::Publish(publish) => Packet::Publish(Publish { dup, ..publish }),
        other => other,
    };
    world.peer(&[again(false), again(true), again(true)]);
    assert_eq!(heard(&mut world).len(), 1);
    assert_eq!(world.take_sent(), vec![Packet::PubRec(id(5)); 3]);
    world.peer(&[Packet::PubRel(id(5)), Packet::PubRel(id(5))]);
    assert_eq!(world.take_sent(), vec![Packet::PubComp(id(5)); 2]);
    world.peer(&[again(false)]);
    assert_eq!(heard(&mut world).len(), 1, "the identifier is free again");
}

#[test]
fn exactly_once_outlives_a_connection_if_its_session_does() {
    for (session_present, times) in [(true, 1), (false, 2)] {
        let mut world = listening();
        world.peer(&[message("in", "x", Qos::ExactlyOnce, 5)]);
        world.closed(Closed::Reset);
        world.advance(Duration::from_secs(3));
        world.opened();
        world.connack(session_present);
        world.acknowledge();
        world.peer(&[message("in", "x", Qos::ExactlyOnce, 5)]);
        assert_eq!(heard(&mut world).len(), times, "session {session_present}");
    }
}

#[test]
fn exactly_once_exchanges_never_released_are_bounded() {
    let mut world = listening();
    for number in 1..=64 {
        world.peer(&[message("in", "x", Qos::ExactlyOnce, number)]);
        assert!(!world.is_closing());
    }
    world.peer(&[message("in", "x", Qos::ExactlyOnce, 65)]);
    assert!(world.is_closing());
    assert!(matches!(world.notices().last(), Some(Told::Down(Down::Protocol(_)))));
}

#[test]
fn an_exact_filter_names_a_message_before_a_wildcard_does() {
    let mut world = World::connected(Probe::new());
    world.order(listen("d/#", 1));
    world.order(listen("d/config", 2));
    world.acknowledge();
    world.peer(&[message("d/config", "c", Qos::AtMostOnce, 0), message("d/other", "o", Qos::AtMostOnce, 0)]);
    assert_eq!(heard(&mut world), [(2, "c".into()), (1, "o".into())]);
}

#[test]
fn regression_unanswered_unsubscriptions_do_not_use_up_the_identifiers() {
    let limits = Limits { suback_timeout: Duration::from_secs(1 << 30), ..Limits::default() };
    let mut world = World::connected_within(Boot { limits, ..boot() }, Probe::new());
    for _ in 0..40_000 {
        world.order(listen("in", 1));
        world.order(Do::Unsubscribe("in".into()));
        world.take_actions();
        world.take_sent();
        world.trace.clear();
        world.transcript.take();
    }
    world.order(say("still alive", Qos::AtLeastOnce, Policy::Bounded));
    assert_eq!(support::publishes(&world.sent).len(), 1);
}
