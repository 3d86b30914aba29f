//! The future of a run: it performs, waits, handles.

use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use async_io::Timer;
use device_link::{Boot, Dialect, Event, ExitReason, Limits, Stored, Tally};
use udmi_host::drive::{
    COMMANDS_AT_ONCE, Clock, Delegated, EVENTS_AT_ONCE, Engine, Interest, LINGER, OVERSLEEP, READ_BYTES,
    Ready, Threaded, TraceOutput, is_last,
};

use super::dial::Watched;
use super::link::{Answer, Shared};
use super::tasks::{Parts, Tasks};

/// Turns before others have theirs.
const TURNS_AT_ONCE: usize = 4;
/// A timer is left as it is if it comes later than wanted by no more than this: to move it costs a system call.
const TIMER_SLACK: Duration = Duration::from_micros(500);

thread_local! {
    /// Where the runs of a thread read to, one after the other.
    static BUFFER: Cell<Option<Box<[u8]>>> = const { Cell::new(None) };
}

/// A moment within [`OVERSLEEP`] that runs of this process have in common, so that those with nothing to do wake up
/// by hundreds: the reactor's part of a wake-up is the larger one.
fn together(wanted: Instant) -> Instant {
    static START: OnceLock<Instant> = OnceLock::new();
    let since = wanted.saturating_duration_since(*START.get_or_init(Instant::now));
    let past = Duration::from_nanos(u64::try_from(since.as_nanos() % OVERSLEEP.as_nanos()).unwrap_or(0));
    wanted + (OVERSLEEP - past)
}

/// What a run begins with.
pub(super) struct Begin<D: Dialect> {
    pub(super) dialect: D,
    pub(super) stored: Vec<Stored>,
    pub(super) seed: u64,
    pub(super) limits: Limits,
    pub(super) trace: Option<TraceOutput<D>>,
    pub(super) parts: Parts<D>,
}

/// The run of a device: a future that ends with it. It begins when it is first polled, and is cancelled by being
/// dropped.
#[must_use = "a run does nothing unless it is polled"]
pub struct Run<D: Dialect> {
    state: State<D>,
    shared: Arc<Shared<D>>,
}

enum State<D: Dialect> {
    Begin(Box<Begin<D>>),
    Running(Box<Running<D>>),
    Over(ExitReason, Tally),
}

impl<D: Threaded> Run<D> {
    pub(super) fn new(begin: Begin<D>, shared: Arc<Shared<D>>) -> Self {
        Self { state: State::Begin(Box::new(begin)), shared }
    }

    /// What has gone over the link since the run began: to be looked at after each poll by whoever polls it.
    pub fn tally(&self) -> Tally {
        self.state.tally()
    }

    /// Lets the connection break, as networks do, to see what becomes of it. To be followed by a poll.
    pub fn lose_connection(&mut self) {
        if let State::Running(running) = &mut self.state {
            running.engine.lose_connection(&mut running.tasks);
        }
    }
}

impl<D: Threaded> Future for Run<D> {
    type Output = ExitReason;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<ExitReason> {
        let Self { state, shared } = self.get_mut();
        shared.inbox.bell().set(cx.waker());
        // A run that is polled within another one's poll has a buffer of its own.
        let mut buffer = BUFFER.take().unwrap_or_else(|| vec![0; READ_BYTES].into_boxed_slice());
        if let State::Begin(_) = state
            && let State::Begin(begin) =
                std::mem::replace(state, State::Over(ExitReason::Restart, Tally::default()))
        {
            *state = State::Running(Box::new(Running::begin(*begin, shared)));
        }
        let polled = match state {
            State::Running(running) => running.poll(&mut buffer, cx),
            State::Over(reason, _) => Poll::Ready(*reason),
            State::Begin(_) => Poll::Pending,
        };
        BUFFER.set(Some(buffer));
        if let Poll::Ready(reason) = polled {
            *state = State::Over(reason, state.tally());
            shared.end(reason);
        }
        polled
    }
}

