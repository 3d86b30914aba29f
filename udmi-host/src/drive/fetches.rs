//! Fetches of a driver, and what keeps them from running ahead of the core.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use device_link::{FetchError, FetchEvent, FetchId, Request};

use crate::fetch::{Fetcher, Sink};

/// Events of one fetch that may wait for the core; the fetch then waits as well.
const WAITING_MAX: usize = 2;

/// Fetches for a run. A [`Fetcher`] does it by threads; a device that fetches nothing has none.
pub trait Fetching: Send {
    /// Begins a fetch. Its events go to `sink`, on another thread, until `Done` or `Failed`.
    ///
    /// # Errors
    /// It has failed already.
    fn start(&mut self, id: FetchId, request: Request, sink: Sink) -> Result<(), FetchError>;
    /// Stops a fetch if it still runs, and removes what it has brought. Must not block.
    fn release(&mut self, id: FetchId);
}

impl Fetching for Fetcher {
    fn start(&mut self, id: FetchId, request: Request, sink: Sink) -> Result<(), FetchError> {
        self.start(id, request, sink)
    }

    fn release(&mut self, id: FetchId) {
        self.release(id);
    }
}

/// The fetches of one run. Each has a thread while it runs.
pub struct Fetches {
    fetcher: Option<Box<dyn Fetching>>,
    /// One for each event that waits. Without its receiver, a fetch ends.
    waiting: BTreeMap<FetchId, Receiver<()>>,
}

impl Fetches {
    /// None is under way. Without a fetcher every one fails.
    #[must_use]
    pub fn new(fetcher: Option<Box<dyn Fetching>>) -> Self {
        Self { fetcher, waiting: BTreeMap::new() }
    }

    /// Begins a fetch; `hand_on` is called on another thread, by and by. Says why if it has failed already.
    pub fn begin(
        &mut self,
        id: FetchId,
        request: Request,
        mut hand_on: impl FnMut(FetchEvent) + Send + 'static,
    ) -> Option<FetchError> {
        let Some(fetcher) = &mut self.fetcher else {
            return Some(FetchError::Url("there is no folder to fetch to".into()));
        };
        let (wait, waiting): (SyncSender<()>, _) = sync_channel(WAITING_MAX);
        let sink = move |event| {
            if wait.send(()).is_err() {
                return ControlFlow::Break(());
            }
            hand_on(event);
            ControlFlow::Continue(())
        };
        let failed = fetcher.start(id, request, Box::new(sink)).err();
        if failed.is_none() {
            self.waiting.insert(id, waiting);
        }
        failed
    }

    /// The core has taken an event of this fetch, perhaps the last one.
    pub fn taken(&mut self, id: FetchId, last: bool) {
        if last {
            self.waiting.remove(&id);
        } else if let Some(waiting) = self.waiting.get(&id) {
            let _ = waiting.try_recv(); // there is one for each event
        }
    }

    /// Ends a fetch, and removes its staged file.
    pub fn release(&mut self, id: FetchId) {
        self.waiting.remove(&id);
        if let Some(fetcher) = &mut self.fetcher {
            fetcher.release(id);
        }
    }
}

impl fmt::Debug for Fetches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetches").field("running", &self.waiting.len()).finish_non_exhaustive()
    }
}

/// Whether nothing follows this event.
#[must_use]
pub fn is_last(event: &FetchEvent) -> bool {
    matches!(event, FetchEvent::Done | FetchEvent::Failed(_))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, mpsc};

    use crate::fetch::FetchPolicy;

    use super::*;

    #[test]
    fn a_fetch_never_runs_further_ahead_than_it_may() {
        let folder = tempfile::tempdir().unwrap();
        let fetcher = Fetcher::open(FetchPolicy::new(folder.path())).unwrap();
        let mut fetches = Fetches::new(Some(Box::new(fetcher)));
        let id: FetchId = serde_json::from_str("1").unwrap();
        let (hand_on, handed_on) = mpsc::channel();
        let untaken = Arc::new(AtomicUsize::new(0));
        let counted = untaken.clone();
        let url = format!("data:,{}", "x".repeat(2 << 20));
        let failed = fetches.begin(id, Request { url, limit: 2 << 20 }, move |event| {
            counted.fetch_add(1, Ordering::SeqCst);
            hand_on.send(event).unwrap();
        });
        assert_eq!(failed, None);
        let mut seen = 0;
        while let Ok(event) = handed_on.recv() {
            assert!(untaken.fetch_sub(1, Ordering::SeqCst) <= WAITING_MAX);
            seen += 1;
            fetches.taken(id, is_last(&event));
        }
        assert!(seen > 2 * WAITING_MAX, "{seen} events");
        assert!(fetches.waiting.is_empty());
    }
}
