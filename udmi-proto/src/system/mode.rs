//! Operation modes and the end of a run (§3.7).

use core::time::Duration;

use device_link::{HookId, UtcMillis};

use crate::model::category::{Category, Level};
use crate::model::common::Mode;
use crate::model::config;
use crate::port::{Hook, Lifecycle, Notice, Outcome};
use crate::scope::{DeviceTimer, Scope};

/// Heavy changes wait until a burst of configs is over (§7.3).
const SETTLE: Duration = Duration::from_millis(500);
/// How long the application may take over a lifecycle hook.
const HOOK_TIMEOUT: Duration = Duration::from_secs(60);

/// How far the end of a run has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// The last state is owed. `before` is the mode to return to if the application cannot do it.
    Announcing { action: Lifecycle, ask: bool, before: Mode },
    /// The application was asked.
    Asking { action: Lifecycle, hook: HookId, before: Mode },
    /// Nothing is in the way any more but the logs.
    Due { action: Lifecycle },
    /// The link was told to exit.
    Exiting,
}

#[derive(Debug)]
pub(crate) struct Modes {
    mode: Mode,
    last_start: UtcMillis,
    asks: bool,
    wanted: config::SystemOperation,
    ending: Option<Ending>,
}

impl Modes {
    pub(crate) fn new(asks: bool) -> Self {
        Self {
            mode: Mode::Initial,
            last_start: UtcMillis(0),
            asks,
            wanted: config::SystemOperation::default(),
            ending: None,
        }
    }

    /// The run begins: a start later than this one is another instance's.
    pub(crate) fn begin(&mut self, last_start: UtcMillis) {
        self.last_start = last_start;
    }

    /// The run is over while the process goes on: nothing is wanted any more.
    pub(crate) fn halt(&mut self, sc: &mut Scope<'_, '_>) {
        sc.cancel(DeviceTimer::Mode);
        sc.cancel(DeviceTimer::Lifecycle);
        if let Some(Ending::Asking { hook, .. }) = self.ending {
            sc.cancel_hook(hook);
        }
        *self = Self::new(self.asks);
    }

    pub(crate) fn mode(&self) -> Mode {
        self.mode
    }

    pub(crate) fn on_config(&mut self, wanted: config::SystemOperation) {
        self.wanted = wanted;
    }

    /// After the config is in force: `active` at once, anything that ends the run after the burst.
    pub(crate) fn after_config(&mut self, sc: &mut Scope<'_, '_>) {
        if self.ending.is_some() {
            return;
        }
        if self.mode == Mode::Initial && self.wanted.mode == Some(Mode::Active) {
            self.set(sc, Mode::Active);
        }
        // Not armed anew by each config: a stream of them must not put the end off for ever.
        if self.wanted_end().is_some() && !sc.is_armed(DeviceTimer::Mode) {
            sc.after(DeviceTimer::Mode, SETTLE);
        }
    }

    /// The burst is over.
    pub(crate) fn on_settled_timer(&mut self, sc: &mut Scope<'_, '_>) {
        if let Some(action) = self.wanted_end() {
            self.end(sc, action, self.asks);
        }
    }

    fn wanted_end(&self) -> Option<Lifecycle> {
        let taken_over = self.wanted.last_start.as_ref().and_then(|text| text.millis().ok());
        if taken_over.is_some_and(|millis| UtcMillis(millis).whole_second() > self.last_start) {
            return Some(Lifecycle::Terminate);
        }
        // A retained `restart` must not restart a device that has just been restarted by it.
        if self.mode != Mode::Active {
            return None;
        }
        match self.wanted.mode? {
            Mode::Restart => Some(Lifecycle::Restart),
            Mode::Terminate => Some(Lifecycle::Terminate),
            Mode::Shutdown => Some(Lifecycle::Shutdown),
            Mode::Initial | Mode::Active | Mode::Updating | Mode::Unknown => None,
        }
    }