impl<D: Dialect> Unpin for Run<D> {}

/// Whether it is cancelled or breaks, nobody waits for it for ever: the run wants a fresh start.
impl<D: Dialect> Drop for Run<D> {
    fn drop(&mut self) {
        self.shared.end(ExitReason::Restart);
    }
}

impl<D: Dialect> fmt::Debug for Run<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let over = matches!(self.state, State::Over(..));
        f.debug_struct("Run").field("over", &over).finish_non_exhaustive()
    }
}

impl<D: Threaded> State<D> {
    fn tally(&self) -> Tally {
        match self {
            Self::Begin(_) => Tally::default(),
            Self::Running(running) => *running.engine.node().tally(),
            Self::Over(_, tally) => *tally,
        }
    }
}

struct Running<D: Dialect> {
    engine: Engine<D, Watched>,
    tasks: Tasks<D>,
    timer: Timer,
    /// When the timer fires.
    armed: Option<Instant>,
    /// There may be more to read at once.
    more: bool,
    commands: VecDeque<D::Command>,
    answers: VecDeque<Answer<D>>,
    /// The run is over for this reason, but what it has begun is not: notices are heard until then at the latest.
    finishing: Option<(ExitReason, Instant)>,
    shared: Arc<Shared<D>>,
}

impl<D: Threaded> Running<D> {
    fn begin(begin: Begin<D>, shared: &Arc<Shared<D>>) -> Self {
        let Begin { dialect, stored, seed, limits, trace, parts } = begin;
        let mut clock = Clock::start();
        let boot = Boot { now: clock.now(), seed, stored, limits };
        let mut tasks = Tasks::new(parts, shared.clone());
        let engine = Engine::start(boot, clock, dialect, trace, &mut tasks);
        Self {
            engine,
            tasks,
            timer: Timer::never(),
            armed: None,
            more: false,
            commands: VecDeque::new(),
            answers: VecDeque::new(),
            finishing: None,
            shared: shared.clone(),
        }
    }

