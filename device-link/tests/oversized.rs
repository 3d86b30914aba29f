//! Messages over the limit: let go by, told, and in nobody's way.

mod support;

use std::time::Duration;

use device_link::wire::{Packet, Qos};
use device_link::{Boot, Closed, Down, Limits};

use support::probe::{Do, Probe, SECRET, Told};
use support::{World, boot, encoded, id, listen, message};

const LIMIT: usize = 1000;
const HUGE: usize = 3 * LIMIT;

fn narrow() -> Boot {
    Boot { limits: Limits { packet_bytes: LIMIT, ..Limits::default() }, ..boot() }
}

fn listening() -> World<Probe> {
    let mut world = World::connected_within(narrow(), Probe::new());
    world.order(listen("in", 1));
    world.acknowledge();
    world.take_sent();
    world.take_actions();
    world
}

fn huge(qos: Qos) -> Packet {
    message("in", &format!("[{SECRET}{}]", "x".repeat(HUGE - SECRET.len() - 2)), qos, 7)
}

fn told(retain: bool) -> Told {
    Told::Oversized { tag: 1, topic: "in".into(), bytes: HUGE, limit: LIMIT, retain }
}

fn said(told: &Told) -> Option<&str> {
    if let Told::Message { payload, .. } = told { Some(payload) } else { None }
}

#[test]
fn regression_a_message_over_the_limit_goes_by_wherever_it_is_cut_and_the_trace_replays() {
    let bytes = encoded(&[huge(Qos::AtLeastOnce), message("in", "next", Qos::AtLeastOnce, 8)]);
    for chunk in (1..30).chain([LIMIT - 1, LIMIT, LIMIT + 1, HUGE, bytes.len() - 9, bytes.len()]) {
        let mut world = listening();
        world.chunk = chunk;
        world.bytes(&bytes);
        assert_eq!(world.take_sent(), [Packet::PubAck(id(7)), Packet::PubAck(id(8))], "cut at {chunk}");
        let notices = world.notices();
        assert_eq!(notices.first(), Some(&told(false)), "cut at {chunk}");
        assert_eq!(notices.get(1).and_then(said), Some("next"));
        assert!(!world.is_closing());
        world.end_trace();
        let secret: String = SECRET.bytes().map(|byte| format!("{byte:02x}")).collect();
        assert!(world.trace.iter().all(|line| !line.contains(&secret) && !line.contains(SECRET)));
        world.assert_replays(narrow(), Probe::new());
    }
}

#[test]
fn nothing_of_it_waits_in_a_trace() {
    let mut world = listening();
    let lines = world.trace.len();
    world.chunk = 100;
    world.bytes(&encoded(&[huge(Qos::AtMostOnce)])[..2000]);
    assert_eq!(world.trace.len() - lines, 20);
    world.closed(Closed::Reset);
    world.end_trace();
    world.assert_replays(narrow(), Probe::new());
}

#[test]
fn a_kept_one_is_told_as_such_and_one_for_nobody_is_only_acknowledged() {
    let mut world = listening();
    let Packet::Publish(publish) = huge(Qos::AtMostOnce) else { unreachable!() };
    world.peer(&[Packet::Publish(device_link::wire::Publish { retain: true, ..publish })]);
    assert_eq!(world.notices(), [told(true)]);
    world.take_actions();
    world.peer(&[message("elsewhere", &"x".repeat(HUGE), Qos::AtLeastOnce, 9)]);
    assert_eq!(world.take_sent(), [Packet::PubAck(id(9))]);
    assert_eq!(world.notices(), []);
}

#[test]
fn at_quality_of_service_2_it_is_told_once() {
    let mut world = listening();
    world.peer(&[huge(Qos::ExactlyOnce), huge(Qos::ExactlyOnce)]);
    assert_eq!(world.take_sent(), [Packet::PubRec(id(7)), Packet::PubRec(id(7))]);
    assert_eq!(world.notices(), [told(false)]);
    world.peer(&[Packet::PubRel(id(7))]);
    assert_eq!(world.take_sent(), [Packet::PubComp(id(7))]);
}

#[test]
fn a_new_connection_knows_nothing_of_what_went_by_on_the_old_one() {
    let mut world = listening();
    world.bytes(&encoded(&[huge(Qos::AtLeastOnce)])[..2000]);
    world.closed(Closed::Reset);
    world.reconnect();
    world.take_actions();
    world.peer(&[message("in", "small", Qos::AtMostOnce, 0)]);
    assert_eq!(world.notices().first().and_then(said), Some("small"));
}

#[test]
fn one_that_no_broker_may_send_closes_the_link() {
    let heads: [&[u8]; 4] = [
        b"\x30\xe9\x07\0\x01#",        // a wildcard
        b"\x30\xe9\x07\0\x02\xff\xfe", // no text
        b"\x32\xe9\x07\0\x01a\0\0",    // packet identifier 0
        b"\x30\xe9\x07\xff\xff",       // a topic longer than the packet
    ];
    for head in heads {
        let mut world = listening();
        world.bytes(head);
        let ended = world.notices();
        assert!(matches!(ended.as_slice(), [Told::Down(Down::Protocol(_))]), "{head:x?}: {ended:?}");
        world.bytes(b"more");
        world.end_trace();
        world.assert_replays(narrow(), Probe::new());
    }
}

#[test]
fn one_before_connack_closes_the_link() {
    let mut world = World::new(narrow(), Probe::new());
    world.opened();
    world.bytes(b"\x30\xe9\x07\0\x01a");
    assert!(matches!(world.notices().as_slice(), [Told::Down(Down::Protocol(_))]));
}

/// The answer to the second subscription stands behind the kept message of the first, on a slow line.
#[test]
fn regression_an_answer_behind_a_large_message_has_time_while_that_comes() {
    for bytes in
        [encoded(&[huge(Qos::AtMostOnce)]), encoded(&[message("in", &"x".repeat(900), Qos::AtMostOnce, 0)])]
    {
        let mut world = listening();
        world.order(Do::Subscribe { filter: "other".into(), qos: Qos::AtMostOnce, tag: 2 });
        for piece in bytes.chunks(bytes.len() / 6) {
            world.advance(Duration::from_secs(9));
            world.bytes(piece);
        }
        assert!(!world.is_closing());
        world.acknowledge();
        world.advance(Duration::from_secs(20));
        assert!(!world.notices().iter().any(|told| matches!(told, Told::Down(_))));
    }
}

#[test]
fn an_answer_that_does_not_come_is_missed_once_the_message_stands_still() {
    let mut world = listening();
    world.order(Do::Subscribe { filter: "other".into(), qos: Qos::AtMostOnce, tag: 2 });
    world.advance(Duration::from_secs(5));
    world.bytes(&encoded(&[huge(Qos::AtMostOnce)])[..100]);
    world.advance(Duration::from_millis(9999));
    assert_eq!(world.notices(), []);
    world.advance(Duration::from_millis(1));
    assert_eq!(world.notices(), [Told::Down(Down::SubAckTimeout)]);
}
