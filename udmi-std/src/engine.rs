//! What both drivers share: a node, its clock and its one connection, without threads. It performs the actions
//! that concern the connection and leaves the others to a [`World`].

use std::collections::VecDeque;
use std::fmt;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use bytes::Bytes;
use device_link::{
    Action, Boot, Closed, ConnId, Dialect, Endpoint, Event, ExitReason, FetchError, FetchEvent, FetchId,
    HookId, Instant, Key, Node, Now, Request, Secret, SignError, SignId, SignRequest, StoreId,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::clock::Clock;
use crate::connection::{Connection, Dialed, Input};
use crate::trace::Trace;

/// Bytes taken from the socket at once.
const READ_BYTES: usize = 16 << 10;
/// A sleep ends after so long at the latest: a step of the wall clock, or a resume, moves deadlines, and the
/// operating system's sleep does not know.
const LONGEST_SLEEP: Duration = Duration::from_secs(10);

pub(crate) type EventOf<D> = Event<<D as Dialect>::Command, <D as Dialect>::Outcome>;
pub(crate) type ActionOf<D> = Action<<D as Dialect>::Hook, <D as Dialect>::Notice>;

/// Performs what is not the engine's. An answer that is there at once is returned; `None` means that it comes
/// later, as an event.
pub(crate) trait World<D: Dialect> {
    fn open(&mut self, conn: ConnId, to: Endpoint) -> Option<Result<Dialed, Closed>>;
    fn store(&mut self, id: StoreId, key: Key, value: Option<Bytes>) -> Option<bool>;
    fn sign(&mut self, id: SignId, request: SignRequest) -> Option<Result<Secret<String>, SignError>>;
    /// Begins a fetch, or says at once that it fails.
    fn fetch(&mut self, id: FetchId, request: Request) -> Option<FetchError>;
    fn release(&mut self, id: FetchId);
    fn ask(&mut self, id: HookId, hook: D::Hook) -> Option<D::Outcome>;
    fn cancel(&mut self, id: HookId);
    fn tell(&mut self, notice: D::Notice);
}

/// What a wait has ended with.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ready {
    /// The descriptor given is readable.
    pub(crate) woken: bool,
    readable: bool,
    writable: bool,
}

pub(crate) struct Engine<D: Dialect> {
    node: Node<D>,
    clock: Clock,
    now: Now,
    /// When the node was last called.
    handled: Instant,
    dialing: Option<ConnId>,
    live: Option<Connection>,
    leaving: Option<Connection>,
    /// What happened while actions were performed.
    answers: VecDeque<EventOf<D>>,
    exit: Option<ExitReason>,
    trace: Option<Trace<D>>,
    buffer: Box<[u8]>,
}

impl<D: Dialect> fmt::Debug for Engine<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("now", &self.now).field("exit", &self.exit).finish_non_exhaustive()
    }
}

