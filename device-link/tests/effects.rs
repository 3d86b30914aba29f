//! Effects that take their time: signing a token for CONNECT, and fetching into a staged file.

mod support;

use std::time::Duration;

use bytes::Bytes;
use device_link::wire::{ConnectCode, Packet};
use device_link::{
    Action, Algorithm, Boot, Closed, Down, Event, ExitReason, FetchError, FetchEvent, FetchId, Limits,
    LinkTimer, Secret, SignError, SignId, SignRequest,
};

use support::probe::{Do, Probe, Told};
use support::{World, boot};

const INPUT: &str = "eyJhbGciOiJFUzI1NiJ9.eyJhdWQiOiJicm9rZXIifQ";
const SIGNATURE: &str = "c2lnbmF0dXJl";

/// A probe whose CONNECT carries a token.
fn signing() -> Probe {
    let mut probe = Probe::new();
    probe.spec.token = Some(SignRequest { algorithm: Algorithm::Es256, input: INPUT.into() });
    probe
}

/// The signature asked for by the last call.
fn asked(world: &World<Probe>) -> SignId {
    let asked: Vec<_> = world
        .last
        .iter()
        .filter_map(|action| match action {
            Action::Sign { id, request } => {
                assert_eq!(request, signing().spec.token.as_ref().expect("there is one"));
                Some(*id)
            }
            _ => None,
        })
        .collect();
    let [id] = asked.as_slice() else { panic!("one signature: {:?}", world.last) };
    *id
}

fn sign(world: &mut World<Probe>, id: SignId) {
    world.handle(Event::Signed { id, result: Ok(Secret::new(SIGNATURE.into())) });
}

fn downs(world: &mut World<Probe>) -> Vec<Down> {
    let down = |told| if let Told::Down(why) = told { Some(why) } else { None };
    world.notices().into_iter().filter_map(down).collect()
}

#[test]
fn a_token_is_signed_once_the_transport_is_up_and_before_connect() {
    let mut world = World::new(boot(), signing());
    assert!(matches!(world.last.as_slice(), [Action::Open { .. }]));
    world.opened();
    let id = asked(&world);
    assert_eq!(world.sent, [], "CONNECT waits for the signature");
    sign(&mut world, id);
    let [Packet::Connect(connect)] = world.sent.as_slice() else { panic!("{:?}", world.sent) };
    let password = format!("{INPUT}.{SIGNATURE}");
    assert_eq!(connect.password.as_deref(), Some(password.as_bytes()), "and goes before the password");
    world.connack(false);
    assert_eq!(world.notices(), [Told::Up { resumed: false }]);
}

#[test]
fn a_refused_signature_takes_the_link_down_and_backs_off() {
    let mut world = World::new(boot(), signing());
    for error in [SignError::NoKey, SignError::WrongKind, SignError::Failed("no entropy".into())] {
        world.opened();
        let id = asked(&world);
        world.handle(Event::Signed { id, result: Err(error.clone()) });
        assert!(world.is_closing());
        assert_eq!(world.sent, []);
        assert_eq!(downs(&mut world), [Down::Unsigned(error)]);
        assert!(world.waits_for(LinkTimer::Backoff));
        let before = world.conn;
        world.advance(Duration::from_millis(999));
        assert_eq!(world.conn, before, "not before a second is over");
        while world.conn == before {
            world.advance_to_deadline();
        }
    }
}

#[test]
fn unknown_double_and_late_signatures_are_ignored() {
    let unknown: SignId = serde_json::from_str("99").expect("a number");
    let mut world = World::new(boot(), signing());
    sign(&mut world, unknown);
    world.opened();
    let first = asked(&world);
    sign(&mut world, unknown);
    assert_eq!(world.sent, []);
    sign(&mut world, first);
    sign(&mut world, first);
    world.handle(Event::Signed { id: first, result: Err(SignError::NoKey) });
    assert_eq!(world.sent.len(), 1, "one CONNECT");
    world.connack(false);
    world.closed(Closed::Reset);
    let before = world.conn;
    while world.conn == before {
        world.advance_to_deadline();
    }
    world.take_sent();
    world.opened();
    let second = asked(&world);
    assert_ne!(first, second);
    sign(&mut world, first);
    assert_eq!(world.sent, [], "that signature was for a connection that is over");
    sign(&mut world, second);
    assert_eq!(world.sent.len(), 1);
}

