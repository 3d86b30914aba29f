//! What a run works with, whatever it waits with.

use std::fmt;

use device_link::{Dialect, Limits};

use super::{
    COMMANDS_MAX, Delegate, Fetching, NOTICES_MAX, Observer, Signer, TlsSource, TraceOutput, random_seed,
};
use crate::store::{MemoryStore, Store};
use crate::tls::TlsConfig;

/// What a run works with beside its dialect and its application. What a device does not ask for is not there, so that
/// the linker can leave out its code.
pub struct Equipment<D: Dialect> {
    /// Answers some hooks in place of the application; without, it answers none.
    pub delegate: Box<dyn Delegate<D>>,
    /// Hears notices at once, where the core runs, before the application does. Must not block.
    pub observer: Option<Observer<D>>,
    /// What is remembered across runs.
    pub store: Box<dyn Store + Send>,
    /// TLS for endpoints that want it; without, the roots of the operating system are trusted.
    pub tls: Option<TlsConfig>,
    /// Asked before each TLS connection, in place of `tls`.
    pub tls_source: Option<TlsSource>,
    /// Signs tokens; without, there is no key to sign with.
    pub signer: Option<Signer>,
    /// Fetches what the core wants, as [`Fetcher`](crate::fetch::Fetcher) does; without, every fetch fails.
    pub fetcher: Option<Box<dyn Fetching>>,
    /// Seeds jitter and identifiers.
    pub seed: u64,
    /// The core's bounds.
    pub limits: Limits,
    /// Commands that may wait.
    pub commands_max: usize,
    /// Notices that may wait for a busy application; further ones are dropped, since none is needed for progress.
    pub notices_max: usize,
    /// Records the run. It is written where the core runs.
    pub trace: Option<TraceOutput<D>>,
}

impl<D: Dialect> Default for Equipment<D> {
    /// A memory store, a seed from the operating system, default limits, and neither keys, fetcher nor trace.
    fn default() -> Self {
        Self {
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

impl<D: Dialect> fmt::Debug for Equipment<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Equipment").field("seed", &self.seed).finish_non_exhaustive()
    }
}
