//! Who answers hooks beside the application.

use device_link::{Dialect, Event, HookId};
use udmi_proto::{Hook, Outcome, Udmi};

use super::engine::EventOf;
use crate::family::{FieldEvent, FieldHooks};

/// Events of a delegate taken before the socket is looked after again.
pub const EVENTS_AT_ONCE: usize = 64;

/// Answers hooks beside the application, so that neither holds the other. It is called on the core's thread, and no
/// method may block: what it takes in it works on elsewhere.
pub trait Delegate<D: Dialect>: Send {
    /// Names what is to be called, on any thread, when there is something to poll.
    fn set_waker(&mut self, wake: Box<dyn Fn() + Send + Sync>);
    /// Takes a hook in, or gives it back if it is the application's.
    fn ask(&mut self, id: HookId, hook: D::Hook) -> Option<D::Hook>;
    /// What there is to tell. Commands for the core wait until it `has_room` for them.
    fn poll(&mut self, has_room: bool) -> Option<Delegated<D>>;
    /// Adds to an outcome of the application what is known here of the same hook.
    fn merge(&mut self, id: HookId, outcome: D::Outcome) -> D::Outcome;
    /// Nobody waits for a hook any more, which need not be one that was taken in.
    fn cancel(&mut self, id: HookId);
}

/// What a delegate tells.
#[derive(Debug)]
pub enum Delegated<D: Dialect> {
    /// For the core.
    Core(EventOf<D>),
    /// What is left of a hook for the application, whose outcome is merged.
    Application(HookId, D::Hook),
}

/// Takes no hook.
impl<D: Dialect> Delegate<D> for () {
    fn set_waker(&mut self, _wake: Box<dyn Fn() + Send + Sync>) {}

    fn ask(&mut self, _id: HookId, hook: D::Hook) -> Option<D::Hook> {
        Some(hook)
    }

    fn poll(&mut self, _has_room: bool) -> Option<Delegated<D>> {
        None
    }

    fn merge(&mut self, _id: HookId, outcome: D::Outcome) -> D::Outcome {
        outcome
    }

    fn cancel(&mut self, _id: HookId) {}
}

/// Takes what families of field devices can answer.
impl Delegate<Udmi> for FieldHooks {
    fn set_waker(&mut self, wake: Box<dyn Fn() + Send + Sync>) {
        Self::set_waker(self, wake);
    }

    fn ask(&mut self, id: HookId, hook: Hook) -> Option<Hook> {
        self.ask(id, hook)
    }

    fn poll(&mut self, has_room: bool) -> Option<Delegated<Udmi>> {
        self.poll(has_room).map(|event| match event {
            FieldEvent::Core(event) => Delegated::Core(event),
            FieldEvent::Application(id, hook) => Delegated::Application(id, hook),
        })
    }

    fn merge(&mut self, id: HookId, outcome: Outcome) -> Outcome {
        self.merge(id, outcome)
    }

    fn cancel(&mut self, id: HookId) {
        self.cancel(id);
    }
}

/// Gives an outcome that the application has answered with to the delegate first.
pub fn merged<D: Dialect>(event: EventOf<D>, delegate: &mut dyn Delegate<D>) -> EventOf<D> {
    match event {
        Event::HookDone { id, outcome } => Event::HookDone { id, outcome: delegate.merge(id, outcome) },
        other => other,
    }
}
