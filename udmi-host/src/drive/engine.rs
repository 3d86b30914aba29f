//! A node, its clock and its one connection, without an opinion about waiting. It performs the actions that concern
//! the connection and leaves the others to a [`World`].

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use device_link::{
    Action, Boot, Closed, ConnId, Dialect, Endpoint, Event, ExitReason, FetchError, FetchEvent, FetchId,
    HookId, Instant, Key, Node, Now, Request, Secret, SignError, SignId, SignRequest, StoreId,
};

use super::clock::Clock;
use super::connection::{Connection, Dialed, Input, Socket};
use super::trace::{TraceOutput, Tracing};

/// Bytes taken from the socket at once: the length of a good buffer to lend.
pub const READ_BYTES: usize = 64 << 10;
/// A sleep ends after so long at the latest: a step of the wall clock, or a resume, moves deadlines, and the
/// operating system's sleep does not know.
const LONGEST_SLEEP: Duration = Duration::from_secs(10);

/// What a sleep may be too long where [`Engine::may_oversleep`] allows it.
pub const OVERSLEEP: Duration = Duration::from_millis(250);

/// An event of a dialect.
pub type EventOf<D> = Event<<D as Dialect>::Command, <D as Dialect>::Outcome>;
/// An action of a dialect.
pub type ActionOf<D> = Action<<D as Dialect>::Hook, <D as Dialect>::Notice>;

/// Performs what is not the engine's. An answer that is there at once is returned; `None` means that it comes
/// later, as an event.
pub trait World<D: Dialect, S> {
    /// Connects, in place of any attempt before. What comes later goes to [`Engine::dialed`].
    fn open(&mut self, conn: ConnId, to: Endpoint) -> Option<Result<Dialed<S>, Closed>>;
    /// Remembers a value under a key, or forgets the key; says whether that is done for good.
    fn store(&mut self, id: StoreId, key: Key, value: Option<Bytes>) -> Option<bool>;
    /// Signs with the device's private key.
    fn sign(&mut self, id: SignId, request: SignRequest) -> Option<Result<Secret<String>, SignError>>;
    /// Begins a fetch, or says at once that it fails.
    fn fetch(&mut self, id: FetchId, request: Request) -> Option<FetchError>;
    /// Ends a fetch, and removes its staged file.
    fn release(&mut self, id: FetchId);
    /// Asks whoever answers hooks.
    fn ask(&mut self, id: HookId, hook: D::Hook) -> Option<D::Outcome>;
    /// Nobody waits for the answer to a hook any more.
    fn cancel(&mut self, id: HookId);
    /// Tells whoever hears notices.
    fn tell(&mut self, notice: D::Notice);
}

/// What a wait has found of the socket in use.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ready {
    /// It can be read from, or is at its end.
    pub readable: bool,
    /// It can be written to.
    pub writable: bool,
}

/// A socket, and what to wait for: it is always wanted to become readable.
#[derive(Debug)]
pub struct Interest<'a, S> {
    /// The socket.
    pub socket: &'a S,
    /// Whether it is wanted to become writable as well.
    pub write: bool,
}

impl<'a, S: Socket> Interest<'a, S> {
    fn of(connection: &'a Connection<S>) -> Self {
        Self { socket: connection.socket(), write: connection.has_unsent() }
    }
}

/// A node at work. A driver calls [`Self::flush`], waits for the sockets that [`Self::live`] and [`Self::leaving`]
/// name, for [`Self::sleep`] at most, and calls [`Self::proceed`]; again and again until [`Self::is_over`].
///
/// It lends a buffer to read into, of [`READ_BYTES`] at best, which keeps nothing between the calls: thousands of
/// engines may share one.
pub struct Engine<D: Dialect, S> {
    node: Node<D>,
    clock: Clock,
    now: Now,
    /// When the node was last called.
    handled: Instant,
    dialing: Option<ConnId>,
    live: Option<Connection<S>>,
    /// Seldom there, so apart.
    leaving: Option<Box<Connection<S>>>,
    /// What happened while actions were performed.
    answers: VecDeque<EventOf<D>>,
    exit: Option<ExitReason>,
    /// Seldom there, so apart.
    trace: Option<Box<dyn Tracing<D>>>,
}

impl<D: Dialect, S> fmt::Debug for Engine<D, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("now", &self.now).field("exit", &self.exit).finish_non_exhaustive()
    }
}

impl<D: Dialect, S: Socket> Engine<D, S> {
    /// Boots the node, records it if there is a trace, and performs its first actions.
    pub fn start(
        boot: Boot,
        clock: Clock,
        dialect: D,
        trace: Option<TraceOutput<D>>,
        world: &mut impl World<D, S>,
    ) -> Self {
        let now = boot.now;
        let trace = trace.map(|trace| trace.begin(&boot));
        let mut engine = Self {
            node: Node::new(boot, dialect),
            clock,
            now,
            handled: now.at,
            dialing: None,
            live: None,
            leaving: None,
            answers: VecDeque::new(),
            exit: None,
            trace,
        };
        if let Some(trace) = &mut engine.trace {
            trace.construction(now);
        }
        engine.perform_all(world);
        engine.handle_answers(world);
        engine
    }

