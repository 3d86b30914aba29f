//! The application's closures on a thread of their own.

use udmi_host::application::Closures;
use udmi_proto::{Hook, Notice, Outcome, Udmi};

use crate::driver::Application;

/// Closures that are called here, and waited for.
pub(crate) struct Called(pub(crate) Closures);

impl Application<Udmi> for Called {
    fn answer(&mut self, hook: Hook) -> Outcome {
        self.0.answer(hook).wait()
    }

    fn hear(&mut self, notice: Notice) {
        self.0.hear(notice).wait();
    }
}
