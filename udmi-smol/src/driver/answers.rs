//! Answers of the application that come in time.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use device_link::{Dialect, HookId};
use udmi_host::drive::Threaded;

use super::link::{Answer, Shared};

type Coming<D> = Pin<Box<dyn Future<Output = <D as Dialect>::Outcome> + Send>>;

/// The futures of hooks that are not answered yet. Each is polled when it was woken itself, so that many do not cost
/// each other anything. The core bounds them.
pub(super) struct Answers<D: Dialect> {
    pending: BTreeMap<HookId, Pending<D>>,
}

struct Pending<D: Dialect> {
    answer: Coming<D>,
    call: Arc<Call<D>>,
    waker: Waker,
}

impl<D: Threaded> Answers<D> {
    pub(super) fn new() -> Self {
        Self { pending: BTreeMap::new() }
    }

    /// Polls the answer to a hook for the first time.
    pub(super) fn begin(
        &mut self,
        id: HookId,
        answer: Coming<D>,
        shared: &Arc<Shared<D>>,
    ) -> Option<D::Outcome> {
        let call = Arc::new(Call { id, shared: shared.clone(), woken: AtomicBool::new(false) });
        let waker = Waker::from(call.clone());
        self.poll(Pending { answer, call, waker })
    }

    /// Polls the answer to a hook again, if it is still wanted.
    pub(super) fn proceed(&mut self, id: HookId) -> Option<D::Outcome> {
        let pending = self.pending.remove(&id)?;
        self.poll(pending)
    }

    /// Drops the answer to a hook.
    pub(super) fn cancel(&mut self, id: HookId) {
        self.pending.remove(&id);
    }

    /// Drops all.
    pub(super) fn clear(&mut self) {
        self.pending.clear();
    }

    fn poll(&mut self, mut pending: Pending<D>) -> Option<D::Outcome> {
        pending.call.woken.store(false, Ordering::Release);
        match pending.answer.as_mut().poll(&mut Context::from_waker(&pending.waker)) {
            Poll::Ready(outcome) => Some(outcome),
            Poll::Pending => {
                self.pending.insert(pending.call.id, pending);
                None
            }
        }
    }
}

/// Wakes the run for one hook.
struct Call<D: Dialect> {
    id: HookId,
    shared: Arc<Shared<D>>,
    /// The run knows already, so that there is at most one of these in its inbox for each hook.
    woken: AtomicBool,
}

impl<D: Threaded> Wake for Call<D> {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.woken.swap(true, Ordering::AcqRel) {
            self.shared.inbox.answer(Answer::Woken(self.id));
        }
    }
}