#[test]
fn the_wait_for_a_signature_counts_as_the_wait_for_connack() {
    let mut world = World::new(boot(), signing());
    world.opened();
    let id = asked(&world);
    world.advance(Duration::from_secs(9));
    assert!(downs(&mut world).is_empty());
    world.advance(Duration::from_secs(1));
    assert_eq!(downs(&mut world), [Down::ConnAckTimeout]);
    sign(&mut world, id);
    assert_eq!(world.sent, []);
}

#[test]
fn what_a_peer_sends_before_connect_is_not_looked_at() {
    let mut world = World::new(boot(), signing());
    world.opened();
    let id = asked(&world);
    world.connack(false);
    world.bytes(b"SSH-2.0");
    sign(&mut world, id);
    world.peer(&[Packet::ConnAck { session_present: true, code: ConnectCode::Accepted }]);
    assert_eq!(world.notices(), [Told::Up { resumed: true }]);
    world.assert_replays(boot(), signing());
}

#[test]
fn a_lost_transport_or_an_exit_ends_the_wait_for_a_signature() {
    let mut world = World::new(boot(), signing());
    world.opened();
    world.closed(Closed::Eof);
    assert_eq!(downs(&mut world), [Down::Closed(Closed::Eof)]);
    let before = world.conn;
    while world.conn == before {
        world.advance_to_deadline();
    }
    world.opened();
    world.order(Do::Exit(ExitReason::Shutdown));
    assert!(matches!(world.last.as_slice(), [Action::Close { .. }, Action::Exit(_)]), "{:?}", world.last);
}

#[test]
fn a_signature_is_in_no_trace_and_the_masked_trace_replays() {
    let mut world = World::new(boot(), signing());
    world.opened();
    let id = asked(&world);
    sign(&mut world, id);
    world.connack(false);
    world.advance(Duration::from_secs(70));
    let hexadecimal: String = SIGNATURE.bytes().map(|byte| format!("{byte:02x}")).collect();
    for line in &world.trace {
        assert!(!line.contains(SIGNATURE) && !line.contains(&hexadecimal), "{line}");
    }
    let text = world.transcript.text();
    assert!(!text.contains(SIGNATURE), "{text}");
    for part in ["> sign #2 ES256\n", "< signed #2 Ok ***\n", "> CONNECT id=device user=user pass=***\n"] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    world.assert_replays(boot(), signing());
}

fn fetches(world: &World<Probe>) -> Vec<FetchId> {
    let id = |action: &_| if let Action::Fetch { id, .. } = action { Some(*id) } else { None };
    world.actions.iter().filter_map(id).collect()
}

fn fetching() -> (World<Probe>, FetchId) {
    let mut world = World::connected(Probe::new());
    world.order(Do::Fetch("https://cloud/blob".into(), 1000));
    let [id] = fetches(&world)[..] else { panic!("{:?}", world.last) };
    world.take_actions();
    (world, id)
}

fn chunk(bytes: &'static [u8]) -> FetchEvent {
    FetchEvent::Chunk(Bytes::from_static(bytes))
}

/// What the dialect hears of these.
fn heard(world: &mut World<Probe>, id: FetchId, events: &[FetchEvent]) -> Vec<FetchEvent> {
    for event in events {
        world.handle(Event::Fetched { id, event: event.clone() });
    }
    let fetched = |told| if let Told::Fetched(told, event) = told { Some((told, event)) } else { None };
    let told: Vec<_> = world.notices().into_iter().filter_map(fetched).collect();
    assert!(told.iter().all(|(told, _)| *told == id));
    told.into_iter().map(|(_, event)| event).collect()
}

