//! The application's closures, whose futures are polled by the device's own.

use blocking::unblock;
use udmi_host::application::{Closures, Later, Reply, Work};
use udmi_proto::{Hook, Notice, Outcome, Udmi};

use crate::driver::{Answering, Application, Hearing};

/// Closures that are called where the core runs.
pub(crate) struct Called(pub(crate) Closures);

impl Application<Udmi> for Called {
    fn answer(&mut self, hook: Hook) -> Answering<Udmi> {
        match self.0.answer(hook) {
            Reply::Now(outcome) => Answering::Now(outcome),
            Reply::Later(outcome) => Answering::Later(outcome),
        }
    }

    fn hear(&mut self, notice: Notice) -> Option<Hearing> {
        match self.0.hear(notice) {
            Reply::Now(()) => None,
            Reply::Later(hearing) => Some(hearing),
        }
    }
}

/// Works on a thread that may block.
pub(crate) fn elsewhere(work: Work) -> Later<Outcome> {
    Box::pin(unblock(work))
}