    /// Takes in one event, at the time of the last [`Self::proceed`], and all that follows from it at once.
    pub fn handle(&mut self, event: EventOf<D>, world: &mut impl World<D, S>) {
        self.handle_one(event, world);
        self.handle_answers(world);
    }

    /// Takes in the answer to an `open` of the world.
    pub fn dialed(&mut self, conn: ConnId, result: Result<Dialed<S>, Closed>, world: &mut impl World<D, S>) {
        if self.dialing != Some(conn) {
            return; // closed meanwhile
        }
        self.adopt(conn, result);
        self.handle_answers(world);
    }

    /// Lets the connection in use break, as networks do: the socket is closed without a word, and the node is told so.
    pub fn lose_connection(&mut self, world: &mut impl World<D, S>) {
        if let Some(live) = self.live.take() {
            self.handle(Event::Closed { conn: live.id(), why: Closed::Reset }, world);
        }
    }

    /// Why the run is over, once the last bytes are out.
    #[must_use]
    pub fn is_over(&self) -> Option<ExitReason> {
        self.exit.filter(|_| self.leaving.is_none())
    }

    /// The node, to look at.
    #[must_use]
    pub fn node(&self) -> &Node<D> {
        &self.node
    }

    /// Whether further commands had better wait: half of the outbox waits, or more bytes than the socket takes. Each
    /// command may change it.
    #[must_use]
    pub fn is_congested(&self) -> bool {
        self.node.is_congested() || self.live.as_ref().is_some_and(Connection::has_enough)
    }

    /// Ends a turn: writes what it has produced, as far as the socket takes it.
    pub fn flush(&mut self, buffer: &mut [u8], world: &mut impl World<D, S>) {
        if let Some(live) = &mut self.live {
            match live.flush(self.now.at) {
                Ok(()) => live.acknowledge(),
                Err(why) => self.hear_out(&why, buffer, world),
            }
        }
        if let Some(trace) = &mut self.trace {
            trace.flush();
        }
    }

