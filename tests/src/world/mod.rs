//! The simulated world: a device, a broker, the network between them, a store, a plant and the cloud's hand,
//! all under one virtual clock. Equal setups and equal calls give equal runs, bit for bit.
//!
//! The world watches while it runs: it panics when the device publishes or subscribes outside of what the
//! access list of §1.5 allows, when a message does not fit its schema, when the device breaks a rule of the
//! port, or when it keeps on asking to be called without time passing.

mod boot;
mod check;
mod cloud;
mod defect;
mod network;
mod plant;
mod proxies;
mod script;
mod setup;
mod spoiler;
mod staging;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use device_broker::{Broker, Output};
use device_link::trace::Recorder;
use device_link::transcript::Transcript;
use device_link::{Secret, SignError};
use udmi_proto::{
    Action, Closed, ConnId, Device, Endpoint, Event, ExitReason, FetchId, HookId, Instant, Key, Notice, Now,
    StoreId, Udmi, UtcMillis,
};

pub(crate) use check::tolerate;
pub use check::{Emitted, Watch};
pub use cloud::{Cloud, Received, merge};
pub use defect::Defect;
pub use network::{Cut, Opens, Weather};
pub use plant::{Answer, Asked, Fieldbus, Installed, Neighbour, Plant};
pub use setup::{Registry, Setup};
pub use staging::{Lie, Source, Staging};

use crate::property::{Property, ensure};
use cloud::CLOUD;
use network::{Direction, Network};
use spoiler::Spoiler;

/// Where the monotonic clock of a world starts, in milliseconds.
const BIRTH: u64 = 10_000;
/// Calls of the device at one moment, beyond which it is held to be spinning.
const SPINNING: u32 = 10_000;

/// Something that happens at its time.
#[derive(Debug)]
enum Happening {
    /// For the device, if it is still the same run.
    Device { run: u32, event: Event },
    /// A connection has reached the broker.
    Reached { link: u64 },
    /// Bytes have reached the broker.
    Bytes { link: u64, bytes: Bytes },
    /// A connection's end has reached the broker.
    Lost { link: u64 },
    /// The network has taken bytes of the broker.
    Written { link: u64, count: usize },
    /// A value is safe.
    Stored { run: u32, id: StoreId, key: Key, value: Option<Bytes> },
    /// The device starts (again).
    Boot,
    /// The cloud puts a newer start into the config (§7.3).
    WriteBack { prefix: String, last_start: String },
    /// A fetch goes on.
    Fetch { run: u32, id: FetchId },
}

/// A start of the device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Birth {
    /// How many of the notices since the world last forgot came before.
    pub notices: usize,
    /// How many of the hooks since then were asked before.
    pub hooks: usize,
    /// What the store held.
    pub held: BTreeMap<Key, Bytes>,
}

/// A wish of the device to change what the store holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keeping {
    /// How many of the hooks since the world last forgot were asked before.
    pub hooks: usize,
    /// Under which key.
    pub key: Key,
    /// What it is to hold.
    pub value: Option<Bytes>,
}

/// The world.
#[derive(Debug)]
pub struct World {
    setup: Setup,
    at: u64,
    utc_ahead: i64,
    calendar: BTreeMap<(u64, u64), Happening>,
    next_entry: u64,
    device: Option<Device>,
    run: u32,
    broker: Broker,
    network: Network,
    /// How the plant answers.
    pub plant: Plant,
    /// What there is to fetch, and what is staged.
    pub staging: Staging,
    /// The cloud's hand.
    pub cloud: Cloud,
    /// What the device emitted.
    pub watch: Watch,
    store: BTreeMap<Key, Bytes>,
    /// Whether the next stores fail.
    pub store_fails: bool,
    /// Milliseconds from a store's request to its answer; a crash before loses the value.
    pub store_ms: u64,
    /// Whether a crash has left half a value in the store.
    has_torn: bool,
    open_stores: BTreeSet<StoreId>,
    open_hooks: BTreeSet<HookId>,
    notices: Vec<Notice>,
    /// When each of them was told.
    noticed_at: Vec<u64>,
    exits: Vec<ExitReason>,
    births: Vec<Birth>,
    keepings: Vec<Keeping>,
    recorder: Option<Recorder<Udmi>>,
    traces: Vec<Vec<String>>,
    transcript: Option<Transcript>,
    spoiler: Option<Spoiler>,
    /// Clients that have taken over the device's identifier.
    intruders: u64,
    calls_now: (u64, u32),
    calls: u64,
}

