//! One point: what the device knows of it, what the config orders, what was read and what was written.

use alloc::boxed::Box;
use alloc::string::String;

use device_link::{HookId, Instant};

use super::model::Model;
use super::number::{OnWire, changed_by};
use super::orders::PointOrder;
use crate::model::entry::Entry;
use crate::model::state::ValueState;
use crate::model::value::{SetValue, Value};
use crate::settings::Source;

/// Small, since a device may have thousands: what most points have nothing of is kept apart.
#[derive(Debug, Default)]
pub(super) struct Point {
    /// What the device knows of it; nothing of a point that only the config names.
    model: Option<Model>,
    pub(super) order: Order,
    pub(super) reading: Reading,
    extra: Option<Box<Extra>>,
    /// Whether the reading arrived since the read under way was asked for.
    pub(super) fresh: bool,
    /// Whether something local has taken the point over.
    pub(super) overridden: bool,
}

/// What only some points have, in what is written to them, told of them or wrong with them.
#[derive(Debug)]
pub(super) struct Extra {
    /// Why the config cannot be followed: an unknown point or a wrong reference.
    misfit: Option<Box<Entry>>,
    pub(super) writing: Writing,
    /// The set value that was put in force last, until a reading differs from it: it is the present value
    /// then, in the very form it was set.
    pub(super) shown: Option<Value>,
    /// Whether a written value may be in force in the plant, so that there is something to release.
    pub(super) actuated: bool,
    /// Where it was written to last: it has to be released there even if the config names it no more.
    pub(super) written_at: Option<String>,
    /// The value last published; kept only while changes are to be told.
    told: Option<Value>,
}

/// What a point without any has.
static NOTHING: Extra = Extra::NOTHING;

impl Extra {
    const NOTHING: Self = Self {
        misfit: None,
        writing: Writing::Idle,
        shown: None,
        actuated: false,
        written_at: None,
        told: None,
    };

    fn is_nothing(&self) -> bool {
        self.misfit.is_none()
            && matches!(self.writing, Writing::Idle)
            && self.shown.is_none()
            && !self.actuated
            && self.written_at.is_none()
            && self.told.is_none()
    }
}

/// What the config wants of a point.
#[derive(Debug, Default)]
pub(super) enum Order {
    /// Nothing: it is in neither state nor events.
    #[default]
    Out,
    /// The config leaves the choice of points to the device, which chose this one.
    Own,
    /// The config names it, and has no more to say of it than its reference as the device knows it.
    Plain,
    /// The config names it.
    Given(Box<Given>),
}

/// What the config says of a point.
#[derive(Debug, Default)]
pub(super) struct Given {
    reference: Option<Box<str>>,
    set_value: Option<SetValue>,
    cov_increment: Option<f64>,
}

/// What was last read.
#[derive(Debug, Default)]
pub(super) enum Reading {
    /// Nothing yet.
    #[default]
    None,
    Value(Value),
    /// The last attempt failed, or a sample found no value.
    Failed(Box<Entry>),
}

/// Where the set value of the config stands.
#[derive(Debug, Default)]
pub(super) enum Writing {
    /// None is in force.
    #[default]
    Idle,
    /// It was not written; each config looks at it again.
    Refused { state: ValueState, entry: Box<Entry> },
    /// The application was asked. `late`: without an answer for so long that it counts as failed.
    Pending { hook: HookId, value: Value, since: Instant, late: Option<Box<Entry>> },
    /// The application has answered, but `updating` has to be seen for a while.
    Held { value: Value, until: Instant, answer: Answer },
    /// In force.
    Applied { value: Value },
    /// The application could not, or would not. Not tried again with the same value.
    Failed { value: Value, state: ValueState, entry: Box<Entry> },
    /// Something local has taken over.
    Overridden { value: Value, entry: Box<Entry> },
}

/// How a write ended.
#[derive(Debug)]
pub(super) enum Answer {
    Applied,
    Failed { state: ValueState, entry: Box<Entry> },
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
            Self::Pending { late, .. } => late.as_deref(),
            Self::Refused { entry, .. } | Self::Failed { entry, .. } | Self::Overridden { entry, .. } => {
                Some(entry)
            }
        }
    }
}

impl Point {
    pub(super) fn known(model: Model) -> Self {
        Self { model: Some(model), ..Self::default() }
    }

    /// A point that only the config knows.
    pub(super) fn ordered(order: PointOrder<'_>) -> Self {
        let mut point = Self::default();
        point.follow(order);
        point
    }

    pub(super) fn model(&self) -> Option<&Model> {
        self.model.as_ref()
    }

    /// The device knows this of it from now on; what the config says stays.
    pub(super) fn set_model(&mut self, model: Option<Model>) {
        if let Order::Plain = self.order {
            let known = self.model.as_ref().and_then(Model::reference);
            if known != model.as_ref().and_then(Model::reference) {
                let reference = known.map(Into::into);
                self.order = Order::Given(Box::new(Given { reference, ..Given::default() }));
            }
        }
        self.model = model;
    }

    /// The config names it, and says this.
    pub(super) fn follow(&mut self, order: PointOrder<'_>) {
        let PointOrder { reference, set_value, cov_increment, .. } = order;
        let known = self.model.as_ref().and_then(Model::reference);
        if set_value.is_none() && cov_increment.is_none() && reference.as_deref() == known {
            self.order = Order::Plain;
            return;
        }
        let reference = reference.map(|text| text.into_owned().into_boxed_str());
        let given = Given { reference, set_value, cov_increment };
        match &mut self.order {
            Order::Given(before) => **before = given,
            Order::Out | Order::Own | Order::Plain => self.order = Order::Given(Box::new(given)),
        }
    }

