//! Kills a device at moments chosen by chance; each next start must load what was stored, and count on.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::{Duration, Instant};

use serde_json::Value;
use udmi_tests::live::cloud::Message;
use udmi_tests::live::kills::{complaint, wreckage};

use crate::Failure;
use crate::table::{Sample, Table, millis};
use crate::udmi::{Bench, Process, Udmi, sleep_until};

const KILLS: usize = 200;
/// Starts that show how long a start takes.
const TRIALS: usize = 10;
const STATE: &str = "kills";

pub(crate) fn measure(udmi: &Udmi, table: &mut Table) -> Result<(), Failure> {
    let bench = Bench::start(udmi)?;
    // About half of the kills come before the first state, and some of them while the count is being stored.
    let longest_life = time_to_first_state(udmi, &bench)? * 2;
    let (mut highest, mut states, mut again, mut wrong) = (0, 0, 0, Vec::new());
    for kill in 1..=KILLS {
        let process = udmi.device(&bench, "std", STATE)?;
        sleep_until(process.started + longest_life.mul_f64(chance()));
        wrong.extend(complaints(process, kill)?);
        while let Some(state) = bench.next("/state", Instant::now() + Duration::from_millis(2)) {
            let before = highest;
            wrong.extend(step(&mut highest, &state, kill)?);
            states += 1;
            // Killed after its first state, but before the count was safe on the disc.
            again += usize::from(highest == before);
        }
        let left = wreckage(&udmi.state_folder(STATE))?;
        wrong.extend(left.into_iter().map(|left| format!("kill {kill}: {left}")));
    }
    let process = udmi.device(&bench, "std", STATE)?;
    let last = bench.wait("/state")?;
    wrong.extend(step(&mut highest, &last, KILLS + 1)?);
    wrong.extend(complaints(process, KILLS + 1)?);
    if highest > KILLS as u64 + 1 {
        wrong.push(format!("{highest} starts are counted, there were {}", KILLS + 1));
    }
    let figures = format!(
        "within {} of the start: {states} states seen, {again} of them with the restart \
         count of the run before; it is {highest} at last; {} wrong",
        millis(longest_life),
        wrong.len()
    );
    table.row(&format!("{KILLS} kills of a device"), figures, "0 wrong", wrong.is_empty());
    table.failures.extend(wrong);
    Ok(())
}

/// The restart count never goes backwards.
fn step(highest: &mut u64, state: &Message, kill: usize) -> Result<Option<String>, Failure> {
    let state: Value = serde_json::from_slice(&state.payload)?;
    let count =
        state["system"]["operation"]["restart_count"].as_u64().ok_or("a state has no restart count")?;
    let before = std::mem::replace(highest, count.max(*highest));
    Ok((count < before).then(|| format!("start {kill}: restart count {count} after {before}")))
}

/// Kills the process; it should have had nothing to say of its store.
fn complaints(process: Process, kill: usize) -> Result<Option<String>, Failure> {
    let said = process.kill()?;
    Ok(complaint(&said).map(|line| format!("start {kill}: {line}")))
}

fn time_to_first_state(udmi: &Udmi, bench: &Bench) -> Result<Duration, Failure> {
    let mut times = Vec::new();
    for _ in 0..TRIALS {
        let process = udmi.device(bench, "std", "trials")?;
        times.push(bench.wait("/state")?.at.saturating_duration_since(process.started));
        drop(process);
        bench.settle();
    }
    Ok(Sample::new(times).percentile(50))
}

/// Between 0 and 1.
fn chance() -> f64 {
    RandomState::new().build_hasher().finish() as f64 / u64::MAX as f64
}
