//! What comes in over a connection, and what the dialect is told of it.

use core::time::Duration;

use bytes::Bytes;

use super::{Node, Phase};
use crate::cx::{Deferred, LinkTimer, WakeReason};
use crate::dialect::{Dialect, Down, Lost, Message, Oversized, Receipt, SubscribeRefused};
use crate::port::{ConnId, Token};
use crate::session::{Fault, Incoming, Session};

impl<D: Dialect> Node<D> {
    pub(super) fn on_received(&mut self, conn: ConnId, bytes: Bytes) {
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
            Incoming::Oversized { tag, message } => {
                if !self.is_leaving() {
                    let limit = self.core.limits.packet_bytes;
                    let view = Oversized {
                        topic: &message.topic,
                        bytes: message.payload,
                        limit,
                        retain: message.retain,
                    };
                    self.with(|dialect, cx| dialect.on_oversized(cx, tag, view));
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

    /// Gives the answers still awaited their time, from now on.
    pub(super) fn time_subscriptions(&mut self) {
        if self.core.session.awaits_suback() {
            self.arm(LinkTimer::SubAck, self.core.limits.suback_timeout);
        } else {
            self.disarm(LinkTimer::SubAck);
        }
    }

    /// A subscription was not answered in time. The answer may wait behind a large message on a slow line, so while one
    /// is on its way the time counts from the last bytes that came.
    pub(super) fn subscription_unanswered(&mut self) {
        let due = self.last_received + self.core.limits.suback_timeout;
        if self.core.session.is_in_packet() && due > self.core.now.at {
            self.core.timers.set(WakeReason::Link(LinkTimer::SubAck), due);
        } else {
            self.drop_link(Down::SubAckTimeout);
        }
    }

    /// Tells the dialect what its own calls have caused. What that causes in turn waits a millisecond, so
    /// that a dialect that answers every loss with another publish cannot hold the node for ever.
    pub(super) fn deliver(&mut self) {
        // So many and no more: what they cause is put behind them.
        for _ in 0..self.core.deferred.len() {
            let Some(deferred) = self.core.deferred.pop_front() else { break };
            match deferred {
                Deferred::Receipt(Token::RESTORED, _) => {}
                Deferred::Receipt(token, receipt) => {
                    if matches!(receipt, Receipt::Lost(lost) if lost != Lost::Superseded) {
                        self.core.session.count_lost();
                    }
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

    pub(super) fn deliver_postponed(&mut self) {
        self.core.deferred.append(&mut self.core.postponed);
        self.deliver();
    }

    pub(super) fn with_receipts(
        &mut self,
        run: impl FnOnce(&mut Session<D::Tag>, &mut dyn FnMut(Token, Receipt)),
    ) {
        let deferred = &mut self.core.deferred;
        run(&mut self.core.session, &mut |token, receipt| {
            deferred.push_back(Deferred::Receipt(token, receipt));
        });
        self.core.note_output();
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
