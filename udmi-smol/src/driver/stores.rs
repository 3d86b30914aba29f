//! The store, which is written in order and where nothing waits for it.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use blocking::unblock;
use bytes::Bytes;
use device_link::{Dialect, Event, Key, StoreId};
use udmi_host::drive::Threaded;
use udmi_host::store::{Store, StoreError};

use super::link::{Answer, Shared};

type Job = (StoreId, Key, Option<Bytes>);
type AnyStore = Box<dyn Store + Send>;

/// A store in memory is written in place, any other by one blocking thread at a time.
pub(super) enum Stores {
    Memory(AnyStore),
    Elsewhere(Arc<Queue>),
}

#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
}

/// What waits for the store, in order.
#[derive(Default)]
struct State {
    /// Not there while it is at work, nor after it has panicked.
    store: Option<AnyStore>,
    jobs: VecDeque<Job>,
    at_work: bool,
}

impl Stores {
    /// Takes a store, and what is in it.
    pub(super) async fn load(mut store: AnyStore) -> Result<(BTreeMap<String, Vec<u8>>, Self), StoreError> {
        if store.is_in_memory() {
            return Ok((store.load_all()?, Self::Memory(store)));
        }
        let (stored, store) = unblock(move || (store.load_all(), store)).await;
        let state = State { store: Some(store), ..State::default() };
        Ok((stored?, Self::Elsewhere(Arc::new(Queue { state: Mutex::new(state) }))))
    }

    /// Says whether it is stored if that is known at once; the run is told otherwise.
    pub(super) fn save<D: Threaded>(&mut self, job: Job, shared: &Arc<Shared<D>>) -> Option<bool> {
        match self {
            Self::Memory(store) => Some(store.save(job.1.as_str(), job.2.as_deref()).is_ok()),
            Self::Elsewhere(queue) => {
                let mut state = queue.lock();
                if let Some(store) = state.store.take() {
                    state.at_work = true;
                    let worker = Worker { queue: queue.clone(), shared: shared.clone(), store: Some(store) };
                    // It goes on without the run: what is on its way is stored.
                    unblock(move || worker.work()).detach();
                }
                if !state.at_work {
                    return Some(false);
                }
                state.jobs.push_back(job);
                None
            }
        }
    }

    /// Whether all is stored.
    pub(super) fn is_idle(&self) -> bool {
        match self {
            Self::Memory(_) => true,
            Self::Elsewhere(queue) => !queue.lock().at_work,
        }
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Has the store while it is at work.
struct Worker<D: Dialect> {
    queue: Arc<Queue>,
    shared: Arc<Shared<D>>,
    store: Option<AnyStore>,
}

impl<D: Dialect> Worker<D> {
    fn work(mut self) {
        while let Some((id, key, value)) = self.next() {
            let store = self.store.as_mut();
            let ok = store.is_some_and(|store| store.save(key.as_str(), value.as_deref()).is_ok());
            self.shared.inbox.answer(Answer::Event(Event::Stored { id, ok }));
        }
    }

    /// The next job, or the end of work.
    fn next(&mut self) -> Option<Job> {
        let mut state = self.queue.lock();
        let job = state.jobs.pop_front();
        if job.is_none() {
            *state = State { store: self.store.take(), ..State::default() };
        }
        job
    }
}

/// A store that has panicked stores nothing more.
impl<D: Dialect> Drop for Worker<D> {
    fn drop(&mut self) {
        if self.store.is_some() {
            *self.queue.lock() = State::default();
        }
        self.shared.inbox.wake(); // the run may wait for the last job
    }
}

impl fmt::Debug for Stores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stores").finish_non_exhaustive()
    }
}
