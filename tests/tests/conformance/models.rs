//! Devices drawn at random, for the same sequences.

use proptest::prelude::*;
use serde_json::{Value, json};
use udmi_tests::conformance::Verdict;
use udmi_tests::model::{Model, Role};

fn point() -> impl Strategy<Value = Value> {
    let units = prop_oneof![Just(None), Just(Some("Percent")), Just(Some("No-units"))];
    let baseline = prop_oneof![
        Just(Value::Null),
        (1..500i64).prop_map(Value::from),
        (1..5000i64).prop_map(|hundredths| json!(f64::from(i32::try_from(hundredths).unwrap()) / 100.0)),
        Just(json!("auto")),
        Just(json!(true)),
    ];
    (units, prop::option::of("[A-Z]{2}/[1-9]"), any::<bool>(), baseline).prop_map(
        |(units, reference, writable, baseline)| {
            let mut point = json!({ "writable": writable });
            for (name, value) in
                [("units", json!(units)), ("ref", json!(reference)), ("baseline_value", baseline)]
            {
                if !value.is_null() {
                    point[name] = value;
                }
            }
            point
        },
    )
}

fn points() -> impl Strategy<Value = Value> {
    prop::collection::btree_map("[a-z][a-z0-9]{0,6}(_[a-z0-9]{1,4}){0,2}", point(), 1..12)
        .prop_map(|points| json!({ "points": points }))
}

fn families() -> impl Strategy<Value = Value> {
    prop::sample::subsequence(vec!["ether", "ipv4", "ipv6", "vendor", "bacnet"], 0..5).prop_map(|families| {
        let addresses = families.iter().map(|family| ((*family).to_owned(), json!({ "addr": "12" })));
        json!({ "families": addresses.collect::<serde_json::Map<_, _>>() })
    })
}

prop_compose! {
    fn model()(
        serial in prop::option::of("[0-9A-Z]{4,12}"),
        hardware in prop::option::of(("[A-Za-z]{1,8}", "[A-Za-z0-9 -]{1,8}")),
        software in prop::option::of(prop::collection::btree_map("[a-z_]{1,8}", "[v0-9.]{1,6}", 0..4)),
        localnet in prop::option::of(families()),
        pointset in prop::option::of(points()),
        rate in prop::option::of(5..600i64),
        metrics_hook in any::<bool>(),
        role in prop::sample::select(vec![Role::Direct, Role::Gateway, Role::Proxied]),
    ) -> Model {
        let mut metadata = json!({ "timestamp": "2025-11-03T08:15:00Z", "version": "1.5.7", "system": {} });
        if let Some(serial) = serial { metadata["system"]["serial_no"] = json!(serial); }
        if let Some((make, kind)) = hardware {
            metadata["system"]["hardware"] = json!({ "make": make, "model": kind });
        }
        if let Some(software) = software { metadata["system"]["software"] = json!(software); }
        if let Some(localnet) = localnet { metadata["localnet"] = localnet; }
        if let Some(mut pointset) = pointset {
            if let Some(rate) = rate { pointset["sample_rate_sec"] = json!(rate); }
            metadata["testing"] = json!({ "targets": targets(&pointset["points"]) });
            metadata["pointset"] = pointset;
        }
        let mut model = Model::of(metadata);
        model.settings.options.metrics_hook = metrics_hook;
        match role {
            Role::Direct => model,
            Role::Gateway => model.as_gateway(),
            Role::Proxied => model.as_proxied(),
        }
    }
}

/// Target points of each kind the points allow.
fn targets(points: &Value) -> Value {
    let mut targets = json!({});
    for (name, point) in points.as_object().unwrap() {
        let target = |value: Value| json!({ "target_point": name, "target_value": value });
        let baseline = &point["baseline_value"];
        let number = baseline.as_f64();
        if point["writable"] == true && number.is_some_and(|number| number > 2.0) {
            targets["applied"] = target(json!(2));
        } else if point["writable"] == true && baseline.is_string() {
            targets["applied"] = target(json!("manual"));
        } else if point["writable"] == false && baseline.is_boolean() {
            targets["failure"] = target(json!(false));
        } else if let Some(number) = number {
            targets["invalid"] = target(json!(number * 2.0 + 1.0));
        }
    }
    targets
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 18, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn devices_of_any_model_pass_what_applies_to_them(model in model()) {
        for (name, outcome) in super::in_all(&model, |_| {}) {
            prop_assert!(!matches!(outcome.verdict, Verdict::Fail(_)), "{name}: {outcome:?}");
            prop_assert!(outcome.findings.is_empty(), "{name}: {outcome:?}");
        }
    }
}
