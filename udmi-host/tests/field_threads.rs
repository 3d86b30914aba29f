//! Calls of families on threads: siblings of slow, flapping, panicking and hanging devices go on.

use std::collections::BTreeMap;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use udmi_host::family::{
    Answer, Call, CallId, FamilyProvider, FieldLimits, FieldThreads, Found, PointError, ProviderError,
    ScanRequest, Share, Stop, Target, WriteError,
};
use udmi_proto::Value;
use udmi_proto::model::common::{Depth, Timestamp};

/// Longer than any of these tests should take on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn calls_are_made_and_answered_in_order_for_a_device() {
    let scripted = Scripted::new();
    let field = field(&scripted, FieldLimits::default());
    for reference in ["a", "b", "c", "d"] {
        field.read("calm", reference);
    }
    let answered: Vec<_> = (0..4).map(|_| field.next()).collect();
    assert_eq!(answered, ["a", "b", "c", "d"].map(|each| (format!("calm {each}"), read(each))));
    field.write("calm", "a", None);
    assert_eq!(field.next(), ("calm a".into(), Answer::Written(Ok(()))));
    assert_eq!(field.threads.load().waiting, 0);
}

#[test]
fn a_slow_device_does_not_hold_its_siblings() {
    let scripted = Scripted::new();
    let field = field(&scripted, FieldLimits { threads: 2, ..FieldLimits::default() });
    field.read("slow", "first");
    field.read("slow", "second");
    scripted.until_in_call("slow first");
    for _ in 0..10 {
        field.read("calm", "a");
        assert_eq!(field.next().0, "calm a");
    }
    assert_eq!(scripted.most_at_once("slow"), 1);
    scripted.release("slow");
    assert_eq!(field.next(), ("slow first".into(), read("first")));
    assert_eq!(field.next(), ("slow second".into(), read("second")));
    assert_eq!(scripted.most_at_once("slow"), 1);
}

#[test]
fn a_panic_fails_its_call_alone() {
    let scripted = Scripted::new();
    let field = field(&scripted, FieldLimits { threads: 1, ..FieldLimits::default() });
    for _ in 0..3 {
        field.read("panicking", "a");
        let failed = Answer::Read(Err(ProviderError::Panicked("out of its mind".into())));
        assert_eq!(field.next(), ("panicking a".into(), failed));
    }
    field.read("calm", "a");
    assert_eq!(field.next(), ("calm a".into(), read("a")));
    assert_eq!(field.threads.load().threads, 1);
}

#[test]
fn a_call_that_lasts_too_long_is_stopped() {
    let scripted = Scripted::new();
    let field = field(&scripted, brief());
    field.read("obedient", "a");
    let late = Answer::Read(Err(ProviderError::Unreachable("not done in time".into())));
    assert_eq!(field.next(), ("obedient a".into(), late));
    assert_eq!(field.threads.load().hung, 0);
}

#[test]
fn a_hung_call_is_given_up_and_its_thread_is_counted_and_replaced() {
    let scripted = Scripted::new();
    let field = field(&scripted, FieldLimits { threads: 1, ..brief() });
    field.read("slow", "a");
    scripted.until_in_call("slow a");
    field.read("slow", "behind");
    field.read("calm", "a");
    let mut answers = BTreeMap::from_iter((0..3).map(|_| field.next()));
    assert_eq!(answers.remove("slow a"), Some(Answer::Read(Err(ProviderError::Hung))));
    assert_eq!(answers.remove("slow behind"), Some(Answer::Read(Err(ProviderError::Hung))));
    assert_eq!(answers.remove("calm a"), Some(read("a")));
    assert_eq!(field.threads.load().hung, 1);
    assert_eq!(field.try_read("slow", "c"), Err(ProviderError::Hung));

    scripted.release("slow");
    let since = Instant::now();
    while field.threads.load().hung > 0 {
        assert!(since.elapsed() < PATIENCE);
        std::thread::yield_now();
    }
    field.read("slow", "d");
    assert_eq!(field.next(), ("slow d".into(), read("d")));
    assert_eq!(field.threads.load().threads, 1);
}

#[test]
fn hung_threads_beyond_the_bound_are_not_replaced() {
    let scripted = Scripted::new();
    let field = field(&scripted, FieldLimits { threads: 2, hung: 1, doubtful: 8, ..brief() });
    for device in ["slow 1", "slow 2", "slow 3"] {
        field.read(device, "a");
    }
    for _ in 0..3 {
        assert_eq!(field.next().1, Answer::Read(Err(ProviderError::Hung)));
    }
    field.read("calm", "a");
    assert_eq!(field.threads.load().threads, 3);
    assert_eq!(field.threads.load().waiting, 1);
    scripted.release("slow 2");
    assert_eq!(field.next(), ("calm a".into(), read("a")));
}

