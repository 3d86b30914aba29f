//! Whether there is a connection, for those who ask and those who wait.

use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use udmi_proto::{Down, Notice};

/// Shared by the handles of a device; a [`Watch`] keeps it.
#[derive(Debug, Default)]
pub struct Connected {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    link: LinkState,
    /// Of the futures that wait.
    wakers: Vec<Waker>,
}

#[derive(Debug)]
enum LinkState {
    /// With what came of the last attempt.
    Trying(Option<Down>),
    Up,
    Ended,
}

/// Sees the notices of a device, and by being dropped its end.
#[derive(Debug)]
pub struct Watch(Arc<Connected>);

/// The broker has not accepted a connection in time. The device goes on trying, unless it has ended.
#[derive(Clone, PartialEq, Eq)]
pub struct NotConnected {
    /// How long was waited.
    pub patience: Duration,
    /// Why the last attempt failed; none if none has failed yet.
    pub why: Option<Down>,
    /// Whether the device has ended.
    pub ended: bool,
}

impl Connected {
    /// Sees what the device tells. There is one for each device.
    #[must_use]
    pub fn watch(self: &Arc<Self>) -> Watch {
        Watch(self.clone())
    }

    /// Whether there is a connection.
    #[must_use]
    pub fn is_up(&self) -> bool {
        matches!(self.lock().link, LinkState::Up)
    }

    /// Waits on this thread for a connection, but no longer than `patience`.
    ///
    /// # Errors
    /// [`NotConnected`], with the reason.
    pub fn wait(&self, patience: Duration) -> Result<(), NotConnected> {
        let trying = |state: &mut State| matches!(state.link, LinkState::Trying(_));
        let waited = self.changed.wait_timeout_while(self.lock(), patience, trying);
        waited.unwrap_or_else(PoisonError::into_inner).0.link.result(patience)
    }

    /// Is ready once there is a connection, or there will not be one any more. [`Self::result`] says which.
    pub async fn settled(&self) {
        poll_fn(|cx| {
            let mut state = self.lock();
            if !matches!(state.link, LinkState::Trying(_)) {
                return Poll::Ready(());
            }
            if !state.wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
                state.wakers.push(cx.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }

    /// What [`Self::wait`] would have returned by now.
    ///
    /// # Errors
    /// As [`Self::wait`].
    pub fn result(&self, patience: Duration) -> Result<(), NotConnected> {
        self.lock().link.result(patience)
    }

    fn set(&self, link: LinkState) {
        let mut state = self.lock();
        state.link = link;
        let wakers = std::mem::take(&mut state.wakers);
        drop(state);
        self.changed.notify_all();
        wakers.into_iter().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LinkState {
    fn result(&self, patience: Duration) -> Result<(), NotConnected> {
        let (why, ended) = match self {
            Self::Up => return Ok(()),
            Self::Trying(why) => (why.clone(), false),
            Self::Ended => (None, true),
        };
        Err(NotConnected { patience, why, ended })
    }
}

impl Default for LinkState {
    fn default() -> Self {
        Self::Trying(None)
    }
}

impl Watch {
    /// Takes a notice in.
    pub fn see(&self, notice: &Notice) {
        if let Notice::Connected { .. } = notice {
            self.0.set(LinkState::Up);
        } else if let Notice::Disconnected { why } = notice {
            self.0.set(LinkState::Trying(Some(why.clone())));
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.set(LinkState::Ended);
    }
}

impl fmt::Display for NotConnected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.why {
            _ if self.ended => f.write_str("the device has ended"),
            None => write!(f, "no connection to the broker within {:?}", self.patience),
            Some(why) => write!(f, "no connection to the broker within {:?}: {why}", self.patience),
        }
    }
}

/// As it is displayed, for a `main` that ends with this error shows it so.
impl fmt::Debug for NotConnected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for NotConnected {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::application::Reply;

    const AT_ONCE: Duration = Duration::ZERO;

    #[test]
    fn a_future_that_waits_is_woken_by_the_connection_and_by_the_end() {
        for is_up in [true, false] {
            let connected = Arc::new(Connected::default());
            let watch = connected.watch();
            let waiting = connected.clone();
            let waiter = std::thread::spawn(move || {
                Reply::later(async move {
                    waiting.settled().await;
                    waiting.result(AT_ONCE).is_ok()
                })
                .wait()
            });
            watch.see(&Notice::Disconnected { why: Down::Closed(udmi_proto::Closed::Refused) });
            if is_up {
                watch.see(&Notice::Connected { resumed: false });
            } else {
                drop(watch);
            }
            assert_eq!(waiter.join().unwrap(), is_up);
        }
    }

    #[test]
    fn the_last_reason_is_told_until_there_is_a_connection_and_after_the_end_there_is_none() {
        let connected = Arc::new(Connected::default());
        let watch = connected.watch();
        assert_eq!(connected.wait(AT_ONCE).unwrap_err().why, None);
        let why = Down::Closed(udmi_proto::Closed::Refused);
        watch.see(&Notice::Disconnected { why: why.clone() });
        let error = connected.wait(AT_ONCE).unwrap_err();
        assert_eq!(error.why, Some(why.clone()));
        assert_eq!(format!("{error:?}"), format!("no connection to the broker within 0ns: {why}"));
        watch.see(&Notice::Connected { resumed: false });
        assert_eq!((connected.is_up(), connected.wait(AT_ONCE)), (true, Ok(())));
        drop(watch);
        let error = connected.wait(AT_ONCE).unwrap_err();
        assert_eq!((connected.is_up(), error.to_string()), (false, "the device has ended".into()));
    }
}
