//! Write-back: what becomes of the set values of the config (§4.7).

use alloc::borrow::ToOwned as _;
use alloc::boxed::Box;
use alloc::string::String;
use core::time::Duration;

use device_link::{HookId, Instant, Map, Set};

use super::changes::{Changes, entry, says};
use super::point::{Answer, Point, Reading, Writing};
use super::points::Points;
use crate::model::category::Category;
use crate::model::entry::Entry;
use crate::model::state::ValueState;
use crate::model::value::{SetValue, Value};
use crate::port::{Hook, Outcome};
use crate::scope::{DeviceTimer, Scope};
use crate::settings::Source;

/// A write without an answer counts as failed after this; its answer still counts when it comes (§4.7).
pub(super) const GIVE_UP_AFTER: Duration = Duration::from_secs(60);

/// What the config as a whole says of its set values.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Gate {
    pub(super) expiry: Expiry,
    /// The config builds upon a state that is not the device's (§11 item 12).
    pub(super) stale: bool,
}

#[derive(Debug, Default, PartialEq)]
pub(super) enum Expiry {
    /// They are in force; missing means for ever (§11 item 11).
    #[default]
    Ahead,
    /// They have lapsed: the points are on their own.
    Passed,
    /// They had lapsed when the config was made, or there is no telling when they will.
    Unusable,
}

#[derive(Debug)]
enum Request {
    Write(String),
    Release(String),
}

/// The writes of a device that are under way.
#[derive(Debug)]
pub(super) struct Writes {
    pub(super) gate: Gate,
    pub(super) changes: Changes,
    /// How long `updating` is shown at least.
    minimum: Duration,
    requests: Map<HookId, Request>,
    /// Points whose write or release found no room among the pending hooks. Bounded by the points.
    backlog: Set<String>,
    /// When the write timer fires, not after the first write that needs it.
    due: Option<Instant>,
}

impl Writes {
    pub(super) fn new(minimum: Duration) -> Self {
        Self {
            gate: Gate::default(),
            changes: Changes::default(),
            minimum,
            requests: Map::new(),
            backlog: Set::new(),
            due: None,
        }
    }

    /// Brings a point in line with what the config orders: reference, set value, validity, writability,
    /// write, in this order.
    pub(super) fn evaluate(&mut self, sc: &mut Scope<'_, '_>, name: &str, point: &mut Point) {
        if !point.is_in_force() {
            point.clear_misfit();
            return self.let_go(sc, name, point);
        }
        if point.model().is_none() {
            self.misfit(sc, name, point, Category::PointsetPointInvalid, "unknown point in the config");
            return self.let_go(sc, name, point);
        }
        if point.reference_differs() || point.given_reference().is_some_and(|given| !sc.actor.takes(given)) {
            return self.misfit(sc, name, point, Category::PointsetPointFailure, "Invalid point ref");
        }
        if point.clear_misfit() {
            self.changes.state = true;
        }
        self.evaluate_set_value(sc, name, point);
    }

    fn misfit(
        &mut self,
        sc: &mut Scope<'_, '_>,
        name: &str,
        point: &mut Point,
        category: Category,
        cause: &str,
    ) {
        if point.misfit().is_some_and(|entry| says(entry, &category, cause)) {
            return;
        }
        let entry = entry(sc, category, name, cause);
        self.changes.log(entry.clone());
        self.changes.state = true;
        point.set_misfit(entry);
    }

    fn evaluate_set_value(&mut self, sc: &mut Scope<'_, '_>, name: &str, point: &mut Point) {
        let Some(wanted) = point.set_value() else { return self.let_go(sc, name, point) };
        match self.gate.expiry {
            Expiry::Passed => return self.let_go(sc, name, point),
            Expiry::Unusable => {
                let cause = "set_value_expiry is no date after the config's timestamp";
                return self.refuse(sc, name, point, ValueState::Invalid, cause);
            }
            Expiry::Ahead => {}
        }
        let value = match wanted {
            SetValue::Value(value) => value,
            SetValue::Other => {
                let cause = "set_value is neither text nor boolean nor number";
                return self.refuse(sc, name, point, ValueState::Invalid, cause);
            }
        };
        if point.writing().holds(value) {
            return self.continue_write(sc, name, point);
        }
        if self.gate.stale {
            return self.refuse_stale(sc, name, point);
        }
        let Some(model) = point.model() else { return };
        if let Some(Err(cause)) = model.kind().map(|kind| kind.accepts(value)) {
            return self.refuse(sc, name, point, ValueState::Invalid, &cause);
        }
        if !model.writable {
            return self.refuse(sc, name, point, ValueState::Failure, "not writable");
        }
        let value = value.clone();
        if point.overridden {
            self.yield_to_override(sc, name, point, value);
        } else {
            self.write(sc, name, point, value);
        }
    }

