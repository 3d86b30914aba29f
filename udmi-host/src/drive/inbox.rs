//! What comes to the core from all sides, and what wakes it.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::SendError;

/// Wakes the core from its sleep, on any thread.
pub trait Bell {
    /// Is called at most once a sleep.
    fn ring(&self);
}

/// Commands `C`, bounded, and answers `A`, of which the core never awaits more than its limits allow.
pub struct Inbox<C, A, B> {
    state: Mutex<State<C, A>>,
    /// Rung when half of the channel is free again, if somebody waits for it.
    room: Condvar,
    bell: B,
    bound: usize,
}

struct State<C, A> {
    commands: VecDeque<C>,
    answers: VecDeque<A>,
    /// The core is about to sleep, or sleeps, and wants the bell.
    asleep: bool,
    /// There is something to look after elsewhere.
    woken: bool,
    /// No command is taken any more.
    ended: bool,
    /// How many wait for room.
    waiting: usize,
}

impl<C, A, B: Bell> Inbox<C, A, B> {
    /// An empty one that takes so many commands.
    pub fn new(bound: usize, bell: B) -> Self {
        let (commands, answers) = (VecDeque::new(), VecDeque::new());
        let state = State { commands, answers, asleep: false, woken: false, ended: false, waiting: 0 };
        Self { state: Mutex::new(state), room: Condvar::new(), bell, bound }
    }

    /// Takes a command.
    ///
    /// # Errors
    /// [`SendError`]; the command was not taken.
    pub fn command(&self, command: C) -> Result<(), SendError> {
        let mut state = self.lock();
        if state.ended {
            return Err(SendError::Ended);
        }
        if state.commands.len() >= self.bound {
            return Err(SendError::Full);
        }
        state.commands.push_back(command);
        self.ring(state);
        Ok(())
    }

    /// Takes the last command of all, beyond the bound if need be.
    ///
    /// # Errors
    /// [`SendError::Ended`] if there was a last one before.
    pub fn last_command(&self, command: C) -> Result<(), SendError> {
        let mut state = self.lock();
        if state.ended {
            return Err(SendError::Ended);
        }
        state.ended = true;
        state.commands.push_back(command);
        self.ring(state);
        Ok(())
    }

    /// Whether half of the channel is free.
    ///
    /// # Errors
    /// [`SendError::Ended`] if no command will be taken any more.
    pub fn has_room(&self) -> Result<bool, SendError> {
        let state = self.lock();
        if state.ended { Err(SendError::Ended) } else { Ok(state.commands.len() <= self.bound / 2) }
    }

    /// Blocks until half of the channel is free, but no longer than `patience`. Says whether it is.
    ///
    /// # Errors
    /// [`SendError::Ended`] if no command will be taken any more.
    pub fn wait_for_room(&self, patience: Duration) -> Result<bool, SendError> {
        let has_none = |state: &mut State<C, A>| !state.ended && state.commands.len() > self.bound / 2;
        let mut state = self.lock();
        state.waiting += 1;
        let waited = self.room.wait_timeout_while(state, patience, has_none);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        state.waiting -= 1;
        if state.ended { Err(SendError::Ended) } else { Ok(!has_none(&mut state)) }
    }

    /// Takes an answer.
    pub fn answer(&self, answer: A) {
        let mut state = self.lock();
        state.answers.push_back(answer);
        self.ring(state);
    }

    /// The core is to look after what does not come through here.
    pub fn wake(&self) {
        let mut state = self.lock();
        state.woken = true;
        self.ring(state);
    }

    /// No command is taken from now on.
    pub fn end(&self) {
        self.lock().ended = true;
        self.room.notify_all();
    }

    /// Moves all answers and at most `room` commands to the queues given. After the last command of all there
    /// is room for every one. Says whether that one is taken.
    pub fn take(&self, room: usize, commands: &mut VecDeque<C>, answers: &mut VecDeque<A>) -> bool {
        let mut state = self.lock();
        (state.asleep, state.woken) = (false, false);
        std::mem::swap(&mut state.answers, answers);
        let room = if state.ended { usize::MAX } else { room };
        let count = state.commands.len().min(room);
        commands.extend(state.commands.drain(..count));
        if state.waiting > 0 && (state.ended || state.commands.len() <= self.bound / 2) {
            self.room.notify_all();
        }
        state.ended
    }

