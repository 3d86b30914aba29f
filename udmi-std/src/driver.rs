//! The driver on blocking threads, for any dialect.
//!
//! One thread owns the node and the socket. It sleeps in `poll(2)` and is woken by the socket, a command, an
//! answer or the node's deadline. Three more do what may block: one resolves names and connects, one writes the
//! store, one calls the application.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use device_link::{
    Boot, Closed, ConnId, Dialect, Endpoint, Event, ExitReason, HookId, Key, Limits, StoreId, Stored,
};
use udmi_host::store::{Store, StoreError};
use udmi_host::tls::TlsConfig;

use crate::clock::Clock;
use crate::connection::{Dialed, LINGER};
use crate::dial::Dialer;
use crate::engine::{Engine, EventOf, World};
use crate::inbox::Inbox;
pub use crate::inbox::SendError;
use crate::jobs::Jobs;
use crate::trace::Trace;

/// Commands that may wait unless told otherwise.
pub const COMMANDS_MAX: usize = 1024;
/// Notices that wait for a busy application; further ones are dropped, since none is needed for progress.
pub const NOTICES_MAX: usize = 1024;

/// Commands taken before the socket is looked after again.
const COMMANDS_AT_ONCE: usize = 64;

/// Stacks are touched, and so cost memory, only as far as they are used.
const CORE_STACK: usize = 512 << 10;
const APPLICATION_STACK: usize = 1 << 20;
const HELPER_STACK: usize = 256 << 10;

/// The application's side of a dialect. Called on a thread of its own, one call at a time, so it may block; a
/// call that panics ends that thread and all answers with it.
pub trait Application<D: Dialect>: Send + 'static {
    /// Answers what the core asks.
    fn answer(&mut self, hook: D::Hook) -> D::Outcome;
    /// Takes in what the core tells.
    fn hear(&mut self, notice: D::Notice);
}

/// Two closures: one answers, one hears.
impl<D, A, H> Application<D> for (A, H)
where
    D: Dialect,
    A: FnMut(D::Hook) -> D::Outcome + Send + 'static,
    H: FnMut(D::Notice) + Send + 'static,
{
    fn answer(&mut self, hook: D::Hook) -> D::Outcome {
        (self.0)(hook)
    }

    fn hear(&mut self, notice: D::Notice) {
        (self.1)(notice);
    }
}

/// A dialect whose run may live on a thread.
pub trait Threaded:
    Dialect<
        Command: Send + 'static,
        Notice: Send + 'static,
        Hook: Send + 'static,
        Outcome: Send + 'static,
        Timer: Send + 'static,
        Tag: Send + 'static,
    > + Send
    + 'static
{
}

impl<D> Threaded for D where
    D: Dialect<
            Command: Send + 'static,
            Notice: Send + 'static,
            Hook: Send + 'static,
            Outcome: Send + 'static,
            Timer: Send + 'static,
            Tag: Send + 'static,
        > + Send
        + 'static
{
}

/// Where a trace goes: its header, made from the boot, and its lines.
pub struct TraceOutput {
    /// Makes the first line.
    pub header: Box<dyn FnOnce(&Boot) -> String + Send>,
    /// Takes all lines. A trace that cannot be written any more ends there; the run goes on.
    pub output: Box<dyn Write + Send>,
}

impl fmt::Debug for TraceOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TraceOutput").finish_non_exhaustive()
    }
}

/// Hears notices on the core's thread.
pub type Observer<D> = Box<dyn FnMut(&<D as Dialect>::Notice) + Send>;

/// All that a run needs; [`Driver::start`] starts it.
pub struct Driver<D: Dialect> {
    /// The rules of the cloud.
    pub dialect: D,
    /// Answers hooks and hears notices.
    pub application: Box<dyn Application<D>>,
    /// Hears notices at once, on the core's thread, before the application does. Must not block.
    pub observer: Option<Observer<D>>,
    /// What is remembered across runs.
    pub store: Box<dyn Store + Send>,
    /// TLS for endpoints that want it; without, the roots of the operating system are trusted.
    pub tls: Option<TlsConfig>,
    /// Seeds jitter and identifiers.
    pub seed: u64,
    /// The core's bounds.
    pub limits: Limits,
    /// Commands that may wait.
    pub commands_max: usize,
    /// Records the run.
    pub trace: Option<TraceOutput>,
}

impl<D: Dialect> Driver<D> {
    /// A driver with a memory store, a seed from the operating system, default limits and no trace.
    pub fn new(dialect: D, application: impl Application<D>) -> Self {
        Self {
            dialect,
            application: Box::new(application),
            observer: None,
            store: Box::new(udmi_host::store::MemoryStore::new()),
            tls: None,
            seed: random_seed(),
            limits: Limits::default(),
            commands_max: COMMANDS_MAX,
            trace: None,
        }
    }
}

