//! One point: what the device knows of it, what the config orders, what was read and what was written.

use alloc::string::String;

use device_link::{HookId, Instant};

use super::number::{OnWire, changed_by};
use crate::model::config::PointsetPoint;
use crate::model::entry::Entry;
use crate::model::state::ValueState;
use crate::model::value::{SetValue, Value};
use crate::settings::{PointModel, Source};

#[derive(Debug, Default)]
pub(super) struct Point {
    /// What the device knows of it; nothing of a point that only the config names.
    pub(super) model: Option<PointModel>,
    pub(super) order: Order,
    /// Why the config cannot be followed: an unknown point or a wrong reference.
    pub(super) misfit: Option<Entry>,
    pub(super) reading: Reading,
    /// Whether the reading arrived since the read under way was asked for.
    pub(super) fresh: bool,
    pub(super) writing: Writing,
    /// The set value that was put in force last, until a reading differs from it: it is the present value
    /// then, in the very form it was set.
    pub(super) shown: Option<Value>,
    /// Whether a written value may be in force in the plant, so that there is something to release.
    pub(super) actuated: bool,
    /// Where it was written to last: it has to be released there even if the config names it no more.
    pub(super) written_at: Option<String>,
    /// Whether something local has taken the point over.
    pub(super) overridden: bool,
    /// The value last published; kept only while changes are to be told.
    pub(super) told: Option<Value>,
}

/// What the config wants of a point.
#[derive(Debug, Default, PartialEq)]
pub(super) enum Order {
    /// Nothing: it is in neither state nor events.
    #[default]
    Out,
    /// The config leaves the choice of points to the device, which chose this one.
    Own,
    /// The config names it.
    Given(PointsetPoint),
}

/// What was last read.
#[derive(Debug, Default)]
pub(super) enum Reading {
    /// Nothing yet.
    #[default]
    None,
    Value(Value),
    /// The last attempt failed, or a sample found no value.
    Failed(Entry),
}

/// Where the set value of the config stands.
#[derive(Debug, Default)]
pub(super) enum Writing {
    /// None is in force.
    #[default]
    Idle,
    /// It was not written; each config looks at it again.
    Refused { state: ValueState, entry: Entry },
    /// The application was asked. `late`: without an answer for so long that it counts as failed.
    Pending { hook: HookId, value: Value, since: Instant, late: Option<Entry> },
    /// The application has answered, but `updating` has to be seen for a while.
    Held { value: Value, until: Instant, answer: Answer },
    /// In force.
    Applied { value: Value },
    /// The application could not, or would not. Not tried again with the same value.
    Failed { value: Value, state: ValueState, entry: Entry },
    /// Something local has taken over.
    Overridden { value: Value, entry: Entry },
}

/// How a write ended.
#[derive(Debug)]
pub(super) enum Answer {
    Applied,
    Failed { state: ValueState, entry: Entry },
}

impl Writing {
    /// Whether this very value was taken on.
    pub(super) fn holds(&self, wanted: &Value) -> bool {
        match self {
            Self::Idle | Self::Refused { .. } => false,
            Self::Pending { value, .. }
            | Self::Held { value, .. }
            | Self::Applied { value }
            | Self::Failed { value, .. }
            | Self::Overridden { value, .. } => value == wanted,
        }
    }

    pub(super) fn value_state(&self) -> Option<ValueState> {
        match self {
            Self::Idle => None,
            Self::Pending { late: Some(_), .. } => Some(ValueState::Failure),
            Self::Pending { late: None, .. } | Self::Held { .. } => Some(ValueState::Updating),
            Self::Applied { .. } => Some(ValueState::Applied),
            Self::Refused { state, .. } | Self::Failed { state, .. } => Some(*state),
            Self::Overridden { .. } => Some(ValueState::Overridden),
        }
    }

    /// The value that was taken on.
    pub(super) fn value(&self) -> Option<&Value> {
        match self {
            Self::Idle | Self::Refused { .. } => None,
            Self::Pending { value, .. }
            | Self::Held { value, .. }
            | Self::Applied { value }
            | Self::Failed { value, .. }
            | Self::Overridden { value, .. } => Some(value),
        }
    }

    fn entry(&self) -> Option<&Entry> {
        match self {
            Self::Idle | Self::Held { .. } | Self::Applied { .. } => None,
            Self::Pending { late, .. } => late.as_ref(),
            Self::Refused { entry, .. } | Self::Failed { entry, .. } | Self::Overridden { entry, .. } => {
                Some(entry)
            }
        }
    }
}

