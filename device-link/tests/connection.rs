//! How a connection comes up, stays up and goes down.

mod support;

use std::time::Duration;

use bytes::Bytes;
use device_link::wire::{ConnectCode, Packet, Qos};
use device_link::{Action, Closed, Down, Event, Limits, LinkTimer, Topic, Will};

use support::probe::{Do, Policy, Probe, Told};
use support::{World, boot, id, listen, message, say};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn downs(world: &mut World<Probe>) -> Vec<Down> {
    let down = |told| if let Told::Down(why) = told { Some(why) } else { None };
    world.notices().into_iter().filter_map(down).collect()
}

/// The pause from the loss of a link to the next attempt.
fn pause(world: &mut World<Probe>) -> Duration {
    let (lost_at, before) = (world.now.at, world.conn);
    while world.conn == before {
        world.advance_to_deadline();
    }
    world.now.at.since(lost_at)
}

#[test]
fn the_first_action_is_to_connect_at_once() {
    let world = World::new(boot(), Probe::new());
    assert!(
        matches!(world.last.as_slice(), [Action::Open { to, .. }] if to.to_string() == "mqtts://broker:8883")
    );
}

#[test]
fn connect_carries_what_the_dialect_says() {
    let mut probe = Probe::new();
    let topic = Topic::new("last/words").unwrap();
    let payload = Bytes::from_static(b"gone");
    probe.spec.will = Some(Will { topic, payload, qos: Qos::AtLeastOnce, retain: true });
    let mut world = World::new(boot(), probe);
    world.opened();
    let [Packet::Connect(connect)] = world.sent.as_slice() else { panic!("{:?}", world.sent) };
    assert_eq!(connect.client_id, "device");
    assert_eq!(connect.username.as_deref(), Some("user"));
    assert_eq!(connect.password.as_deref(), Some(b"hunter2".as_slice()));
    assert_eq!(connect.keep_alive, 60);
    assert!(connect.clean_session);
    let will = connect.will.as_ref().expect("a will");
    assert_eq!((will.topic.as_str(), will.payload.as_ref()), ("last/words", b"gone".as_slice()));
    assert_eq!((will.qos, will.retain), (Qos::AtLeastOnce, true));
}

#[test]
fn a_password_without_a_user_is_not_sent_mqtt_3_1_2_22() {
    let mut probe = Probe::new();
    probe.spec.username = None;
    let mut world = World::new(boot(), probe);
    world.opened();
    let [Packet::Connect(connect)] = world.sent.as_slice() else { panic!("{:?}", world.sent) };
    assert_eq!((&connect.username, &connect.password), (&None, &None));
}

#[test]
fn what_mqtt_cannot_say_is_told_and_tried_again() {
    let mut probe = Probe::new();
    probe.spec.client_id = "x".repeat(70_000);
    let mut world = World::new(boot(), probe);
    world.opened();
    assert!(matches!(downs(&mut world).as_slice(), [Down::Unconnectable(_)]));
    assert!(pause(&mut world) >= seconds(1));
}

#[test]
fn without_an_answer_to_open_the_attempt_ends_after_20_seconds() {
    let mut world = World::new(boot(), Probe::new());
    world.advance(Duration::from_millis(19_999));
    assert!(downs(&mut world).is_empty());
    world.advance(Duration::from_millis(1));
    assert!(world.is_closing());
    assert_eq!(downs(&mut world), [Down::OpenTimeout]);
}

#[test]
fn without_connack_the_attempt_ends_after_10_seconds() {
    let mut world = World::new(boot(), Probe::new());
    world.advance(seconds(3));
    world.opened();
    assert!(world.waits_for(LinkTimer::ConnAck));
    world.advance(Duration::from_millis(9_999));
    assert!(downs(&mut world).is_empty());
    world.advance(Duration::from_millis(1));
    assert!(world.is_closing());
    assert_eq!(downs(&mut world), [Down::ConnAckTimeout]);
}

#[test]
fn a_refused_connack_backs_off_like_any_failure() {
    let codes = [
        ConnectCode::UnacceptableProtocol,
        ConnectCode::IdentifierRejected,
        ConnectCode::ServerUnavailable,
        ConnectCode::BadUsernameOrPassword,
        ConnectCode::NotAuthorized,
    ];
    let mut world = World::new(boot(), Probe::new());
    let mut longest = Duration::ZERO;
    for code in codes.into_iter().cycle().take(40) {
        world.opened();
        world.peer(&[Packet::ConnAck { session_present: false, code }]);
        assert!(world.is_closing());
        assert_eq!(downs(&mut world), [Down::Refused(code)]);
        let pause = pause(&mut world);
        assert!((seconds(1)..=seconds(120)).contains(&pause), "{pause:?}");
        longest = longest.max(pause);
    }
    assert!(longest > seconds(30), "pauses grow: {longest:?}");
}