fn releases(world: &World<Probe>) -> usize {
    world.actions.iter().filter(|action| matches!(action, Action::Release { .. })).count()
}

#[test]
fn all_that_happens_to_a_fetch_is_told_in_order_up_to_its_end() {
    let (mut world, id) = fetching();
    let events = [
        FetchEvent::Size(3),
        chunk(b"a"),
        FetchEvent::Restarted,
        FetchEvent::Size(2),
        chunk(b"b"),
        chunk(b"c"),
        FetchEvent::Done,
    ];
    assert_eq!(heard(&mut world, id, &events), events);
    assert_eq!(heard(&mut world, id, &events), [], "after its end a fetch is silent");
}

#[test]
fn a_failed_fetch_is_silent_and_needs_no_release() {
    let (mut world, id) = fetching();
    let failed = FetchEvent::Failed(FetchError::Status(404));
    assert_eq!(heard(&mut world, id, &[chunk(b"a"), failed.clone()]), [chunk(b"a"), failed.clone()]);
    assert_eq!(heard(&mut world, id, &[failed, FetchEvent::Done, chunk(b"b")]), []);
    world.order(Do::Release(id));
    assert_eq!(releases(&world), 0, "nothing is staged");
}

#[test]
fn a_release_ends_a_fetch_and_removes_what_is_staged_once() {
    for before in [vec![], vec![chunk(b"a")], vec![chunk(b"a"), FetchEvent::Done]] {
        let (mut world, id) = fetching();
        heard(&mut world, id, &before);
        world.order(Do::Release(id));
        world.order(Do::Release(id));
        assert_eq!(releases(&world), 1);
        assert_eq!(heard(&mut world, id, &[chunk(b"b"), FetchEvent::Done]), []);
    }
}

#[test]
fn fetches_are_bounded_until_they_are_released_or_have_failed() {
    let limits = Limits { fetches: 2, ..Limits::default() };
    let mut world = World::connected_within(Boot { limits, ..boot() }, Probe::new());
    let order = Do::Fetch("data:,".into(), 1);
    for _ in 0..3 {
        world.order(order.clone());
    }
    let [first, second] = fetches(&world)[..] else { panic!("{:?}", world.actions) };
    assert_eq!(world.notices(), [Told::Full]);
    heard(&mut world, first, &[FetchEvent::Done]);
    world.order(order.clone());
    assert_eq!(world.notices(), [Told::Full], "its file is still staged");
    world.order(Do::Release(first));
    heard(&mut world, second, &[FetchEvent::Failed(FetchError::Timeout)]);
    for _ in 0..3 {
        world.order(order.clone());
    }
    assert_eq!(fetches(&world).len(), 2);
    assert_eq!(world.notices(), [Told::Full]);
}

#[test]
fn unknown_fetches_are_ignored() {
    let mut world = World::connected(Probe::new());
    let unknown: FetchId = serde_json::from_str("99").expect("a number");
    assert_eq!(heard(&mut world, unknown, &[chunk(b"a"), FetchEvent::Done]), []);
    world.order(Do::Release(unknown));
    assert_eq!(world.last, []);
}

#[test]
fn a_lost_link_leaves_a_fetch_alone() {
    let (mut world, id) = fetching();
    world.closed(Closed::Reset);
    assert_eq!(heard(&mut world, id, &[chunk(b"a"), FetchEvent::Done]), [chunk(b"a"), FetchEvent::Done]);
}

/// What is staged at the end of a run belongs to the host, which knows whether the run to come wants it.
#[test]
fn a_run_that_ends_hears_of_no_fetch_and_releases_none() {
    let (mut world, id) = fetching();
    world.order(support::say(
        "last words",
        device_link::wire::Qos::AtLeastOnce,
        support::probe::Policy::Bounded,
    ));
    world.order(Do::Exit(ExitReason::Restart));
    assert_eq!(heard(&mut world, id, &[chunk(b"a"), FetchEvent::Done]), []);
    world.acknowledge();
    assert!(world.node.is_finished());
    assert_eq!(releases(&world), 0);
}
