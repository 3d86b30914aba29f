//! The dialect's wish to leave, and how it is carried out.

use super::{Node, Phase};
use crate::cx::{LinkTimer, WakeReason, Wish};
use crate::dialect::{Dialect, Down};
use crate::port::{Action, ExitReason};

impl<D: Dialect> Node<D> {
    /// Begins to leave where the dialect wishes it, or waits for the last acknowledgements.
    pub(super) fn heed_wish(&mut self) {
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
            Some(Wish::Refresh) if matches!(self.phase, Phase::Waiting) => self.core.wish = None,
            Some(Wish::Refresh | Wish::Exit(_)) => self.leave(),
        }
    }

    /// Carries out the wish to leave: DISCONNECT, close, then dial anew or end.
    pub(super) fn leave(&mut self) {
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
        self.keep();
        self.with_receipts(|session, receipt| session.end(receipt));
        self.deliver_postponed();
        self.core.postponed.clear();
        self.core.timers.clear();
        self.core.actions.push_back(Action::Exit(reason));
    }
}
