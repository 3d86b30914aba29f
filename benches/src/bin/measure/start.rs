//! From the start of a process to its first state at the cloud, with a config kept by the broker.

use std::time::Duration;

use crate::Failure;
use crate::table::{Sample, Table, millis};
use crate::udmi::{Bench, Udmi};

const STARTS: usize = 30;
const TARGET: Duration = Duration::from_millis(50);

pub(crate) fn measure(udmi: &Udmi, table: &mut Table) -> Result<(), Failure> {
    for runtime in ["std", "bare", "smol"] {
        let bench = Bench::start(udmi)?;
        let mut times = Vec::new();
        for _ in 0..STARTS {
            let process = udmi.device(&bench, runtime, &format!("start-{runtime}"))?;
            let state = bench.wait("/state")?;
            times.push(state.at.saturating_duration_since(process.started));
            drop(process);
            bench.settle();
        }
        let sample = Sample::new(times);
        let middle = sample.percentile(50);
        let figures = format!("median {}, max {} (n = {STARTS})", millis(middle), millis(sample.maximum()));
        table.row(&format!("start → first state, {runtime}"), figures, "median < 50 ms", middle < TARGET);
    }
    Ok(())
}
