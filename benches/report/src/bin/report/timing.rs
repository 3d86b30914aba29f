//! Times of the same cases. Core and floor take turns, so that whatever else the machine does meets both.

use std::time::{Duration, Instant};

use udmi_report::cases::{Case, Turn};

/// How often each side is timed.
const BATCHES: usize = 61;
/// How long one batch lasts, about.
const BATCH: Duration = Duration::from_millis(3);

/// What one turn takes, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) core: f64,
    pub(crate) floor: Option<f64>,
    /// The median of the ratios of neighbours.
    pub(crate) ratio: Option<f64>,
}

impl Times {
    /// Measures a case.
    pub(crate) fn of(case: Case) -> Self {
        let (mut core, mut floor) = (case.core(), case.floor());
        let core_turns = turns_in_a_batch(&mut core);
        let floor_turns = floor.as_mut().map_or(0, turns_in_a_batch);
        let (mut cores, mut floors, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..BATCHES {
            let core = batch(&mut core, core_turns);
            cores.push(core);
            if let Some(floor) = &mut floor {
                let floor = batch(floor, floor_turns);
                floors.push(floor);
                ratios.push(core / floor);
            }
        }
        Self { core: median(cores).unwrap_or_default(), floor: median(floors), ratio: median(ratios) }
    }
}

fn turns_in_a_batch(turn: &mut Turn) -> u32 {
    let (start, mut turns) = (Instant::now(), 0u32);
    while start.elapsed() < BATCH {
        std::hint::black_box(turn());
        turns += 1;
    }
    turns.max(1)
}

/// Nanoseconds of one of them.
fn batch(turn: &mut Turn, turns: u32) -> f64 {
    let start = Instant::now();
    for _ in 0..turns {
        std::hint::black_box(turn());
    }
    start.elapsed().as_nanos() as f64 / f64::from(turns)
}

/// The value in the middle.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(Vec::new()), None);
    }
}
