//! Gateways and devices behind them with a fault: what they send is altered on its way.

use serde_json::{Value, json};
use udmi_tests::conformance::{Scenario, Verdict, run_with, setup};
use udmi_tests::model::{Model, PROXIED, STRANGER};
use udmi_tests::world::{Answer, Received};

/// The sequence fails, and says this.
fn assert_fails(
    model: &Model,
    sequence: &str,
    fault: impl FnMut(Received) -> Vec<Received> + 'static,
    expected: &str,
) {
    let scenario = Scenario::load(sequence, model);
    let outcome = run_with(&scenario, model, setup(model), |world| world.cloud.alter(fault));
    match &outcome.verdict {
        Verdict::Fail(text) => assert!(text.contains(expected), "{text}"),
        other => panic!("not caught: {other:?}"),
    }
}

/// In states of the device in question.
fn in_states(mut change: impl FnMut(&mut Value) + 'static) -> impl FnMut(Received) -> Vec<Received> {
    move |mut received| {
        if received.topic == "state" && received.prefix.ends_with("/AHU-1") {
            change(&mut received.payload);
        }
        vec![received]
    }
}

#[test]
fn a_proxied_device_that_is_silent_is_caught() {
    let model = Model::air_handler().as_gateway();
    for (sequence, topic) in [("gateway_proxy_events", "events/pointset"), ("gateway_proxy_state", "state")] {
        for id in PROXIED {
            let silent = move |received: Received| {
                let vanishes = received.topic == topic && received.prefix.ends_with(id);
                if vanishes { vec![] } else { vec![received] }
            };
            assert_fails(&model, sequence, silent, &format!("/{id}\"] are missing"));
        }
    }
}

#[test]
fn a_device_that_is_not_to_be_acted_for_is_caught() {
    let model = Model::air_handler().as_gateway();
    for sequence in ["gateway_proxy_events", "gateway_proxy_state"] {
        let twice = |received: Received| {
            let other = received.prefix.replace(PROXIED[0], STRANGER);
            let stranger = Received { prefix: other, ..received.clone() };
            if received == stranger { vec![received] } else { vec![received, stranger] }
        };
        assert_fails(&model, sequence, twice, "not to be acted for");
    }
}

#[test]
fn a_silent_bus_keeps_no_device_from_its_states() {
    let model = Model::air_handler().as_gateway();
    let mut setup = setup(&model);
    setup.plant.proxied.values_mut().for_each(|device| device.reads = Answer::Never);
    let outcome = run_with(&Scenario::load("gateway_proxy_state", &model), &model, setup, |_| {});
    assert_eq!(outcome.verdict, Verdict::Pass);
}

#[test]
fn a_target_whose_fault_is_not_told_or_stays_is_caught() {
    let model = Model::air_handler().as_proxied();
    for sequence in ["bad_target_family", "bad_target_address"] {
        let untold = in_states(|state| {
            if let Some(gateway) = state.get_mut("gateway") {
                *gateway = json!({});
            }
        });
        assert_fails(&model, sequence, untold, "/gateway/status/category is absent");
        let mild = in_states(|state| {
            if let Some(level) = state.pointer_mut("/gateway/status/level") {
                *level = json!(400);
            }
        });
        assert_fails(&model, sequence, mild, "/gateway/status/level is 400, expected 500");
        let mut seen = Value::Null;
        let stays = in_states(move |state| {
            if let Some(status) = state.pointer("/gateway/status") {
                seen = status.clone();
            } else if !seen.is_null() && state.get("gateway").is_some() {
                state["gateway"]["status"] = seen.clone();
            }
        });
        assert_fails(&model, sequence, stays, "/gateway/status/level is 500");
    }
}

#[test]
fn a_reference_whose_fault_is_not_told_is_caught() {
    let model = Model::air_handler().as_proxied();
    let untold = in_states(|state| {
        let points = state.pointer_mut("/pointset/points").and_then(Value::as_object_mut);
        for point in points.into_iter().flatten().filter_map(|(_, point)| point.as_object_mut()) {
            point.remove("status");
        }
    });
    assert_fails(&model, "bad_point_ref", untold, "/status/category is absent");
}

#[test]
fn a_proxied_device_that_answers_under_another_name_is_caught() {
    let model = Model::air_handler().as_proxied();
    let renamed = |mut received: Received| {
        received.prefix = received.prefix.replace("AHU-1", STRANGER);
        vec![received]
    };
    assert_fails(&model, "system_last_update", renamed, "no state at all");
}
