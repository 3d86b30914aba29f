//! What a dialect may do: everything it can reach while it handles something.

use alloc::collections::VecDeque;
use alloc::string::String;
use core::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::backoff::Random;
use crate::dialect::{Dialect, Filter, Full, Gate, Lost, Publish, Receipt, Slot, SubscribeRefused};
use crate::effect::Request;
use crate::limits::Limits;
use crate::map::{Map, Set};
use crate::port::{Action, ExitReason, FetchId, HookId, Key, StoreId, Token};
use crate::session::Session;
use crate::time::{Instant, Now, UtcMillis};
use crate::timers::Timers;
use crate::wire::Qos;

/// The link's own deadlines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum LinkTimer {
    /// The next connection attempt.
    Backoff,
    /// The driver has not answered `Open`.
    Open,
    /// No CONNACK yet.
    ConnAck,
    /// No SUBACK or UNSUBACK yet.
    SubAck,
    /// Time for a PINGREQ.
    KeepAlive,
    /// No answer to a PINGREQ yet.
    PingResp,
    /// The last acknowledgements before an orderly stop.
    Leave,
    /// Receipts that a receipt's own handling caused.
    Receipts,
    /// The next look at what is kept across restarts.
    Keep,
}

/// Why a node wants to be called at its deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum WakeReason<T> {
    /// A deadline of the link.
    Link(LinkTimer),
    /// A deadline of the dialect.
    Dialect(T),
}

/// What the dialect is told after the call that caused it has returned.
#[derive(Debug)]
pub(crate) enum Deferred<T> {
    Receipt(Token, Receipt),
    Refused(T),
}

/// How the dialect wants the link to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Refresh,
    Exit(ExitReason),
}

pub(crate) type ActionOf<D> = Action<<D as Dialect>::Hook, <D as Dialect>::Notice>;

/// All of a node but its dialect and its connection's phase.
#[derive(Debug)]
pub(crate) struct Core<D: Dialect> {
    pub(crate) now: Now,
    pub(crate) limits: Limits,
    pub(crate) random: Random,
    pub(crate) timers: Timers<WakeReason<D::Timer>>,
    pub(crate) actions: VecDeque<ActionOf<D>>,
    pub(crate) session: Session<D::Tag>,
    pub(crate) up: bool,
    pub(crate) wish: Option<Wish>,
    /// The pause before the next attempt, where the dialect has named one.
    pub(crate) pause: Option<Duration>,
    /// For the dialect to hear after the packet, timer or event at hand.
    pub(crate) deferred: VecDeque<Deferred<D::Tag>>,
    /// What the dialect caused by hearing of the deferred; for the next millisecond.
    pub(crate) postponed: VecDeque<Deferred<D::Tag>>,
    pub(crate) hooks: Set<HookId>,
    pub(crate) stores: Set<StoreId>,
    /// Fetches not yet released, and whether they may still tell something.
    pub(crate) fetches: Map<FetchId, bool>,
    /// Where in `actions` the `Send` of this call belongs: where its first byte was written.
    pub(crate) send_at: Option<usize>,
    next_id: u64,
}

impl<D: Dialect> Core<D> {
    pub(crate) fn new(now: Now, seed: u64, limits: Limits) -> Self {
        Self {
            now,
            random: Random::new(seed),
            timers: Timers::new(now),
            actions: VecDeque::new(),
            session: Session::new(&limits),
            limits,
            up: false,
            wish: None,
            pause: None,
            deferred: VecDeque::new(),
            postponed: VecDeque::new(),
            hooks: Set::new(),
            stores: Set::new(),
            fetches: Map::new(),
            send_at: None,
            next_id: 1,
        }
    }

    pub(crate) fn next_id(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id = id.saturating_add(1);
        id
    }

    pub(crate) fn trim(&mut self) {
        trim(&mut self.actions);
        trim(&mut self.deferred);
        trim(&mut self.postponed);
        self.session.trim();
    }

    /// Called after every write to the session, so that the bytes keep their place among the actions.
    pub(crate) fn note_output(&mut self) {
        if self.send_at.is_none() && self.session.has_output() {
            self.send_at = Some(self.actions.len());
        }
    }

    /// Called after a SUBSCRIBE or UNSUBSCRIBE: the first that waits starts the clock, later ones do not
    /// put it off.
    fn note_request(&mut self) {
        self.note_output();
        let timer = WakeReason::Link(LinkTimer::SubAck);
        if self.session.awaits_suback() && !self.timers.is_set(timer) {
            self.timers.set(timer, self.now.at + self.limits.suback_timeout);
        }
    }
}

/// Everything a handler may do, and nothing else.
#[derive(Debug)]
pub struct Cx<'a, D: Dialect> {
    pub(crate) core: &'a mut Core<D>,
}

