//! What has to happen in order while all else happens side by side.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Poll, Waker};

use super::reply::Reply;

/// What has to happen in order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum About {
    /// The keys of the device.
    Keys,
    /// Commands of a device, with its id if it is a proxied one.
    Commands(Option<String>),
    /// Writes and releases of a point of a device.
    Point(Option<String>, String),
}

/// The lines of those that wait for each other.
#[derive(Debug, Default)]
pub(super) struct Turns {
    lines: BTreeMap<About, Weak<Line>>,
    /// How many lines to keep before the empty ones are dropped.
    enough: usize,
    next: u64,
}

const ENOUGH: usize = 16;

/// A place in a line, left when this is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    line: Arc<Line>,
    number: u64,
}

/// Those in line by their numbers. The first one is at work, the others are woken when they are first.
#[derive(Debug, Default)]
struct Line(Mutex<BTreeMap<u64, Option<Waker>>>);

impl Turns {
    /// Begins nothing of this reply before what came earlier about the same has ended. What is there now is there.
    pub(super) fn in_order<T: Send + 'static>(&mut self, about: About, reply: Reply<T>) -> Reply<T> {
        let Reply::Later(later) = reply else { return reply };
        let turn = self.next(about);
        Reply::later(async move {
            turn.has_come().await;
            let value = later.await;
            drop(turn);
            value
        })
    }

    /// The next place in that line.
    pub(super) fn next(&mut self, about: About) -> Turn {
        if self.lines.len() > self.enough {
            self.lines.retain(|_, line| line.strong_count() > 0);
            self.enough = ENOUGH.max(2 * self.lines.len());
        }
        let kept = self.lines.entry(about).or_default();
        let line = kept.upgrade().unwrap_or_default();
        *kept = Arc::downgrade(&line);
        self.next += 1;
        line.lock().insert(self.next, None);
        Turn { line, number: self.next }
    }
}

impl Turn {
    /// Waits until all before it have left.
    pub(super) async fn has_come(&self) {
        poll_fn(|cx| {
            let mut line = self.line.lock();
            if line.first_key_value().is_none_or(|(first, _)| *first == self.number) {
                return Poll::Ready(());
            }
            line.insert(self.number, Some(cx.waker().clone()));
            Poll::Pending
        })
        .await;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut line = self.line.lock();
        line.remove(&self.number);
        let first = line.first_entry().and_then(|mut first| first.get_mut().take());
        drop(line);
        if let Some(first) = first {
            first.wake();
        }
    }
}

impl Line {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Option<Waker>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Context;

    use super::*;
    use crate::application::reply::Later;

    fn later(turns: &mut Turns, about: About, done: &Arc<Mutex<Vec<u32>>>, number: u32) -> Later<()> {
        let (done, mut asked) = (done.clone(), false);
        let slow = Reply::later(poll_fn(move |_| {
            if !std::mem::replace(&mut asked, true) {
                return Poll::Pending;
            }
            done.lock().unwrap().push(number);
            Poll::Ready(())
        }));
        let Reply::Later(later) = turns.in_order(about, slow) else { panic!("it is a future") };
        later
    }

    fn point(name: &str) -> About {
        About::Point(None, name.into())
    }

    #[test]
    fn what_comes_later_about_the_same_waits_and_all_else_does_not() {
        let (mut turns, done) = (Turns::default(), Arc::default());
        let mut first = later(&mut turns, point("a"), &done, 1);
        let mut second = later(&mut turns, point("a"), &done, 2);
        let mut other = later(&mut turns, point("b"), &done, 3);
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..3 {
            assert!(second.as_mut().poll(&mut cx).is_pending());
        }
        assert!(other.as_mut().poll(&mut cx).is_pending());
        assert!(other.as_mut().poll(&mut cx).is_ready());
        assert!(first.as_mut().poll(&mut cx).is_pending());
        assert!(first.as_mut().poll(&mut cx).is_ready());
        assert!(second.as_mut().poll(&mut cx).is_pending());
        assert!(second.as_mut().poll(&mut cx).is_ready());
        assert_eq!(*done.lock().unwrap(), [3, 1, 2]);
    }

    #[test]
    fn who_leaves_the_line_lets_nobody_overtake() {
        let (mut turns, done) = (Turns::default(), Arc::default());
        let first = later(&mut turns, point("a"), &done, 1);
        let second = later(&mut turns, point("a"), &done, 2);
        let mut third = later(&mut turns, point("a"), &done, 3);
        let mut cx = Context::from_waker(Waker::noop());
        drop(second);
        for _ in 0..3 {
            assert!(third.as_mut().poll(&mut cx).is_pending());
        }
        drop(first);
        assert!(third.as_mut().poll(&mut cx).is_pending());
        assert!(third.as_mut().poll(&mut cx).is_ready());
    }

    #[test]
    fn turns_that_are_over_are_not_kept() {
        let (mut turns, done) = (Turns::default(), Arc::default());
        for number in 0..10_000 {
            drop(later(&mut turns, point(&number.to_string()), &done, number));
        }
        assert!(turns.lines.len() <= ENOUGH + 1, "{}", turns.lines.len());
    }
}
