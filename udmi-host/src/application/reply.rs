//! What a closure of the application returns: a value, or a future of one.

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use super::together::Together;

/// A value that comes later, on any thread.
pub type Later<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A value now, as plain closures have it, or later, as futures do.
pub enum Reply<T> {
    /// There it is.
    Now(T),
    /// It is to be waited for.
    Later(Later<T>),
}

impl<T: Send + 'static> Reply<T> {
    /// A value that comes later.
    pub fn later(future: impl Future<Output = T> + Send + 'static) -> Self {
        Self::Later(Box::pin(future))
    }

    /// Makes something else of the value.
    pub fn map<U>(self, make: impl FnOnce(T) -> U + Send + 'static) -> Reply<U> {
        match self {
            Self::Now(value) => Reply::Now(make(value)),
            Self::Later(later) => Reply::Later(Box::pin(async move { make(later.await) })),
        }
    }

    /// All values in their order, once all are there. Those that come later are waited for side by side.
    pub fn all(replies: Vec<Self>) -> Reply<Vec<T>> {
        if replies.iter().all(|reply| matches!(reply, Self::Now(_))) {
            let now = |reply| match reply {
                Self::Now(value) => Some(value),
                Self::Later(_) => None,
            };
            return Reply::Now(replies.into_iter().filter_map(now).collect());
        }
        Reply::Later(Box::pin(Together::new(replies)))
    }

    /// Waits for the value on this thread.
    pub fn wait(self) -> T {
        match self {
            Self::Now(value) => value,
            Self::Later(later) => block_on(later),
        }
    }
}

impl<T> fmt::Debug for Reply<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Now(_) => "Now",
            Self::Later(_) => "Later",
        })
    }
}

/// Runs a closure of the application's, and what it returns. Its captured state is its own affair after a panic.
///
/// # Errors
/// What it panicked with, in words for the cloud.
pub(super) fn guarded<T: Send + 'static>(run: impl FnOnce() -> Reply<T>) -> Reply<Result<T, String>> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Reply::Now(value)) => Reply::Now(Ok(value)),
        Ok(Reply::Later(later)) => Reply::Later(Box::pin(Guarded(Some(later)))),
        Err(panic) => Reply::Now(Err(in_words(&*panic))),
    }
}

/// As [`guarded`], of a closure that never waits.
pub(super) fn guarded_now<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| in_words(&*panic))
}

fn in_words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("the application panicked: {}", text.unwrap_or("without a message"))
}

/// A future of the application's; none once it has panicked.
struct Guarded<T>(Option<Later<T>>);

impl<T> Future for Guarded<T> {
    type Output = Result<T, String>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(later) = &mut self.0 else { return Poll::Pending };
        match guarded_now(|| later.as_mut().poll(cx)) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
            Err(panic) => {
                self.end();
                Poll::Ready(Err(panic))
            }
        }
    }
}

impl<T> Guarded<T> {
    /// Drops the future with what it holds, which may panic as well; there is nobody to tell.
    fn end(&mut self) {
        let _ = guarded_now(|| self.0 = None);
    }
}

impl<T> Drop for Guarded<T> {
    fn drop(&mut self) {
        self.end();
    }
}

/// Waits for a future on this thread.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return value;
        }
        thread::park();
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, poll_fn};

    use super::*;

    /// A future that is ready once another thread has woken it.
    fn from_another_thread(value: i32) -> Reply<i32> {
        let mut asked = false;
        Reply::later(poll_fn(move |cx| {
            if std::mem::replace(&mut asked, true) {
                return Poll::Ready(value);
            }
            let waker = cx.waker().clone();
            drop(thread::spawn(move || waker.wake()));
            Poll::Pending
        }))
    }

    #[test]
    fn values_come_in_order_whenever_they_come() {
        assert!(matches!(Reply::all(vec![Reply::Now(1), Reply::Now(2)]), Reply::Now(_)));
        let replies = vec![from_another_thread(1), Reply::Now(2), from_another_thread(3)];
        assert_eq!(Reply::all(replies).map(|all| all.len()).wait(), 3);
        let replies = (0..1000).map(|value| match value % 3 {
            0 => Reply::Now(value),
            _ => from_another_thread(value),
        });
        assert_eq!(Reply::all(replies.collect()).wait(), (0..1000).collect::<Vec<_>>());
    }

    #[test]
    fn what_panics_has_failed_at_once_or_later() {
        let message = || Err("the application panicked: bus gone".to_owned());
        assert_eq!(guarded::<()>(|| panic!("bus gone")).wait(), message());
        assert_eq!(guarded::<()>(|| Reply::later(async { panic!("bus gone") })).wait(), message());
        assert_eq!(guarded(|| from_another_thread(1)).wait(), Ok(1));
    }

    #[test]
    fn what_a_broken_future_held_is_dropped_with_it() {
        let held = Arc::new(());
        let inside = held.clone();
        let reply = guarded::<()>(move || {
            Reply::later(async move {
                let _inside = inside;
                panic!("bus gone");
            })
        });
        let Reply::Later(mut later) = reply else { panic!("it is a future") };
        let mut cx = Context::from_waker(Waker::noop());
        assert!(later.as_mut().poll(&mut cx).is_ready());
        assert_eq!(Arc::strong_count(&held), 1);
    }

    #[test]
    fn what_panics_when_it_is_given_up_harms_nobody() {
        struct Fragile;
        impl Drop for Fragile {
            fn drop(&mut self) {
                panic!("bus gone");
            }
        }
        let fragile = Fragile;
        drop(guarded(move || {
            Reply::later(async move {
                let _fragile = fragile;
                pending::<()>().await;
            })
        }));
    }

    #[test]
    fn a_future_that_is_woken_without_end_is_polled_once_for_it() {
        let mut wakers = Vec::new();
        let (told, polls) = std::sync::mpsc::channel();
        let restless = Reply::later(poll_fn(move |cx| {
            told.send(cx.waker().clone()).unwrap();
            Poll::<()>::Pending
        }));
        let Reply::Later(mut all) = Reply::all(vec![restless]) else { panic!("it is a future") };
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..2 {
            assert!(all.as_mut().poll(&mut cx).is_pending());
            wakers.push(polls.try_recv().unwrap());
            (0..1000).for_each(|_| wakers.iter().for_each(Waker::wake_by_ref));
        }
        assert!(polls.try_recv().is_err());
    }
}