impl<D: Dialect> Cx<'_, D> {
    /// What time it is.
    #[must_use]
    pub fn now(&self) -> Now {
        self.core.now
    }

    /// A number from the boot seed. Not for secrets.
    pub fn random(&mut self) -> u64 {
        self.core.random.next()
    }

    /// The bounds in force.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.core.limits
    }

    /// Whether the broker has accepted the connection.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.core.up
    }

    /// How many publishes wait or are unacknowledged.
    #[must_use]
    pub fn outbox_depth(&self) -> usize {
        self.core.session.outbox_depth()
    }

    /// How many publishes were lost to a full outbox since birth.
    #[must_use]
    pub fn lost_to_full_outbox(&self) -> u64 {
        self.core.session.lost_full()
    }

    /// Subscribes now if the link is up, and again after each reconnect until [`Cx::unsubscribe`].
    /// The answer comes to [`Dialect::on_subscribed`], messages come with `tag`.
    pub fn subscribe(&mut self, filter: &Filter, qos: Qos, tag: D::Tag) {
        let up = self.core.up;
        match self.core.session.subscribe(filter, qos, tag, up) {
            Ok(()) => self.core.note_request(),
            Err(SubscribeRefused::Full | SubscribeRefused::ByBroker) => {
                self.core.deferred.push_back(Deferred::Refused(tag));
            }
        }
    }

    /// Ends a subscription.
    pub fn unsubscribe(&mut self, filter: &Filter) {
        self.core.session.unsubscribe(filter, self.core.up);
        self.core.note_request();
    }

    /// Sends a message or queues it by its policy; its one receipt comes to [`Dialect::on_receipt`]. Only
    /// what is published while the last receipts of a run are handed out gets none.
    pub fn publish(&mut self, publish: Publish) -> Token {
        let token = Token(self.core.next_id());
        let deferred = &mut self.core.deferred;
        let mut receipt = |token, receipt| deferred.push_back(Deferred::Receipt(token, receipt));
        if matches!(self.core.wish, Some(Wish::Exit(_))) && !self.core.up {
            receipt(token, Receipt::Lost(Lost::Ended));
        } else {
            self.core.session.publish(token, publish, self.core.up, &mut receipt);
        }
        self.core.note_output();
        token
    }

    /// Whether the publish of a slot still waits for its turn: for a link, or until the broker has acknowledged enough of
    /// what was sent before it.
    #[must_use]
    pub fn is_waiting(&self, slot: Slot) -> bool {
        self.core.session.is_waiting(slot)
    }

    /// Withdraws what waits in a slot; its receipt is `Lost(Superseded)`. What is unacknowledged is not sent again.
    pub fn retract(&mut self, slot: Slot) {
        let deferred = &mut self.core.deferred;
        self.core.session.retract(slot, &mut |token, receipt| {
            deferred.push_back(Deferred::Receipt(token, receipt));
        });
    }

    /// Lets out what waits behind a gate, and what comes after it, until the link goes or [`Cx::close_gate`].
    pub fn open_gate(&mut self, gate: Gate) {
        let (deferred, up) = (&mut self.core.deferred, self.core.up);
        self.core.session.open_gate(gate, up, &mut |token, receipt| {
            deferred.push_back(Deferred::Receipt(token, receipt));
        });
        self.core.note_output();
    }

    /// Holds back what is not sent yet of a gate.
    pub fn close_gate(&mut self, gate: Gate) {
        self.core.session.close_gate(gate);
    }

    /// Closes a gate and withdraws what waits behind it; the receipts are `Lost(Superseded)`. What is unacknowledged is
    /// not sent again.
    pub fn discard(&mut self, gate: Gate) {
        let deferred = &mut self.core.deferred;
        self.core.session.discard(gate, &mut |token, receipt| {
            deferred.push_back(Deferred::Receipt(token, receipt));
        });
    }

    /// Withdraws those of these publishes that still wait for a link, a gate or room in the window; their receipt
    /// is `Lost(Superseded)`. What was sent is not called back.
    pub fn withdraw(&mut self, unwanted: &Set<Token>) {
        let deferred = &mut self.core.deferred;
        self.core.session.withdraw(unwanted, &mut |token, receipt| {
            deferred.push_back(Deferred::Receipt(token, receipt));
        });
    }

    /// How many hooks are invoked and not answered.
    #[must_use]
    pub fn pending_hooks(&self) -> usize {
        self.core.hooks.len()
    }

    /// Asks the application; the answer comes to [`Dialect::on_hook`].
    ///
    /// # Errors
    /// [`Full`] while [`Limits::pending_hooks`] are unanswered.
    pub fn invoke(&mut self, hook: D::Hook) -> Result<HookId, Full> {
        if self.core.hooks.len() >= self.core.limits.pending_hooks {
            return Err(Full);
        }
        let id = HookId(self.core.next_id());
        self.core.hooks.insert(id);
        self.core.actions.push_back(Action::InvokeHook { id, hook });
        Ok(id)
    }

    /// Gives up waiting for a hook. Its answer, if one comes, is ignored.
    pub fn cancel_hook(&mut self, id: HookId) {
        if self.core.hooks.remove(&id) {
            self.core.actions.push_back(Action::CancelHook { id });
        }
    }

    /// Keeps `value` under `key` across restarts, or forgets the key; the answer comes to
    /// [`Dialect::on_stored`]. A value with a secret in it is for [`Dialect::mask_stored`] to mask in traces.
    ///
    /// # Errors
    /// [`Full`] while [`Limits::pending_stores`] are unanswered.
    pub fn store(&mut self, key: &Key, value: Option<Bytes>) -> Result<StoreId, Full> {
        if self.core.stores.len() >= self.core.limits.pending_stores {
            return Err(Full);
        }
        let id = StoreId(self.core.next_id());
        self.core.stores.insert(id);
        self.core.actions.push_back(Action::Store { id, key: key.clone(), value });
        Ok(id)
    }

    /// Fetches into a staged file of the host; what happens comes to [`Dialect::on_fetched`].
    ///
    /// # Errors
    /// [`Full`] while [`Limits::fetches`] are not released.
    pub fn fetch(&mut self, request: Request) -> Result<FetchId, Full> {
        if self.core.fetches.len() >= self.core.limits.fetches {
            return Err(Full);
        }
        let id = FetchId(self.core.next_id());
        self.core.fetches.insert(id, true);
        self.core.actions.push_back(Action::Fetch { id, request });
        Ok(id)
    }

    /// Ends a fetch, or removes the staged file of one that is done.
    pub fn release(&mut self, id: FetchId) {
        if self.core.fetches.remove(&id).is_some() {
            self.core.actions.push_back(Action::Release { id });
        }
    }

    /// Arms `timer` to fire `delay` from now, at the earliest one millisecond; moves it if it was armed.
    pub fn after(&mut self, timer: D::Timer, delay: Duration) {
        self.at(timer, self.core.now.at + delay);
    }

    /// Arms `timer` to fire at a moment of the monotonic clock.
    pub fn at(&mut self, timer: D::Timer, at: Instant) {
        self.core.timers.set(WakeReason::Dialect(timer), at);
    }

    /// Arms `timer` to fire at a moment of the wall clock; it follows that clock's steps.
    pub fn at_utc(&mut self, timer: D::Timer, at: UtcMillis) {
        self.core.timers.set_utc(WakeReason::Dialect(timer), at);
    }

    /// Disarms `timer`.
    pub fn cancel(&mut self, timer: D::Timer) {
        self.core.timers.cancel(WakeReason::Dialect(timer));
    }

    /// Whether `timer` is armed.
    #[must_use]
    pub fn is_armed(&self, timer: D::Timer) -> bool {
        self.core.timers.is_set(WakeReason::Dialect(timer))
    }

    /// Tells the application something.
    pub fn notify(&mut self, notice: D::Notice) {
        self.core.actions.push_back(Action::Notify(notice));
    }

    /// Reconnects in order as soon as what was sent is acknowledged, asking [`Dialect::connect`] anew. An
    /// attempt under way is given up for a new one; between attempts the next asks anyway.
    pub fn refresh(&mut self) {
        if self.core.wish.is_none() {
            self.core.wish = Some(Wish::Refresh);
        }
    }

    /// Names the pause before the next attempt, once, in place of the one that would be drawn; for an attempt
    /// that is planned already it counts from now. The draw is not used up, so a dialect that knows better may
    /// try at its own pace and leave the rest to the link. Forgotten once the broker has accepted.
    pub fn dial_after(&mut self, pause: Duration) {
        self.core.pause = Some(pause);
    }

    /// Gives everything that waits or is unacknowledged under topics that begin with `from` and a slash the
    /// same topic under `to`: what was measured for one broker can then be told to another. What gets too long
    /// for a topic keeps its own.
    pub fn move_topics(&mut self, from: &str, to: &str) {
        self.rename_topics(|topic| {
            let rest = topic.strip_prefix(from).filter(|rest| rest.starts_with('/'))?;
            Some(alloc::format!("{to}{rest}"))
        });
    }

    /// Gives everything that waits or is unacknowledged the topic that `rename` has for its own, if it has one.
    pub fn rename_topics(&mut self, rename: impl Fn(&str) -> Option<String>) {
        let deferred = &mut self.core.deferred;
        self.core.session.rename_topics(&rename, &mut |token, receipt| {
            deferred.push_back(Deferred::Receipt(token, receipt));
        });
    }

    /// Ends the run as soon as what was published is acknowledged, or after
    /// [`Limits::leave_timeout`]. The first wish to exit wins.
    pub fn exit(&mut self, reason: ExitReason) {
        if !matches!(self.core.wish, Some(Wish::Exit(_))) {
            self.core.wish = Some(Wish::Exit(reason));
        }
    }
}

/// Gives the memory of a queue back if it is empty.
pub(crate) fn trim<T>(queue: &mut VecDeque<T>) {
    if queue.is_empty() {
        *queue = VecDeque::new();
    }
}
