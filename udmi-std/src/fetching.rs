//! Fetches of a driver, and what keeps them from running ahead of the core.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use device_link::{FetchError, FetchEvent, FetchId, Request};
use udmi_host::fetch::Fetcher;

/// Events of one fetch that may wait for the core; the fetch then waits as well.
const WAITING_MAX: usize = 4;

#[derive(Debug)]
pub(crate) struct Fetches {
    fetcher: Option<Fetcher>,
    /// One for each event that waits. Without its receiver, a fetch ends.
    waiting: BTreeMap<FetchId, Receiver<()>>,
}

impl Fetches {
    pub(crate) fn new(fetcher: Option<Fetcher>) -> Self {
        Self { fetcher, waiting: BTreeMap::new() }
    }

    /// Begins a fetch; `hand_on` is called on another thread, by and by. Says why if it has failed already.
    pub(crate) fn begin(
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
    pub(crate) fn taken(&mut self, id: FetchId, last: bool) {
        if last {
            self.waiting.remove(&id);
        } else if let Some(waiting) = self.waiting.get(&id) {
            let _ = waiting.try_recv(); // there is one for each event
        }
    }

    /// Ends a fetch, and removes its staged file.
    pub(crate) fn release(&mut self, id: FetchId) {
        self.waiting.remove(&id);
        if let Some(fetcher) = &mut self.fetcher {
            fetcher.release(id);
        }
    }
}

/// Whether nothing follows this event.
pub(crate) fn is_last(event: &FetchEvent) -> bool {
    matches!(event, FetchEvent::Done | FetchEvent::Failed(_))
}