impl World {
    /// A world whose device is about to start.
    #[must_use]
    pub fn new(setup: Setup) -> Self {
        let mut world = Self {
            at: BIRTH,
            utc_ahead: setup.utc.0 - i64::try_from(BIRTH).unwrap_or(0),
            calendar: BTreeMap::new(),
            next_entry: 0,
            device: None,
            run: 0,
            broker: boot::broker(&setup),
            network: Network::new(setup.weather.clone(), setup.seed, &setup.settings.endpoint.host),
            plant: setup.plant.clone(),
            staging: Staging::default(),
            cloud: Cloud::new(&setup.settings.topic_prefix, &setup.registries, &setup.bound),
            watch: Watch::new(&setup),
            store: BTreeMap::new(),
            store_fails: false,
            store_ms: setup.store_ms,
            has_torn: false,
            open_stores: BTreeSet::new(),
            open_hooks: BTreeSet::new(),
            notices: Vec::new(),
            noticed_at: Vec::new(),
            exits: Vec::new(),
            births: Vec::new(),
            keepings: Vec::new(),
            recorder: None,
            traces: Vec::new(),
            transcript: setup.transcript.map(Transcript::new),
            spoiler: setup.defect.map(|defect| Spoiler::new(defect, &setup.settings.device_id)),
            intruders: 0,
            calls_now: (0, 0),
            calls: 0,
            setup,
        };
        world.join_cloud();
        world.schedule(0, Happening::Boot);
        world
    }

    /// The moment, on both clocks.
    #[must_use]
    pub fn now(&self) -> Now {
        let utc = i64::try_from(self.at).unwrap_or(i64::MAX).saturating_add(self.utc_ahead);
        Now { at: Instant(self.at), utc: UtcMillis(utc) }
    }

    /// Moves the wall clock by so many milliseconds and leaves the other alone.
    pub fn step_wall(&mut self, milliseconds: i64) {
        self.utc_ahead = self.utc_ahead.saturating_add(milliseconds);
    }

    /// How the network is from now on.
    pub fn weather(&mut self) -> &mut Weather {
        &mut self.network.weather
    }

    /// The running device, if there is one.
    #[must_use]
    pub fn device(&self) -> Option<&Device> {
        self.device.as_ref()
    }