impl Point {
    pub(super) fn known(model: PointModel) -> Self {
        Self { model: Some(model), ..Self::default() }
    }

    pub(super) fn ordered(order: PointsetPoint) -> Self {
        Self { order: Order::Given(order), ..Self::default() }
    }

    /// Whether the state reports it.
    pub(super) fn is_in_force(&self) -> bool {
        self.order != Order::Out
    }

    /// Whether events are to report it: the config wants it and the device knows it (§4.3).
    pub(super) fn is_expected(&self) -> bool {
        self.model.is_some() && self.is_in_force()
    }

    pub(super) fn source(&self) -> Option<Source> {
        self.model.as_ref().map(|model| model.source)
    }

    /// Whether the core has to ask for it before a sample.
    pub(super) fn is_read(&self) -> bool {
        self.is_expected() && matches!(self.source(), Some(Source::Polled | Source::Computed))
    }

    pub(super) fn set_value(&self) -> Option<&SetValue> {
        match &self.order {
            Order::Out | Order::Own => None,
            Order::Given(order) => order.set_value.as_ref(),
        }
    }

    /// Whether the config means another point of the plant (§4.6): it names another reference than the
    /// device's, or none. A device that keeps no references takes any.
    pub(super) fn reference_differs(&self) -> bool {
        let known = self.model.as_ref().and_then(|model| model.reference.as_deref());
        match (&self.order, known) {
            (Order::Out | Order::Own, _) | (Order::Given(_), None) => false,
            (Order::Given(order), Some(known)) => order.ref_.as_deref() != Some(known),
        }
    }

    /// Where the point is found: by the config, else by the model.
    pub(super) fn reference(&self) -> Option<&str> {
        self.given_reference().or_else(|| self.model.as_ref()?.reference.as_deref())
    }

    /// Where the point is found by the config.
    pub(super) fn given_reference(&self) -> Option<&str> {
        match &self.order {
            Order::Out | Order::Own => None,
            Order::Given(order) => order.ref_.as_deref(),
        }
    }

    /// Where the point is to be released.
    pub(super) fn written_reference(&self) -> Option<&str> {
        self.written_at.as_deref().or_else(|| self.reference())
    }

    /// The change that is to be told at once, if any (§4.1). Numbers below zero and NaN ask for nothing.
    pub(super) fn increment(&self) -> Option<f64> {
        match &self.order {
            Order::Out | Order::Own => None,
            Order::Given(order) => order.cov_increment.filter(|increment| *increment >= 0.0),
        }
    }

    /// The present value, if there is one.
    pub(super) fn value(&self) -> Option<&Value> {
        match (&self.shown, &self.reading) {
            (Some(value), _) | (None, Reading::Value(value)) => Some(value),
            (None, Reading::None | Reading::Failed(_)) => None,
        }
    }

    /// The present value as events show it. A set value keeps its form; readings keep two decimals unless
    /// changes finer than that are asked for (§4.4).
    pub(super) fn on_wire(&self) -> Option<OnWire<'_>> {
        let finer = self.increment().is_some_and(|increment| increment > 0.0 && increment < 0.01);
        self.value().map(|value| OnWire { value, exact: self.shown.is_some() || finer })
    }

    /// Whether the value has moved so far since it was last published that it is to be told at once.
    pub(super) fn has_moved(&self) -> bool {
        match (self.increment(), self.value(), &self.told) {
            (None, _, _) | (_, None, _) => false,
            (Some(_), Some(_), None) => self.is_expected(),
            (Some(increment), Some(now), Some(told)) => {
                self.is_expected() && changed_by(told, now, increment)
            }
        }
    }

    /// Remembers the value as published, if changes against it are to be told.
    pub(super) fn note_told(&mut self) {
        self.told = if self.increment().is_some() { self.value().cloned() } else { None };
    }

    /// The one status the state has room for: what is wrong with the config, else the graver of write
    /// and read.
    pub(super) fn status(&self) -> Option<&Entry> {
        let written = self.writing.entry();
        let read = match &self.reading {
            Reading::None | Reading::Value(_) => None,
            Reading::Failed(entry) => Some(entry),
        };
        let graver = match (written, read) {
            (Some(written), Some(read)) if read.level > written.level => Some(read),
            (written, read) => written.or(read),
        };
        self.misfit.as_ref().or(graver)
    }
}