#[test]
fn dead_devices_do_not_hold_the_others() {
    let scripted = Scripted::new();
    let field = field(&scripted, FieldLimits { threads: 4, doubtful: 1, ..FieldLimits::default() });
    let dead: Vec<_> = (0..8).map(|number| format!("flapping {number}")).collect();
    for device in &dead {
        field.read(device, "a");
        assert!(field.next().1.provider_error().is_some());
    }
    // Now they take their time to fail, and only one of them at a time.
    scripted.script("flapping", Behaviour::Slow);
    dead.iter().for_each(|device| field.read(device, "a"));
    for _ in 0..20 {
        field.read("calm", "a");
        assert_eq!(field.next().0, "calm a");
    }
    assert_eq!(scripted.most_at_once("flapping"), 1);
    // The one that answers is trusted again.
    scripted.script("flapping", Behaviour::Calm);
    scripted.release("flapping");
    for _ in &dead {
        assert_eq!(field.next().1, read("a"));
    }
}

/// Idle threads would look again only after ten seconds.
#[test]
fn regression_what_has_hung_leaves_its_room_to_doubtful_devices_at_once() {
    let scripted = Scripted::new();
    let field = field(&scripted, FieldLimits { threads: 4, doubtful: 1, ..brief() });
    let devices = ["flapping 1", "flapping 2"];
    devices.iter().for_each(|device| field.read(device, "a"));
    devices.iter().for_each(|_| assert!(field.next().1.provider_error().is_some()));
    scripted.script("flapping", Behaviour::Slow);
    let start = Instant::now();
    devices.iter().for_each(|device| field.read(device, "b"));
    devices.iter().for_each(|_| assert_eq!(field.next().1, Answer::Read(Err(ProviderError::Hung))));
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    scripted.release("flapping");
}

/// As a core does whose patience is shorter than that of the family.
#[test]
fn devices_whose_calls_were_taken_back_do_not_hold_the_others_either() {
    let scripted = Scripted::new();
    let field = field(&scripted, FieldLimits { threads: 4, doubtful: 1, ..FieldLimits::default() });
    let slow: Vec<_> = (0..4).map(|number| format!("obedient {number}")).collect();
    for device in &slow {
        let call = field.try_read(device, "a").unwrap();
        scripted.until_in_call(&format!("{device} a"));
        field.threads.cancel(call);
    }
    let since = Instant::now();
    while field.threads.load().running > 0 {
        assert!(since.elapsed() < PATIENCE);
        std::thread::yield_now();
    }
    scripted.forget_most();
    slow.iter().for_each(|device| field.read(device, "b"));
    for _ in 0..20 {
        field.read("calm", "a");
        assert_eq!(field.next().0, "calm a");
    }
    assert_eq!(scripted.most_at_once("obedient"), 1);
}

#[test]
fn devices_that_share_a_slow_network_are_called_a_few_at_a_time() {
    let scripted = Scripted::new();
    let field = field(&scripted, FieldLimits { threads: 8, ..FieldLimits::default() });
    let devices: Vec<_> = (0..10).map(|number| format!("shared {number}")).collect();
    devices.iter().for_each(|device| field.read(device, "a"));
    scripted.until_in_call("shared 0 a");
    scripted.until_in_call("shared 1 a");
    for _ in 0..10 {
        field.read("calm", "a");
        assert_eq!(field.next().0, "calm a");
    }
    for device in &devices {
        scripted.release(device);
        assert_eq!(field.next(), (format!("{device} a"), read("a")));
    }
    assert_eq!(scripted.most_at_once("shared"), 2);
}

#[test]
fn the_queue_is_bounded() {
    let scripted = Scripted::new();
    let field = field(&scripted, FieldLimits { threads: 1, queue: 2, ..FieldLimits::default() });
    field.read("slow", "a");
    scripted.until_in_call("slow a");
    field.read("slow", "b");
    field.read("calm", "c");
    assert_eq!(field.try_read("calm", "d"), Err(ProviderError::Busy));
    scripted.release("slow");
    for _ in 0..3 {
        field.next();
    }
    assert!(field.try_read("calm", "e").is_ok());
}