    /// What the application was told, oldest first.
    #[must_use]
    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }

    /// What the application was told, each with its milliseconds on the monotonic clock, oldest first.
    pub fn timed_notices(&self) -> impl Iterator<Item = (u64, &Notice)> {
        self.noticed_at.iter().copied().zip(&self.notices)
    }

    /// How many runs have begun.
    #[must_use]
    pub fn runs(&self) -> u32 {
        self.watch.run()
    }

    /// The starts of the device since the world last forgot, oldest first.
    #[must_use]
    pub fn births(&self) -> &[Birth] {
        &self.births
    }

    /// What the device has asked the store to keep since the world last forgot, oldest first.
    #[must_use]
    pub fn keepings(&self) -> &[Keeping] {
        &self.keepings
    }

    /// How runs ended, oldest first.
    #[must_use]
    pub fn exits(&self) -> &[ExitReason] {
        &self.exits
    }

    /// Hooks invoked, and neither answered nor cancelled.
    #[must_use]
    pub fn open_hooks(&self) -> usize {
        self.open_hooks.len()
    }

    /// Stores asked for and not answered.
    #[must_use]
    pub fn open_stores(&self) -> usize {
        self.open_stores.len()
    }

    /// How often the device was called.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.calls
    }

    /// The endpoint of the device's settings.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.setup.settings.endpoint
    }

    /// What the store holds under a key.
    #[must_use]
    pub fn stored(&self, key: &str) -> Option<&Bytes> {
        self.store.iter().find(|(known, _)| known.as_str() == key).map(|(_, value)| value)
    }

    /// Whether a crash has ever left half a value in the store.
    #[must_use]
    pub fn has_torn(&self) -> bool {
        self.has_torn
    }

    /// What the device's topics begin with in all registries there are, the one of its settings first.
    #[must_use]
    pub fn registries(&self) -> Vec<String> {
        let own = &self.setup.settings.topic_prefix;
        let others =
            self.setup.registries.iter().map(|registry| &registry.prefix).filter(|other| *other != own);
        std::iter::once(own).chain(others).cloned().collect()
    }

    /// Whether there is such a registry, which the broker knows an account of.
    #[must_use]
    pub fn knows(&self, registry: &str) -> bool {
        self.setup.registries.iter().any(|known| known.prefix == registry && known.password.is_some())
    }

    /// Whether the device has a transport that both ends believe in.
    #[must_use]
    pub fn is_linked(&self) -> bool {
        self.network.is_linked()
    }

    /// The traces so far, one for each run, if they are recorded.
    #[must_use]
    pub fn traces(&self) -> &[Vec<String>] {
        &self.traces
    }

    /// Forgets the messages, notices and hooks that have come so far, but for the last state of each device.
    pub fn forget(&mut self) {
        self.watch.emitted.clear();
        self.notices.clear();
        self.noticed_at.clear();
        self.births.clear();
        self.keepings.clear();
        self.plant.forget_asked();
        self.cloud.forget();
    }

    /// The transcript since it was last taken.
    pub fn take_transcript(&mut self) -> String {
        self.transcript.as_mut().map(Transcript::take).unwrap_or_default()
    }

    /// Lets so many milliseconds pass in which nobody looks, as in a suspended machine whose monotonic clock goes on.
    /// What was due meanwhile happens afterwards.
    pub fn suspend(&mut self, milliseconds: u64) {
        self.at = self.at.saturating_add(milliseconds);
    }

    /// Lets so many milliseconds pass.
    pub fn advance(&mut self, milliseconds: u64) {
        let end = self.at.saturating_add(milliseconds);
        while self.next_time().is_some_and(|at| at <= end) {
            self.step();
        }
        self.at = end;
    }

    /// Lets time pass until `done`, at most so many milliseconds; tells whether it came to that.
    pub fn run_until(&mut self, milliseconds: u64, mut done: impl FnMut(&mut Self) -> bool) -> bool {
        let end = self.at.saturating_add(milliseconds);
        loop {
            if done(self) {
                return true;
            }
            match self.next_time() {
                Some(at) if at <= end => self.step(),
                Some(_) | None => {
                    self.at = end;
                    return done(self);
                }
            }
        }
    }

    /// Something happens to the device from outside of the world.
    pub fn give(&mut self, event: Event) {
        self.call(event);
    }

    /// The application wants something.
    pub fn command(&mut self, command: udmi_proto::Command) {
        self.watch.saw_command(&command);
        self.call(Event::Command(command));
    }

    /// Bytes from the broker's end of the device's connection that no broker has sent.
    pub fn inject(&mut self, bytes: Bytes) {
        if let Some(conn) = self.network.conn() {
            self.watch.forget_downstream();
            self.call(Event::Received { conn, bytes });
        }
    }

    /// The connection breaks at once, for both ends.
    pub fn drop_link(&mut self) {
        if let Some((conn, link)) = self.network.cut() {
            self.lose(conn, link, Closed::Reset);
        }
    }

    fn lose(&mut self, conn: ConnId, link: u64, why: Closed) {
        let run = self.run;
        self.schedule(self.network.weather.lingers_ms, Happening::Lost { link });
        self.schedule(0, Happening::Device { run, event: Event::Closed { conn, why } });
    }

    fn next_time(&self) -> Option<u64> {
        let due = self.calendar.first_key_value().map(|((at, _), _)| *at);
        let device = self.device.as_ref().and_then(|device| {
            let deadline = device.deadline().map(|at| at.0);
            self.spoiler.as_ref().map_or(deadline, |spoiler| spoiler.deadline(deadline, self.at))
        });
        [due, device, self.broker.deadline()].into_iter().flatten().min().map(|at| at.max(self.at))
    }

    /// Does the one next thing: what is in the calendar before deadlines of the same moment.
    fn step(&mut self) {
        let Some(at) = self.next_time() else { return };
        self.at = at;
        if self.calendar.first_key_value().is_some_and(|((due, _), _)| *due <= at) {
            if let Some((_, happening)) = self.calendar.pop_first() {
                self.happen(happening);
            }
        } else if self.broker.deadline().is_some_and(|due| due <= at) {
            self.broker.tick(at);
            self.serve();
        } else {
            self.call(Event::Tick);
        }
    }

    fn schedule(&mut self, after: u64, happening: Happening) {
        self.schedule_at(self.at.saturating_add(after), happening);
    }

    fn schedule_at(&mut self, at: u64, happening: Happening) {
        self.next_entry += 1;
        self.calendar.insert((at.max(self.at), self.next_entry), happening);
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Device { run, event } if run == self.run => self.deliver(event),
            Happening::Reached { link } => {
                self.broker.open(device_broker::ConnId(link), self.at);
                self.serve();
            }
            Happening::Bytes { link, bytes } => {
                self.broker.bytes(device_broker::ConnId(link), &bytes, self.at);
                self.serve();
            }
            Happening::Lost { link } => {
                self.broker.closed(device_broker::ConnId(link));
                self.serve();
            }
            Happening::Written { link, count } => {
                self.broker.written(device_broker::ConnId(link), count);
                self.serve();
            }
            Happening::Stored { run, id, key, value } => {
                let ok = !self.store_fails;
                if run == self.run {
                    if ok {
                        self.keep(key, value);
                    }
                    self.call(Event::Stored { id, ok });
                }
            }
            Happening::Boot => self.boot(),
            Happening::WriteBack { prefix, last_start } => self.write_back(&prefix, &last_start),
            Happening::Fetch { run, id } => {
                if run == self.run {
                    self.go_on_fetching(id);
                }
            }
            Happening::Device { .. } => {} // for a run that is over
        }
    }

    fn deliver(&mut self, event: Event) {
        match &event {
            Event::Received { conn, .. } if !self.network.delivers(*conn) => return,
            Event::Opened { conn } if !self.network.opened(*conn) => return,
            Event::Received { conn, bytes } => self.watch.received(*conn, bytes),
            Event::Closed { conn, .. } => self.network.forget(*conn),
            _ => {}
        }
        self.call(event);
    }

    /// One call of the device, and all that follows from it.
    fn call(&mut self, event: Event) {
        let now = self.now();
        let Some(device) = &mut self.device else { return };
        self.calls += 1;
        self.calls_now =
            if self.calls_now.0 == self.at { (self.at, self.calls_now.1 + 1) } else { (self.at, 1) };
        ensure(self.calls_now.1 < SPINNING, Property::TicksReachQuiet, || {
            format!("the device spins: {:?}", device.wake_reason())
        });
        // A timer of this very moment fires before the event is looked at, and may still cancel the hook.
        let answered = match &event {
            Event::HookDone { id, .. } => Some(*id),
            Event::Stored { id, .. } => {
                self.open_stores.remove(id);
                None
            }
            _ => None,
        };
        let (mut event, mut believed) = (event, now);
        if let Some(spoiler) = &mut self.spoiler {
            if !spoiler.event(&mut event) {
                return;
            }
            believed = spoiler.clock(now);
        }
        if let Some(recorder) = &mut self.recorder {
            recorder.event(now, &event);
        }
        let shown = self.transcript.is_some().then(|| event.clone());
        device.handle(believed, event);
        let actions: Vec<Action> = std::iter::from_fn(|| device.poll()).collect();
        self.record(shown.as_ref(), &actions);
        self.perform(actions.into());
        if let Some(id) = answered {
            self.open_hooks.remove(&id);
        }
        let limits = &self.setup.limits;
        let (hooks, stores) = (self.open_hooks.len(), self.open_stores.len());
        ensure(hooks <= limits.pending_hooks, Property::QueuesAreBounded, || {
            format!("{hooks} hooks are open")
        });
        ensure(stores <= limits.pending_stores, Property::QueuesAreBounded, || {
            format!("{stores} stores are open")
        });
    }

    fn record(&mut self, event: Option<&Event>, actions: &[Action]) {
        let now = self.now();
        let Some(device) = &self.device else { return };
        let (deadline, wake) = (device.deadline(), device.wake_reason());
        if let (Some(recorder), Some(trace)) = (&mut self.recorder, self.traces.last_mut()) {
            recorder.finish(actions, deadline, wake);
            trace.extend(std::iter::from_fn(|| recorder.poll()));
        }
        if let Some(transcript) = &mut self.transcript {
            transcript.call(now, event, actions, deadline, wake.as_ref());
        }
    }

    fn perform(&mut self, mut actions: VecDeque<Action>) {
        let now = self.now();
        if let Some(spoiler) = &mut self.spoiler {
            actions = actions.into_iter().flat_map(|action| spoiler.action(action)).collect();
        }
        let sends = actions.iter().filter(|action| matches!(action, Action::Send { .. })).count();
        ensure(sends <= 1, Property::OutputIsAllowed, || format!("{sends} sends in one call"));
        while let Some(action) = actions.pop_front() {
            match action {
                Action::Open { conn, to } => self.dial(conn, &to),
                Action::Send { conn, bytes } => {
                    let mut bytes = bytes.bytes();
                    if let Some(spoiler) = &mut self.spoiler {
                        bytes = spoiler.sent(&bytes);
                    }
                    self.watch.sent(now, conn, &bytes);
                    self.carry(Direction::Up, conn, &bytes);
                }
                Action::Close { conn } => self.hang_up(conn),
                Action::Store { id, key, value } => {
                    let is_new = self.open_stores.insert(id);
                    ensure(is_new, Property::EverythingIsResolved, || {
                        format!("store {id} is asked for twice")
                    });
                    let hooks = self.plant.asked().len();
                    self.keepings.push(Keeping { hooks, key: key.clone(), value: value.clone() });
                    let run = self.run;
                    self.schedule(self.store_ms, Happening::Stored { run, id, key, value });
                }
                Action::Sign { id, .. } => {
                    let signature = self.setup.signature.clone().map(Secret::new);
                    let event = Event::Signed { id, result: signature.ok_or(SignError::NoKey) };
                    self.schedule(0, Happening::Device { run: self.run, event });
                }
                Action::Fetch { id, request } => self.fetch(id, request),
                Action::Release { id } => self.staging.release(id),
                Action::InvokeHook { id, hook } => {
                    let is_new = self.open_hooks.insert(id);
                    ensure(is_new, Property::EverythingIsResolved, || format!("hook {id} is invoked twice"));
                    let content = self.staging.content_for(&hook);
                    for (after, found) in self.plant.finds(&hook) {
                        let command = udmi_proto::Command::Found { scan: id, found: Box::new(found) };
                        let event = Event::Command(command);
                        self.schedule(after, Happening::Device { run: self.run, event });
                    }
                    for (after, outcome) in self.plant.ask(id, hook, content.as_ref()) {
                        let event = Event::HookDone { id, outcome };
                        self.schedule(after, Happening::Device { run: self.run, event });
                    }
                }
                Action::CancelHook { id } => {
                    let is_open = self.open_hooks.remove(&id);
                    ensure(is_open, Property::EverythingIsResolved, || {
                        format!("hook {id} is cancelled, and is not open")
                    });
                    self.plant.cancel(id);
                }
                Action::Notify(notice) => {
                    self.notices.push(notice);
                    self.noticed_at.push(self.at);
                }
                Action::Exit(reason) => {
                    ensure(actions.is_empty(), Property::OutputIsAllowed, || {
                        "exit is not the last action".into()
                    });
                    self.ended(reason);
                }
            }
        }
    }

    /// Does what the broker says.
    fn serve(&mut self) {
        while let Some(output) = self.broker.poll() {
            match output {
                Output::Send { conn, bytes } => {
                    if conn == CLOUD {
                        self.broker.written(conn, bytes.len());
                        self.cloud_received(&bytes);
                        continue;
                    }
                    let own = self.network.conn_of(conn.0);
                    let taken = own.map_or(self.at, |own| self.carry(Direction::Down, own, &bytes));
                    let count = bytes.len();
                    if taken > self.at {
                        self.schedule_at(taken, Happening::Written { link: conn.0, count });
                    } else {
                        self.broker.written(conn, count);
                    }
                }
                Output::Close { conn } => self.hung_up(conn.0),
                Output::Note(_) => {}
            }
        }
    }
}
