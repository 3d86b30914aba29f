//! The node: one dialect on one link. Events in, actions out.

mod connecting;
mod keeping;
mod leaving;
mod running;

use alloc::boxed::Box;
use core::time::Duration;

use crate::backoff::Backoff;
use crate::cx::{ActionOf, Core, Cx, LinkTimer, WakeReason, Wish};
use crate::dialect::{ConnectSpec, Dialect, Down};
use crate::effect::FetchEvent;
use crate::load::{Load, Tally};
use crate::port::{Action, Boot, ConnId, Event, FetchId, SignId};
use crate::time::{Instant, Now, UtcMillis};

use keeping::Keeping;

/// Where the connection stands.
#[derive(Clone, Debug)]
enum Phase {
    /// Between attempts.
    Waiting,
    /// The driver was asked to connect.
    Dialing { conn: ConnId },
    /// The transport is up, and the token of this CONNECT is being signed.
    Signing { conn: ConnId, id: SignId, spec: Box<ConnectSpec> },
    /// CONNECT is sent.
    Connecting { conn: ConnId },
    /// The broker has accepted.
    Up { conn: ConnId, since: Instant },
    /// `Exit` was emitted; nothing happens any more.
    Finished,
}

/// One device on one link: [`Node::handle`] does all the work, [`Node::poll`] says what the driver
/// must do, [`Node::deadline`] when to call again.
#[derive(Debug)]
pub struct Node<D: Dialect> {
    dialect: D,
    core: Core<D>,
    phase: Phase,
    backoff: Backoff,
    keep_alive: Duration,
    last_sent: Instant,
    last_received: Instant,
    keeping: Keeping,
}

impl<D: Dialect> Node<D> {
    /// A node that has started: its first actions are ready to be polled.
    #[must_use]
    pub fn new(boot: Boot, dialect: D) -> Self {
        let Boot { now, seed, stored, limits } = boot;
        let mut node = Self {
            dialect,
            backoff: Backoff::new(limits.reconnect_minimum, limits.reconnect_maximum),
            core: Core::new(now, seed, limits),
            phase: Phase::Waiting,
            keep_alive: Duration::ZERO,
            last_sent: now.at,
            last_received: now.at,
            keeping: Keeping::default(),
        };
        node.take_up(&stored);
        node.with(|dialect, cx| dialect.on_start(cx, &stored));
        node.open();
        node.settle();
        node
    }

    /// Takes in what time it is and one event. Timers due at or before `now` fire first, in order of
    /// deadline and name. Never fails; what goes wrong shows in the actions.
    pub fn handle(&mut self, now: Now, event: Event<D::Command, D::Outcome>) {
        if matches!(self.phase, Phase::Finished) {
            return;
        }
        // At the very end of a clock nothing could be armed ahead of now.
        let at = now.at.max(self.core.now.at).min(Instant(u64::MAX - 1));
        let now = Now { at, utc: now.utc.min(UtcMillis(i64::MAX - 1)) };
        self.core.now = now;
        self.core.timers.set_now(now);
        let mut has_fired = false;
        while let Some(key) = self.core.timers.pop_due() {
            self.fire(key);
            has_fired = true;
        }
        if has_fired {
            self.conclude();
        }
        if !matches!(self.phase, Phase::Finished) {
            self.apply(event);
            self.settle();
        }
    }

    /// The next thing to do, oldest first. Popping does no work.
    pub fn poll(&mut self) -> Option<ActionOf<D>> {
        self.core.actions.pop_front()
    }

    /// Gives back the memory that only a busy node needs, for drivers that hold thousands: before a sleep, once
    /// [`Node::poll`] has nothing more. Nothing else changes.
    pub fn trim(&mut self) {
        self.core.trim();
    }