    /// The config does not name it; tells whether it did.
    pub(super) fn leave(&mut self) -> bool {
        let was_in_force = self.is_in_force();
        self.order = Order::Out;
        was_in_force
    }

    /// The device has lost it: what the config says is all that is left.
    pub(super) fn forget(&mut self) {
        self.set_model(None);
        *self = Self { order: core::mem::take(&mut self.order), ..Self::default() };
    }

    pub(super) fn extra(&self) -> &Extra {
        self.extra.as_deref().unwrap_or(&NOTHING)
    }

    pub(super) fn extra_mut(&mut self) -> &mut Extra {
        self.extra.get_or_insert_with(|| Box::new(Extra::NOTHING))
    }

    /// Gives back the room of what has gone.
    pub(super) fn tidy(&mut self) {
        if self.extra.as_deref().is_some_and(Extra::is_nothing) {
            self.extra = None;
        }
    }

    pub(super) fn writing(&self) -> &Writing {
        &self.extra().writing
    }

    pub(super) fn set_writing(&mut self, writing: Writing) {
        if self.extra.is_some() || !matches!(writing, Writing::Idle) {
            self.extra_mut().writing = writing;
        }
    }

    pub(super) fn misfit(&self) -> Option<&Entry> {
        self.extra().misfit.as_deref()
    }

    pub(super) fn set_misfit(&mut self, entry: Entry) {
        self.extra_mut().misfit = Some(Box::new(entry));
    }

    /// Nothing is wrong any more; tells whether something was.
    pub(super) fn clear_misfit(&mut self) -> bool {
        self.extra.as_mut().is_some_and(|extra| extra.misfit.take().is_some())
    }

    pub(super) fn clear_shown(&mut self) {
        if let Some(extra) = &mut self.extra {
            extra.shown = None;
        }
    }

    pub(super) fn forget_told(&mut self) {
        if let Some(extra) = &mut self.extra {
            extra.told = None;
        }
    }

    /// Whether the state reports it.
    pub(super) fn is_in_force(&self) -> bool {
        !matches!(self.order, Order::Out)
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

    fn given(&self) -> Option<&Given> {
        match &self.order {
            Order::Out | Order::Own | Order::Plain => None,
            Order::Given(given) => Some(given),
        }
    }

    pub(super) fn set_value(&self) -> Option<&SetValue> {
        self.given()?.set_value.as_ref()
    }

    /// Whether the config means another point of the plant (§4.6): it names another reference than the
    /// device's, or none. A device that keeps no references takes any.
    pub(super) fn reference_differs(&self) -> bool {
        let known = self.model.as_ref().and_then(Model::reference);
        match (&self.order, known) {
            (Order::Out | Order::Own | Order::Plain, _) | (Order::Given(_), None) => false,
            (Order::Given(given), Some(known)) => given.reference.as_deref() != Some(known),
        }
    }

    /// Where the point is found: by the config, else by the model.
    pub(super) fn reference(&self) -> Option<&str> {
        self.given_reference().or_else(|| self.model.as_ref()?.reference())
    }

    /// Where the point is found by the config.
    pub(super) fn given_reference(&self) -> Option<&str> {
        match &self.order {
            Order::Out | Order::Own => None,
            Order::Plain => self.model.as_ref()?.reference(),
            Order::Given(given) => given.reference.as_deref(),
        }
    }

    /// Where the point is to be released.
    pub(super) fn written_reference(&self) -> Option<&str> {
        self.extra().written_at.as_deref().or_else(|| self.reference())
    }

    /// The change that is to be told at once, if any (§4.1). Numbers below zero and NaN ask for nothing.
    pub(super) fn increment(&self) -> Option<f64> {
        self.given()?.cov_increment.filter(|increment| *increment >= 0.0)
    }

    /// The present value, if there is one.
    pub(super) fn value(&self) -> Option<&Value> {
        match (&self.extra().shown, &self.reading) {
            (Some(value), _) | (None, Reading::Value(value)) => Some(value),
            (None, Reading::None | Reading::Failed(_)) => None,
        }
    }

    /// The present value as events show it. A set value keeps its form; readings keep two decimals unless
    /// changes finer than that are asked for (§4.4).
    pub(super) fn on_wire(&self) -> Option<OnWire<'_>> {
        let finer = self.increment().is_some_and(|increment| increment > 0.0 && increment < 0.01);
        self.value().map(|value| OnWire { value, exact: self.extra().shown.is_some() || finer })
    }

    /// Whether the value has moved so far since it was last published that it is to be told at once.
    pub(super) fn has_moved(&self) -> bool {
        match (self.increment(), self.value(), &self.extra().told) {
            (None, _, _) | (_, None, _) => false,
            (Some(_), Some(_), None) => self.is_expected(),
            (Some(increment), Some(now), Some(told)) => {
                self.is_expected() && changed_by(told, now, increment)
            }
        }
    }

    /// Remembers the value as published, if changes against it are to be told.
    pub(super) fn note_told(&mut self) {
        if self.increment().is_some() {
            self.extra_mut().told = self.value().cloned();
        } else {
            self.forget_told();
        }
    }

    /// Remembers the value as published if none was: from now on changes count, not from the first value.
    pub(super) fn begin_telling(&mut self) {
        if self.increment().is_some() && self.extra().told.is_none() {
            self.note_told();
        }
    }

    /// The one status the state has room for: what is wrong with the config, else the graver of write
    /// and read.
    pub(super) fn status(&self) -> Option<&Entry> {
        let written = self.writing().entry();
        let read = match &self.reading {
            Reading::None | Reading::Value(_) => None,
            Reading::Failed(entry) => Some(&**entry),
        };
        let graver = match (written, read) {
            (Some(written), Some(read)) if read.level > written.level => Some(read),
            (written, read) => written.or(read),
        };
        self.misfit().or(graver)
    }
}
