//! Many futures side by side.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use super::reply::{Later, Reply};

/// Waits for all of some replies. Each has a waker of its own, so that what one of them costs does not depend on how
/// many there are.
pub(super) struct Together<T> {
    slots: Vec<Slot<T>>,
    open: usize,
    woken: Arc<Woken>,
}

enum Slot<T> {
    Open(Later<T>, Arc<Place>),
    Done(T),
    /// Handed out.
    Empty,
}

/// Which of them are to be polled, and who is to be told of it.
#[derive(Default)]
struct Woken(Mutex<State>);

#[derive(Default)]
struct State {
    places: Vec<usize>,
    parent: Option<Waker>,
}

impl<T> Together<T> {
    pub(super) fn new(replies: Vec<Reply<T>>) -> Self {
        let woken = Arc::new(Woken::default());
        let mut open = Vec::new();
        let slots = replies.into_iter().enumerate().map(|(place, reply)| match reply {
            Reply::Now(value) => Slot::Done(value),
            Reply::Later(later) => {
                open.push(place);
                let is_woken = AtomicBool::new(true);
                Slot::Open(later, Arc::new(Place { place, is_woken, woken: woken.clone() }))
            }
        });
        let slots = slots.collect();
        let count = open.len();
        woken.lock().places = open;
        Self { slots, open: count, woken }
    }
}

impl<T> Unpin for Together<T> {}

impl<T> Future for Together<T> {
    type Output = Vec<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Vec<T>> {
        let this = &mut *self;
        let mut state = this.woken.lock();
        state.parent = Some(cx.waker().clone());
        let places = std::mem::take(&mut state.places);
        drop(state);
        for place in places {
            let Some(slot) = this.slots.get_mut(place) else { continue };
            let Slot::Open(later, place) = slot else { continue };
            place.is_woken.store(false, Ordering::Release);
            let waker = Waker::from(place.clone());
            if let Poll::Ready(value) = later.as_mut().poll(&mut Context::from_waker(&waker)) {
                *slot = Slot::Done(value);
                this.open -= 1;
            }
        }
        if this.open > 0 {
            return Poll::Pending;
        }
        let done = |slot: &mut Slot<T>| match std::mem::replace(slot, Slot::Empty) {
            Slot::Done(value) => Some(value),
            Slot::Open(..) | Slot::Empty => None,
        };
        Poll::Ready(this.slots.iter_mut().filter_map(done).collect())
    }
}

struct Place {
    place: usize,
    /// Whether it is to be polled anyway: it stands among those once, however often it is woken.
    is_woken: AtomicBool,
    woken: Arc<Woken>,
}

impl Wake for Place {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.is_woken.swap(true, Ordering::AcqRel) {
            return;
        }
        let mut state = self.woken.lock();
        state.places.push(self.place);
        let parent = state.parent.take();
        drop(state);
        if let Some(parent) = parent {
            parent.wake();
        }
    }
}

impl Woken {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