    fn poll(&mut self, buffer: &mut [u8], cx: &mut Context<'_>) -> Poll<ExitReason> {
        if let Some((reason, until)) = self.finishing {
            return self.finish(reason, until, cx);
        }
        let mut ready = self.look(cx).0;
        for _ in 0..TURNS_AT_ONCE {
            let busy = self.turn(ready, buffer, cx);
            if let Some(reason) = self.engine.is_over() {
                let until = Instant::now() + LINGER;
                self.finishing = Some((reason, until));
                self.shared.inbox.end();
                self.tasks.wind_up();
                return self.finish(reason, until, cx);
            }
            let (next, at_once) = self.look(cx);
            if !busy && !at_once && self.may_sleep() {
                return Poll::Pending;
            }
            ready = next;
        }
        self.more |= ready.readable;
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Finds out what is ready, and what is not wakes the task when it is. Says whether anything is.
    fn look(&mut self, cx: &mut Context<'_>) -> (Ready, bool) {
        let mut ready = Ready { readable: self.more, writable: false };
        if let Some(Interest { socket, write }) = self.engine.live() {
            ready.readable = ready.readable || socket.0.poll_readable(cx).is_ready();
            ready.writable = write && socket.0.poll_writable(cx).is_ready();
        }
        let mut at_once = ready.readable || ready.writable;
        if let Some(Interest { socket, write }) = self.engine.leaving() {
            at_once |= socket.0.poll_readable(cx).is_ready();
            at_once |= write && socket.0.poll_writable(cx).is_ready();
        }
        (ready, self.is_due(cx) || at_once)
    }

    /// Whether the engine's time has come. The timer may fire too early, never much too late.
    fn is_due(&mut self, cx: &mut Context<'_>) -> bool {
        let mut wanted = Instant::now() + self.engine.sleep();
        if self.engine.may_oversleep() {
            wanted = together(wanted);
        }
        if self.armed.is_none_or(|armed| wanted + TIMER_SLACK < armed) {
            self.timer.set_at(wanted);
            self.armed = Some(wanted);
        }
        let due = Pin::new(&mut self.timer).poll(cx).is_ready();
        if due {
            self.armed = None;
        }
        due
    }

    /// Handles a bounded part of what there is. Says whether more is known to be.
    fn turn(&mut self, ready: Ready, buffer: &mut [u8], cx: &mut Context<'_>) -> bool {
        self.more = self.engine.proceed(ready, buffer, &mut self.tasks);
        // What is not taken waits in the channel, whose bound is the sender's business.
        let ending = self.shared.take(self.room(), &mut self.commands, &mut self.answers);
        while let Some(answer) = self.answers.pop_front() {
            self.take_in(answer);
        }
        // A few large ones may fill the outbox; the last one of all is not to wait.
        while let Some(command) = self.commands.pop_front_if(|_| ending || !self.engine.is_congested()) {
            self.engine.handle(Event::Command(command), &mut self.tasks);
        }
        if let Some((conn, result)) = self.tasks.proceed(cx) {
            self.engine.dialed(conn, result, &mut self.tasks);
        }
        self.take_delegated();
        self.engine.flush(buffer, &mut self.tasks);
        self.more || self.tasks.is_unpolled()
    }

    fn take_in(&mut self, answer: Answer<D>) {
        match answer {
            Answer::Event(event) => self.engine.handle(event, &mut self.tasks),
            Answer::Fetched(id, event) => {
                let last = is_last(&event);
                self.engine.handle(Event::Fetched { id, event }, &mut self.tasks);
                self.tasks.taken(id, last);
            }
            Answer::Woken(id) => {
                if let Some(outcome) = self.tasks.answer(id) {
                    self.engine.handle(Event::HookDone { id, outcome }, &mut self.tasks);
                }
            }
        }
    }

    /// Takes in what the delegate tells, as far as there is room for it.
    fn take_delegated(&mut self) {
        for _ in 0..EVENTS_AT_ONCE {
            let event = match self.tasks.delegate().poll(!self.engine.is_congested()) {
                Some(Delegated::Core(event)) => event,
                Some(Delegated::Application(id, hook)) => match self.tasks.ask_application(id, hook) {
                    Some(outcome) => Event::HookDone { id, outcome },
                    None => continue,
                },
                None => return,
            };
            self.engine.handle(event, &mut self.tasks);
        }
        self.shared.inbox.wake();
    }

    fn room(&self) -> usize {
        if self.engine.is_congested() { 0 } else { COMMANDS_AT_ONCE.saturating_sub(self.commands.len()) }
    }

    /// Whether nothing waits. What comes from now on wakes the task; a sleeping run keeps no memory it does not need.
    fn may_sleep(&mut self) -> bool {
        if !self.commands.is_empty() && !self.engine.is_congested() {
            return false;
        }
        self.engine.trim();
        self.commands.shrink_to_fit();
        self.answers = VecDeque::new();
        self.shared.inbox.trim();
        self.shared.inbox.may_sleep(self.room())
    }

    /// Waits until all is stored and, for a while, until the application has heard the last notices.
    fn finish(&mut self, reason: ExitReason, until: Instant, cx: &mut Context<'_>) -> Poll<ExitReason> {
        self.shared.take(0, &mut self.commands, &mut self.answers);
        self.commands.clear();
        self.answers.clear();
        self.tasks.hear(cx);
        let unheard = !self.tasks.is_heard() && Instant::now() < until;
        if !unheard && self.tasks.is_stored() {
            return Poll::Ready(reason);
        }
        if unheard {
            self.timer.set_at(until);
            if Pin::new(&mut self.timer).poll(cx).is_ready() {
                cx.waker().wake_by_ref();
            }
        }
        if !self.shared.inbox.may_sleep(0) {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}
