//! Every sequence of the conformance suite that this device must pass, against the simulated world; and the
//! proof that the interpreter can fail: devices with a fault are caught by the sequence meant for it.

#[path = "conformance/behind.rs"]
mod behind;
#[path = "conformance/faults.rs"]
mod faults;
#[path = "conformance/models.rs"]
mod models;
#[path = "conformance/results.rs"]
mod results;
#[path = "conformance/seeded.rs"]
mod seeded;
#[path = "conformance/table.rs"]
mod table;

use udmi_tests::conformance::{Outcome, Scenario, Verdict, run, run_with, setup};
use udmi_tests::model::Model;
use udmi_tests::world::{Answer, Cut, Setup, Weather};

/// The sequences of Config, System, Localnet, Pointset, Writeback, Blobset, Restart, Discovery, Gateway and Proxied
/// (§9.4).
const SEQUENCES: usize = 55;

/// The device in each of the three places, with how many of the sequences are for it.
fn places() -> [(Model, usize); 3] {
    let model = Model::air_handler;
    // Three are for proxied devices, two for gateways; seventeen only for what connects, and six for what scans.
    [(model(), 49), (model().as_gateway(), 51), (model().as_proxied(), 29)]
}

/// Outcomes of the sequences that are for devices in that place, and of which the metadata have what they need.
fn in_all(model: &Model, alter: impl Fn(&mut Setup)) -> Vec<(String, Outcome)> {
    let outcome = |name: &str| {
        let scenario = Scenario::load(name, model);
        let mut setup = setup(model);
        alter(&mut setup);
        let is_skipped = scenario.skipped.is_some() || scenario.lacks(&model.metadata).is_some();
        let applies = scenario.is_for(model.role) && !is_skipped;
        applies.then(|| run_with(&scenario, model, setup, |_| {}))
    };
    Scenario::names().filter_map(|name| Some((name.to_owned(), outcome(name)?))).collect()
}

fn assert_all_pass(outcomes: &[(String, Outcome)]) {
    let told = |(name, outcome): &(String, Outcome)| {
        format!("{name}: {:?} {:?} {:?}", outcome.verdict, outcome.capabilities, outcome.findings)
    };
    let others: Vec<_> = outcomes.iter().filter(|(_, outcome)| !outcome.is_clean()).map(told).collect();
    assert!(others.is_empty(), "{others:#?}");
}

#[test]
fn an_air_handler_passes_every_sequence_and_breaks_no_schema_in_each_place() {
    assert_eq!(Scenario::names().count(), SEQUENCES);
    for (model, sequences) in places() {
        let outcomes = in_all(&model, |_| {});
        assert_eq!(outcomes.len(), sequences, "{:?}", model.role);
        assert_all_pass(&outcomes);
    }
}

#[test]
fn it_passes_the_scans_of_each_family_it_scans() {
    for facet in ["bacnet", "vendor"] {
        let model = Model { facet: facet.into(), ..Model::air_handler() };
        let scans = Scenario::names().filter(|name| name.starts_with("scan_"));
        let outcomes: Vec<_> =
            scans.map(|name| (name.to_owned(), run(&Scenario::load(name, &model), &model))).collect();
        assert_eq!(outcomes.len(), 6);
        assert_all_pass(&outcomes);
    }
}

#[test]
fn it_passes_over_a_slow_and_crumbling_network() {
    let weather = Weather {
        latency_ms: 400,
        cut: Cut::Seeded(7),
        bytes_per_second: Some(20_000),
        ..Weather::default()
    };
    for (model, _) in places() {
        assert_all_pass(&in_all(&model, |setup| setup.weather = weather.clone()));
    }
}

#[test]
fn it_passes_wherever_in_a_second_it_starts() {
    for fraction in [1, 250, 499, 940, 999] {
        for (model, _) in places() {
            assert_all_pass(&in_all(&model, |setup| setup.utc.0 += fraction));
        }
    }
}

#[test]
fn it_passes_with_a_plant_that_takes_ten_seconds_to_write() {
    for (mut model, _) in places() {
        model.settings.options.metrics_hook = true;
        assert_all_pass(&in_all(&model, |setup| {
            setup.plant.writes = Answer::Ok(10_000);
            setup.plant.proxied.values_mut().for_each(|device| device.writes = Answer::Ok(10_000));
        }));
    }
}

#[test]
fn it_passes_when_updating_is_held_for_three_seconds() {
    for (mut model, _) in places() {
        model.settings.options.minimum_updating_ms = 3000;
        assert_all_pass(&in_all(&model, |_| {}));
    }
}

#[test]
fn a_device_without_state_passes_the_sequences_meant_for_it_and_skips_the_others() {
    let outcomes = in_all(&Model::air_handler().without_state(), |setup| {
        setup.settings.options.suppress_state = true;
    });
    let passed: Vec<_> = outcomes.iter().filter(|(_, outcome)| outcome.verdict == Verdict::Pass).collect();
    let names: Vec<_> = passed.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        ["pointset_numeric_values", "pointset_publish", "pointset_publish_interval", "system_min_loglevel"]
    );
    let skip = Verdict::Skip("State testing disabled".into());
    assert!(outcomes.iter().all(|(_, outcome)| [&Verdict::Pass, &skip].contains(&&outcome.verdict)));
}

#[test]
fn a_sequence_without_its_metadata_is_skipped() {
    let mut model = Model::air_handler();
    model.metadata["testing"]["targets"] = serde_json::json!({});
    let outcome = run(&Scenario::load("writeback_success", &model), &model);
    assert!(matches!(outcome.verdict, Verdict::Skip(reason) if reason.contains("/testing/targets/applied")));
}