    /// Begins the end: the last state shows the mode, then logs go out, then the run ends. `ask` offers
    /// the application to do it. An end that asks nobody does not wait for one that does.
    pub(crate) fn end(&mut self, sc: &mut Scope<'_, '_>, action: Lifecycle, ask: bool) {
        let before = match self.ending {
            None => self.mode,
            Some(Ending::Announcing { ask: true, before, .. }) if !ask => before,
            Some(Ending::Asking { hook, before, .. }) if !ask => {
                sc.cancel(DeviceTimer::Lifecycle);
                sc.cancel_hook(hook);
                before
            }
            Some(
                Ending::Announcing { .. } | Ending::Asking { .. } | Ending::Due { .. } | Ending::Exiting,
            ) => return,
        };
        self.ending = Some(Ending::Announcing { action, ask, before });
        sc.log(Category::SystemBaseShutdown, Category::SystemBaseShutdown.level(), text(action));
        let mode = mode_of(action);
        if self.mode != mode {
            self.set(sc, mode);
        }
    }

    /// Whether the last state has to go out, or cannot, before the end goes on.
    pub(crate) fn is_announcing(&self) -> bool {
        matches!(self.ending, Some(Ending::Announcing { .. }))
    }

    /// Whether the application is asked before the run ends.
    pub(crate) fn asks(&self) -> bool {
        self.asks
    }

    /// The last state went out, or cannot.
    pub(crate) fn announced(&mut self, sc: &mut Scope<'_, '_>) {
        let Some(Ending::Announcing { action, ask, before }) = self.ending else { return };
        self.ending = Some(match ask.then(|| sc.invoke(Hook::Lifecycle { action })) {
            Some(Ok(hook)) => {
                sc.after(DeviceTimer::Lifecycle, HOOK_TIMEOUT);
                Ending::Asking { action, hook, before }
            }
            Some(Err(_)) | None => Ending::Due { action },
        });
    }

    pub(crate) fn on_hook(
        &mut self,
        sc: &mut Scope<'_, '_>,
        id: HookId,
        outcome: Outcome,
    ) -> Option<Outcome> {
        let Some(Ending::Asking { action, hook, before }) = self.ending else { return Some(outcome) };
        if hook != id {
            return Some(outcome);
        }
        sc.cancel(DeviceTimer::Lifecycle);
        match outcome {
            Outcome::Failed { message } | Outcome::Invalid { message } => {
                self.ending = None;
                sc.log(
                    Category::SystemBaseShutdown,
                    Level::ERROR,
                    alloc::format!("{}: {message}", text(action)),
                );
                self.set(sc, before);
            }
            Outcome::Done
            | Outcome::Values { .. }
            | Outcome::Metrics(_)
            | Outcome::Blob(_)
            | Outcome::KeyMade(_)
            | Outcome::Unhandled => {
                self.ending = Some(Ending::Due { action });
            }
        }
        None
    }

    /// The application did not answer: the run ends without it.
    pub(crate) fn on_hook_timeout(&mut self, sc: &mut Scope<'_, '_>) {
        if let Some(Ending::Asking { action, hook, .. }) = self.ending {
            sc.cancel_hook(hook);
            self.ending = Some(Ending::Due { action });
        }
    }

    /// Whether the run ends as soon as the logs are flushed.
    pub(crate) fn is_due(&self) -> bool {
        matches!(self.ending, Some(Ending::Due { .. }))
    }

    /// Whether the link was told to exit.
    pub(crate) fn has_exited(&self) -> bool {
        self.ending == Some(Ending::Exiting)
    }

    /// The logs are flushed: nothing else is published in this run.
    pub(crate) fn exit(&mut self, sc: &mut Scope<'_, '_>) {
        let Some(Ending::Due { action }) = self.ending else { return };
        self.ending = Some(Ending::Exiting);
        sc.exit(action.exit_reason());
    }

    fn set(&mut self, sc: &mut Scope<'_, '_>, mode: Mode) {
        self.mode = mode;
        sc.touch();
        sc.notify(Notice::ModeChanged { mode });
    }
}

/// The mode that the last state shows.
fn mode_of(action: Lifecycle) -> Mode {
    match action {
        Lifecycle::Restart | Lifecycle::Reboot => Mode::Restart,
        Lifecycle::Shutdown => Mode::Shutdown,
        Lifecycle::Terminate => Mode::Terminate,
    }
}

fn text(action: Lifecycle) -> &'static str {
    match action {
        Lifecycle::Restart => "restarting",
        Lifecycle::Reboot => "rebooting",
        Lifecycle::Shutdown => "shutting down",
        Lifecycle::Terminate => "terminating",
    }
}
