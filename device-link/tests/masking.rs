//! What a trace does not show: secrets in what a dialect stores and in what its peer sends.

mod support;

use std::time::Duration;

use bytes::Bytes;
use device_link::trace::{Recorder, replay, shown_boot};
use device_link::wire::{Packet, Qos};
use device_link::{Boot, Closed, Event, ExitReason, Key, Limits, Stored};
use proptest::collection::vec;
use proptest::prelude::*;

use support::probe::{Do, Policy, Probe, SECRET};
use support::{World, boot, encoded, listen, message, say};

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn config(number: u16) -> Packet {
    message("in", &format!("{{\"password\":[{SECRET}],\"number\":{number}}}"), Qos::AtLeastOnce, number + 1)
}

/// No part of the secret that is worth something is shown.
fn assert_shows_no_secret(lines: &[String]) {
    for line in lines {
        for part in SECRET.as_bytes().windows(4) {
            assert!(!line.contains(&hexadecimal(part)), "{line}");
            assert!(!line.contains(core::str::from_utf8(part).unwrap()), "{line}");
        }
    }
}

fn ended(mut world: World<Probe>) -> World<Probe> {
    world.end_trace();
    assert_shows_no_secret(&world.trace);
    world.assert_replays(boot(), Probe::new());
    world
}

fn listening() -> World<Probe> {
    let mut world = World::connected(Probe::new());
    world.order(listen("in", 1));
    world.acknowledge();
    world
}

#[test]
fn a_message_is_masked_wherever_it_is_cut() {
    let whole = encoded(&[config(1), Packet::PingResp, config(2), Packet::PingResp]);
    for chunk in 1..=whole.len() {
        let mut world = listening();
        let before = world.trace.len();
        world.chunk = chunk;
        world.bytes(&whole);
        assert_eq!(world.trace.len() - before, whole.len().div_ceil(chunk), "all lines, each in its place");
        ended(world);
    }
}

#[test]
fn lines_wait_for_the_rest_of_a_message_and_keep_their_order() {
    let mut world = listening();
    let bytes = encoded(&[config(1)]);
    let (start, rest) = bytes.split_at(bytes.len() - 5);
    let before = world.trace.len();
    world.bytes(start);
    world.order(say("meanwhile", Qos::AtMostOnce, Policy::Drop));
    world.advance(Duration::from_secs(1));
    assert_eq!(world.trace.len(), before);
    world.bytes(rest);
    let kinds: Vec<_> = world.trace[before..]
        .iter()
        .map(|line| if line.contains("\"Received\"") { 'r' } else { 'o' })
        .collect();
    assert_eq!(kinds, ['r', 'o', 'r']);
    ended(world);
}

/// The rest of the message never comes: because the connection is lost, a timer closes it, or the run ends.
#[test]
fn a_message_that_never_ends_is_concealed() {
    let bytes = encoded(&[config(1)]);
    let ends: [fn(&mut World<Probe>); 4] = [
        |world| world.closed(Closed::Reset),
        |world| world.advance(Duration::from_secs(1000)),
        |world| world.order(Do::Exit(ExitReason::Shutdown)),
        |world| world.end_trace(),
    ];
    for end in ends {
        for length in 1..bytes.len() {
            let mut world = listening();
            let before = world.trace.len();
            world.bytes(&bytes[..length]);
            end(&mut world);
            assert!(world.trace.len() > before);
            ended(world);
        }
    }
}

#[test]
fn a_trace_goes_on_after_a_message_that_never_ended() {
    let mut world = listening();
    world.bytes(&encoded(&[config(1)])[..30]);
    world.closed(Closed::Reset);
    world.reconnect();
    world.peer(&[config(2)]);
    world.order(Do::Exit(ExitReason::Shutdown));
    let count = world.trace.iter().filter(|line| line.contains("Message")).count();
    assert_eq!(count, 1);
    ended(world);
}

#[test]
fn what_comes_on_a_connection_that_is_over_is_concealed() {
    let mut world = listening();
    let conn = world.conn();
    world.closed(Closed::Reset);
    world.handle(Event::Received { conn, bytes: encoded(&[config(1)]) });
    world.reconnect();
    world.handle(Event::Received { conn, bytes: encoded(&[config(2)]) });
    ended(world);
}