    /// When to call [`Node::handle`] if nothing happens before; O(1).
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.core.timers.next().map(|(at, _)| at)
    }

    /// Why the node wants to be called at its deadline.
    #[must_use]
    pub fn wake_reason(&self) -> Option<WakeReason<D::Timer>> {
        self.core.timers.next().map(|(_, key)| key)
    }

    /// Whether `Exit` was emitted and nothing will happen any more.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        matches!(self.phase, Phase::Finished)
    }

    /// Whether the link is up and lags behind: half of what may wait in the outbox is waiting. A driver does
    /// well to leave further commands where they come from, or the oldest publishes will be lost.
    #[must_use]
    pub fn is_congested(&self) -> bool {
        self.core.up && self.core.session.is_half_full()
    }

    /// How many bytes the packet lacks that has come in part; 0 if there is none. A driver that reads no more than those
    /// of a large one spares the node a copy of the next.
    #[must_use]
    pub fn missing(&self) -> usize {
        self.core.session.missing()
    }

    /// What there is at present of what [`Limits`](crate::Limits) bounds.
    #[must_use]
    pub fn load(&self) -> Load {
        Load {
            subscriptions: self.core.session.subscriptions(),
            publishes: self.core.session.outbox_depth(),
            timers: self.core.timers.len(),
            hooks: self.core.hooks.len(),
            stores: self.core.stores.len(),
            fetches: self.core.fetches.len(),
        }
    }

    /// What has gone over the link since birth.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        self.core.session.tally()
    }

    /// The dialect, to look at.
    #[must_use]
    pub fn dialect(&self) -> &D {
        &self.dialect
    }

    fn fire(&mut self, key: WakeReason<D::Timer>) {
        match key {
            WakeReason::Link(timer) => self.fire_link(timer),
            WakeReason::Dialect(timer) => {
                if !self.is_leaving() {
                    self.with(|dialect, cx| dialect.on_timer(cx, timer));
                    self.deliver();
                }
            }
        }
    }

    fn fire_link(&mut self, timer: LinkTimer) {
        match timer {
            LinkTimer::Backoff => self.open(),
            LinkTimer::Open => self.drop_link(Down::OpenTimeout),
            LinkTimer::ConnAck => self.drop_link(Down::ConnAckTimeout),
            LinkTimer::SubAck => self.subscription_unanswered(),
            LinkTimer::KeepAlive => self.keep_alive(),
            LinkTimer::PingResp => self.ping_unanswered(),
            LinkTimer::Leave => self.leave(),
            LinkTimer::Receipts => self.deliver_postponed(),
            LinkTimer::Keep => self.keep(),
        }
    }

    fn apply(&mut self, event: Event<D::Command, D::Outcome>) {
        match event {
            Event::Tick => {}
            Event::Opened { conn } => self.on_opened(conn),
            Event::Received { conn, bytes } => self.on_received(conn, bytes),
            Event::Closed { conn, why } => self.on_closed(conn, why),
            Event::Signed { id, result } => self.on_signed(id, result),
            Event::Fetched { id, event } => self.on_fetched(id, event),
            Event::Stored { id, ok } => {
                if !self.on_kept(id, ok) && self.core.stores.remove(&id) && !self.is_leaving() {
                    self.with(|dialect, cx| dialect.on_stored(cx, id, ok));
                }
            }
            Event::HookDone { id, outcome } => {
                if self.core.hooks.remove(&id) && !self.is_leaving() {
                    self.with(|dialect, cx| dialect.on_hook(cx, id, outcome));
                }
            }
            Event::Command(command) => {
                if !self.is_leaving() {
                    self.with(|dialect, cx| dialect.on_command(cx, command));
                }
            }
        }
    }

    /// After its end a fetch is silent; its staged file stays until it is released.
    fn on_fetched(&mut self, id: FetchId, event: FetchEvent) {
        let Some(wanted @ true) = self.core.fetches.get_mut(&id) else { return };
        match event {
            FetchEvent::Size(_) | FetchEvent::Chunk(_) | FetchEvent::Restarted => {}
            FetchEvent::Done => *wanted = false,
            FetchEvent::Failed(_) => {
                self.core.fetches.remove(&id);
            }
        }
        if !self.is_leaving() {
            self.with(|dialect, cx| dialect.on_fetched(cx, id, event));
        }
    }

    /// Ends every call: receipts, the dialect's last word and wish to leave, the one `Send`.
    fn settle(&mut self) {
        self.conclude();
        self.flush();
        if !matches!(self.phase, Phase::Finished) {
            self.time_keeping();
        }
    }

    /// Ends all that one packet or one event has caused. It is done for each packet, since how packets
    /// share a call is an accident of the transport.
    fn conclude(&mut self) {
        if matches!(self.phase, Phase::Finished) {
            return;
        }
        self.deliver();
        if !self.is_leaving() {
            self.with(|dialect, cx| dialect.on_settled(cx));
            self.deliver();
        }
        if matches!(self.phase, Phase::Waiting)
            && let Some(pause) = self.core.pause.take()
        {
            self.arm(LinkTimer::Backoff, pause);
        }
        self.heed_wish();
    }

    fn with<R>(&mut self, run: impl FnOnce(&mut D, &mut Cx<'_, D>) -> R) -> R {
        let result = run(&mut self.dialect, &mut Cx { core: &mut self.core });
        self.core.note_output();
        result
    }

    /// Whether the dialect has asked to end: then it is left in peace.
    fn is_leaving(&self) -> bool {
        matches!(self.core.wish, Some(Wish::Exit(_)))
    }

    fn conn(&self) -> Option<ConnId> {
        match self.phase {
            Phase::Dialing { conn }
            | Phase::Signing { conn, .. }
            | Phase::Connecting { conn }
            | Phase::Up { conn, .. } => Some(conn),
            Phase::Waiting | Phase::Finished => None,
        }
    }

    fn flush(&mut self) {
        let place = self.core.send_at.take();
        let (Some(conn), Some(bytes)) = (self.conn(), self.core.session.take_output()) else { return };
        self.last_sent = self.core.now.at;
        let place = place.unwrap_or(self.core.actions.len()).min(self.core.actions.len());
        self.core.actions.insert(place, Action::Send { conn, bytes });
    }

    fn arm(&mut self, timer: LinkTimer, delay: Duration) {
        self.core.timers.set(WakeReason::Link(timer), self.core.now.at + delay);
    }

    fn disarm(&mut self, timer: LinkTimer) {
        self.core.timers.cancel(WakeReason::Link(timer));
    }
}
