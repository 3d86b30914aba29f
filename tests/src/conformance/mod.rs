//! The conformance suite as data: scenarios in our own words, one for each sequence of §9.4, and the one
//! interpreter that runs them with the tolerances of the real tool (§9.3), on whatever is a [`Bench`]: the
//! simulated world, or a real broker with a device of any make.

mod bench;
mod blobs;
mod discovery;
mod expect;
pub mod fault;
mod files;
mod outcome;
mod points;
mod proxies;
mod record;
pub mod results;
mod scenario;
mod simulated;
mod steps;
mod subject;
mod tester;

use serde_json::Value;

use crate::model::Model;
use crate::world::{Setup, World};

pub use bench::Bench;
pub use outcome::{Capability, MESSAGES_MAX, Outcome, Said, Schema, Taken, Verdict};
pub use scenario::{Audience, Check, Lane, Log, Place, Scenario, Step};
pub use subject::Subject;

use record::Record;
use simulated::Simulated;
use tester::Tester;

/// Why a scenario goes no further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Halt {
    Skip(String),
    Fail(String),
}

pub(crate) type Progress = Result<(), Halt>;

/// A failure of that text.
pub(crate) fn fail<T>(text: impl Into<String>) -> Result<T, Halt> {
    Err(Halt::Fail(text.into()))
}

/// How the tester goes about it between the steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Milliseconds from a config that is in force to the next one.
    pub spacing_ms: u64,
    /// Milliseconds from the timestamp of the last state to the next config.
    pub hold_off_ms: i64,
    /// Whether a sequence begins with all blocks sent anew, whatever they are.
    pub resets_fully: bool,
    /// Whether sequences of other lanes run at the same time.
    pub is_shared: bool,
}

impl Pace {
    /// As the real tool has it (§9.3).
    pub const OF_THE_TOOL: Self =
        Self { spacing_ms: 2000, hold_off_ms: 1000, resets_fully: true, is_shared: false };
    /// As soon as the device is in step.
    pub const BRISK: Self = Self { spacing_ms: 0, hold_off_ms: 0, resets_fully: false, is_shared: false };
}

/// Runs a scenario against the device in question, on a bench.
pub fn perform(scenario: &Scenario, subject: &Subject, bench: &mut dyn Bench, pace: Pace) -> Outcome {
    if let Some(reason) = scenario.does_not_apply(subject) {
        return left_out(scenario, subject, bench, reason);
    }
    let mut tester = Tester::new(bench, subject, scenario, pace);
    let result = tester.run(scenario);
    let now = tester.bench.now();
    tester.record.into_outcome(now, scenario, subject, &result)
}

/// The outcome of a scenario that does not run, for a reason.
pub fn left_out(scenario: &Scenario, subject: &Subject, bench: &dyn Bench, reason: String) -> Outcome {
    let now = bench.now();
    let record = Record::new(now, scenario, subject, Lane::Alone);
    let mut outcome = record.into_outcome(now, scenario, subject, &Err(Halt::Skip(reason)));
    outcome.schemas.clear();
    outcome
}

/// Runs a scenario against a device of that model in good weather.
#[must_use]
pub fn run(scenario: &Scenario, model: &Model) -> Outcome {
    run_with(scenario, model, setup(model), |_| {})
}

/// The world the conformance suite runs in: a device that runs again after a restart, and two registries.
#[must_use]
pub fn setup(model: &Model) -> Setup {
    Setup { restart_ms: Some(1500), registries: blobs::registries(&model.subject()), ..model.setup() }
}

/// Runs a scenario in a world of one's own, after `prepare` had its hand on it (to seed a fault).
pub fn run_with(
    scenario: &Scenario,
    model: &Model,
    setup: Setup,
    prepare: impl FnOnce(&mut World),
) -> Outcome {
    let mut world = World::new(setup);
    prepare(&mut world);
    perform(scenario, &model.subject(), &mut Simulated::new(world), Pace::OF_THE_TOOL)
}

/// A member of a JSON value as text for people.
pub(crate) fn shown(value: Option<&Value>) -> String {
    value.map_or_else(|| "absent".to_owned(), Value::to_string)
}
