//! Many plans, one for each seed, on several threads.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use super::{Plan, Shape, Summary, Violation, Way, run};

/// Which plans are run.
#[derive(Clone, Debug)]
pub struct Campaign {
    /// What is built; devices and gateways in turn, by the seed, if it is not said.
    pub shape: Option<Shape>,
    /// The first seed.
    pub first: u64,
    /// How many seeds.
    pub runs: u64,
    /// Operations of each.
    pub ops: usize,
    /// How many plans run at once.
    pub threads: usize,
    /// How each is run.
    pub way: Way,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Plans without a violation.
    pub runs: u64,
    /// What there was in them; the transcript only if it was one plan.
    pub summary: Summary,
    /// The violation of the lowest seed, with its plan.
    pub found: Option<(Plan, Box<Violation>)>,
}

impl Campaign {
    /// The plan of a seed.
    #[must_use]
    pub fn plan(&self, seed: u64) -> Plan {
        let by_seed = if seed.is_multiple_of(2) { Shape::Device } else { Shape::Gateway };
        Plan::drawn(self.shape.unwrap_or(by_seed), seed, self.ops)
    }

    /// Runs the plans until one is violated. `told` hears how many are done, from any thread.
    pub fn run(&self, told: &(dyn Fn(u64) + Sync)) -> Outcome {
        let (next, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
        let outcome = Mutex::new(Outcome::default());
        let work = || {
            while !is_over.load(Ordering::Relaxed) {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= self.runs {
                    return;
                }
                let plan = self.plan(self.first.wrapping_add(number));
                let done = run(&plan, &self.way);
                is_over.fetch_or(done.is_err(), Ordering::Relaxed);
                let mut outcome = outcome.lock().expect("no run panics");
                outcome.add(plan, done);
                told(outcome.runs);
            }
        };
        thread::scope(|scope| {
            (0..self.threads.max(1)).for_each(|_| drop(scope.spawn(work)));
        });
        outcome.into_inner().expect("no run panics")
    }
}

impl Outcome {
    /// Seeds are taken up in order and each that was taken up is finished, so the lowest one is the same each time.
    fn add(&mut self, plan: Plan, done: Result<Summary, Box<Violation>>) {
        match done {
            Ok(summary) => {
                self.runs += 1;
                self.summary.add(&summary);
                self.summary.transcript = summary.transcript;
            }
            Err(violation) => {
                if self.found.as_ref().is_none_or(|(known, _)| known.seed > plan.seed) {
                    self.found = Some((plan, violation));
                }
            }
        }
    }
}