#[test]
fn attempts_go_on_for_ever_and_never_pause_over_two_minutes() {
    let mut world = World::new(boot(), Probe::new());
    for _ in 0..200 {
        world.closed(Closed::Refused);
        assert_eq!(downs(&mut world), [Down::Closed(Closed::Refused)]);
        assert!((seconds(1)..=seconds(120)).contains(&pause(&mut world)));
    }
}

#[test]
fn only_a_link_that_stayed_up_starts_the_pauses_over() {
    let mut world = World::new(boot(), Probe::new());
    let grown = |world: &mut World<Probe>| {
        for _ in 0..30 {
            world.closed(Closed::Refused);
            pause(world);
        }
    };
    grown(&mut world);
    let mut flapping = Duration::ZERO;
    for _ in 0..10 {
        world.up();
        world.advance(seconds(1));
        world.closed(Closed::Eof);
        flapping = flapping.max(pause(&mut world));
    }
    assert!(flapping > seconds(10), "a flapping link keeps backing off: {flapping:?}");
    world.up();
    world.advance(seconds(31));
    world.closed(Closed::Eof);
    assert!(pause(&mut world) <= seconds(3));
}

#[test]
fn anything_before_connack_is_a_violation_mqtt_3_2_0_1() {
    let early = [
        Packet::PingResp,
        Packet::PubAck(id(1)),
        Packet::PubRel(id(1)),
        Packet::UnsubAck(id(1)),
        Packet::SubAck { id: id(1), codes: vec![None] },
        message("nobody/listens", "x", Qos::AtMostOnce, 0),
        message("nobody/listens", "x", Qos::AtLeastOnce, 1),
        message("nobody/listens", "x", Qos::ExactlyOnce, 1),
    ];
    for packet in early {
        let mut world = World::new(boot(), Probe::new());
        world.opened();
        world.take_sent();
        world.peer(std::slice::from_ref(&packet));
        assert!(world.is_closing(), "{packet:?}");
        assert!(matches!(downs(&mut world).as_slice(), [Down::Protocol(_)]), "{packet:?}");
        assert_eq!(world.take_sent(), [], "not even acknowledged: {packet:?}");
    }
}

#[test]
fn a_second_connack_is_a_violation_mqtt_3_2_0_1() {
    let mut world = World::connected(Probe::new());
    world.connack(false);
    assert!(matches!(downs(&mut world).as_slice(), [Down::Protocol(_)]));
}

#[test]
fn packets_only_a_client_sends_and_malformed_ones_close_the_link_with_a_reason() {
    let of_clients: [&[u8]; 4] = [b"\xc0\0", b"\xe0\0", b"\x82\x06\0\x01\0\x01a\0", b"\xa2\x05\0\x01\0\x01a"];
    let malformed: [&[u8]; 4] = [b"\xf0\0", b"\x36\x06\0\x01a\0\x01x", b"\x40\x02\0\0", b"\x30\x03\0\0x"];
    for bytes in of_clients.into_iter().chain(malformed) {
        let mut world = World::connected(Probe::new());
        world.bytes(bytes);
        assert!(world.is_closing(), "{bytes:x?}");
        let downs = downs(&mut world);
        assert!(matches!(downs.as_slice(), [Down::Protocol(why)] if !why.is_empty()), "{downs:?}");
        assert!(pause(&mut world) >= seconds(1));
    }
}

#[test]
fn a_packet_over_the_limit_closes_the_link_at_its_header() {
    let limits = Limits { packet_bytes: 1000, ..Limits::default() };
    let mut world = World::connected_within(device_link::Boot { limits, ..boot() }, Probe::new());
    world.order(listen("in", 1));
    world.acknowledge();
    world.peer(&[message("in", &"x".repeat(900), Qos::AtMostOnce, 0)]);
    assert!(!world.is_closing());
    world.bytes(b"\x90\xe9\x07"); // 1001 bytes are to follow
    assert!(world.is_closing());
    assert_eq!(downs(&mut world), [Down::PacketTooLarge]);
}

#[test]
fn silence_is_broken_by_pingreq_within_the_keep_alive_mqtt_3_1_2_23() {
    let mut world = World::connected(Probe::new());
    world.advance(Duration::from_millis(59_999));
    assert_eq!(world.take_sent(), []);
    world.advance(Duration::from_millis(1));
    assert_eq!(world.take_sent(), [Packet::PingReq]);
    world.peer(&[Packet::PingResp]);
    world.advance(seconds(59));
    assert_eq!(world.take_sent(), []);
    world.advance(seconds(1));
    assert_eq!(world.take_sent(), [Packet::PingReq]);
}

