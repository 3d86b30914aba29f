//! The core beside its floors, for people: `cargo bench -p udmi-benches --bench core`. What a change costs is told
//! better by counted instructions: `cargo run --release -p udmi-report -- --check`.
#![allow(missing_docs, reason = "criterion's macros make functions without docs")]

use std::hint::black_box;
use std::path::{Path, PathBuf};

use criterion::{BenchmarkId, Criterion, criterion_group};
use udmi_benches::cases::Case;

fn cases(criterion: &mut Criterion) {
    for case in Case::all() {
        let mut group = criterion.benchmark_group(case.what.name());
        let mut core = case.core();
        group.bench_function(BenchmarkId::new("core", case.size), |bencher| {
            bencher.iter(|| black_box(core()));
        });
        if let Some(mut floor) = case.floor() {
            group.bench_function(BenchmarkId::new("floor", case.size), |bencher| {
                bencher.iter(|| black_box(floor()));
            });
        }
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(40).measurement_time(std::time::Duration::from_secs(2));
    targets = cases
}

fn main() {
    benches();
    Criterion::default().configure_from_args().final_summary();
    print_ratios(&results());
}

/// Where criterion keeps its estimates.
fn results() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let target = target.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"));
    target.join("criterion")
}

/// All that was ever estimated; runs that were narrowed to some names leave the others as they were.
fn print_ratios(results: &Path) {
    println!("\n| what | size | core | floor | ratio |\n|---|---|---|---|---|");
    for case in Case::all() {
        let (what, size) = (case.what.name(), case.size);
        let median = |side: &str| median(&results.join(format!("{what}/{side}/{size}/new/estimates.json")));
        let Some(core) = median("core") else { continue };
        let (floor, ratio) = match median("floor") {
            Some(floor) => (micros(floor), format!("{:.2}", core / floor)),
            None => ("–".to_owned(), "–".to_owned()),
        };
        println!("| {what} | {size} {} | {} | {floor} | {ratio} |", case.what.unit(), micros(core));
    }
}

fn micros(nanoseconds: f64) -> String {
    format!("{:.3} µs", nanoseconds / 1e3)
}

fn median(path: &Path) -> Option<f64> {
    let estimates: serde_json::Value = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
    estimates.get("median")?.get("point_estimate")?.as_f64()
}