#[test]
fn what_follows_a_broken_packet_is_concealed() {
    let too_large = [0x90, 0xff, 0xff, 0xff, 0x7f];
    let malformed: [&[u8]; 6] = [
        b"\xf0\x00",
        b"\x31\x80\x80\x80\x80",
        b"\x30\x13\x00\x01+[hunter2!]hunter2!",
        b"\x32\x11\x00\x01a\x00\x00[hunter2!]1234",
        b"\x30\x0c\x00\xff[hunter2!]",
        &too_large,
    ];
    for broken in malformed {
        for chunk in [1, 3, usize::MAX] {
            let mut world = listening();
            world.chunk = chunk;
            world.bytes(&[broken, &encoded(&[config(1)])].concat());
            assert!(world.transcript.text().contains("> close"), "{broken:?}");
            world.reconnect();
            ended(world);
        }
    }
}

#[test]
fn a_stored_secret_is_masked_in_the_line_and_in_the_next_boot() {
    let mut world = listening();
    world.order(Do::StoreSecret);
    world.order(Do::Store("plain".into(), Some("value".into())));
    assert!(world.trace.iter().any(|line| line.contains(&hexadecimal(b"value"))));
    ended(world);
    let stored = |name: &str| Stored { key: Key::new(name).unwrap(), value: Bytes::from(SECRET) };
    let boot = Boot { stored: vec![stored("secret"), stored("plain")], ..boot() };
    let shown = shown_boot::<Probe>(&boot);
    assert_eq!(shown.stored[0].value, "********");
    assert_eq!(shown.stored[1], boot.stored[1]);
    assert_eq!(shown_boot::<Probe>(&shown), shown, "the mask of a mask");
}

/// A peer that never ends its message cannot make a recorder keep lines for ever.
#[test]
fn a_trace_ends_where_too_much_would_have_to_wait() {
    let mut world = listening();
    let before = world.trace.len();
    world.bytes(&encoded(&[config(1)])[..30]);
    let long = "x".repeat(1 << 20);
    for _ in 0..12 {
        world.order(Do::Note(long.clone()));
    }
    world.peer(&[config(2)]);
    world.order(Do::Exit(ExitReason::Shutdown));
    assert_eq!(
        world.trace.len(),
        before,
        "nothing unmasked is let go, and no line is missing between others"
    );
    ended(world);
}

#[test]
fn a_line_that_is_not_finished_is_not_there() {
    let mut recorder = Recorder::<Probe>::new(&Limits::default());
    recorder.construction(boot().now);
    recorder.end();
    assert_eq!(recorder.poll(), None);
}

#[derive(Clone, Debug)]
enum Op {
    Config(u16),
    Ping,
    Say,
    Store,
    Advance(u64),
    Lose,
    Garbage(Vec<u8>),
    Chunk(usize),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0..100u16).prop_map(Op::Config),
        1 => Just(Op::Ping),
        1 => Just(Op::Say),
        1 => Just(Op::Store),
        2 => (0..100_000u64).prop_map(Op::Advance),
        1 => Just(Op::Lose),
        1 => vec(any::<u8>(), 1..5).prop_map(Op::Garbage),
        2 => (1..40usize).prop_map(Op::Chunk),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn no_run_shows_a_secret_and_every_masked_trace_replays(ops in vec(op(), 0..40), cut in any::<prop::sample::Index>()) {
        let mut world = listening();
        for op in ops {
            match op {
                Op::Config(number) => world.peer(&[config(number)]),
                Op::Ping => world.peer(&[Packet::PingResp]),
                Op::Say => world.order(say("out", Qos::AtLeastOnce, Policy::Bounded)),
                Op::Store => world.order(Do::StoreSecret),
                Op::Advance(millis) => world.advance(Duration::from_millis(millis)),
                Op::Lose => {
                    world.closed(Closed::Reset);
                    world.advance(Duration::from_secs(200));
                    world.opened();
                    world.connack(false);
                }
                Op::Garbage(bytes) => world.bytes(&bytes),
                Op::Chunk(chunk) => world.chunk = chunk,
            }
        }
        let world = ended(world);
        // Whatever is left of it when the power fails.
        let lines = &world.trace[..=cut.index(world.trace.len())];
        prop_assert!(replay(boot(), Probe::new(), lines).is_ok());
    }
}
