//! Whether there is a connection, for those who ask and those who wait.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use udmi_proto::{Down, Notice};

/// Shared by the handles of a device; a [`Watch`] keeps it.
#[derive(Debug, Default)]
pub(crate) struct Connected {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
enum State {
    /// With what came of the last attempt.
    Trying(Option<Down>),
    Up,
    Ended,
}

/// Sees the notices of a device, and by being dropped its end.
#[derive(Debug)]
pub(crate) struct Watch(Arc<Connected>);

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
    pub(crate) fn watch(self: &Arc<Self>) -> Watch {
        Watch(self.clone())
    }

    pub(crate) fn is_up(&self) -> bool {
        matches!(*self.lock(), State::Up)
    }

    pub(crate) fn wait(&self, patience: Duration) -> Result<(), NotConnected> {
        let waiting = |state: &mut State| matches!(state, State::Trying(_));
        let waited = self.changed.wait_timeout_while(self.lock(), patience, waiting);
        let (why, ended) = match &*waited.unwrap_or_else(PoisonError::into_inner).0 {
            State::Up => return Ok(()),
            State::Trying(why) => (why.clone(), false),
            State::Ended => (None, true),
        };
        Err(NotConnected { patience, why, ended })
    }

    fn set(&self, state: State) {
        *self.lock() = state;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for State {
    fn default() -> Self {
        Self::Trying(None)
    }
}

impl Watch {
    pub(crate) fn see(&self, notice: &Notice) {
        if let Notice::Connected { .. } = notice {
            self.0.set(State::Up);
        } else if let Notice::Disconnected { why } = notice {
            self.0.set(State::Trying(Some(why.clone())));
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.set(State::Ended);
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

    const AT_ONCE: Duration = Duration::ZERO;

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
