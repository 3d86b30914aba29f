//! A queue of jobs for one helper thread.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Jobs in order. Whoever adds them bounds them.
#[derive(Debug)]
pub(crate) struct Jobs<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<T> {
    jobs: VecDeque<T>,
    closed: bool,
    finished: bool,
}

impl<T> Jobs<T> {
    pub(crate) fn new() -> Self {
        let state = State { jobs: VecDeque::new(), closed: false, finished: false };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    pub(crate) fn push(&self, job: T) {
        self.lock().jobs.push_back(job);
        self.changed.notify_all();
    }

    /// Adds a job unless `bound` jobs wait already.
    pub(crate) fn push_within(&self, bound: usize, job: T) {
        let mut state = self.lock();
        if state.jobs.len() < bound {
            state.jobs.push_back(job);
            drop(state);
            self.changed.notify_all();
        }
    }

    /// Drops the waiting jobs that are not to be kept.
    pub(crate) fn retain(&self, keep: impl FnMut(&T) -> bool) {
        self.lock().jobs.retain(keep);
    }

    /// The next job; waits for it. None after the last one of a closed queue.
    pub(crate) fn next(&self) -> Option<T> {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                return Some(job);
            }
            if state.closed {
                state.finished = true;
                drop(state);
                self.changed.notify_all();
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Ends the queue; what waits in it is still done.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Waits until the last job of a closed queue is done, or for `patience`.
    pub(crate) fn finish(&self, patience: std::time::Duration) {
        let state = self.lock();
        drop(self.changed.wait_timeout_while(state, patience, |state| !state.finished));
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_keep_their_order_and_a_closed_queue_is_worked_off() {
        let jobs = Jobs::new();
        for job in 0..4 {
            jobs.push_within(3, job);
        }
        jobs.retain(|&job| job != 1);
        jobs.close();
        let done: Vec<_> = std::iter::from_fn(|| jobs.next()).collect();
        assert_eq!(done, [0, 2]);
        jobs.finish(std::time::Duration::from_secs(60));
    }
}
