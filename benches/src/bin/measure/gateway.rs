//! What a config of one proxied device costs beside ten and beside a thousand others, and what each of them weighs.

use std::fs;
use std::time::{Duration, Instant};

use udmi_benches::gateway::{Attached, proxy_config};

use crate::Failure;
use crate::table::{Sample, Table};

const POINTS: usize = 10;
/// Configs in a row that are timed as one.
const BATCH: usize = 100;
const BATCHES: usize = 50;
const RATIO: f64 = 1.3;
const WEIGHT: f64 = 24.0;

pub(crate) fn measure(table: &mut Table) -> Result<(), Failure> {
    memory(table)?;
    let costs: Vec<_> = [10, 100, 1000].map(|devices| (devices, cost(devices))).into();
    let (least, most) = (costs[0].1, costs[costs.len() - 1].1);
    let ratio = most.as_secs_f64() / least.as_secs_f64();
    let each: Vec<_> = costs.iter().map(|(devices, cost)| format!("{devices}: {}", micros(*cost))).collect();
    let figures = format!("{}; ratio {ratio:.2}", each.join(", "));
    table.row("a config of one of so many proxied devices", figures, "ratio ≤ 1.3", ratio <= RATIO);
    Ok(())
}

/// The median of batches, of a device in the midst of the others.
fn cost(devices: usize) -> Duration {
    let mut gateway = Attached::new(devices, POINTS);
    let packets = [1, 2].map(|second| proxy_config(devices / 2, POINTS, second));
    let batch = || {
        let start = Instant::now();
        for turn in 0..BATCH {
            std::hint::black_box(gateway.config(&packets[turn % 2]));
        }
        start.elapsed() / u32::try_from(BATCH).unwrap_or(1)
    };
    Sample::new(std::iter::repeat_with(batch).take(BATCHES).collect()).percentile(50)
}

/// What a second gateway adds to a process that has made one before: what making it needs for a while is there then.
fn memory(table: &mut Table) -> Result<(), Failure> {
    const DEVICES: usize = 2000;
    let first = Attached::new(DEVICES, POINTS);
    let before = anonymous()?;
    let second = Attached::new(DEVICES, POINTS);
    let bytes = anonymous()?.saturating_sub(before);
    drop((first, second));
    let each = bytes as f64 / 1024.0 / DEVICES as f64;
    let figures = format!("{each:.1} KiB (of {DEVICES})");
    table.row("memory of a proxied device of 10 points in the core", figures, "< 24 KiB", each < WEIGHT);
    Ok(())
}

/// Bytes of this process that are no program files.
fn anonymous() -> Result<u64, Failure> {
    let rollup = fs::read_to_string("/proc/self/smaps_rollup")?;
    let line = rollup.lines().find(|line| line.starts_with("Anonymous:")).ok_or("no line of that name")?;
    let kibibytes: u64 = line.split_whitespace().nth(1).ok_or("no number")?.parse()?;
    Ok(kibibytes * 1024)
}

fn micros(duration: Duration) -> String {
    format!("{:.1} µs", duration.as_secs_f64() * 1e6)
}