    /// The value was taken on already: it is not written again, unless the point was taken over or let go.
    fn continue_write(&mut self, sc: &mut Scope<'_, '_>, name: &str, point: &mut Point) {
        let Some(value) = point.writing().value() else { return };
        let yielded = matches!(point.writing(), Writing::Overridden { .. });
        if point.overridden && !yielded {
            let value = value.clone();
            self.yield_to_override(sc, name, point, value);
        } else if yielded && !point.overridden {
            let value = value.clone();
            self.write(sc, name, point, value);
        }
    }

    fn write(&mut self, sc: &mut Scope<'_, '_>, name: &str, point: &mut Point, value: Value) {
        self.give_up(sc, point);
        let reference = point.reference().map(String::from);
        point.extra_mut().written_at.clone_from(&reference);
        let asked = Hook::WritePoint { point: name.to_owned(), value: value.clone(), reference };
        let Ok(hook) = sc.invoke(asked) else {
            self.backlog.insert(name.to_owned());
            return self.settle_refused(sc, name, point, ValueState::Failure, "too many pending writes");
        };
        self.requests.insert(hook, Request::Write(name.to_owned()));
        let now = sc.now().at;
        self.arm(sc, now + GIVE_UP_AFTER);
        self.changes.log(entry(sc, Category::PointsetPointUpdating, name, "writing"));
        self.changes.state = true;
        point.set_writing(Writing::Pending { hook, value, since: now, late: None });
    }

    fn yield_to_override(&mut self, sc: &mut Scope<'_, '_>, name: &str, point: &mut Point, value: Value) {
        self.give_up(sc, point);
        point.clear_shown();
        let entry = entry(sc, Category::PointsetPointOverridden, name, "overridden locally");
        self.changes.log(entry.clone());
        self.changes.state = true;
        point.set_writing(Writing::Overridden { value, entry: Box::new(entry) });
    }

    /// No set value is in force: the point is on its own again, at once.
    fn let_go(&mut self, sc: &mut Scope<'_, '_>, name: &str, point: &mut Point) {
        if !matches!(point.writing(), Writing::Idle) {
            self.give_up(sc, point);
            self.changes.state = true;
            point.set_writing(Writing::Idle);
        }
        self.release(sc, name, point);
    }

    /// The set values have lapsed while the config stays in force; whatever else is wrong with the point,
    /// its set value is not in force any more.
    pub(super) fn expire(&mut self, sc: &mut Scope<'_, '_>, name: &str, point: &mut Point) {
        self.let_go(sc, name, point);
    }

    /// A set value that cannot be written ends the one that was.
    fn refuse(
        &mut self,
        sc: &mut Scope<'_, '_>,
        name: &str,
        point: &mut Point,
        state: ValueState,
        cause: &str,
    ) {
        self.settle_refused(sc, name, point, state, cause);
        self.release(sc, name, point);
    }

    /// A config that builds upon an old state moves nothing in the plant, not even back.
    fn refuse_stale(&mut self, sc: &mut Scope<'_, '_>, name: &str, point: &mut Point) {
        self.settle_refused(sc, name, point, ValueState::Invalid, "state_etag is not the device's");
    }

