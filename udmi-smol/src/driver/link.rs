//! A run as all others see it.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_io::Timer;
use device_link::{Dialect, ExitReason, FetchEvent, FetchId, HookId};
use event_listener::{Event, Listener as _};
use futures_lite::future;
use udmi_host::drive::{EventOf, Inbox, SendError};

use super::bell::TaskBell;

/// What comes to a run.
pub(super) enum Answer<D: Dialect> {
    Event(EventOf<D>),
    /// Of which there are never more than the fetches at hand may have waiting.
    Fetched(FetchId, FetchEvent),
    /// The application's future for this hook wants to be polled.
    Woken(HookId),
}

pub(super) type InboxOf<D> = Inbox<<D as Dialect>::Command, Answer<D>, TaskBell>;

pub(super) struct Shared<D: Dialect> {
    pub(super) inbox: InboxOf<D>,
    ended: Mutex<Option<ExitReason>>,
    ending: Event,
    /// Half of the channel is free.
    room: Event,
}

impl<D: Dialect> Shared<D> {
    pub(super) fn new(commands_max: usize) -> Self {
        Self {
            inbox: Inbox::new(commands_max, TaskBell::default()),
            ended: Mutex::new(None),
            ending: Event::new(),
            room: Event::new(),
        }
    }

    /// The first reason counts.
    pub(super) fn end(&self, reason: ExitReason) {
        self.inbox.end();
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(reason);
        self.ending.notify(usize::MAX);
        self.room.notify(usize::MAX);
    }

    /// As [`Inbox::take`], and tells who waits for room.
    pub(super) fn take(
        &self,
        room: usize,
        commands: &mut VecDeque<D::Command>,
        answers: &mut VecDeque<Answer<D>>,
    ) -> bool {
        let is_ending = self.inbox.take(room, commands, answers);
        // Not with each step on the way: who waits would wake in vain.
        if !commands.is_empty() && self.inbox.has_room() != Ok(false) {
            self.room.notify(usize::MAX);
        }
        is_ending
    }

    fn ended(&self) -> Option<ExitReason> {
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A run, from any thread. Clones are the same run; dropping all of them does not end it.
pub struct Link<D: Dialect>(pub(super) Arc<Shared<D>>);

impl<D: Dialect> Link<D> {
    /// Hands a command to the core. Never blocks.
    ///
    /// # Errors
    /// [`SendError`]; the command was not taken.
    pub fn send(&self, command: D::Command) -> Result<(), SendError> {
        self.0.inbox.command(command)
    }

    /// Hands the last command of a run to the core, even if the channel is full. Later ones are refused.
    ///
    /// # Errors
    /// [`SendError::Ended`] if there was a last one before.
    pub fn send_last(&self, command: D::Command) -> Result<(), SendError> {
        self.0.inbox.last_command(command)
    }

    /// Waits until the channel for commands is at most half full; for who was told that it is full
    /// ([`SendError::Full`]).
    ///
    /// # Errors
    /// [`SendError::Ended`] if no command will be taken any more.
    pub async fn wait_for_room(&self) -> Result<(), SendError> {
        loop {
            let changed = self.0.room.listen();
            if self.0.inbox.has_room()? {
                return Ok(());
            }
            changed.await;
        }
    }

    /// Waits for the end of the run. It ends as [`ExitReason::Restart`] if its future is dropped.
    pub async fn wait(&self) -> ExitReason {
        loop {
            let ending = self.0.ending.listen();
            if let Some(reason) = self.0.ended() {
                return reason;
            }
            ending.await;
        }
    }

    /// Waits for the end of the run, but no longer than `patience`.
    pub async fn wait_for(&self, patience: Duration) -> Option<ExitReason> {
        let late = async {
            Timer::after(patience).await;
            None
        };
        future::or(async { Some(self.wait().await) }, late).await
    }

    /// Why the run has ended, if it has.
    #[must_use]
    pub fn ended(&self) -> Option<ExitReason> {
        self.0.ended()
    }

    /// As [`Self::wait_for`], for threads that may block.
    pub fn wait_blocking(&self, patience: Duration) -> Option<ExitReason> {
        let ending = self.0.ending.listen();
        if self.0.ended().is_none() {
            let _ = ending.wait_timeout(patience); // whether it came in time shows below
        }
        self.0.ended()
    }
}

impl<D: Dialect> Clone for Link<D> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<D: Dialect> fmt::Debug for Link<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}
