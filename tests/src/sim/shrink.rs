//! Leaves operations out of a plan as long as what remains violates the same property.

use super::{Op, Plan, Violation, Way, run};

/// A plan of fewer operations that violates the property that this one does, after so many runs at most.
#[must_use]
pub fn shrunk(plan: &Plan, violation: &Violation, way: &Way, most_runs: usize) -> (Plan, Box<Violation>) {
    // What comes after is of no use, and comparisons are needed for what only they show.
    let kept = violation.op.map_or(plan.ops.len(), |op| op + 1).min(plan.ops.len());
    let way = Way { compares: Some(violation.property.compares_runs()), transcript: None, ..way.clone() };
    let mut shrinking = Shrinking { way, sought: violation, left: most_runs };
    let mut best = (plan.clone(), Box::new(violation.clone()));
    if let Some(found) = shrinking.tries(plan, &plan.ops[..kept]) {
        best = found;
    }
    let mut size = best.0.ops.len().div_ceil(2);
    while size > 0 && shrinking.left > 0 {
        best = shrinking.without_pieces_of(size, best);
        size = if size == 1 { 0 } else { size.div_ceil(2) };
    }
    best
}

struct Shrinking<'a> {
    way: Way,
    sought: &'a Violation,
    left: usize,
}

impl Shrinking<'_> {
    fn tries(&mut self, plan: &Plan, ops: &[Op]) -> Option<(Plan, Box<Violation>)> {
        self.left = self.left.checked_sub(1)?;
        let plan = Plan { ops: ops.to_vec(), ..*plan };
        let found = run(&plan, &self.way).err().filter(|found| found.property == self.sought.property)?;
        Some((plan, found))
    }

    /// Leaves out what it can of pieces of that size, from the end, since what comes last is most often in vain.
    fn without_pieces_of(&mut self, size: usize, mut best: (Plan, Box<Violation>)) -> (Plan, Box<Violation>) {
        let mut end = best.0.ops.len();
        while end > 0 {
            let start = end.saturating_sub(size);
            let ops = &best.0.ops;
            let rest: Vec<_> = ops[..start].iter().chain(&ops[end.min(ops.len())..]).cloned().collect();
            if let Some(found) = self.tries(&best.0, &rest) {
                best = found;
            }
            end = start;
        }
        best
    }
}
