//! Counterexamples that were found, each a test of its own.

use udmi_proto::Value;
use udmi_tests::sim::replays;

use super::always::played;
use super::operations::{Op, settle, setup};

#[test]
fn regression_a_run_with_a_reading_that_is_no_number_replays() {
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let setup = setup(0);
        let settings = setup.settings.clone();
        let mut world = played(setup, &[Op::Pass(0), Op::SetPoint(0, Value::Number(number))]);
        settle(&mut world);
        assert_eq!(replays(&world, &settings), Ok(()));
    }
}