impl<D: Threaded> Driver<D> {
    /// Reads the store and starts the run.
    ///
    /// # Errors
    /// The store cannot be read, or the operating system gives no thread or descriptor.
    pub fn start(self) -> Result<Link<D>, DriverError> {
        let Self { dialect, application, observer, mut store, tls, seed, limits, commands_max, trace } = self;
        let stored = store.load_all().map_err(DriverError::Store)?;
        let inbox = Arc::new(Inbox::new(commands_max).map_err(DriverError::Host)?);
        let threads = Threads::start(&inbox, application, observer, store, tls).map_err(DriverError::Host)?;
        let shared = Arc::new(Shared { inbox, ended: Mutex::new(None), ending: Condvar::new() });
        let end = EndOnDrop(shared.clone());
        let core = move || {
            let mut clock = Clock::new();
            let boot = Boot { now: clock.now(), seed, stored: named(stored), limits };
            let trace = trace.map(|TraceOutput { header, output }| Trace::new(&boot, header, output));
            let reason = run(boot, clock, dialect, trace, threads, &end.0.inbox);
            end.0.end(reason);
        };
        spawn("device-core", CORE_STACK, core).map_err(DriverError::Host)?;
        Ok(Link(shared))
    }
}

impl<D: Dialect> fmt::Debug for Driver<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").field("seed", &self.seed).finish_non_exhaustive()
    }
}

/// The loop: perform, wait, handle.
fn run<D: Dialect>(
    boot: Boot,
    clock: Clock,
    dialect: D,
    trace: Option<Trace<D>>,
    mut threads: Threads<D>,
    inbox: &InboxOf<D>,
) -> ExitReason {
    let mut engine = Engine::start(boot, clock, dialect, trace, &mut threads);
    let (mut commands, mut answers) = (VecDeque::new(), VecDeque::new());
    let reason = loop {
        engine.flush(&mut threads);
        if let Some(reason) = engine.is_over() {
            break reason;
        }
        // What is not taken waits in the channel, whose bound is the sender's business.
        let room = if engine.is_congested() { 0 } else { COMMANDS_AT_ONCE };
        let at_most = if inbox.may_sleep(room) { Duration::MAX } else { Duration::ZERO };
        let ready = engine.wait(Some(inbox.waker()), at_most);
        if ready.woken {
            inbox.silence();
        }
        engine.proceed(ready, &mut threads);
        inbox.take(room, &mut commands, &mut answers);
        for answer in answers.drain(..) {
            match answer {
                Answer::Dialed(conn, result) => engine.dialed(conn, result, &mut threads),
                Answer::Event(event) => engine.handle(event, &mut threads),
            }
        }
        for command in commands.drain(..) {
            engine.handle(Event::Command(command), &mut threads);
        }
    };
    inbox.end();
    threads.finish();
    reason
}

/// What comes back to the core's thread.
enum Answer<D: Dialect> {
    Dialed(ConnId, Result<Dialed, Closed>),
    Event(EventOf<D>),
}

/// What goes to the application's thread.
enum Call<D: Dialect> {
    Answer(HookId, D::Hook),
    Hear(D::Notice),
}

type InboxOf<D> = Inbox<<D as Dialect>::Command, Answer<D>>;
type StoreJob = (StoreId, Key, Option<Bytes>);

/// The threads that do what may block. They end when this is dropped and their work is done.
struct Threads<D: Dialect> {
    dials: Arc<Jobs<(ConnId, Endpoint)>>,
    stores: Arc<Jobs<StoreJob>>,
    calls: Arc<Jobs<Call<D>>>,
    observer: Option<Observer<D>>,
    storing: Option<thread::JoinHandle<()>>,
}

impl<D: Threaded> Threads<D> {
    fn start(
        inbox: &Arc<InboxOf<D>>,
        mut application: Box<dyn Application<D>>,
        observer: Option<Observer<D>>,
        mut store: Box<dyn Store + Send>,
        tls: Option<TlsConfig>,
    ) -> io::Result<Self> {
        let (dials, stores, calls) = (Arc::new(Jobs::new()), Arc::new(Jobs::new()), Arc::new(Jobs::new()));
        let mut threads = Self { dials, stores, calls, observer, storing: None };
        let (jobs, answers, mut dialer) = (threads.dials.clone(), inbox.clone(), Dialer::new(tls));
        spawn("device-dial", HELPER_STACK, move || {
            while let Some((conn, to)) = jobs.next() {
                answers.answer(Answer::Dialed(conn, dialer.dial(&to)));
            }
        })?;
        let (jobs, answers) = (threads.stores.clone(), inbox.clone());
        threads.storing = Some(spawn("device-store", HELPER_STACK, move || {
            while let Some((id, key, value)) = jobs.next() {
                let ok = store.save(key.as_str(), value.as_deref()).is_ok();
                answers.answer(Answer::Event(Event::Stored { id, ok }));
            }
        })?);
        let (jobs, answers) = (threads.calls.clone(), inbox.clone());
        spawn("device-app", APPLICATION_STACK, move || {
            while let Some(call) = jobs.next() {
                match call {
                    Call::Answer(id, hook) => {
                        let outcome = application.answer(hook);
                        answers.answer(Answer::Event(Event::HookDone { id, outcome }));
                    }
                    Call::Hear(notice) => application.hear(notice),
                }
            }
        })?;
        Ok(threads)
    }
}

