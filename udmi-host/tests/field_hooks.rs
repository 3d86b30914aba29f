//! Hooks answered by families: what goes where, in which order, and what waits for room.

use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use udmi_host::family::{
    FamilyProvider, FieldEvent, FieldHooks, FieldLimits, Found, PointError, ProviderError, ScanRequest, Stop,
    Target, WriteError,
};
use udmi_proto::model::common::{Depth, Timestamp};
use udmi_proto::{Command, Event, Hook, HookId, Map, Outcome, Reading, Value, Wanted};

const PATIENCE: Duration = Duration::from_secs(20);
/// More than may wait for the core.
const FOUND: usize = 100;

#[test]
fn points_with_references_are_read_where_the_target_is() {
    let mut field = Field::start();
    assert_eq!(field.ask(1, proxied("7", read(&[("t", "AV/1"), ("bad", "gone")], &[]))), None);
    let values = Map::from([
        ("t".into(), Reading::Value(Value::from("7 AV/1"))),
        ("bad".into(), Reading::Failed("unusable reference: gone".into())),
    ]);
    assert_eq!(field.next(), done(1, Outcome::Values { values }));
}

#[test]
fn a_device_that_cannot_be_read_has_failed_as_a_whole() {
    let mut field = Field::start();
    assert_eq!(field.ask(1, proxied("dead", read(&[("t", "AV/1")], &["sum"]))), None);
    assert_eq!(field.next(), done(1, Outcome::Failed { message: "unreachable: dead".into() }));
}

#[test]
fn what_no_family_reads_is_left_to_the_application() {
    let mut field = Field::start();
    for hook in [
        proxied("7", read(&[], &["sum"])),
        Hook::Proxied { device: "D".into(), target: None, hook: Box::new(read(&[("t", "AV/1")], &[])) },
        read(&[("t", "AV/1")], &[]),
        Hook::WritePoint { point: "t".into(), value: Value::Integer(1), reference: None },
        Hook::Metrics,
    ] {
        assert_eq!(field.ask(1, hook.clone()), Some(hook));
    }
    assert_eq!(field.hooks.poll(true), None);
}

#[test]
fn the_application_gets_the_rest_with_what_was_read_and_both_are_merged() {
    let mut field = Field::start();
    let mut hook = read(&[("t", "AV/1")], &["sum"]);
    if let Hook::ReadPoints { wanted } = &mut hook {
        wanted.polled.push("own".into());
    }
    assert_eq!(field.ask(1, proxied("7", hook)), None);
    let Some(FieldEvent::Application(id, rest)) = field.next_event() else { panic!() };
    let wanted = Wanted {
        polled: vec!["own".into()],
        computed: vec!["sum".into()],
        known: Map::from([("t".into(), Value::from("7 AV/1"))]),
        references: Map::new(),
    };
    assert_eq!(rest, proxied("7", Hook::ReadPoints { wanted }));
    let said = Map::from([("sum".into(), Reading::Value(Value::Integer(3)))]);
    let Outcome::Values { values } = field.hooks.merge(id, Outcome::Values { values: said }) else {
        panic!()
    };
    assert_eq!(values.keys().collect::<Vec<_>>(), ["sum", "t"]);
    assert_eq!(field.hooks.merge(id, Outcome::Done), Outcome::Done);
}

#[test]
fn full_references_lead_where_they_say_even_for_the_device_itself() {
    let mut field = Field::start();
    let references = [("t", "bacnet://7/AV/1"), ("u", "bacnet://8/AV/2"), ("v", "bacnet://9999/AV/3")];
    assert_eq!(field.ask(1, read(&references, &[])), None);
    let FieldEvent::Core(Event::HookDone { outcome: Outcome::Values { values }, .. }) = field.next() else {
        panic!()
    };
    assert_eq!(values["t"], Reading::Value(Value::from("7 AV/1")));
    assert_eq!(values["u"], Reading::Value(Value::from("8 AV/2")));
    assert_eq!(values["v"], Reading::Failed("unreachable: 9999".into()));
}

#[test]
fn writes_and_releases_end_as_the_family_says() {
    let mut field = Field::start();
    let write = |reference: &str| {
        let (point, reference) = ("t".into(), Some(reference.into()));
        proxied("7", Hook::WritePoint { point, value: Value::Integer(1), reference })
    };
    assert_eq!(field.ask(1, write("AV/1")), None);
    assert_eq!(field.next(), done(1, Outcome::Done));
    assert_eq!(field.ask(2, write("range")), None);
    assert_eq!(field.next(), done(2, Outcome::Invalid { message: "out of range".into() }));
    let release = Hook::ReleasePoint { point: "t".into(), reference: Some("gone".into()) };
    assert_eq!(field.ask(3, proxied("7", release)), None);
    assert_eq!(field.next(), done(3, Outcome::Failed { message: "unusable reference: gone".into() }));
}

#[test]
fn scans_tell_all_they_find_before_their_end_and_wait_for_room() {
    let mut field = Field::start();
    assert_eq!(field.ask(1, scan("bacnet")), None);
    field.until_woken();
    // Nothing is taken for now, but other answers come.
    assert_eq!(field.hooks.poll(false), None);
    assert_eq!(field.ask(2, proxied("7", read(&[("t", "AV/1")], &[]))), None);
    let answer = loop {
        field.until_woken();
        if let Some(event) = field.hooks.poll(false) {
            break event;
        }
    };
    assert!(matches!(answer, FieldEvent::Core(Event::HookDone { id, .. }) if id == hook_id(2)));
    for number in 0..FOUND {
        let FieldEvent::Core(Event::Command(Command::Found { scan, found })) = field.next() else { panic!() };
        assert_eq!((scan, found.address), (hook_id(1), number.to_string()));
    }
    assert_eq!(field.next(), done(1, Outcome::Done));
}

