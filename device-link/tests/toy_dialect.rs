//! A dialect of no vendor's runs on the link: numbered requests and replies.

mod support;

use std::time::Duration;

use device_link::transcript::Transcript;
use device_link::wire::Qos;
use device_link::{Action, Boot, Closed, Endpoint, Event, ExitReason, Key, Secret, Stored, Transport};

use support::toy::{Command, Notice, Setup, Toy};
use support::{World, boot, message};

fn setup() -> Setup {
    Setup {
        endpoint: Endpoint { host: "broker".into(), port: 1883, transport: Transport::Tcp },
        name: "toy".into(),
        password: Some(Secret::new("hunter2".into())),
        patience: 30_000,
    }
}

fn world() -> World<Toy> {
    let mut world = World::new(boot(), Toy::new(setup()));
    world.up();
    world.take_sent();
    world.take_actions();
    world
}

fn ask(world: &mut World<Toy>, text: &str) {
    world.handle(Event::Command(Command::Ask(text.into())));
}

#[test]
fn a_reply_finds_its_request_by_number() {
    let mut world = world();
    ask(&mut world, "what time is it?");
    ask(&mut world, "and where?");
    world.peer(&[message("reply/0002", "here", Qos::AtLeastOnce, 9)]);
    world.peer(&[message("reply/0001", "noon", Qos::AtLeastOnce, 10)]);
    let notices = world.notices();
    assert_eq!(
        notices,
        [
            Notice::Answer { number: 2, text: "here".into() },
            Notice::Answer { number: 1, text: "noon".into() },
        ]
    );
    assert_eq!(world.node.dialect().waiting(), 0);
}

#[test]
fn a_request_without_reply_times_out_once() {
    let mut world = world();
    ask(&mut world, "anybody?");
    world.advance(Duration::from_secs(45));
    world.peer(&[message("reply/0001", "too late", Qos::AtLeastOnce, 9)]);
    assert_eq!(world.notices(), [Notice::NoAnswer { number: 1 }]);
}

#[test]
fn a_request_made_offline_is_answered_after_the_reconnect() {
    let mut world = world();
    world.closed(Closed::Reset);
    ask(&mut world, "still there?");
    world.reconnect();
    world.peer(&[message("reply/0001", "yes", Qos::AtLeastOnce, 9)]);
    let notices = world.notices();
    assert_eq!(
        notices,
        [
            Notice::Offline("connection reset".into()),
            Notice::Online,
            Notice::Answer { number: 1, text: "yes".into() },
        ]
    );
}

#[test]
fn a_question_goes_to_the_application_and_its_answer_to_the_peer() {
    let mut world = world();
    world.peer(&[message("ask/0042", "who are you?", Qos::AtLeastOnce, 3)]);
    let hook = world.last.iter().find_map(|action| match action {
        Action::InvokeHook { id, hook } => Some((*id, hook.clone())),
        _ => None,
    });
    let (id, question) = hook.expect("the application is asked");
    assert_eq!((question.number, question.text.as_str()), (42, "who are you?"));
    world.take_sent();
    world.handle(Event::HookDone { id, outcome: "a toy".into() });
    let sent = support::publishes(&world.sent);
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].0, "a toy");
}

#[test]
fn numbers_go_on_after_a_restart() {
    let stored = Stored { key: Key::new("last_number").unwrap(), value: "41".into() };
    let mut world = World::new(Boot { stored: vec![stored], ..boot() }, Toy::new(setup()));
    world.up();
    ask(&mut world, "again?");
    world.peer(&[message("reply/0042", "yes", Qos::AtLeastOnce, 3)]);
    assert!(world.notices().contains(&Notice::Answer { number: 42, text: "yes".into() }));
}

#[test]
fn a_run_reads_as_a_story() {
    let mut world = World::new(boot(), Toy::new(setup()));
    world.chunk = 3;
    world.advance(Duration::from_millis(12));
    world.up();
    world.take_sent();
    ask(&mut world, "what time is it?");
    world.acknowledge();
    world.peer(&[message("reply/0001", "noon", Qos::AtLeastOnce, 7)]);
    world.handle(Event::Command(Command::Leave(ExitReason::Shutdown)));
    let story = world.transcript.text();
    let expected = "     \
     0ms  > open #1 mqtt://broker:1883
     0ms  . next at 20000ms (Open)
    12ms  < opened #1
    12ms  > CONNECT id=toy user=toy pass=***
    12ms  . next at 10012ms (ConnAck)
    12ms  < CONNACK accepted
    12ms  > SUBSCRIBE 2 reply/+ (qos 1)
    12ms  > SUBSCRIBE 3 ask/+ (qos 1)
    12ms  * Online
    12ms  . next at 10012ms (SubAck)
    12ms  < SUBACK 2 qos 1
    12ms  < SUBACK 3 qos 1
    12ms  . next at 60012ms (KeepAlive)
    12ms  < command Ask \"what time is it?\"
    12ms  > PUBLISH api/0001 what time is it? (qos 1, id 4)
    12ms  > store #3 last_number 1
    12ms  . next at 30012ms (Patience 1)
    12ms  < PUBACK 4
    12ms  < PUBLISH reply/0001 noon (qos 1, id 7)
    12ms  > PUBACK 7
    12ms  * Answer number=1 text=noon
    12ms  . next at 60012ms (KeepAlive)
    12ms  < command Leave Shutdown
    12ms  > DISCONNECT
    12ms  > close #1
    12ms  > exit Shutdown
    12ms  . nothing is due
";
    assert_eq!(story.trim_start(), expected.trim_start(), "\n{story}");
    let text = format!("{}\n{}\n", header(), world.trace.join("\n"));
    assert_eq!(Transcript::of_trace(&text, 100).unwrap(), story);
    world.assert_replays(boot(), Toy::new(setup()));
}

fn header() -> String {
    device_link::trace::Header::new("test", boot(), setup()).line()
}
