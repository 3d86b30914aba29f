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

use device_link::{Dialect, Limits};
pub use udmi_host::drive::{
    COMMANDS_MAX, Delegate, Delegated, DriverError, NOTICES_MAX, Observer, SendError, Signer, Threaded,
    TlsSource, TraceOutput,
};
use udmi_host::drive::{Fetches, TlsClients, named, random_seed};
use udmi_host::fetch::Fetcher;
use udmi_host::store::{MemoryStore, Store};
use udmi_host::tls::TlsConfig;

pub use link::Link;
pub use run::Run;

use link::Shared;
use stores::Stores;
use tasks::Parts;

/// The application's side of a dialect. It is called where the core runs and must not block: what takes time goes
/// into a future. One that panics ends the run of its device, as a restart.
pub trait Application<D: Dialect>: Send + 'static {
    /// Answers what the core asks. Answers may be pending side by side, as many as the core's
    /// [`Limits::pending_hooks`] allow; the future of one that nobody waits for any more is dropped.
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
    /// Answers some hooks in place of the application; without, it answers none.
    pub delegate: Box<dyn Delegate<D>>,
    /// Hears notices at once, before the application does. Must not block.
    pub observer: Option<Observer<D>>,
    /// What is remembered across runs.
    pub store: Box<dyn Store + Send>,
    /// TLS for endpoints that want it; without, the roots of the operating system are trusted.
    pub tls: Option<TlsConfig>,
    /// Asked before each TLS connection, in place of `tls`.
    pub tls_source: Option<TlsSource>,
    /// Signs tokens; without, there is no key to sign with.
    pub signer: Option<Signer>,
    /// Fetches what the core wants; without, every fetch fails.
    pub fetcher: Option<Fetcher>,
    /// Seeds jitter and identifiers.
    pub seed: u64,
    /// The core's bounds.
    pub limits: Limits,
    /// Commands that may wait.
    pub commands_max: usize,
    /// Notices that may wait for a busy application; further ones are dropped, since none is needed for progress.
    pub notices_max: usize,
    /// Records the run. It is written where the core runs.
    pub trace: Option<TraceOutput>,
}

impl<D: Dialect> Driver<D> {
    /// A driver with a memory store, a seed from the operating system, default limits, and neither keys, fetcher
    /// nor trace.
    pub fn new(dialect: D, application: impl Application<D>) -> Self {
        Self {
            dialect,
            application: Box::new(application),
            delegate: Box::new(()),
            observer: None,
            store: Box::new(MemoryStore::new()),
            tls: None,
            tls_source: None,
            signer: None,
            fetcher: None,
            seed: random_seed(),
            limits: Limits::default(),
            commands_max: COMMANDS_MAX,
            notices_max: NOTICES_MAX,
            trace: None,
        }
    }
}

impl<D: Threaded> Driver<D> {
    /// Reads the store and makes the run, which begins when it is first polled: spawn it on any executor.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn start(self) -> Result<(Link<D>, Run<D>), DriverError> {
        let Self { dialect, application, mut delegate, observer, store, signer, notices_max, .. } = self;
        let (stored, stores) = Stores::load(store).await.map_err(DriverError::Store)?;
        let shared = Arc::new(Shared::new(self.commands_max));
        let waking = shared.clone();
        delegate.set_waker(Box::new(move || waking.inbox.wake()));
        let tls = TlsClients::new(self.tls, self.tls_source);
        let fetches = Fetches::new(self.fetcher);
        let parts = Parts { application, delegate, observer, stores, tls, signer, fetches, notices_max };
        let begin = run::Begin {
            dialect,
            stored: named(stored),
            seed: self.seed,
            limits: self.limits,
            trace: self.trace,
            parts,
        };
        Ok((Link(shared.clone()), Run::new(begin, shared)))
    }
}

impl<D: Dialect> fmt::Debug for Driver<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").field("seed", &self.seed).finish_non_exhaustive()
    }
}
