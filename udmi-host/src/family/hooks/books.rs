//! What the threads have to tell, until the core has room for it.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use udmi_proto::{Found, HookId};

use crate::family::Answer;

/// Results of one scan that may wait for the core. The scan then waits as well.
const FOUND_MAX: usize = 32;

type Waker = Box<dyn Fn() + Send + Sync>;

/// Something to tell.
#[derive(Debug)]
pub(super) enum Told {
    /// A scan has found a device.
    Found(HookId, Box<Found>),
    /// A call has ended: the hook it was made for, and which part of it.
    Answer(HookId, usize, Answer),
}

#[derive(Default)]
pub(super) struct Books {
    state: Mutex<State>,
    /// There is room for results of scans again, or nobody wants them any more.
    room: Condvar,
    waker: OnceLock<Waker>,
}

#[derive(Debug, Default)]
struct State {
    /// Never more than there are calls.
    answers: VecDeque<(HookId, usize, Answer)>,
    scans: BTreeMap<HookId, Scan>,
    closed: bool,
}

/// A scan under way. Its end is told after all it has found.
#[derive(Debug, Default)]
struct Scan {
    found: VecDeque<Box<Found>>,
    ended: Option<Answer>,
}

impl Books {
    pub(super) fn set_waker(&self, waker: Waker) {
        let _ = self.waker.set(waker);
    }

    pub(super) fn open_scan(&self, id: HookId) {
        self.lock().scans.insert(id, Scan::default());
    }

    /// Nobody wants to hear of a scan any more.
    pub(super) fn close_scan(&self, id: HookId) {
        if self.lock().scans.remove(&id).is_some() {
            self.room.notify_all();
        }
    }

    /// Nobody wants to hear anything any more.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.scans.clear();
        drop(state);
        self.room.notify_all();
    }

    /// Called by the threads. Waits only for room for what a scan has found.
    pub(super) fn tell(&self, id: HookId, part: usize, answer: Answer) {
        let mut state = self.lock();
        if let Answer::Found(found) = answer {
            let is_full =
                |state: &mut State| state.scans.get(&id).is_some_and(|scan| scan.found.len() >= FOUND_MAX);
            state = self.room.wait_while(state, is_full).unwrap_or_else(PoisonError::into_inner);
            let Some(scan) = state.scans.get_mut(&id) else { return };
            scan.found.push_back(found);
        } else if let Some(scan) = state.scans.get_mut(&id) {
            scan.ended = Some(answer);
        } else if !state.closed {
            state.answers.push_back((id, part, answer));
        }
        drop(state);
        if let Some(wake) = self.waker.get() {
            wake();
        }
    }

    /// The next to tell; of scans only if the core has room for more.
    pub(super) fn next(&self, has_room: bool) -> Option<Told> {
        let mut state = self.lock();
        if let Some((id, part, answer)) = state.answers.pop_front() {
            return Some(Told::Answer(id, part, answer));
        }
        let has_ended = |scan: &Scan| scan.found.is_empty() && scan.ended.is_some();
        let may_tell = |scan: &Scan| has_ended(scan) || (has_room && !scan.found.is_empty());
        let id = state.scans.iter().find(|(_, scan)| may_tell(scan)).map(|(id, _)| *id)?;
        let scan = state.scans.get_mut(&id)?;
        match scan.found.pop_front() {
            Some(found) => {
                drop(state);
                self.room.notify_all();
                Some(Told::Found(id, found))
            }
            None => {
                let ended = scan.ended.take();
                state.scans.remove(&id);
                ended.map(|answer| Told::Answer(id, 0, answer))
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Books {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Books").field("state", &self.state).finish_non_exhaustive()
    }
}
