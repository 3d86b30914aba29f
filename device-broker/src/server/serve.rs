//! The server's loop: wait for the network, tell the broker, do what it says. No lock, no blocking call.

use super::save::Save;
use super::socket::{Socket, Taken};
use crate::{Broker, ConnId, Note, Output, Snapshot};
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token, Waker};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::{Duration, Instant};

const LISTENER: Token = Token(usize::MAX);
const ORDERS: Token = Token(usize::MAX - 1);

/// Bytes read from one socket before the next has its turn.
const READ_BYTES: usize = 64 << 10;

/// Sockets read before what they led to is written.
const READS_A_ROUND: usize = 64;

/// How long to wait when no more connections can be accepted, for want of file descriptors as a rule.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// What the owner of the server wants.
pub(super) enum Order {
    Work(Box<dyn FnOnce(&mut Broker) + Send>),
    Stop,
}

pub(super) struct Serve {
    poll: Poll,
    listener: TcpListener,
    broker: Broker,
    tap: Option<SyncSender<Note>>,
    save: Option<Save>,
    orders: Receiver<Order>,
    sockets: BTreeMap<ConnId, Socket>,
    /// Sockets that may have something to read.
    readable: BTreeSet<ConnId>,
    /// Sockets that have something to write and may take it.
    writable: BTreeSet<ConnId>,
    acceptable: bool,
    next: u64,
    start: Instant,
    saved_at: Instant,
    saved_revision: u64,
}

impl Serve {
    pub(super) fn new(
        address: SocketAddr,
        broker: Broker,
        tap: Option<SyncSender<Note>>,
        save: Option<Save>,
        orders: Receiver<Order>,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut listener = TcpListener::bind(address)?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let now = Instant::now();
        Ok(Self {
            poll,
            listener,
            saved_revision: broker.revision(),
            broker,
            tap,
            save,
            orders,
            sockets: BTreeMap::new(),
            readable: BTreeSet::new(),
            writable: BTreeSet::new(),
            acceptable: false,
            next: 0,
            start: now,
            saved_at: now,
        })
    }

    pub(super) fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    pub(super) fn waker(&self) -> io::Result<Waker> {
        Waker::new(self.poll.registry(), ORDERS)
    }

    pub(super) fn run(mut self) -> io::Result<Snapshot> {
        let mut events = Events::with_capacity(1_024);
        let mut buffer = vec![0; READ_BYTES];
        loop {
            if let Err(error) = self.poll.poll(&mut events, self.patience())
                && error.kind() != ErrorKind::Interrupted
            {
                return Err(error);
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.acceptable = true,
                    ORDERS => {}
                    Token(number) => self.mark(ConnId(number as u64), event),
                }
            }
            if self.obey() {
                break;
            }
            self.broker.tick(self.now());
            self.accept();
            self.read(&mut buffer);
            self.perform();
            self.save_now_and_then();
        }
        let snapshot = self.broker.snapshot();
        match &self.save {
            Some(save) => save.store(&snapshot).map(|()| snapshot),
            None => Ok(snapshot),
        }
    }

    fn now(&self) -> u64 {
        self.start.elapsed().as_millis() as u64
    }

    /// How long nothing needs to be done unless something happens.
    fn patience(&self) -> Option<Duration> {
        if !self.readable.is_empty() {
            return Some(Duration::ZERO);
        }
        let silence = self.broker.deadline().map(|at| Duration::from_millis(at.saturating_sub(self.now())));
        let accept = self.acceptable.then_some(ACCEPT_AGAIN);
        let saving = self.save.as_ref().filter(|_| self.saved_revision != self.broker.revision());
        let saving = saving.map(|save| save.every.saturating_sub(self.saved_at.elapsed()));
        [silence, accept, saving].into_iter().flatten().min()
    }

    fn mark(&mut self, conn: ConnId, event: &mio::event::Event) {
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            self.readable.insert(conn);
        }
        if event.is_writable() {
            self.writable.insert(conn);
        }
    }

    /// Does what was ordered; `true` is the end. A dropped sender is one too.
    fn obey(&mut self) -> bool {
        use std::sync::mpsc::TryRecvError;
        loop {
            match self.orders.try_recv() {
                Ok(Order::Work(work)) => work(&mut self.broker),
                Ok(Order::Stop) | Err(TryRecvError::Disconnected) => return true,
                Err(TryRecvError::Empty) => return false,
            }
        }
    }

    fn accept(&mut self) {
        while self.acceptable {
            match self.listener.accept() {
                Ok((mut stream, _)) => {
                    let conn = ConnId(self.next);
                    self.next += 1;
                    // A socket that cannot be set up is closed by being dropped.
                    let both = Interest::READABLE | Interest::WRITABLE;
                    let token = Token(conn.0 as usize);
                    if stream.set_nodelay(true).is_ok()
                        && self.poll.registry().register(&mut stream, token, both).is_ok()
                    {
                        self.sockets.insert(conn, Socket::new(stream));
                        self.broker.open(conn, self.now());
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.acceptable = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // It stays acceptable, and is tried again after a while.
                Err(_) => break,
            }
        }
    }

    /// Gives each readable socket one turn; those with more to read stay readable.
    fn read(&mut self, buffer: &mut [u8]) {
        let turns: Vec<ConnId> = self.readable.iter().copied().collect();
        for (turn, conn) in turns.into_iter().enumerate() {
            let taken = match self.sockets.get_mut(&conn) {
                Some(socket) => socket.read(buffer),
                None => Taken::Nothing,
            };
            match taken {
                Taken::Bytes(count) => self.broker.bytes(conn, &buffer[..count], self.now()),
                Taken::Nothing => _ = self.readable.remove(&conn),
                Taken::End => self.lost(conn),
            }
            if turn % READS_A_ROUND == READS_A_ROUND - 1 {
                self.perform();
            }
        }
    }

    /// Does what the broker says until it has nothing more to say.
    fn perform(&mut self) {
        loop {
            while let Some(output) = self.broker.poll() {
                self.perform_one(output);
            }
            let Some(conn) = self.writable.pop_first() else { return };
            let Some(socket) = self.sockets.get_mut(&conn) else { continue };
            match socket.write() {
                Ok(0) => {}
                Ok(count) => self.broker.written(conn, count),
                Err(_) => self.lost(conn),
            }
        }
    }

    fn perform_one(&mut self, output: Output) {
        match output {
            Output::Send { conn, bytes } => {
                if let Some(socket) = self.sockets.get_mut(&conn) {
                    socket.queue(bytes);
                    self.writable.insert(conn);
                }
            }
            Output::Close { conn } => {
                self.readable.remove(&conn);
                if let Some(socket) = self.sockets.remove(&conn) {
                    socket.close();
                }
            }
            Output::Note(note) => {
                if let Some(tap) = &self.tap {
                    // Full or gone: the note is left out, as `Config::tap` says.
                    let _ = tap.try_send(note);
                }
            }
        }
    }

    fn lost(&mut self, conn: ConnId) {
        self.readable.remove(&conn);
        self.sockets.remove(&conn);
        self.broker.closed(conn);
    }

    fn save_now_and_then(&mut self) {
        let Some(save) = &self.save else { return };
        let revision = self.broker.revision();
        if revision == self.saved_revision || self.saved_at.elapsed() < save.every {
            return;
        }
        self.saved_at = Instant::now();
        // What cannot be saved now is tried again after the interval, and reported when the server stops.
        if save.store(&self.broker.snapshot()).is_ok() {
            self.saved_revision = revision;
        }
    }
}