#[test]
fn receiving_much_does_not_replace_what_the_broker_must_hear() {
    let mut world = World::connected(Probe::new());
    for _ in 0..12 {
        world.advance(seconds(5));
        world.peer(&[message("x", "y", Qos::AtMostOnce, 0)]);
    }
    assert_eq!(world.take_sent(), [Packet::PingReq]);
}

#[test]
fn a_link_that_only_takes_is_found_out_though_we_keep_sending() {
    let mut world = World::connected(Probe::new());
    for _ in 0..12 {
        world.advance(seconds(5));
        world.order(say("x", Qos::AtMostOnce, Policy::Drop));
    }
    assert!(world.take_sent().contains(&Packet::PingReq));
    world.take_actions();
    world.advance(seconds(10));
    assert_eq!(downs(&mut world), [Down::PingTimeout]);
    assert!(world.is_closing());
}

#[test]
fn a_ping_without_answer_closes_the_link_after_10_seconds() {
    let mut world = World::connected(Probe::new());
    world.advance(Duration::from_millis(69_999));
    assert_eq!(downs(&mut world), []);
    world.advance(Duration::from_millis(1));
    assert_eq!(downs(&mut world), [Down::PingTimeout]);
}

#[test]
fn regression_a_short_keep_alive_does_not_put_off_the_ping_time_out() {
    let mut probe = Probe::new();
    probe.spec.keep_alive_seconds = 5;
    let mut world = World::connected(probe);
    world.advance(seconds(15));
    assert_eq!(downs(&mut world), [Down::PingTimeout]);
}

#[test]
fn regression_a_slow_answer_behind_a_large_message_is_no_dead_link() {
    let mut world = World::connected(Probe::new());
    world.advance(seconds(60));
    let large = support::encoded(&[message("x", &"y".repeat(600), Qos::AtMostOnce, 0)]);
    for piece in large.chunks(100) {
        world.advance(seconds(8));
        world.bytes(piece);
    }
    assert_eq!(downs(&mut world), []);
    world.advance(seconds(10));
    assert_eq!(downs(&mut world), [Down::PingTimeout]);
}

#[test]
fn a_keep_alive_of_0_never_pings() {
    let mut probe = Probe::new();
    probe.spec.keep_alive_seconds = 0;
    let mut world = World::connected(probe);
    assert_eq!(world.node.deadline(), None);
    world.advance(seconds(10_000));
    assert_eq!(world.take_sent(), []);
}

#[test]
fn events_of_a_connection_not_open_or_already_closed_are_ignored() {
    let mut world = World::new(boot(), Probe::new());
    let first = world.conn();
    world.connack(false);
    assert_eq!(world.last, [], "not yet open");
    world.opened();
    world.opened();
    assert_eq!(world.last, [], "opened twice");
    world.connack(false);
    world.closed(Closed::Eof);
    world.take_actions();
    for event in [
        Event::Opened { conn: first },
        Event::Received { conn: first, bytes: Bytes::from_static(b"\xd0\0") },
        Event::Closed { conn: first, why: Closed::Reset },
    ] {
        world.handle(event.clone());
        assert_eq!(world.last, [], "closed: {event:?}");
    }
    pause(&mut world);
    world.take_actions();
    world.handle(Event::Opened { conn: first });
    world.handle(Event::Received { conn: first, bytes: Bytes::from_static(b"\xd0\0") });
    world.handle(Event::Closed { conn: first, why: Closed::Reset });
    assert_eq!(world.take_actions(), [], "superseded");
}

#[test]
fn half_a_packet_of_the_old_connection_is_forgotten() {
    let mut world = World::connected(Probe::new());
    world.bytes(b"\x30\x7f\0");
    world.closed(Closed::Reset);
    world.reconnect();
    let notices = world.notices();
    assert!(notices.contains(&Told::Up { resumed: false }), "{notices:?}");
}

#[test]
fn the_monotonic_clock_may_stand_still_or_step_back() {
    let mut world = World::connected(Probe::new());
    world.order(Do::After(1, 1000));
    world.now.at = device_link::Instant(0);
    world.node.handle(world.now, Event::Tick);
    assert_eq!(world.node.poll(), None);
    assert_eq!(world.node.deadline(), Some(support::BIRTH.at + seconds(1)));
}

#[test]
fn regression_the_end_of_both_clocks_does_not_spin() {
    let mut world = World::connected(Probe::new());
    world.order(Do::After(1, 1000));
    world.order(Do::AtUtc(2, i64::MAX));
    let now = device_link::Now { at: device_link::Instant(u64::MAX), utc: device_link::UtcMillis(i64::MAX) };
    for _ in 0..10 {
        world.node.handle(now, Event::Tick);
        while world.node.poll().is_some() {}
    }
}
