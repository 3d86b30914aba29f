//! The broker over TCP, on a thread of its own.

mod save;
mod serve;
mod socket;

pub use save::Save;

use crate::{Broker, Limits, Note, Snapshot, Users};
use mio::Waker;
use serve::{Order, Serve};
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc::{Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

/// How to run a [`Server`]. The default lets everybody in, on a free port of this machine.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen; port 0 takes a free one. Default `127.0.0.1:0`.
    pub address: SocketAddr,
    /// What the broker holds at most. For many connections the process needs as many file descriptors.
    pub limits: Limits,
    /// Who may connect. Default [`Users::anyone`].
    pub users: Users,
    /// Gets what happens; notes are left out while it is full. Default none.
    pub tap: Option<SyncSender<Note>>,
    /// What to start from, unless `save` names a file that exists. Default nothing.
    pub restore: Option<Snapshot>,
    /// Where retained messages and kept sessions are saved. Default nowhere.
    pub save: Option<Save>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            address: (Ipv4Addr::LOCALHOST, 0).into(),
            limits: Limits::default(),
            users: Users::anyone(),
            tap: None,
            restore: None,
            save: None,
        }
    }
}

/// A running broker; dropping it stops it.
pub struct Server {
    address: SocketAddr,
    orders: Sender<Order>,
    waker: Waker,
    thread: Option<JoinHandle<io::Result<Snapshot>>>,
}

impl fmt::Debug for Server {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Server {
    /// Listens and serves. When it returns, clients can connect.
    ///
    /// # Errors
    ///
    /// When the address cannot be listened on, or the saved file cannot be read.
    pub fn start(config: Config) -> io::Result<Self> {
        let saved = match &config.save {
            Some(save) => save.load()?,
            None => None,
        };
        let mut broker = match saved.or(config.restore) {
            Some(snapshot) => Broker::restore(config.limits, config.users, snapshot),
            None => Broker::new(config.limits, config.users),
        };
        broker.watch(config.tap.is_some());
        let (orders, inbox) = channel();
        let serve = Serve::new(config.address, broker, config.tap, config.save, inbox)?;
        let address = serve.address()?;
        let waker = serve.waker()?;
        let thread = std::thread::Builder::new().name("broker".into()).spawn(move || serve.run())?;
        Ok(Self { address, orders, waker, thread: Some(thread) })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Runs `work` on the broker, between its other work, and returns what it returns; `None` when the server
    /// has broken down.
    pub fn with<T: Send + 'static>(&self, work: impl FnOnce(&mut Broker) -> T + Send + 'static) -> Option<T> {
        let (answer, answered) = sync_channel(1);
        let order = move |broker: &mut Broker| drop(answer.send(work(broker)));
        self.orders.send(Order::Work(Box::new(order))).ok()?;
        self.waker.wake().ok()?;
        answered.recv().ok()
    }

    /// Closes all connections, saves, and returns what would survive a restart.
    ///
    /// # Errors
    ///
    /// When the last saving failed, or the server had broken down before.
    pub fn stop(mut self) -> io::Result<Snapshot> {
        self.join()
    }

    fn join(&mut self) -> io::Result<Snapshot> {
        let broken = || io::Error::other("the broker's thread has broken down");
        let Some(thread) = self.thread.take() else { return Err(broken()) };
        // Either fails only when the thread has ended already.
        let _ = self.orders.send(Order::Stop);
        let _ = self.waker.wake();
        thread.join().map_err(|_| broken())?
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.thread.is_some() {
            // Nobody is left to hear of a failed saving.
            let _ = self.join();
        }
    }
}
