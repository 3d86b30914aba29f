//! The conformance suite as data: scenarios in our own words, one for each sequence of §9.4, and the one
//! interpreter that runs them against the simulated world with the tolerances of the real tool (§9.3).

mod blobs;
mod discovery;
mod expect;
mod points;
mod proxies;
mod scenario;
mod steps;
mod tester;

use serde_json::Value;

use crate::model::Model;
use crate::world::{Setup, World};

pub use scenario::{Check, Log, Place, Scenario, Step};
pub use tester::Tester;

/// How a scenario ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Everything expected came in time.
    Pass,
    /// It does not apply.
    Skip(String),
    /// Something did not come, or came and should not have.
    Fail(String),
}

/// The outcome of one scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How it ended.
    pub verdict: Verdict,
    /// What the schemas and the rules on changes of state found (§9.2); these alone fail nothing.
    pub findings: Vec<String>,
}

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

/// Runs a scenario against a device of that model in good weather.
#[must_use]
pub fn run(scenario: &Scenario, model: &Model) -> Outcome {
    run_with(scenario, model, setup(model), |_| {})
}

/// The world the conformance suite runs in: a device that runs again after a restart, and two registries.
#[must_use]
pub fn setup(model: &Model) -> Setup {
    Setup { restart_ms: Some(1500), registries: blobs::registries(model), ..model.setup() }
}

/// Runs a scenario in a world of one's own, after `prepare` had its hand on it (to seed a fault).
pub fn run_with(
    scenario: &Scenario,
    model: &Model,
    setup: Setup,
    prepare: impl FnOnce(&mut World),
) -> Outcome {
    if let Some(reason) = scenario.does_not_apply(model) {
        return Outcome { verdict: Verdict::Skip(reason), findings: Vec::new() };
    }
    let mut world = World::new(setup);
    prepare(&mut world);
    let mut tester = Tester::new(world, model, scenario);
    let verdict = match tester.run(scenario) {
        Ok(()) => Verdict::Pass,
        Err(Halt::Skip(reason)) => Verdict::Skip(reason),
        Err(Halt::Fail(reason)) => Verdict::Fail(reason),
    };
    Outcome { verdict, findings: tester.into_findings() }
}

/// A member of a JSON value as text for people.
pub(crate) fn shown(value: Option<&Value>) -> String {
    value.map_or_else(|| "absent".to_owned(), Value::to_string)
}