    /// The socket in use, if there is one: to be read, and written if bytes wait for it.
    #[must_use]
    pub fn live(&self) -> Option<Interest<'_, S>> {
        self.live.as_ref().map(Interest::of)
    }

    /// The socket whose connection is over, while its last bytes are on their way.
    #[must_use]
    pub fn leaving(&self) -> Option<Interest<'_, S>> {
        self.leaving.as_deref().map(Interest::of)
    }

    /// How long to wait for sockets and answers before the next [`Self::proceed`].
    pub fn sleep(&mut self) -> Duration {
        let connections = [self.live.as_ref(), self.leaving.as_deref()].into_iter().flatten();
        let next = connections.filter_map(Connection::deadline).fold(self.next_tick(), Instant::min);
        self.clock.until(next)
    }

    /// Whether nothing is due after that sleep, which ends only to look after the clocks: it may last a little longer.
    #[must_use]
    pub fn may_oversleep(&self) -> bool {
        let is_connection_due = self.live.as_ref().is_some_and(|live| live.deadline().is_some());
        let looks_at = self.handled + LONGEST_SLEEP;
        let is_due = self.node.deadline().is_some_and(|at| at <= looks_at + OVERSLEEP);
        self.leaving.is_none() && !is_connection_due && !is_due
    }

    /// Gives memory back that only a busy engine needs, if a wait has brought nothing: one that is busy would take it
    /// anew at once.
    pub fn trim_if_idle(&mut self, ready: Ready) {
        if !ready.readable && !ready.writable && self.answers.is_empty() {
            self.trim();
        }
    }

    /// Gives memory back that only a busy engine needs.
    pub fn trim(&mut self) {
        self.answers = VecDeque::new();
        self.node.trim();
        if let Some(live) = &mut self.live {
            live.trim();
        }
    }

    /// Takes in what the wait has brought: input, time, or room to write. Says whether there may be more to read at
    /// once.
    pub fn proceed(&mut self, ready: Ready, buffer: &mut [u8], world: &mut impl World<D, S>) -> bool {
        self.now = self.clock.now();
        if ready.writable || self.is_stalled() {
            self.flush(buffer, world);
        }
        let more = ready.readable && self.receive(buffer, world);
        self.linger();
        if self.next_tick() <= self.now.at {
            self.handle(Event::Tick, world);
        }
        more
    }

    fn handle_one(&mut self, event: EventOf<D>, world: &mut impl World<D, S>) {
        if let Some(trace) = &mut self.trace {
            trace.event(self.now, &event);
        }
        self.handled = self.now.at;
        self.node.handle(self.now, event);
        self.perform_all(world);
    }

    fn handle_answers(&mut self, world: &mut impl World<D, S>) {
        while let Some(event) = self.answers.pop_front() {
            self.handle_one(event, world);
        }
    }

    fn perform_all(&mut self, world: &mut impl World<D, S>) {
        let Some(trace) = &mut self.trace else {
            while let Some(action) = self.node.poll() {
                self.perform(action, world);
            }
            return;
        };
        let actions: Vec<_> = std::iter::from_fn(|| self.node.poll()).collect();
        trace.finish(&actions, &self.node);
        for action in actions {
            self.perform(action, world);
        }
    }

    fn perform(&mut self, action: ActionOf<D>, world: &mut impl World<D, S>) {
        match action {
            Action::Open { conn, to } => {
                self.dialing = Some(conn);
                if let Some(result) = world.open(conn, to) {
                    self.adopt(conn, result);
                }
            }
            Action::Send { conn, bytes } => {
                if let Some(live) = self.live.as_mut().filter(|live| live.id() == conn)
                    && let Err(why) = live.send(&bytes, self.now.at)
                {
                    self.live = None;
                    self.answers.push_back(Event::Closed { conn, why });
                }
            }
            Action::Close { conn } => self.close(conn),
            Action::Store { id, key, value } => {
                if let Some(ok) = world.store(id, key, value) {
                    self.answers.push_back(Event::Stored { id, ok });
                }
            }
            Action::Sign { id, request } => {
                if let Some(result) = world.sign(id, request) {
                    self.answers.push_back(Event::Signed { id, result });
                }
            }
            Action::Fetch { id, request } => {
                if let Some(error) = world.fetch(id, request) {
                    self.answers.push_back(Event::Fetched { id, event: FetchEvent::Failed(error) });
                }
            }
            Action::Release { id } => world.release(id),
            Action::InvokeHook { id, hook } => {
                if let Some(outcome) = world.ask(id, hook) {
                    self.answers.push_back(Event::HookDone { id, outcome });
                }
            }
            Action::CancelHook { id } => world.cancel(id),
            Action::Notify(notice) => world.tell(notice),
            Action::Exit(reason) => self.exit = Some(reason),
        }
    }

    fn adopt(&mut self, conn: ConnId, result: Result<Dialed<S>, Closed>) {
        self.dialing = None;
        match result {
            Ok(dialed) => {
                let live = Connection::new(conn, dialed, self.now.at);
                if live.is_opened() {
                    self.answers.push_back(Event::Opened { conn });
                }
                self.live = Some(live);
            }
            Err(why) => self.answers.push_back(Event::Closed { conn, why }),
        }
    }

    fn close(&mut self, conn: ConnId) {
        self.dialing = self.dialing.filter(|&dialing| dialing != conn);
        if let Some(mut live) = self.live.take_if(|live| live.id() == conn) {
            live.leave(self.now.at);
            self.leaving = Some(Box::new(live));
            self.linger();
        }
    }

    fn linger(&mut self) {
        let now = self.now.at;
        self.leaving.take_if(|leaving| leaving.linger(now));
    }

    fn receive(&mut self, buffer: &mut [u8], world: &mut impl World<D, S>) -> bool {
        let Some(live) = &mut self.live else { return false };
        let input = live.receive(buffer, self.node.missing());
        let more = input.more;
        self.take_in(input, world);
        more
    }

    fn take_in(&mut self, input: Input, world: &mut impl World<D, S>) {
        let Some(conn) = self.live.as_ref().map(Connection::id) else { return };
        if input.opened {
            self.handle(Event::Opened { conn }, world);
        }
        if !input.bytes.is_empty() {
            self.handle(Event::Received { conn, bytes: input.bytes }, world);
        }
        let Some(why) = input.closed else { return };
        // A failed handshake has an alert for the server yet.
        if let Some(mut live) = self.live.take_if(|live| live.id() == conn) {
            let _ = live.flush(self.now.at);
        }
        self.handle(Event::Closed { conn, why }, world);
    }

    /// Writing has failed. What the peer said before that may tell the true reason.
    fn hear_out(&mut self, why: &Closed, buffer: &mut [u8], world: &mut impl World<D, S>) {
        while let Some(live) = &mut self.live {
            let mut input = live.receive(buffer, self.node.missing());
            if input.bytes.is_empty() && !input.opened && input.closed.is_none() {
                input.closed = Some(why.clone());
            }
            self.take_in(input, world);
        }
    }

    fn is_stalled(&self) -> bool {
        self.live.as_ref().and_then(Connection::deadline).is_some_and(|at| at <= self.now.at)
    }

    /// When the node is to be called if nothing happens.
    fn next_tick(&self) -> Instant {
        let latest = self.handled + LONGEST_SLEEP;
        self.node.deadline().map_or(latest, |at| at.min(latest))
    }
}
