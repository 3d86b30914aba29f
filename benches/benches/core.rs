//! Config handling and sampling of the core, each beside the bare cost of the same bytes.
#![allow(missing_docs, reason = "criterion's macros make functions without docs")]

use std::hint::black_box;
use std::path::{Path, PathBuf};

use criterion::{BenchmarkId, Criterion, criterion_group};
use udmi_benches::gateway::{Attached, proxy_config};
use udmi_benches::{ConfigFloor, Connected, SampleFloor, config_packet};

const POINTS: [usize; 3] = [10, 100, 1000];

fn config(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("config");
    for points in POINTS {
        let packets = [config_packet(points, 1), config_packet(points, 2)];
        let mut device = Connected::new(points);
        let mut turn = 0;
        group.bench_function(BenchmarkId::new("core", points), |bencher| {
            bencher.iter(|| {
                turn ^= 1;
                black_box(device.config(&packets[turn]))
            });
        });
        let floor = ConfigFloor::new(points);
        group.bench_function(BenchmarkId::new("floor", points), |bencher| {
            bencher.iter(|| black_box(floor.run()));
        });
    }
    group.finish();
}

fn sample(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sample");
    for points in POINTS {
        let mut device = Connected::new(points);
        group.bench_function(BenchmarkId::new("core", points), |bencher| {
            bencher.iter(|| black_box(device.sample()));
        });
        let floor = SampleFloor::new(points);
        group.bench_function(BenchmarkId::new("floor", points), |bencher| {
            bencher.iter(|| black_box(floor.run()));
        });
    }
    group.finish();
}

/// A config of one of so many proxied devices of ten points.
fn gateway(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("gateway");
    for devices in POINTS {
        let packets = [1, 2].map(|second| proxy_config(devices / 2, 10, second));
        let mut gateway = Attached::new(devices, 10);
        let mut turn = 0;
        group.bench_function(BenchmarkId::new("core", devices), |bencher| {
            bencher.iter(|| {
                turn ^= 1;
                black_box(gateway.config(&packets[turn]))
            });
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(40).measurement_time(std::time::Duration::from_secs(2));
    targets = config, sample, gateway
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

fn print_ratios(results: &Path) {
    println!("\n| what | points | core | floor | ratio |\n|---|---|---|---|---|");
    for group in ["config", "sample"] {
        for points in POINTS {
            let median =
                |side: &str| median(&results.join(format!("{group}/{side}/{points}/new/estimates.json")));
            if let (Some(core), Some(floor)) = (median("core"), median("floor")) {
                println!(
                    "| {group} | {points} | {:.1} µs | {:.1} µs | {:.2} |",
                    core / 1e3,
                    floor / 1e3,
                    core / floor
                );
            }
        }
    }
    print_growth(results);
}

/// What a config of one proxied device costs beside what it costs with the fewest others.
fn print_growth(results: &Path) {
    println!("\n| proxied devices | a config of one of them | ratio |\n|---|---|---|");
    let cost = |devices: usize| median(&results.join(format!("gateway/core/{devices}/new/estimates.json")));
    let Some(least) = cost(POINTS[0]) else { return };
    for devices in POINTS {
        if let Some(cost) = cost(devices) {
            println!("| {devices} | {:.1} µs | {:.2} |", cost / 1e3, cost / least);
        }
    }
}

fn median(path: &Path) -> Option<f64> {
    let estimates: serde_json::Value = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
    estimates.get("median")?.get("point_estimate")?.as_f64()
}
