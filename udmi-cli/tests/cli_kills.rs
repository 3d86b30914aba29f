//! `udmi device` killed at moments chosen by chance, during redirects and updates.
//!
//! `cargo run --release -p udmi-benches --bin measure -- redirects updates` does the same with many more kills.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io;

use udmi_tests::live::kills::{Plan, Report, redirects, updates};

/// As many as devices: more would only take longer.
const KILLS: usize = 8;

fn all_is_well(run: fn(&Plan) -> io::Result<Report>) {
    let seed = RandomState::new().build_hasher().finish();
    let program = env!("CARGO_BIN_EXE_udmi").into();
    let plan = Plan { program, devices: KILLS, kills: KILLS, seed };
    let report = run(&plan).unwrap();
    assert!(report.is_clean(&plan), "seed {seed}: {report:#?}");
}

#[test]
fn a_device_killed_during_a_redirect_is_at_work_again_where_the_cloud_can_reach_it() {
    all_is_well(redirects::run);
}

#[test]
fn a_device_killed_during_an_update_has_the_old_version_or_the_new_one_and_at_last_the_new_one() {
    all_is_well(updates::run);
}
