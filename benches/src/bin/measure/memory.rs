//! The resident memory of a device with ten points, in a process of its own.

use std::time::Duration;

use crate::Failure;
use crate::table::Table;
use crate::udmi::{Bench, Udmi};

/// Samples that are seen before memory is looked at.
const SAMPLES: usize = 5;
const TARGET: u64 = 10_000_000;

pub(crate) fn measure(udmi: &Udmi, table: &mut Table) -> Result<(), Failure> {
    for runtime in ["std", "bare", "smol"] {
        for (way, bench) in [("TCP", Bench::start(udmi)?), ("mutual TLS", Bench::with_tls(udmi)?)] {
            let process = udmi.device(&bench, runtime, &format!("memory-{runtime}"))?;
            for _ in 0..SAMPLES {
                bench.wait("/events/pointset")?;
            }
            std::thread::sleep(Duration::from_millis(100)); // for what a sample leaves behind to settle
            let memory = process.memory()?;
            let [resident, most, own] = [memory.resident, memory.most, memory.own].map(megabytes);
            let figures = format!("{resident} resident ({own} without program files), {most} at most");
            let what = format!("memory, udmi device --runtime {runtime}, {way}");
            table.row(&what, figures, "< 10 MB", memory.most < TARGET);
        }
    }
    Ok(())
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}
