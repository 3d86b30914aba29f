//! The driver on blocking threads, for any dialect.
//!
//! One thread owns the node and the socket. It sleeps in `poll(2)` and is woken by the socket, a command, an
//! answer or the node's deadline. Three more do what may block: one resolves names, connects and signs, one
//! writes the store, one calls the application. Each fetch has a thread of its own while it runs, which waits
//! whenever the core has not yet taken what it brought.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use device_link::{Boot, Dialect, Event, ExitReason};
use udmi_host::drive::{
    COMMANDS_AT_ONCE, Clock, EVENTS_AT_ONCE, Fetches, READ_BYTES, TlsClients, is_last, merged, named,
};
pub use udmi_host::drive::{
    COMMANDS_MAX, Delegate, Delegated, DriverError, Equipment, Fetching, NOTICES_MAX, Observer, SendError,
    Signer, Threaded, TlsSource, TraceOutput,
};

use crate::dial::Dialer;
use crate::inbox::{Inbox, Pair};
use crate::threads::{Answer, InboxOf, Parts, Threads, spawn};
use crate::wait::{Engine, wait};

/// Is touched, and so costs memory, only as far as it is used.
const CORE_STACK: usize = 512 << 10;

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

/// All that a run needs; [`Driver::start`] starts it.
pub struct Driver<D: Dialect> {
    /// The rules of the cloud.
    pub dialect: D,
    /// Answers hooks and hears notices.
    pub application: Box<dyn Application<D>>,
    /// What it works with.
    pub equipment: Equipment<D>,
}

impl<D: Dialect> Driver<D> {
    /// A driver with the usual equipment, which is little: see [`Equipment::default`].
    pub fn new(dialect: D, application: impl Application<D>) -> Self {
        Self { dialect, application: Box::new(application), equipment: Equipment::default() }
    }
}

impl<D: Threaded> Driver<D> {
    /// Reads the store and starts the run.
    ///
    /// # Errors
    /// The store cannot be read, or the operating system gives no thread or descriptor.
    pub fn start(self) -> Result<Link<D>, DriverError> {
        let Self { dialect, application, equipment } = self;
        let Equipment { mut delegate, observer, mut store, tls, tls_source, signer, .. } = equipment;
        let Equipment { fetcher, seed, limits, commands_max, notices_max, trace, .. } = equipment;
        let stored = store.load_all().map_err(DriverError::Store)?;
        let inbox = Arc::new(Inbox::new(commands_max, Pair::new().map_err(DriverError::Host)?));
        let dialer = Dialer::new(TlsClients::new(tls, tls_source));
        let fetches = Fetches::new(fetcher);
        let waking = inbox.clone();
        delegate.set_waker(Box::new(move || waking.wake()));
        let parts = Parts { application, delegate, observer, store, dialer, signer, fetches, notices_max };
        let threads = Threads::start(&inbox, parts).map_err(DriverError::Host)?;
        let shared = Arc::new(Shared { inbox, ended: Mutex::new(None), ending: Condvar::new() });
        let end = EndOnDrop(shared.clone());
        let core = move || {
            let mut clock = Clock::start();
            let boot = Boot { now: clock.now(), seed, stored: named(stored), limits };
            let reason = run(boot, clock, dialect, trace, threads, &end.0.inbox);
            end.0.end(reason);
        };
        spawn("device-core", CORE_STACK, core).map_err(DriverError::Host)?;
        Ok(Link(shared))
    }
}

impl<D: Dialect> fmt::Debug for Driver<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").field("equipment", &self.equipment).finish_non_exhaustive()
    }
}

/// The loop: perform, wait, handle.
fn run<D: Threaded>(
    boot: Boot,
    clock: Clock,
    dialect: D,
    trace: Option<TraceOutput<D>>,
    mut threads: Threads<D>,
    inbox: &InboxOf<D>,
) -> ExitReason {
    let mut engine = Engine::start(boot, clock, dialect, trace, &mut threads);
    let (mut commands, mut answers) = (VecDeque::new(), VecDeque::new());
    let mut buffer = vec![0; READ_BYTES];
    let reason = loop {
        engine.flush(&mut buffer, &mut threads);
        if let Some(reason) = engine.is_over() {
            break reason;
        }
        // What is not taken waits in the channel, whose bound is the sender's business.
        let room = if engine.is_congested() { 0 } else { COMMANDS_AT_ONCE.saturating_sub(commands.len()) };
        let is_idle = commands.is_empty() || engine.is_congested();
        let at_most = if is_idle && inbox.may_sleep(room) { Duration::MAX } else { Duration::ZERO };
        let (woken, ready) = wait(&mut engine, inbox.bell().waker(), at_most);
        if woken {
            inbox.bell().silence();
        } else if is_idle {
            engine.trim_if_idle(ready);
        }
        engine.proceed(ready, &mut buffer, &mut threads);
        let is_ending = inbox.take(room, &mut commands, &mut answers);
        for answer in answers.drain(..) {
            match answer {
                Answer::Dialed(conn, result) => engine.dialed(conn, result, &mut threads),
                Answer::Event(event) => {
                    let event = merged(event, threads.delegate());
                    engine.handle(event, &mut threads);
                }
                Answer::Fetched(id, event) => {
                    let last = is_last(&event);
                    engine.handle(Event::Fetched { id, event }, &mut threads);
                    threads.taken(id, last);
                }
            }
        }
        // A few large ones may fill the outbox; the last one of all is not to wait.
        while let Some(command) = commands.pop_front_if(|_| is_ending || !engine.is_congested()) {
            engine.handle(Event::Command(command), &mut threads);
        }
        take_delegated(&mut engine, &mut threads, inbox);
    };
    inbox.end();
    threads.finish();
    reason
}

/// Takes in what the delegate tells, as far as there is room for it.
fn take_delegated<D: Threaded>(engine: &mut Engine<D>, threads: &mut Threads<D>, inbox: &InboxOf<D>) {
    for _ in 0..EVENTS_AT_ONCE {
        match threads.delegate().poll(!engine.is_congested()) {
            Some(Delegated::Core(event)) => engine.handle(event, threads),
            Some(Delegated::Application(id, hook)) => threads.ask_application(id, hook),
            None => return,
        }
    }
    inbox.wake();
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

    /// Waits until the channel for commands is at most half full, or `patience` is over; for who was told that it is
    /// full ([`SendError::Full`]). Says whether there is room.
    ///
    /// # Errors
    /// [`SendError::Ended`] if no command will be taken any more.
    pub fn wait_for_room(&self, patience: Duration) -> Result<bool, SendError> {
        self.0.inbox.wait_for_room(patience)
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
