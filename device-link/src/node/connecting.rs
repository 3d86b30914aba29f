//! From asking for a connection to CONNACK, keep-alive, and the loss of the link.

use alloc::boxed::Box;
use alloc::string::String;
use core::time::Duration;

use super::{Node, Phase};
use crate::cx::{LinkTimer, WakeReason, Wish};
use crate::dialect::{ConnectSpec, Dialect, Down, LinkEvent};
use crate::effect::SignError;
use crate::port::{Action, Closed, ConnId, SignId};
use crate::secret::Secret;
use crate::wire::ConnectCode;

impl<D: Dialect> Node<D> {
    pub(super) fn open(&mut self) {
        if !matches!(self.phase, Phase::Waiting) {
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

    pub(super) fn on_opened(&mut self, opened: ConnId) {
        if !matches!(self.phase, Phase::Dialing { conn } if conn == opened) {
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

    pub(super) fn on_signed(&mut self, signed: SignId, result: Result<Secret<String>, SignError>) {
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

    pub(super) fn on_connack(&mut self, conn: ConnId, session_present: bool, code: ConnectCode) {
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
    pub(super) fn keep_alive(&mut self) {
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
    pub(super) fn ping_unanswered(&mut self) {
        let due = self.last_received + self.core.limits.pingresp_timeout;
        if due > self.core.now.at {
            self.core.timers.set(WakeReason::Link(LinkTimer::PingResp), due);
        } else {
            self.drop_link(Down::PingTimeout);
        }
    }

    pub(super) fn on_closed(&mut self, closed: ConnId, why: Closed) {
        if self.conn() == Some(closed) {
            self.lost(Down::Closed(why));
        }
    }

    /// Closes a connection that is of no use any more.
    pub(super) fn drop_link(&mut self, why: Down) {
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
}
