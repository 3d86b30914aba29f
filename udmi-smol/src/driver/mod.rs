//! The driver as a future, for any dialect.
//!
//! One future owns the node and the socket. It is woken by the socket, a command, an answer or the node's deadline,
//! works for a bounded while and gives way to others, so that thousands share a thread. It needs no thread, pipe or
//! descriptor of its own but the socket. What may block (looking names up, certificates, the store, signing) is done by
//! the threads of [`blocking`], and each fetch has a thread of its own while it runs.
//!
//! Dropping the future closes the socket. What was acknowledged to the broker before is not lost: what was to be
//! stored is stored all the same.

mod answers;
mod bell;
mod dial;
mod link;
mod notices;
mod run;
mod stores;
mod tasks;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use device_link::Dialect;
pub use udmi_host::drive::{
    COMMANDS_MAX, Delegate, Delegated, DriverError, Equipment, Fetching, NOTICES_MAX, Observer, SendError,
    Signer, Threaded, TlsSource, TraceOutput,
};
use udmi_host::drive::{Fetches, TlsClients, named};

pub use link::Link;
pub use run::Run;

use link::Shared;
use stores::Stores;
use tasks::Parts;

/// The application's side of a dialect. It is called where the core runs and must not block: what takes time goes
/// into a future. One that panics ends the run of its device, as a restart.
pub trait Application<D: Dialect>: Send + 'static {
    /// Answers what the core asks. Answers may be pending side by side, as many as the core's
    /// [`Limits::pending_hooks`](device_link::Limits::pending_hooks) allow; the future of one that nobody waits for any more is dropped.
    fn answer(&mut self, hook: D::Hook) -> Answering<D>;
    /// Takes in what the core tells. The next notice comes once the future, if there is one, is done.
    fn hear(&mut self, notice: D::Notice) -> Option<Hearing>;
}

/// An answer to what the core asks.
pub enum Answering<D: Dialect> {
    /// It is known at once.
    Now(D::Outcome),
    /// It comes in time.
    Later(Pin<Box<dyn Future<Output = D::Outcome> + Send>>),
}

impl<D: Dialect> fmt::Debug for Answering<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Now(_) => "Now",
            Self::Later(_) => "Later",
        })
    }
}

/// What hearing a notice takes.
pub type Hearing = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Two closures: one answers, one hears.
impl<D, A, H> Application<D> for (A, H)
where
    D: Dialect,
    A: FnMut(D::Hook) -> Answering<D> + Send + 'static,
    H: FnMut(D::Notice) -> Option<Hearing> + Send + 'static,
{
    fn answer(&mut self, hook: D::Hook) -> Answering<D> {
        (self.0)(hook)
    }

    fn hear(&mut self, notice: D::Notice) -> Option<Hearing> {
        (self.1)(notice)
    }
}

/// All that a run needs; [`Driver::start`] makes its future.
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
    /// Reads the store and makes the run, which begins when it is first polled: spawn it on any executor.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn start(self) -> Result<(Link<D>, Run<D>), DriverError> {
        let Self { dialect, application, equipment } = self;
        let Equipment { mut delegate, observer, store, tls, tls_source, signer, .. } = equipment;
        let Equipment { fetcher, seed, limits, commands_max, notices_max, trace, .. } = equipment;
        let (stored, stores) = Stores::load(store).await.map_err(DriverError::Store)?;
        let shared = Arc::new(Shared::new(commands_max));
        let waking = shared.clone();
        delegate.set_waker(Box::new(move || waking.inbox.wake()));
        let tls = TlsClients::new(tls, tls_source);
        let fetches = Fetches::new(fetcher);
        let parts = Parts { application, delegate, observer, stores, tls, signer, fetches, notices_max };
        let begin = run::Begin { dialect, stored: named(stored), seed, limits, trace, parts };
        Ok((Link(shared.clone()), Run::new(begin, shared)))
    }
}

impl<D: Dialect> fmt::Debug for Driver<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").field("equipment", &self.equipment).finish_non_exhaustive()
    }
}