    /// Whether the core may sleep, if there is room for commands or not: from now on the bell is rung.
    pub fn may_sleep(&self, room: usize) -> bool {
        let mut state = self.lock();
        let wanted = state.ended || room > 0;
        let is_idle = state.answers.is_empty() && (state.commands.is_empty() || !wanted);
        state.asleep = is_idle && !state.woken;
        state.asleep
    }

    /// What wakes the core.
    pub fn bell(&self) -> &B {
        &self.bell
    }

    /// Gives the memory of empty queues back.
    pub fn trim(&self) {
        let mut state = self.lock();
        if state.commands.is_empty() {
            state.commands = VecDeque::new();
        }
        if state.answers.is_empty() {
            state.answers = VecDeque::new();
        }
    }

    fn ring(&self, mut state: MutexGuard<'_, State<C, A>>) {
        let asleep = std::mem::replace(&mut state.asleep, false);
        drop(state);
        if asleep {
            self.bell.ring();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<C, A>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C, A, B> fmt::Debug for Inbox<C, A, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").field("bound", &self.bound).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Counts its rings.
    #[derive(Default)]
    struct Counter(AtomicUsize);

    impl Bell for Counter {
        fn ring(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn inbox<A>(bound: usize) -> Inbox<u32, A, Counter> {
        Inbox::new(bound, Counter::default())
    }

    #[test]
    fn a_full_inbox_says_so_and_still_takes_the_last_command() {
        let inbox = inbox::<()>(2);
        assert_eq!((inbox.command(1), inbox.command(2)), (Ok(()), Ok(())));
        assert_eq!(inbox.command(3), Err(SendError::Full));
        assert_eq!(inbox.last_command(4), Ok(()));
        assert_eq!(inbox.command(5), Err(SendError::Ended));
        let (mut commands, mut answers) = (VecDeque::new(), VecDeque::new());
        inbox.take(0, &mut commands, &mut answers);
        assert_eq!(commands, [1, 2, 4]);
    }

    #[test]
    fn who_waits_for_room_is_told_when_half_of_it_is_free_or_that_the_run_has_ended() {
        let inbox = inbox::<()>(4);
        (0..4).for_each(|command| inbox.command(command).unwrap());
        assert_eq!(inbox.wait_for_room(Duration::ZERO), Ok(false));
        let patience = Duration::from_secs(60);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| inbox.wait_for_room(patience));
            inbox.take(2, &mut VecDeque::new(), &mut VecDeque::new());
            assert_eq!(waiting.join().unwrap(), Ok(true));
            (0..2).for_each(|command| inbox.command(command).unwrap());
            let waiting = scope.spawn(|| inbox.wait_for_room(patience));
            inbox.end();
            assert_eq!(waiting.join().unwrap(), Err(SendError::Ended));
        });
    }

    #[test]
    fn commands_without_room_wait_and_let_the_core_sleep() {
        let inbox = inbox::<()>(2);
        inbox.command(1).unwrap();
        assert!(inbox.may_sleep(0));
        assert!(!inbox.may_sleep(1));
        let (mut commands, mut answers) = (VecDeque::new(), VecDeque::new());
        inbox.take(0, &mut commands, &mut answers);
        assert!(commands.is_empty());
        inbox.take(1, &mut commands, &mut answers);
        assert_eq!(commands, [1]);
    }

    #[test]
    fn a_wake_between_two_looks_is_not_slept_through() {
        let inbox = inbox::<()>(2);
        inbox.wake();
        assert!(!inbox.may_sleep(1));
        inbox.take(1, &mut VecDeque::new(), &mut VecDeque::new());
        assert!(inbox.may_sleep(1));
    }

    #[test]
    fn the_bell_is_rung_once_a_sleep() {
        let inbox = inbox::<()>(8);
        assert!(inbox.may_sleep(1));
        inbox.answer(());
        inbox.answer(());
        assert_eq!(inbox.bell().0.load(Ordering::Relaxed), 1);
        assert!(!inbox.may_sleep(1));
    }
}