#[test]
fn what_is_cancelled_is_not_reported() {
    let scripted = Scripted::new();
    let field = field(&scripted, FieldLimits { threads: 1, ..FieldLimits::default() });
    let under_way = field.try_read("obedient", "a").unwrap();
    scripted.until_in_call("obedient a");
    let waiting = field.try_read("calm", "b").unwrap();
    field.read("calm", "c");
    field.threads.cancel(waiting);
    field.threads.cancel(under_way);
    assert_eq!(field.next(), ("calm c".into(), read("c")));
    assert!(field.answers.try_recv().is_err());
}

#[test]
fn a_scan_tells_what_it_finds_and_then_its_end() {
    let scripted = Scripted::new();
    let field = field(&scripted, FieldLimits::default());
    field.scan();
    for number in 1..=3 {
        let Answer::Found(found) = field.next().1 else { panic!("not found {number}") };
        assert_eq!(found.address, number.to_string());
    }
    assert_eq!(field.next().1, Answer::Scanned(Ok(())));
}

#[test]
fn a_family_without_a_provider_is_refused() {
    let scripted = Scripted::new();
    let field = field(&scripted, FieldLimits::default());
    let target = Target { family: "vendor".into(), ..Target::default() };
    let call = Call::Read { target, references: Vec::new() };
    assert_eq!(field.threads.start(call, Arc::new(|_| {})), Err(ProviderError::NoProvider));
    assert_eq!(field.threads.families().collect::<Vec<_>>(), ["scripted"]);
}

#[test]
fn closing_ends_all_threads_but_those_that_hang() {
    let scripted = Scripted::new();
    let field = field(&scripted, FieldLimits::default());
    field.read("obedient", "a");
    field.read("slow", "a");
    scripted.until_in_call("obedient a");
    scripted.until_in_call("slow a");
    let since = Instant::now();
    while field.threads.close(Duration::from_millis(1)) > 1 {
        assert!(since.elapsed() < PATIENCE);
    }
    scripted.release("slow");
    assert_eq!(field.threads.close(PATIENCE), 0);
    assert!(field.answers.try_recv().is_err());
    assert_eq!(field.try_read("calm", "a"), Err(ProviderError::Stopped));
}

fn read(value: &str) -> Answer {
    Answer::Read(Ok(vec![Ok(Value::from(value))]))
}

/// Limits that are over soon.
fn brief() -> FieldLimits {
    let soon = Duration::from_millis(200);
    FieldLimits { call: soon, scan_margin: soon, grace: soon, ..FieldLimits::default() }
}

struct Field {
    threads: FieldThreads,
    sender: Sender<(String, Answer)>,
    answers: Receiver<(String, Answer)>,
}

fn field(scripted: &Arc<Scripted>, limits: FieldLimits) -> Field {
    let (sender, answers) = mpsc::channel();
    let provider: Arc<dyn FamilyProvider> = scripted.clone();
    Field { threads: FieldThreads::new([provider], limits).unwrap(), sender, answers }
}

impl Field {
    fn read(&self, device: &str, reference: &str) {
        self.try_read(device, reference).unwrap();
    }

    fn try_read(&self, device: &str, reference: &str) -> Result<CallId, ProviderError> {
        let call = Call::Read { target: target(device), references: vec![reference.into()] };
        self.start(format!("{device} {reference}"), call)
    }

    fn write(&self, device: &str, reference: &str, value: Option<Value>) {
        let call = Call::Write { target: target(device), reference: reference.into(), value };
        self.start(format!("{device} {reference}"), call).unwrap();
    }

    fn scan(&self) {
        let request = ScanRequest {
            family: "scripted".into(),
            generation: Timestamp::EPOCH,
            depth: Depth::Entries,
            references: false,
            addresses: Vec::new(),
            networks: Vec::new(),
            duration_seconds: 10,
        };
        self.start("scan".into(), Call::Scan(request)).unwrap();
    }

    fn start(&self, name: String, call: Call) -> Result<CallId, ProviderError> {
        let sender = self.sender.clone();
        self.threads.start(call, Arc::new(move |answer| drop(sender.send((name.clone(), answer)))))
    }

    fn next(&self) -> (String, Answer) {
        self.answers.recv_timeout(PATIENCE).unwrap()
    }
}

fn target(device: &str) -> Target {
    Target { family: "scripted".into(), addr: Some(device.into()), ..Target::default() }
}

