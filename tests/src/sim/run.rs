//! Runs a plan under the eyes of the oracles.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::oracle::{self, Oracle};
use super::site::{self, KNOWN};
use super::{Plan, Shape, perform, quietly, twins};
use crate::property::Property;
use crate::world::{Defect, World};

/// How a plan is run.
#[derive(Clone, Debug, Default)]
pub struct Way {
    /// What is wrong with the device.
    pub defect: Option<Defect>,
    /// The width of the transcript, if one is kept.
    pub transcript: Option<usize>,
    /// Whether runs of the plan are compared; if it is not said, this is done now and then.
    pub compares: Option<bool>,
}

/// What there was in a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Operations carried out.
    pub ops: usize,
    /// Simulated milliseconds, with the rest at the end.
    pub milliseconds: u64,
    /// Simulated milliseconds of all devices together: a gateway and each device it knows count.
    pub device_milliseconds: u64,
    /// Messages the devices sent.
    pub messages: u64,
    /// Calls of the core.
    pub calls: u64,
    /// Starts of the device.
    pub starts: u64,
    /// What happened, if a transcript is kept.
    pub transcript: String,
}

impl Summary {
    /// Adds what there was in another run, but for its transcript.
    pub fn add(&mut self, other: &Self) {
        self.ops += other.ops;
        self.milliseconds += other.milliseconds;
        self.device_milliseconds += other.device_milliseconds;
        self.messages += other.messages;
        self.calls += other.calls;
        self.starts += other.starts;
    }
}

/// A property that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// Which.
    pub property: Property,
    /// What was seen.
    pub what: String,
    /// The seed of the plan.
    pub seed: u64,
    /// What was built.
    pub shape: Shape,
    /// Milliseconds from the beginning of the run.
    pub at_ms: u64,
    /// The number of the operation, from 0; none if it came to light at rest or in a comparison.
    pub op: Option<usize>,
    /// The transcript up to there, if one is kept.
    pub transcript: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { property, what, seed, at_ms, .. } = self;
        write!(f, "{property}\n  {what}\n  seed {seed}, at {}.{:03} s", at_ms / 1000, at_ms % 1000)?;
        match self.op {
            Some(op) => write!(f, ", in operation {op}"),
            None => write!(f, ", at rest"),
        }
    }
}

impl std::error::Error for Violation {}

/// Runs a plan: carries its operations out, lets everything come to rest, and looks whether all properties hold.
///
/// # Errors
///
/// The first violation.
pub fn run(plan: &Plan, way: &Way) -> Result<Summary, Box<Violation>> {
    let mut run = Run::new(plan, way);
    let done = quietly::catch(|| run.go());
    let summary = run.conclude(done)?;
    twins::check(plan, way)?;
    Ok(summary)
}

struct Run<'a> {
    plan: &'a Plan,
    world: World,
    oracles: Vec<Box<dyn Oracle>>,
    begun: u64,
    op: Option<usize>,
    messages: u64,
}

impl<'a> Run<'a> {
    fn new(plan: &'a Plan, way: &Way) -> Self {
        let mut setup = plan.setup();
        (setup.defect, setup.transcript) = (way.defect, way.transcript);
        let mut world = World::new(setup);
        site::furnish(&mut world);
        // Reading everything once more takes a fifth of the time.
        world.cloud.hears_only_states = true;
        let begun = world.now().at.0;
        Self { plan, world, oracles: oracle::all(plan), begun, op: None, messages: 0 }
    }

    fn go(&mut self) -> Result<(), (Property, String)> {
        if self.plan.shape == Shape::Gateway {
            site::act_for(&mut self.world, &[0, 1, 2, 3]);
        }
        for (number, op) in self.plan.ops.iter().enumerate() {
            self.op = Some(number);
            self.oracles.iter_mut().for_each(|oracle| oracle.before(&self.world, op));
            perform::perform(&mut self.world, op);
            self.look()?;
        }
        self.op = None;
        perform::settle(&mut self.world);
        self.look()?;
        for number in 0..self.oracles.len() {
            let oracle = &mut self.oracles[number];
            oracle.settled(&mut self.world).map_err(|what| (oracle.property(), what))?;
            self.look()?;
        }
        Ok(())
    }

    fn look(&mut self) -> Result<(), (Property, String)> {
        for oracle in &mut self.oracles {
            oracle.look(&self.world).map_err(|what| (oracle.property(), what))?;
        }
        self.messages += u64::try_from(self.world.watch.emitted.len()).unwrap_or(0);
        self.world.forget();
        Ok(())
    }

    fn conclude(
        mut self,
        done: Result<Result<(), (Property, String)>, (Property, String)>,
    ) -> Result<Summary, Box<Violation>> {
        let at_ms = self.world.now().at.0 - self.begun;
        let transcript = self.world.take_transcript();
        match done.and_then(|done| done) {
            Err((property, what)) => Err(Box::new(Violation {
                property,
                what,
                seed: self.plan.seed,
                shape: self.plan.shape,
                at_ms,
                op: self.op,
                transcript,
            })),
            Ok(()) => {
                let devices = match self.plan.shape {
                    Shape::Device => 1,
                    Shape::Gateway => u64::try_from(1 + KNOWN).unwrap_or(1),
                };
                Ok(Summary {
                    ops: self.plan.ops.len(),
                    milliseconds: at_ms,
                    device_milliseconds: at_ms * devices,
                    messages: self.messages,
                    calls: self.world.calls(),
                    starts: u64::from(self.world.runs()),
                    transcript,
                })
            }
        }
    }
}