impl<D: Dialect> Engine<D> {
    /// Boots the node and performs its first actions.
    pub(crate) fn start(
        boot: Boot,
        clock: Clock,
        dialect: D,
        trace: Option<Trace<D>>,
        world: &mut impl World<D>,
    ) -> Self {
        let now = boot.now;
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
            buffer: vec![0; READ_BYTES].into_boxed_slice(),
        };
        if let Some(trace) = &mut engine.trace {
            trace.construction(now);
        }
        engine.perform_all(world);
        engine.handle_answers(world);
        engine
    }

    /// Takes in one event, at the time of the last [`Self::wait`], and all that follows from it at once.
    pub(crate) fn handle(&mut self, event: EventOf<D>, world: &mut impl World<D>) {
        self.handle_one(event, world);
        self.handle_answers(world);
    }

    /// Takes in the answer to an `open` of the world.
    pub(crate) fn dialed(&mut self, conn: ConnId, result: Result<Dialed, Closed>, world: &mut impl World<D>) {
        if self.dialing != Some(conn) {
            return; // closed meanwhile
        }
        self.adopt(conn, result);
        self.handle_answers(world);
    }

    /// Why the run is over, once the last bytes are out.
    pub(crate) fn is_over(&self) -> Option<ExitReason> {
        self.exit.filter(|_| self.leaving.is_none())
    }

    /// The node, to look at.
    pub(crate) fn node(&self) -> &Node<D> {
        &self.node
    }

    /// Whether further commands had better wait.
    pub(crate) fn is_congested(&self) -> bool {
        self.node.is_congested()
    }

    /// Writes what the turn has produced, as far as the socket takes it.
    pub(crate) fn flush(&mut self, world: &mut impl World<D>) {
        if let Some(live) = &mut self.live
            && let Err(why) = live.flush(self.now.at)
        {
            self.hear_out(&why, world);
        }
        if let Some(trace) = &mut self.trace {
            trace.flush();
        }
    }

    /// Sleeps until the socket or `waker` is ready, the node's deadline has come, or `at_most` is over.
    pub(crate) fn wait(&mut self, waker: Option<BorrowedFd<'_>>, at_most: Duration) -> Ready {
        let sleep = self.sleep().min(at_most);
        let mut descriptors = Vec::with_capacity(3);
        descriptors.extend(waker.map(|waker| PollFd::from_borrowed_fd(waker, PollFlags::IN)));
        let connections = [&self.live, &self.leaving].into_iter().flatten();
        descriptors.extend(connections.map(|connection| {
            let write = if connection.has_unsent() { PollFlags::OUT } else { PollFlags::empty() };
            PollFd::from_borrowed_fd(connection.fd(), PollFlags::IN | write)
        }));
        let timeout = Timespec::try_from(sleep).ok();
        // An interrupted wait is a wait that has ended.
        let _ = poll(&mut descriptors, timeout.as_ref());
        let mut seen = descriptors.iter().map(PollFd::revents);
        let mut next = |is_there: bool| is_there.then(|| seen.next()).flatten().unwrap_or(PollFlags::empty());
        let woken = !next(waker.is_some()).is_empty();
        let live = next(self.live.is_some());
        self.now = self.clock.now();
        let readable = !(live - PollFlags::OUT).is_empty();
        Ready { woken, readable, writable: live.contains(PollFlags::OUT) }
    }

    /// Takes in what the wait has brought: input, time, or room to write.
    pub(crate) fn proceed(&mut self, ready: Ready, world: &mut impl World<D>) {
        if ready.writable || self.is_stalled() {
            self.flush(world);
        }
        if ready.readable && self.live.is_some() {
            self.receive(world);
        }
        self.linger();
        if self.next_tick() <= self.now.at {
            self.handle(Event::Tick, world);
        }
    }

    fn handle_one(&mut self, event: EventOf<D>, world: &mut impl World<D>) {
        if let Some(trace) = &mut self.trace {
            trace.event(self.now, &event);
        }
        self.handled = self.now.at;
        self.node.handle(self.now, event);
        self.perform_all(world);
    }

    fn handle_answers(&mut self, world: &mut impl World<D>) {
        while let Some(event) = self.answers.pop_front() {
            self.handle_one(event, world);
        }
    }

    fn perform_all(&mut self, world: &mut impl World<D>) {
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

    fn perform(&mut self, action: ActionOf<D>, world: &mut impl World<D>) {
        match action {
            Action::Open { conn, to } => {
                self.dialing = Some(conn);
                if let Some(result) = world.open(conn, to) {
                    self.adopt(conn, result);
                }
            }
            Action::Send { conn, bytes } => {
                if let Some(live) = self.live.as_mut().filter(|live| live.id() == conn)
                    && let Err(why) = live.send(bytes.bytes(), self.now.at)
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

    fn adopt(&mut self, conn: ConnId, result: Result<Dialed, Closed>) {
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
            self.leaving = Some(live);
            self.linger();
        }
    }

    fn linger(&mut self) {
        let (now, buffer) = (self.now.at, &mut self.buffer);
        self.leaving.take_if(|leaving| leaving.linger(buffer, now));
    }

    fn receive(&mut self, world: &mut impl World<D>) {
        let Some(live) = &mut self.live else { return };
        let input = live.receive(&mut self.buffer);
        self.take_in(input, world);
    }

    fn take_in(&mut self, input: Input, world: &mut impl World<D>) {
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
    fn hear_out(&mut self, why: &Closed, world: &mut impl World<D>) {
        while let Some(live) = &mut self.live {
            let mut input = live.receive(&mut self.buffer);
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

    fn sleep(&mut self) -> Duration {
        let connections = [&self.live, &self.leaving].into_iter().flatten();
        let next = connections.filter_map(Connection::deadline).fold(self.next_tick(), Instant::min);
        self.clock.until(next)
    }
}