    fn settle_refused(
        &mut self,
        sc: &mut Scope<'_, '_>,
        name: &str,
        point: &mut Point,
        state: ValueState,
        cause: &str,
    ) {
        self.give_up(sc, point);
        let category = match state {
            ValueState::Invalid => Category::PointsetPointInvalid,
            ValueState::Initializing
            | ValueState::Applied
            | ValueState::Updating
            | ValueState::Overridden
            | ValueState::Failure
            | ValueState::Unknown => Category::PointsetPointFailure,
        };
        if let Writing::Refused { state: before, entry } = point.writing()
            && *before == state
            && says(entry, &category, cause)
        {
            return;
        }
        let entry = entry(sc, category, name, cause);
        self.changes.log(entry.clone());
        self.changes.state = true;
        point.set_writing(Writing::Refused { state, entry: Box::new(entry) });
    }

    /// Nobody waits for a write that is under way any more; it may still reach the plant.
    fn give_up(&mut self, sc: &mut Scope<'_, '_>, point: &mut Point) {
        match point.writing() {
            Writing::Pending { hook, .. } => {
                sc.cancel_hook(*hook);
                self.requests.remove(hook);
                point.extra_mut().actuated = true;
            }
            Writing::Held { answer: Answer::Applied, .. } => point.extra_mut().actuated = true,
            Writing::Idle
            | Writing::Refused { .. }
            | Writing::Held { answer: Answer::Failed { .. }, .. }
            | Writing::Applied { .. }
            | Writing::Failed { .. }
            | Writing::Overridden { .. } => {}
        }
    }

    fn release(&mut self, sc: &mut Scope<'_, '_>, name: &str, point: &mut Point) {
        point.clear_shown();
        if !point.extra().actuated {
            return;
        }
        let reference = point.written_reference().map(String::from);
        let Ok(hook) = sc.invoke(Hook::ReleasePoint { point: name.to_owned(), reference }) else {
            self.backlog.insert(name.to_owned());
            return;
        };
        self.requests.insert(hook, Request::Release(name.to_owned()));
        point.extra_mut().actuated = false;
    }

    /// No write is to be looked after any more.
    pub(super) fn halt(&mut self, sc: &mut Scope<'_, '_>) {
        sc.cancel(DeviceTimer::Write);
        self.due = None;
        self.backlog.clear();
        self.gate = Gate::default();
    }

    /// The set value is not in force any more, and stays in the plant until the next config tells.
    pub(super) fn suspend(&mut self, sc: &mut Scope<'_, '_>, point: &mut Point) {
        self.give_up(sc, point);
        point.clear_misfit();
        point.set_writing(Writing::Idle);
        point.clear_shown();
    }

    /// The device has lost the point: there is nothing to write to, nor to release.
    pub(super) fn forget(&mut self, sc: &mut Scope<'_, '_>, point: &mut Point) {
        self.give_up(sc, point);
        point.set_writing(Writing::Idle);
        point.clear_shown();
        point.extra_mut().actuated = false;
        point.tidy();
    }

    /// The application has answered. Gives the outcome back if the hook is none of ours.
    pub(super) fn on_answer(
        &mut self,
        sc: &mut Scope<'_, '_>,
        points: &mut Points,
        id: HookId,
        outcome: Outcome,
    ) -> Option<Outcome> {
        match self.requests.remove(&id) {
            None => return Some(outcome),
            Some(Request::Write(name)) => {
                if let Some(point) = points.get_mut(&name) {
                    self.on_written(sc, &name, point, id, outcome);
                }
            }
            Some(Request::Release(name)) => {
                if let Outcome::Failed { message } = outcome {
                    self.changes.log(entry(sc, Category::PointsetPointFailure, &name, &message));
                }
            }
        }
        self.resume(sc, points);
        None
    }

    fn on_written(
        &mut self,
        sc: &mut Scope<'_, '_>,
        name: &str,
        point: &mut Point,
        id: HookId,
        outcome: Outcome,
    ) {
        let (value, until) = match point.writing() {
            Writing::Pending { hook, value, since, .. } if *hook == id => {
                (value.clone(), *since + self.minimum)
            }
            Writing::Pending { .. }
            | Writing::Idle
            | Writing::Refused { .. }
            | Writing::Held { .. }
            | Writing::Applied { .. }
            | Writing::Failed { .. }
            | Writing::Overridden { .. } => return,
        };
        let answer = read_answer(sc, name, outcome);
        if until > sc.now().at {
            self.arm(sc, until);
            point.set_writing(Writing::Held { value, until, answer });
        } else {
            self.settle(sc, name, point, value, answer);
        }
    }

