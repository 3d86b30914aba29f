//! Simulated lives of devices and gateways: no property is violated, and one that is is found again by its plan.

use udmi_tests::sim::delays::{ROUND_TRIPS_MS, delayed};
use udmi_tests::sim::{Op, Plan, Shape, Way, run};
use udmi_tests::world::Defect;

/// Seeds of each shape.
const SEEDS: u64 = 12;
/// Operations of a seed.
const OPS: usize = 150;

fn lives(shape: Shape) {
    for seed in 0..SEEDS {
        let done = run(&Plan::drawn(shape, seed, OPS), &Way::default());
        assert!(done.is_ok(), "{}", done.unwrap_err());
    }
}

#[test]
fn no_property_is_violated_in_the_lives_of_devices() {
    lives(Shape::Device);
}

#[test]
fn no_property_is_violated_in_the_lives_of_gateways() {
    lives(Shape::Gateway);
}

#[test]
fn every_config_is_answered_however_slow_the_network_is() {
    for delay in ROUND_TRIPS_MS {
        let answers = delayed(delay, 900_000, 1);
        assert!(answers.as_ref().is_ok_and(|answers| answers.configs > 700), "{answers:?}");
    }
}

#[test]
fn equal_plans_are_equal_lives() {
    let plan = Plan::drawn(Shape::Device, 5, 60);
    let way = Way { transcript: Some(120), ..Way::default() };
    assert_eq!(run(&plan, &way), run(&plan, &way));
}

#[test]
fn a_plan_can_be_written_down() {
    for shape in [Shape::Device, Shape::Gateway] {
        let plan = Plan::drawn(shape, 7, 2000);
        let text = serde_json::to_string(&plan).unwrap();
        let read: Plan = serde_json::from_str(&text).unwrap();
        // Not all numbers are equal to themselves.
        assert_eq!(format!("{read:?}"), format!("{plan:?}"));
    }
}

#[test]
fn a_seeded_defect_is_found_and_found_again() {
    let way = Way { defect: Some(Defect::HurriedState), ..Way::default() };
    let mut plans = (0..1000).map(|seed| Plan::drawn(Shape::Device, seed, OPS));
    let (plan, found) = plans.find_map(|plan| run(&plan, &way).err().map(|found| (plan, found))).unwrap();
    assert_eq!(found.property.number(), 3, "{found}");
    assert_eq!(run(&plan, &way), Err(found));
}

#[test]
fn a_panic_is_a_violation_too() {
    let way = Way { defect: Some(Defect::Panic), ..Way::default() };
    let plan = Plan { shape: Shape::Device, seed: 1, ops: vec![Op::Pass(86_400_000)] };
    let found = run(&plan, &way).unwrap_err();
    assert_eq!(found.property.number(), 12, "{found}");
}