#[test]
fn a_cancelled_scan_is_not_heard_of_again_and_holds_nobody() {
    let mut field = Field::start();
    assert_eq!(field.ask(1, scan("bacnet")), None);
    field.until_woken();
    field.hooks.cancel(hook_id(1));
    assert_eq!(field.ask(2, scan("bacnet")), None);
    for _ in 0..FOUND {
        let FieldEvent::Core(Event::Command(Command::Found { scan, .. })) = field.next() else { panic!() };
        assert_eq!(scan, hook_id(2));
    }
    assert_eq!(field.next(), done(2, Outcome::Done));
}

#[test]
fn a_family_nobody_speaks_is_the_applications() {
    let mut field = Field::start();
    assert_eq!(field.ask(1, scan("modbus")), Some(scan("modbus")));
    let mut field = Field::of(|hooks| hooks.only_scans());
    let reading = proxied("7", read(&[("t", "AV/1")], &[]));
    assert_eq!(field.ask(1, reading.clone()), Some(reading));
}

#[test]
fn what_was_going_on_ends_without_a_word_when_nobody_drives_it_any_more() {
    let mut field = Field::start();
    assert_eq!(field.ask(1, scan("bacnet")), None);
    field.until_woken();
    let ended = field.scans.clone();
    drop(field);
    let scans = ended.0.lock().unwrap();
    let waited = ended.1.wait_timeout_while(scans, PATIENCE, |scans| *scans > 0).unwrap();
    assert!(!waited.1.timed_out());
}

/// The hooks of a family of which some devices are dead and some references wrong.
struct Field {
    hooks: FieldHooks,
    woken: Receiver<()>,
    scans: Scans,
}

/// Scans under way.
type Scans = Arc<(Mutex<usize>, Condvar)>;

impl Field {
    fn start() -> Self {
        Self::of(|hooks| hooks)
    }

    fn of(change: impl FnOnce(FieldHooks) -> FieldHooks) -> Self {
        let scans = Scans::default();
        let provider: Arc<dyn FamilyProvider> = Arc::new(Scripted(scans.clone()));
        let hooks = change(FieldHooks::new([provider], FieldLimits::default()).unwrap());
        let (wake, woken) = channel();
        hooks.set_waker(move || wake.send(()).unwrap_or_default());
        Self { hooks, woken, scans }
    }

    fn ask(&mut self, id: u64, hook: Hook) -> Option<Hook> {
        self.hooks.ask(hook_id(id), hook)
    }

    fn until_woken(&self) {
        self.woken.recv_timeout(PATIENCE).unwrap();
    }

    fn next(&mut self) -> FieldEvent {
        self.next_event().expect("something is told")
    }

    fn next_event(&mut self) -> Option<FieldEvent> {
        loop {
            if let Some(event) = self.hooks.poll(true) {
                return Some(event);
            }
            self.woken.recv_timeout(PATIENCE).ok()?;
        }
    }
}

struct Scripted(Scans);

impl FamilyProvider for Scripted {
    fn family(&self) -> &'static str {
        "bacnet"
    }

    fn scan(
        &self,
        _request: &ScanRequest,
        found: &mut dyn FnMut(Found),
        _stop: &Stop,
    ) -> Result<(), ProviderError> {
        *self.0.0.lock().unwrap() += 1;
        for number in 0..FOUND {
            found(Found { address: number.to_string(), ..Found::default() });
        }
        *self.0.0.lock().unwrap() -= 1;
        self.0.1.notify_all();
        Ok(())
    }

    fn read(
        &self,
        target: &Target,
        references: &[&str],
        _stop: &Stop,
    ) -> Result<Vec<Result<Value, PointError>>, ProviderError> {
        let addr = target.addr.clone().unwrap_or_default();
        if addr == "dead" || addr == "9999" {
            return Err(ProviderError::Unreachable(addr));
        }
        let read = |reference: &&str| match *reference {
            "gone" => Err(PointError::Reference("gone".into())),
            reference => Ok(Value::from(format!("{addr} {reference}"))),
        };
        Ok(references.iter().map(read).collect())
    }

    fn write(
        &self,
        _target: &Target,
        reference: &str,
        _value: Option<&Value>,
        _stop: &Stop,
    ) -> Result<(), WriteError> {
        match reference {
            "range" => Err(WriteError::Invalid("out of range".into())),
            "gone" => Err(PointError::Reference("gone".into()).into()),
            _ => Ok(()),
        }
    }
}

fn hook_id(id: u64) -> HookId {
    serde_json::from_value(id.into()).unwrap()
}

fn done(id: u64, outcome: Outcome) -> FieldEvent {
    FieldEvent::Core(Event::HookDone { id: hook_id(id), outcome })
}

fn proxied(addr: &str, hook: Hook) -> Hook {
    let target = Target { family: "bacnet".into(), addr: Some(addr.into()), ..Target::default() };
    Hook::Proxied { device: "AHU-22".into(), target: Some(target), hook: Box::new(hook) }
}

fn read(references: &[(&str, &str)], computed: &[&str]) -> Hook {
    let wanted = Wanted {
        polled: references.iter().map(|(point, _)| (*point).into()).collect(),
        computed: computed.iter().map(ToString::to_string).collect(),
        known: Map::new(),
        references: references.iter().map(|(point, text)| ((*point).into(), (*text).into())).collect(),
    };
    Hook::ReadPoints { wanted }
}

fn scan(family: &str) -> Hook {
    Hook::Scan {
        request: ScanRequest {
            family: family.into(),
            generation: Timestamp::from_millis(0),
            depth: Depth::Entries,
            references: false,
            addresses: Vec::new(),
            networks: Vec::new(),
            duration_seconds: 10,
        },
    }
}
