//! Each property has an oracle that can fail: a device with the seeded defect is found out within a thousand seeds, and
//! one without lives through the same seeds.

use udmi_tests::property::Property;
use udmi_tests::sim::{Campaign, Way};
use udmi_tests::world::Defect;

/// Seeds within which each defect is found.
const SEEDS: u64 = 1000;
/// Operations of a seed.
const OPS: usize = 60;

fn campaign(defect: Option<Defect>, compares: bool, runs: u64) -> Campaign {
    let way = Way { defect, transcript: None, compares: Some(compares) };
    Campaign { shape: None, first: 1, runs, ops: OPS, threads: 1, way }
}

/// How many seeds it takes to find a defect.
fn seeds_to_find(defect: Defect) -> u64 {
    let outcome = campaign(Some(defect), defect.violates().compares_runs(), SEEDS).run(&|_| ());
    let Some((plan, found)) = outcome.found else {
        panic!("{} is not found in {SEEDS} seeds", defect.name())
    };
    assert_eq!(found.property, defect.violates(), "{}: {found}", defect.name());
    let healthy = Campaign { first: plan.seed, ..campaign(None, defect.violates().compares_runs(), 1) };
    let outcome = healthy.run(&|_| ());
    assert!(outcome.found.is_none(), "{:?}", outcome.found);
    plan.seed
}

#[test]
fn every_defect_is_found_within_a_thousand_seeds() {
    for defect in Defect::ALL {
        let seeds = seeds_to_find(defect);
        println!("property {:2}  {:22}  {seeds} seeds", defect.violates().number(), defect.name());
    }
}

#[test]
fn every_property_has_a_defect_that_violates_it() {
    for property in Property::ALL {
        assert!(Defect::ALL.iter().any(|defect| defect.violates() == property), "{property}");
    }
}
