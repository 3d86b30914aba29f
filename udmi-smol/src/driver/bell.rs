//! What wakes a run.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::task::Waker;

use udmi_host::drive::Bell;

/// The waker of the task that a run is part of.
#[derive(Default)]
pub(super) struct TaskBell(Mutex<Option<Waker>>);

impl TaskBell {
    /// Rings for that task from now on.
    pub(super) fn set(&self, waker: &Waker) {
        let mut task = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *task {
            Some(known) => known.clone_from(waker),
            None => *task = Some(waker.clone()),
        }
    }
}

impl Bell for TaskBell {
    fn ring(&self) {
        let task = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(task) = task {
            task.wake();
        }
    }
}

impl fmt::Debug for TaskBell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskBell").finish_non_exhaustive()
    }
}