/// How devices behave whose names begin with a word.
#[derive(Clone, Copy)]
enum Behaviour {
    Calm,
    /// Answers once it is released, and does not care about being stopped.
    Slow,
    /// Answers only when it is stopped.
    Obedient,
    Panicking,
    Unreachable,
}

struct Scripted {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    behaviours: BTreeMap<&'static str, Behaviour>,
    released: Vec<String>,
    in_call: Vec<String>,
    most_at_once: BTreeMap<String, usize>,
}

impl Scripted {
    fn new() -> Arc<Self> {
        let behaviours = BTreeMap::from([
            ("calm", Behaviour::Calm),
            ("slow", Behaviour::Slow),
            ("shared", Behaviour::Slow),
            ("obedient", Behaviour::Obedient),
            ("panicking", Behaviour::Panicking),
            ("flapping", Behaviour::Unreachable),
        ]);
        let state =
            State { behaviours, released: Vec::new(), in_call: Vec::new(), most_at_once: BTreeMap::new() };
        Arc::new(Self { state: Mutex::new(state), changed: Condvar::new() })
    }

    fn script(&self, word: &'static str, behaviour: Behaviour) {
        self.state.lock().unwrap().behaviours.insert(word, behaviour);
    }

    /// Lets calls to devices whose names begin so return, now and later.
    fn release(&self, device: &str) {
        self.state.lock().unwrap().released.push(device.to_owned());
        self.changed.notify_all();
    }

    fn until_in_call(&self, call: &str) {
        let state = self.state.lock().unwrap();
        let waited = self
            .changed
            .wait_timeout_while(state, PATIENCE, |state| !state.in_call.iter().any(|other| other == call));
        assert!(!waited.unwrap().1.timed_out(), "{call} is never made");
    }

    fn most_at_once(&self, word: &str) -> usize {
        self.state.lock().unwrap().most_at_once.get(word).copied().unwrap_or_default()
    }

    fn forget_most(&self) {
        self.state.lock().unwrap().most_at_once.clear();
    }

    fn behave(&self, device: &str, reference: &str, stop: &Stop) -> Result<(), ProviderError> {
        let word = device.split(' ').next().unwrap();
        let call = format!("{device} {reference}");
        let mut state = self.state.lock().unwrap();
        state.in_call.push(call.clone());
        let at_once = state.in_call.iter().filter(|other| other.starts_with(word)).count();
        let behaviour = state.behaviours[word];
        let most = state.most_at_once.entry(word.to_owned()).or_default();
        *most = at_once.max(*most);
        self.changed.notify_all();
        let result = match behaviour {
            Behaviour::Calm => Ok(()),
            Behaviour::Slow => {
                let held = |state: &mut State| !state.released.iter().any(|other| device.starts_with(other));
                state = self.changed.wait_while(state, held).unwrap();
                Ok(())
            }
            Behaviour::Obedient => {
                while !stop.is_set() {
                    state = self.changed.wait_timeout(state, Duration::from_millis(5)).unwrap().0;
                }
                Err(ProviderError::Stopped)
            }
            Behaviour::Panicking => {
                state.in_call.retain(|other| *other != call);
                drop(state);
                panic!("out of its mind")
            }
            Behaviour::Unreachable => Err(ProviderError::Unreachable("gone".into())),
        };
        state.in_call.retain(|other| *other != call);
        result
    }
}

impl FamilyProvider for Scripted {
    fn family(&self) -> &str {
        "scripted"
    }

    fn share(&self, target: &Target) -> Option<Share> {
        let name = target.addr.as_ref()?.split(' ').next()?.to_owned();
        (name == "shared").then_some(Share { name, calls: 2 })
    }

    fn scan(&self, _: &ScanRequest, found: &mut dyn FnMut(Found), _: &Stop) -> Result<(), ProviderError> {
        for number in 1..=3 {
            found(Found { address: number.to_string(), ..Found::default() });
        }
        Ok(())
    }

    fn read(
        &self,
        target: &Target,
        references: &[&str],
        stop: &Stop,
    ) -> Result<Vec<Result<Value, PointError>>, ProviderError> {
        self.behave(target.addr.as_deref().unwrap(), references[0], stop)?;
        Ok(references.iter().map(|each| Ok(Value::from(*each))).collect())
    }

    fn write(
        &self,
        target: &Target,
        reference: &str,
        _: Option<&Value>,
        stop: &Stop,
    ) -> Result<(), WriteError> {
        Ok(self.behave(target.addr.as_deref().unwrap(), reference, stop)?)
    }
}
