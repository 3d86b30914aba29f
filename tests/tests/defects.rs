//! Each property has an oracle that can fail: a device with the seeded defect is found out within a thousand seeds, and
//! one without lives through the same seeds.

use udmi_tests::property::Property;
use udmi_tests::sim::{Campaign, Way};
use udmi_tests::world::Defect;

/// Seeds within which each defect has to be found.
const SEEDS: u64 = 1000;
/// Operations of a seed.
const OPS: usize = 60;

/// Seeds from 1 on, devices and gateways in turn.
fn seeds(runs: u64, defect: Option<Defect>, compares: bool) -> Campaign {
    let way = Way { defect, transcript: None, compares: Some(compares) };
    Campaign { shape: None, first: 1, runs, ops: OPS, threads: 1, way }
}

/// How many seeds it takes to find a defect.
fn needed(defect: Defect) -> u64 {
    let outcome = seeds(SEEDS, Some(defect), defect.violates().compares_runs()).run(&|_| ());
    let Some((_, found)) = outcome.found else { panic!("{} is not found in {SEEDS} seeds", defect.name()) };
    assert_eq!(found.property, defect.violates(), "{}: {found}", defect.name());
    println!("{:2} {:22} {} seeds", defect.violates().number(), defect.name(), found.seed);
    found.seed
}

#[test]
fn every_defect_is_found_within_a_thousand_seeds_and_no_other() {
    for compares in [false, true] {
        let defects = Defect::ALL.into_iter().filter(|defect| defect.violates().compares_runs() == compares);
        let most = defects.map(needed).max().unwrap();
        let found = seeds(most, None, compares).run(&|_| ()).found;
        assert!(found.is_none(), "without a defect: {}", found.unwrap().1);
    }
}

#[test]
fn every_property_has_a_defect_that_violates_it() {
    for property in Property::ALL {
        assert!(Defect::ALL.iter().any(|defect| defect.violates() == property), "{property}");
    }
}
