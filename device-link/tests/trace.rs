//! Traces: what they hide, how they replay, and how they fail.

mod support;

use std::time::Duration;

use device_link::trace::{Difference, FORMAT, Header, Recorder, replay};
use device_link::transcript::Transcript;
use device_link::wire::Qos;
use device_link::{Closed, Event, ExitReason, Node, Secret};

use support::probe::{Do, Policy, Probe};
use support::{World, boot, listen, message, say};

/// A run with a bit of everything, as the lines of its trace after the header.
fn recorded() -> World<Probe> {
    let mut world = World::new(boot(), Probe::new());
    world.up();
    world.order(listen("in", 1));
    world.acknowledge();
    world.order(say("out", Qos::AtLeastOnce, Policy::Bounded));
    world.peer(&[message("in", "hello", Qos::AtLeastOnce, 3)]);
    world.order(Do::Store("key".into(), Some("value".into())));
    world.order(Do::Invoke("hook".into()));
    world.closed(Closed::Tls("expired certificate".into()));
    world.reconnect();
    world.advance(Duration::from_secs(100));
    world.order(Do::Exit(ExitReason::Terminate));
    world.advance(Duration::from_secs(10));
    world
}

fn header() -> String {
    Header::new("test 1.0", boot(), "setup").line()
}

fn failure(lines: &[String]) -> Difference {
    replay(boot(), Probe::new(), lines).expect_err("it is not the same run")
}

#[test]
fn a_password_is_in_no_trace_and_the_masked_trace_replays() {
    let world = recorded();
    let hexadecimal: String = b"hunter2".iter().map(|byte| format!("{byte:02x}")).collect();
    for line in world.trace.iter().chain([&header()]) {
        assert!(!line.contains("hunter2") && !line.contains(&hexadecimal), "{line}");
    }
    assert!(!world.transcript.text().contains("hunter2"));
    assert!(world.transcript.text().contains("CONNECT id=device user=user pass=***"));
    for password in ["hunter2", "***", "another, and longer than the first"] {
        let mut probe = Probe::new();
        probe.spec.password = Some(Secret::new(password.into()));
        let count = replay(boot(), probe, &world.trace).expect("the same run");
        assert_eq!(count.lines, world.trace.len());
        assert_eq!(count.actions, world.actions.len());
    }
}

#[test]
fn a_header_survives_the_round_trip() {
    let header = Header::new("test 1.0", boot(), vec![Some(1), None]);
    assert_eq!(Header::read(&header.line()), Ok(header));
}

#[test]
fn another_boot_is_another_run_and_the_first_difference_is_named() {
    let mut world = World::new(boot(), Probe::new());
    world.closed(Closed::Refused);
    world.handle(Event::Tick);
    let other = device_link::Boot { seed: 8, ..boot() };
    let difference = replay(other, Probe::new(), &world.trace).expect_err("another pause");
    assert_eq!(difference.line, 3);
    assert_eq!(difference.expected, world.trace[1]);
    assert!(difference.to_string().starts_with("line 3: expected "), "{difference}");
    assert!(difference.to_string().len() < 500);
}

#[test]
fn a_changed_action_event_or_time_is_found_in_its_line() {
    let world = recorded();
    for (from, to) in
        [("\"Exit\":\"Terminate\"}]", "\"Exit\":\"Restart\"}]"), ("expired", "revoked"), ("hook", "hoof")]
    {
        let mut lines = world.trace.clone();
        let at = lines.iter().rposition(|line| line.contains(from)).expect(from);
        lines[at] = lines[at].replacen(from, to, 1);
        assert_eq!(failure(&lines).line, at + 2);
    }
    let mut lines = world.trace.clone();
    lines.remove(1);
    assert_eq!(failure(&lines).line, 3, "a missing line shows at once");
}

#[test]
fn a_trace_cut_short_anywhere_never_panics_and_names_its_last_line() {
    let world = recorded();
    let whole = format!("{}\n{}\n", header(), world.trace.join("\n"));
    for end in (0..whole.len()).step_by(7).filter(|end| whole.is_char_boundary(*end)) {
        let cut = &whole[..end];
        let mut lines = cut.lines();
        let last = lines.clone().count().max(1);
        if let Err(difference) = Header::<String>::read(lines.next().unwrap_or_default()) {
            assert_eq!(difference.line, 1);
            continue;
        }
        match replay(boot(), Probe::new(), lines) {
            Ok(count) => assert_eq!(count.lines + 1, last),
            Err(difference) => assert!(difference.line == last.max(2), "{difference}"),
        }
        if let Err(difference) = Transcript::of_trace(cut, 80) {
            assert_eq!(difference.line, last);
        }
    }
}

#[test]
fn a_file_that_is_no_trace_is_refused_by_its_first_line() {
    for text in ["", "\n", "hello", "{}", "[1]", "{\"format\":true}", "\u{0}"] {
        let first = text.lines().next().unwrap_or_default();
        let refused = Header::<String>::read(first).expect_err(text);
        assert_eq!(refused.line, 1);
        assert!(refused.expected.starts_with("the header of a trace"), "{refused}");
        assert_eq!(Transcript::of_trace(text, 80).expect_err(text).line, 1);
    }
}

#[test]
fn another_format_is_named() {
    let later = header().replacen(&format!("\"format\":{FORMAT}"), "\"format\":99", 1);
    let refused = Header::<String>::read(&later).expect_err("a later format");
    assert_eq!(refused.to_string(), "line 1: expected format 1, seen format 99");
}

#[test]
fn a_header_alone_says_what_is_missing() {
    let missing = failure(&[]);
    assert_eq!((missing.line, missing.expected.as_str()), (2, "the construction of the node"));
}

#[test]
fn garbage_between_lines_is_named_with_what_was_expected() {
    let mut lines = recorded().trace;
    for garbage in [
        "",
        "{}",
        "null",
        "{\"now\":{\"at\":1,\"utc\":1},\"event\":null,\"actions\":[],\"deadline\":null,\"wake\":null}",
    ] {
        lines[4] = garbage.into();
        let difference = failure(&lines);
        assert_eq!(difference.line, 6);
        assert!(!difference.expected.is_empty() && !difference.seen.is_empty());
    }
}

#[test]
fn a_recorder_writes_what_a_replay_writes() {
    let mut node = Node::new(boot(), Probe::new());
    let mut recorder = Recorder::<Probe>::new(&boot().limits);
    recorder.construction(boot().now);
    let actions: Vec<_> = core::iter::from_fn(|| node.poll()).collect();
    recorder.finish(&actions, node.deadline(), node.wake_reason());
    let lines: Vec<_> = core::iter::from_fn(|| recorder.poll()).collect();
    assert_eq!(replay(boot(), Probe::new(), lines).map(|count| count.actions), Ok(1));
}

#[test]
fn a_transcript_tells_of_broken_bytes_and_of_why_a_link_was_closed() {
    let mut world = World::connected(Probe::new());
    world.transcript.take();
    world.bytes(b"\xf0\0");
    world.advance(Duration::from_secs(3));
    world.opened();
    world.bytes(b"\x20\x02");
    world.advance(Duration::from_secs(10));
    let text = world.transcript.take();
    for part in [
        "< no MQTT: malformed packet: ",
        "> close #1\n",
        "< 2 bytes of an unfinished packet\n",
        "> close #2: ConnAck was due\n",
        "* Down ConnAckTimeout\n",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}
