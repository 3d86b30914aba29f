//! The node: one dialect on one link. Events in, actions out.

use alloc::boxed::Box;
use alloc::string::String;
use core::time::Duration;

use bytes::Bytes;

use crate::backoff::Backoff;
use crate::cx::{ActionOf, Core, Cx, Deferred, LinkTimer, WakeReason, Wish};
use crate::dialect::{ConnectSpec, Dialect, Down, LinkEvent, Message, Receipt, SubscribeRefused};
use crate::effect::{FetchEvent, SignError};
use crate::port::{Action, Boot, Closed, ConnId, Event, ExitReason, FetchId, SignId};
use crate::secret::Secret;
use crate::session::{Fault, Incoming};
use crate::time::{Instant, Now, UtcMillis};
use crate::wire::ConnectCode;

/// Where the connection stands.
#[derive(Clone, Debug, PartialEq, Eq)]
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
        };
        node.with(|dialect, cx| dialect.on_start(cx, &stored));
        node.open();
        node.settle();
        node
    }

    /// Takes in what time it is and one event. Timers due at or before `now` fire first, in order of
    /// deadline and name. Never fails; what goes wrong shows in the actions.
    pub fn handle(&mut self, now: Now, event: Event<D::Command, D::Outcome>) {
        if self.phase == Phase::Finished {
            return;
        }
        // At the very end of a clock nothing could be armed ahead of now.
        let at = now.at.max(self.core.now.at).min(Instant(u64::MAX - 1));
        let now = Now { at, utc: now.utc.min(UtcMillis(i64::MAX - 1)) };
        self.core.now = now;
        self.core.timers.set_now(now);
        while let Some(key) = self.core.timers.pop_due() {
            self.fire(key);
        }
        self.conclude();
        if self.phase != Phase::Finished {
            self.apply(event);
            self.settle();
        }
    }

    /// The next thing to do, oldest first. Popping does no work.
    pub fn poll(&mut self) -> Option<ActionOf<D>> {
        self.core.actions.pop_front()
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
        self.phase == Phase::Finished
    }

    /// Whether the link is up and lags behind: half of what may wait in the outbox is waiting. A driver does
    /// well to leave further commands where they come from, or the oldest publishes will be lost.
    #[must_use]
    pub fn is_congested(&self) -> bool {
        self.core.up && self.core.session.is_half_full()
    }

    /// The dialect, to look at.
    #[must_use]
    pub fn dialect(&self) -> &D {
        &self.dialect
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
            LinkTimer::SubAck => self.drop_link(Down::SubAckTimeout),
            LinkTimer::KeepAlive => self.keep_alive(),
            LinkTimer::PingResp => self.ping_unanswered(),
            LinkTimer::Leave => self.leave(),
            LinkTimer::Receipts => self.deliver_postponed(),
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
                if self.core.stores.remove(&id) && !self.is_leaving() {
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

    fn conn(&self) -> Option<ConnId> {
        match self.phase {
            Phase::Dialing { conn }
            | Phase::Signing { conn, .. }
            | Phase::Connecting { conn }
            | Phase::Up { conn, .. } => Some(conn),
            Phase::Waiting | Phase::Finished => None,
        }
    }

    fn open(&mut self) {
        if self.phase != Phase::Waiting {
            return;
        }
        if self.core.wish == Some(Wish::Refresh) {
            self.core.wish = None; // this is the fresh connection
        }
        self.core.pause = None;
        let spec = self.dialect.connect(self.core.now);
        let conn = ConnId(self.core.next_id());
        self.phase = Phase::Dialing { conn };
        self.core.actions.push_back(Action::Open { conn, to: spec.endpoint });
        self.arm(LinkTimer::Open, self.core.limits.open_timeout);
    }

    fn on_opened(&mut self, opened: ConnId) {
        if self.phase != (Phase::Dialing { conn: opened }) {
            return;
        }
        self.disarm(LinkTimer::Open);
        // Asked again, since a password may be bound to the time of its use.
        let spec = self.dialect.connect(self.core.now);
        // One time-out for the signature and CONNACK together.
        self.arm(LinkTimer::ConnAck, self.core.limits.connack_timeout);
        match spec.token.clone() {
            None => self.send_connect(opened, &spec),
            Some(request) => {
                let id = SignId(self.core.next_id());
                self.phase = Phase::Signing { conn: opened, id, spec: Box::new(spec) };
                self.core.actions.push_back(Action::Sign { id, request });
            }
        }
    }

    fn on_signed(&mut self, signed: SignId, result: Result<Secret<String>, SignError>) {
        let Phase::Signing { conn, id, spec } = &self.phase else { return };
        if *id != signed {
            return;
        }
        let (conn, mut spec) = (*conn, spec.clone());
        match result {
            Err(error) => self.drop_link(Down::Unsigned(error)),
            Ok(signature) => {
                let input = spec.token.take().map(|token| token.input).unwrap_or_default();
                spec.password = Some(Secret::new(alloc::format!("{input}.{}", signature.expose())));
                self.send_connect(conn, &spec);
            }
        }
    }

    fn send_connect(&mut self, conn: ConnId, spec: &ConnectSpec) {
        self.phase = Phase::Connecting { conn };
        self.keep_alive = Duration::from_secs(u64::from(spec.keep_alive_seconds));
        if let Err(error) = self.core.session.connect(spec) {
            return self.drop_link(Down::Unconnectable(alloc::format!("{error}")));
        }
        self.core.note_output();
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

    fn on_received(&mut self, conn: ConnId, bytes: Bytes) {
        if !matches!(self.phase, Phase::Connecting { conn: own } | Phase::Up { conn: own, .. } if own == conn)
        {
            return;
        }
        self.last_received = self.core.now.at;
        self.core.session.receive(bytes);
        while self.conn() == Some(conn) {
            match self.core.session.next() {
                Ok(Some(incoming)) => {
                    self.core.note_output();
                    self.on_incoming(conn, incoming);
                    self.conclude();
                }
                Ok(None) => return,
                Err(Fault::PacketTooLarge) => return self.drop_link(Down::PacketTooLarge),
                Err(Fault::Protocol(what)) => return self.drop_link(Down::Protocol(what)),
            }
        }
    }

    fn on_incoming(&mut self, conn: ConnId, incoming: Incoming<D::Tag>) {
        match incoming {
            Incoming::ConnAck { session_present, code } => self.on_connack(conn, session_present, code),
            Incoming::Message { tag, message } => {
                if !self.is_leaving() {
                    self.with(|dialect, cx| dialect.on_message(cx, tag, view(&message)));
                }
            }
            Incoming::Subscribed { tag, answer } => {
                self.time_subscriptions();
                self.with(|dialect, cx| dialect.on_subscribed(cx, tag, answer));
            }
            Incoming::Unsubscribed => self.time_subscriptions(),
            Incoming::Acked { token } => {
                self.core.deferred.push_back(Deferred::Receipt(token, Receipt::Acked));
                self.with_receipts(|session, receipt| session.pump(receipt));
            }
            Incoming::Pong => self.disarm(LinkTimer::PingResp),
            Incoming::Nothing => {}
        }
    }

    fn on_connack(&mut self, conn: ConnId, session_present: bool, code: ConnectCode) {
        self.disarm(LinkTimer::ConnAck);
        if code != ConnectCode::Accepted {
            return self.drop_link(Down::Refused(code));
        }
        self.phase = Phase::Up { conn, since: self.core.now.at };
        self.core.up = true;
        self.core.pause = None;
        self.core.session.up(session_present);
        self.core.session.resend();
        self.core.note_output();
        self.time_subscriptions();
        if !self.keep_alive.is_zero() {
            self.arm(LinkTimer::KeepAlive, self.keep_alive);
        }
        self.with(|dialect, cx| dialect.on_link(cx, LinkEvent::Up { resumed: session_present }));
        self.with_receipts(|session, receipt| session.pump(receipt));
        self.deliver();
    }

    /// Asks for an answer once either direction was silent for the keep-alive time: the broker must
    /// hear from us [MQTT-3.1.2-23], and we must notice a link that is only half there.
    fn keep_alive(&mut self) {
        let quiet_since = self.last_sent.min(self.last_received);
        let due = quiet_since + self.keep_alive;
        if due > self.core.now.at {
            self.core.timers.set(WakeReason::Link(LinkTimer::KeepAlive), due);
            return;
        }
        self.core.session.ping();
        self.core.note_output();
        self.arm(LinkTimer::KeepAlive, self.keep_alive);
        if !self.core.timers.is_set(WakeReason::Link(LinkTimer::PingResp)) {
            self.arm(LinkTimer::PingResp, self.core.limits.pingresp_timeout);
        }
    }

    /// A PINGREQ was not answered in time. An answer may wait behind a large message on a slow line, so
    /// the time counts from the last bytes that came.
    fn ping_unanswered(&mut self) {
        let due = self.last_received + self.core.limits.pingresp_timeout;
        if due > self.core.now.at {
            self.core.timers.set(WakeReason::Link(LinkTimer::PingResp), due);
        } else {
            self.drop_link(Down::PingTimeout);
        }
    }

    /// Gives the answers still awaited their time, from now on.
    fn time_subscriptions(&mut self) {
        if self.core.session.awaits_suback() {
            self.arm(LinkTimer::SubAck, self.core.limits.suback_timeout);
        } else {
            self.disarm(LinkTimer::SubAck);
        }
    }

    fn on_closed(&mut self, closed: ConnId, why: Closed) {
        if self.conn() == Some(closed) {
            self.lost(Down::Closed(why));
        }
    }

    /// Closes a connection that is of no use any more.
    fn drop_link(&mut self, why: Down) {
        if let Some(conn) = self.conn() {
            self.flush();
            self.core.actions.push_back(Action::Close { conn });
            self.lost(why);
        }
    }

    /// The connection is gone: everything bound to it ends, and the next attempt is planned.
    fn lost(&mut self, why: Down) {
        let planned = why == Down::Refresh;
        if let Phase::Up { since, .. } = self.phase
            && self.core.now.at.since(since) >= self.core.limits.healthy_after
        {
            self.backoff.reset();
        }
        self.phase = Phase::Waiting;
        self.core.up = false;
        self.core.send_at = None;
        self.disarm_all();
        self.with_receipts(|session, receipt| session.link_lost(receipt));
        if self.is_leaving() {
            return; // `settle` ends the run
        }
        self.core.wish = None;
        self.with(|dialect, cx| dialect.on_link(cx, LinkEvent::Down { why }));
        self.deliver();
        let pause = match self.core.pause.take() {
            Some(pause) => pause,
            None if planned => Duration::ZERO,
            None => self.backoff.next(&mut self.core.random),
        };
        self.arm(LinkTimer::Backoff, pause);
    }

    fn disarm_all(&mut self) {
        for timer in [
            LinkTimer::Open,
            LinkTimer::ConnAck,
            LinkTimer::SubAck,
            LinkTimer::KeepAlive,
            LinkTimer::PingResp,
            LinkTimer::Leave,
        ] {
            self.disarm(timer);
        }
    }

    /// Ends every call: receipts, the dialect's last word and wish to leave, the one `Send`.
    fn settle(&mut self) {
        self.conclude();
        self.flush();
    }

    /// Ends all that one packet or one event has caused. It is done for each packet, since how packets
    /// share a call is an accident of the transport.
    fn conclude(&mut self) {
        if self.phase == Phase::Finished {
            return;
        }
        self.deliver();
        if !self.is_leaving() {
            self.with(|dialect, cx| dialect.on_settled(cx));
            self.deliver();
        }
        if self.phase == Phase::Waiting
            && let Some(pause) = self.core.pause.take()
        {
            self.arm(LinkTimer::Backoff, pause);
        }
        match self.core.wish {
            None => {}
            Some(_) if self.core.up => {
                if self.core.session.is_quiet() {
                    self.leave();
                } else if !self.core.timers.is_set(WakeReason::Link(LinkTimer::Leave)) {
                    self.arm(LinkTimer::Leave, self.core.limits.leave_timeout);
                }
            }
            // Between attempts there is nothing to leave: the next one asks the dialect anyway.
            Some(Wish::Refresh) if self.phase == Phase::Waiting => self.core.wish = None,
            Some(Wish::Refresh | Wish::Exit(_)) => self.leave(),
        }
    }

    /// Tells the dialect what its own calls have caused. What that causes in turn waits a millisecond, so
    /// that a dialect that answers every loss with another publish cannot hold the node for ever.
    fn deliver(&mut self) {
        for deferred in core::mem::take(&mut self.core.deferred) {
            match deferred {
                Deferred::Receipt(token, receipt) => {
                    self.with(|dialect, cx| dialect.on_receipt(cx, token, receipt));
                }
                Deferred::Refused(tag) => {
                    let answer = Err(SubscribeRefused::Full);
                    self.with(|dialect, cx| dialect.on_subscribed(cx, tag, answer));
                }
            }
        }
        if !self.core.deferred.is_empty() {
            self.core.postponed.append(&mut self.core.deferred);
            if !self.core.timers.is_set(WakeReason::Link(LinkTimer::Receipts)) {
                self.arm(LinkTimer::Receipts, Duration::ZERO);
            }
        }
    }

    fn deliver_postponed(&mut self) {
        self.core.deferred.append(&mut self.core.postponed);
        self.deliver();
    }

    /// Carries out the wish to leave: DISCONNECT, close, then dial anew or end.
    fn leave(&mut self) {
        let Some(wish) = self.core.wish else { return };
        if self.core.up {
            self.core.session.disconnect();
            self.core.note_output();
        }
        match wish {
            Wish::Refresh => self.drop_link(Down::Refresh),
            Wish::Exit(reason) => self.end(reason),
        }
    }

    fn end(&mut self, reason: ExitReason) {
        self.flush();
        if let Some(conn) = self.conn() {
            self.core.actions.push_back(Action::Close { conn });
        }
        self.core.up = false;
        self.phase = Phase::Finished;
        self.with_receipts(|session, receipt| session.end(receipt));
        self.deliver_postponed();
        self.core.postponed.clear();
        self.core.timers.clear();
        self.core.actions.push_back(Action::Exit(reason));
    }

    fn flush(&mut self) {
        let place = self.core.send_at.take();
        let (Some(conn), Some(bytes)) = (self.conn(), self.core.session.take_output()) else { return };
        self.last_sent = self.core.now.at;
        let place = place.unwrap_or(self.core.actions.len()).min(self.core.actions.len());
        self.core.actions.insert(place, Action::Send { conn, bytes });
    }

    fn with_receipts(
        &mut self,
        run: impl FnOnce(&mut crate::session::Session<D::Tag>, &mut dyn FnMut(crate::port::Token, Receipt)),
    ) {
        let deferred = &mut self.core.deferred;
        run(&mut self.core.session, &mut |token, receipt| {
            deferred.push_back(Deferred::Receipt(token, receipt));
        });
        self.core.note_output();
    }

    fn arm(&mut self, timer: LinkTimer, delay: Duration) {
        self.core.timers.set(WakeReason::Link(timer), self.core.now.at + delay);
    }

    fn disarm(&mut self, timer: LinkTimer) {
        self.core.timers.cancel(WakeReason::Link(timer));
    }
}

fn view(message: &crate::wire::Publish) -> Message<'_> {
    Message {
        topic: &message.topic,
        payload: &message.payload,
        qos: message.qos,
        retain: message.retain,
        duplicate: message.dup,
    }
}