    fn settle(&mut self, sc: &Scope<'_, '_>, name: &str, point: &mut Point, value: Value, answer: Answer) {
        self.changes.state = true;
        let writing = match answer {
            Answer::Applied => {
                self.changes.applied = true;
                self.changes.log(entry(sc, Category::PointsetPointApplied, name, "set value applied"));
                point.extra_mut().actuated = true;
                // A computed point shows what is computed, whatever was written.
                if point.source() != Some(Source::Computed) {
                    point.extra_mut().shown = Some(value.clone());
                    if matches!(point.reading, Reading::Failed(_)) {
                        point.reading = Reading::None; // there is a present value again
                    }
                }
                Writing::Applied { value }
            }
            Answer::Failed { state, entry } => {
                self.changes.log(Entry::clone(&entry));
                Writing::Failed { value, state, entry }
            }
        };
        point.set_writing(writing);
    }

    /// Shows held answers whose time has come, and tells of writes that take too long.
    pub(super) fn on_timer(&mut self, sc: &mut Scope<'_, '_>, points: &mut Points) {
        let now = sc.now().at;
        self.due = None;
        for (name, point) in points.iter_mut() {
            if let Writing::Idle = point.writing() {
                continue; // which is what most points are, without anything to be looked at
            }
            match &mut point.extra_mut().writing {
                Writing::Pending { since, late: late @ None, .. } => {
                    let due = *since + GIVE_UP_AFTER;
                    if due > now {
                        self.arm(sc, due);
                        continue;
                    }
                    let entry = entry(sc, Category::PointsetPointFailure, name, "not written in 60 s");
                    self.changes.log(entry.clone());
                    self.changes.state = true;
                    *late = Some(Box::new(entry));
                }
                Writing::Held { until, .. } if *until > now => {
                    let due = *until;
                    self.arm(sc, due);
                }
                Writing::Held { .. } => self.show(sc, name, point),
                Writing::Idle
                | Writing::Refused { .. }
                | Writing::Pending { late: Some(_), .. }
                | Writing::Applied { .. }
                | Writing::Failed { .. }
                | Writing::Overridden { .. } => {}
            }
        }
    }

    /// Settles a held answer.
    fn show(&mut self, sc: &Scope<'_, '_>, name: &str, point: &mut Point) {
        let held = core::mem::take(&mut point.extra_mut().writing);
        if let Writing::Held { value, answer, .. } = held {
            self.settle(sc, name, point, value, answer);
        }
    }

    /// Tries again what found no room among the pending hooks.
    pub(super) fn resume(&mut self, sc: &mut Scope<'_, '_>, points: &mut Points) {
        while let Some(name) = self.backlog.pop_first() {
            let Some(point) = points.get_mut(&name) else { continue };
            self.evaluate(sc, &name, point);
            if self.backlog.contains(&name) {
                return;
            }
        }
    }

    fn arm(&mut self, sc: &mut Scope<'_, '_>, at: Instant) {
        if self.due.is_none_or(|due| at < due) {
            self.due = Some(at);
            sc.at(DeviceTimer::Write, at);
        }
    }
}

fn read_answer(sc: &Scope<'_, '_>, name: &str, outcome: Outcome) -> Answer {
    let (state, category, cause) = match outcome {
        Outcome::Done => return Answer::Applied,
        Outcome::Invalid { message } => (ValueState::Invalid, Category::PointsetPointInvalid, message),
        Outcome::Failed { message } => (ValueState::Failure, Category::PointsetPointFailure, message),
        Outcome::Unhandled => {
            (ValueState::Failure, Category::PointsetPointFailure, "nobody takes care of writing it".into())
        }
        Outcome::Values { .. } | Outcome::Metrics(_) | Outcome::Blob(_) | Outcome::KeyMade(_) => {
            (ValueState::Failure, Category::PointsetPointFailure, "the write was not understood".into())
        }
    };
    Answer::Failed { state, entry: Box::new(entry(sc, category, name, &cause)) }
}