impl<D: Dialect> Threads<D> {
    /// Waits until all is stored and, for a while, until the application has heard the last notices.
    fn finish(mut self) {
        self.stores.close();
        if let Some(storing) = self.storing.take() {
            let _ = storing.join(); // a store that panicked has nothing more to store
        }
        self.calls.retain(|call| matches!(call, Call::Hear(_)));
        self.calls.close();
        self.calls.finish(LINGER);
    }
}

impl<D: Dialect> Drop for Threads<D> {
    fn drop(&mut self) {
        self.dials.close();
        self.stores.close();
        self.calls.close();
    }
}

impl<D: Dialect> World<D> for Threads<D> {
    fn open(&mut self, conn: ConnId, to: Endpoint) -> Option<Result<Dialed, Closed>> {
        self.dials.retain(|_| false); // nobody waits for an attempt that has not begun
        self.dials.push((conn, to));
        None
    }

    fn store(&mut self, id: StoreId, key: Key, value: Option<Bytes>) -> Option<bool> {
        self.stores.push((id, key, value));
        None
    }

    fn ask(&mut self, id: HookId, hook: D::Hook) -> Option<D::Outcome> {
        self.calls.push(Call::Answer(id, hook));
        None
    }

    fn cancel(&mut self, id: HookId) {
        self.calls.retain(|call| !matches!(call, Call::Answer(asked, _) if *asked == id));
    }

    fn tell(&mut self, notice: D::Notice) {
        if let Some(observer) = &mut self.observer {
            observer(&notice);
        }
        self.calls.push_within(NOTICES_MAX, Call::Hear(notice));
    }
}

/// A running driver, from any thread. Clones are the same run; dropping all of them does not end it.
pub struct Link<D: Dialect>(Arc<Shared<D>>);

struct Shared<D: Dialect> {
    inbox: Arc<InboxOf<D>>,
    ended: Mutex<Option<ExitReason>>,
    ending: Condvar,
}

impl<D: Dialect> Link<D> {
    /// Hands a command to the core. Never blocks.
    ///
    /// # Errors
    /// [`SendError`]; the command was not taken.
    pub fn send(&self, command: D::Command) -> Result<(), SendError> {
        self.0.inbox.command(command)
    }

    /// Hands the last command of a run to the core, even if the channel is full. Later ones are refused.
    ///
    /// # Errors
    /// [`SendError::Ended`] if there was a last one before.
    pub fn send_last(&self, command: D::Command) -> Result<(), SendError> {
        self.0.inbox.last_command(command)
    }

    /// Waits for the end of the run.
    pub fn wait(&self) -> ExitReason {
        loop {
            if let Some(reason) = self.wait_for(Duration::from_secs(3600)) {
                return reason;
            }
        }
    }

    /// Waits for the end of the run, but no longer than `patience`.
    pub fn wait_for(&self, patience: Duration) -> Option<ExitReason> {
        let ended = self.0.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let running = |ended: &mut Option<ExitReason>| ended.is_none();
        let waited = self.0.ending.wait_timeout_while(ended, patience, running);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl<D: Dialect> Clone for Link<D> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<D: Dialect> fmt::Debug for Link<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}

impl<D: Dialect> Shared<D> {
    /// The first reason counts.
    fn end(&self, reason: ExitReason) {
        self.inbox.end();
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(reason);
        self.ending.notify_all();
    }
}

/// If the core's thread breaks, which is a defect, nobody waits for ever: the run wants a fresh start.
struct EndOnDrop<D: Dialect>(Arc<Shared<D>>);

impl<D: Dialect> Drop for EndOnDrop<D> {
    fn drop(&mut self) {
        self.0.end(ExitReason::Restart);
    }
}

/// Why a run did not start.
#[derive(Debug)]
pub enum DriverError {
    /// The store cannot be read.
    Store(StoreError),
    /// The operating system gives no thread or descriptor.
    Host(io::Error),
}

impl fmt::Display for DriverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::Host(error) => write!(f, "cannot start: {error}"),
        }
    }
}

impl std::error::Error for DriverError {}

fn spawn(
    name: &str,
    stack: usize,
    run: impl FnOnce() + Send + 'static,
) -> io::Result<thread::JoinHandle<()>> {
    thread::Builder::new().name(name.into()).stack_size(stack).spawn(run)
}

/// What the store held, as the core takes it; stores check their keys by the same rule.
pub(crate) fn named(stored: BTreeMap<String, Vec<u8>>) -> Vec<Stored> {
    let name =
        |(key, value): (String, Vec<u8>)| Some(Stored { key: Key::new(&key).ok()?, value: value.into() });
    stored.into_iter().filter_map(name).collect()
}

/// A number that differs from run to run. Not for secrets.
pub(crate) fn random_seed() -> u64 {
    RandomState::new().build_hasher().finish()
}
