//! How a fetch is stopped from another thread.

use std::fmt;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ureq::Agent;

/// Says whether a fetch is still wanted, and interrupts what it waits for.
#[derive(Default)]
pub(super) struct Control {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    cancelled: bool,
    /// Whose connections are cut then.
    agent: Option<Agent>,
}

impl Control {
    pub(super) fn cancel(&self) {
        let mut state = self.lock();
        state.cancelled = true;
        let agent = state.agent.take();
        drop(state);
        self.changed.notify_all();
        if let Some(agent) = agent {
            agent.shutdown();
        }
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.lock().cancelled
    }

    /// Lets a cancellation interrupt this agent; one that came before does so at once.
    pub(super) fn interrupts(&self, agent: Agent) {
        let mut state = self.lock();
        if state.cancelled {
            drop(state);
            agent.shutdown();
        } else {
            state.agent = Some(agent);
        }
    }

    /// Sleeps, and says whether it was cancelled.
    pub(super) fn pause(&self, duration: Duration) -> bool {
        let waited = self.changed.wait_timeout_while(self.lock(), duration, |state| !state.cancelled);
        waited.unwrap_or_else(PoisonError::into_inner).0.cancelled
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control").field("cancelled", &self.is_cancelled()).finish_non_exhaustive()
    }
}
