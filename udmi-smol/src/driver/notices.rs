//! Notices, which the application hears in order.

use std::collections::VecDeque;
use std::task::{Context, Poll};

use device_link::Dialect;
use udmi_host::drive::Threaded;

use super::{Application, Hearing};

/// What is heard, and what waits for it.
pub(super) struct Notices<D: Dialect> {
    waiting: VecDeque<D::Notice>,
    hearing: Option<Hearing>,
    max: usize,
}

impl<D: Threaded> Notices<D> {
    pub(super) fn new(max: usize) -> Self {
        Self { waiting: VecDeque::new(), hearing: None, max }
    }

    /// Has a notice heard, now or when those before it are, unless too many wait.
    pub(super) fn tell(&mut self, notice: D::Notice, application: &mut dyn Application<D>) {
        if self.is_idle() {
            self.hearing = application.hear(notice);
        } else if self.waiting.len() < self.max {
            self.waiting.push_back(notice);
        }
    }

    /// Goes on with what is heard.
    pub(super) fn proceed(&mut self, cx: &mut Context<'_>, application: &mut dyn Application<D>) {
        loop {
            if let Some(hearing) = &mut self.hearing {
                if hearing.as_mut().poll(cx) == Poll::Pending {
                    return;
                }
                self.hearing = None;
            }
            let Some(notice) = self.waiting.pop_front() else { break };
            self.hearing = application.hear(notice);
        }
        self.waiting = VecDeque::new();
    }

    /// Whether all is heard.
    pub(super) fn is_idle(&self) -> bool {
        self.hearing.is_none() && self.waiting.is_empty()
    }
}
