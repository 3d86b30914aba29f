//! Devices with a fault, as the suite's own fault injection has them (§D): what they send is altered on its way.

use serde_json::{Value, json};
use udmi_tests::conformance::{Outcome, Scenario, Step, Verdict, run, run_with, setup};
use udmi_tests::model::Model;
use udmi_tests::world::{Answer, Received, World};

fn with_fault(sequence: &str, alter: impl FnMut(Received) -> Vec<Received> + 'static) -> Outcome {
    with_prepared(sequence, |world| world.cloud.alter(alter))
}

fn with_prepared(sequence: &str, prepare: impl FnOnce(&mut World)) -> Outcome {
    let model = Model::air_handler();
    run_with(&Scenario::load(sequence, &model), &model, setup(&model), prepare)
}

fn in_states(mut change: impl FnMut(&mut Value) + 'static) -> impl FnMut(Received) -> Vec<Received> {
    move |mut received| {
        if received.topic == "state" {
            change(&mut received.payload);
        }
        vec![received]
    }
}

fn in_log(mut change: impl FnMut(&mut Value) + 'static) -> impl FnMut(Received) -> Vec<Received> {
    move |mut received| {
        if let Some(entries) = received.payload.get_mut("logentries").and_then(Value::as_array_mut) {
            entries.iter_mut().for_each(&mut change);
        }
        vec![received]
    }
}

fn in_values(mut change: impl FnMut(&mut Value) + 'static) -> impl FnMut(Received) -> Vec<Received> {
    move |mut received| {
        if received.topic == "events/pointset" {
            change(&mut received.payload["points"]);
        }
        vec![received]
    }
}

fn remove(value: &mut Value, parent: &str, name: &str) {
    if let Some(members) = value.pointer_mut(parent).and_then(Value::as_object_mut) {
        members.remove(name);
    }
}

fn is_about(entry: &Value, category: &str) -> bool {
    entry["category"] == category
}

/// The sequence fails, or one of its capabilities, and says this.
fn assert_fails(outcome: &Outcome, expected: &str) {
    let failures: Vec<_> = outcome.failures().collect();
    assert!(failures.iter().any(|text| text.contains(expected)), "{failures:?}");
}

#[test]
fn a_state_without_last_config_is_caught() {
    let fault = in_states(|state| remove(state, "/system", "last_config"));
    assert_fails(&with_fault("system_last_update", fault), "/system/last_config is absent");
}

#[test]
fn a_last_config_that_lags_is_caught() {
    let fault = in_states(|state| state["system"]["last_config"] = json!("2026-03-01T09:00:00Z"));
    assert_fails(&with_fault("valid_serial_no", fault), "not in step");
}

#[test]
fn a_start_that_wanders_is_caught() {
    let mut second = 60;
    let fault = in_states(move |state| {
        second -= 1;
        state["system"]["operation"]["last_start"] = json!(format!("2026-03-01T09:00:{second:02}Z"));
    });
    assert_fails(&with_fault("config_logging", fault), "not in step");
}

#[test]
fn a_left_over_block_is_caught() {
    let fault = in_states(|state| state["blobset"] = json!({ "blobs": {} }));
    assert_fails(&with_fault("system_last_update", fault), "equal blocks");
}

#[test]
fn a_missing_block_is_caught() {
    let fault = in_states(|state| remove(state, "", "localnet"));
    assert_fails(&with_fault("system_last_update", fault), "equal blocks");
    let fault = in_states(|state| remove(state, "", "localnet"));
    assert_fails(&with_fault("family_ipv4_addr", fault), "ipv4/addr is absent");
}

#[test]
fn no_state_at_all_is_caught() {
    let silent = |received: Received| if received.topic == "state" { vec![] } else { vec![received] };
    assert_fails(&with_fault("system_last_update", silent), "no state at all");
}

#[test]
fn no_state_for_a_broken_config_is_caught() {
    let silent = |received: Received| {
        let broken = received.payload.pointer("/system/status").is_some();
        if broken { vec![] } else { vec![received] }
    };
    assert_fails(&with_fault("broken_config", silent), "/system/status/level is absent");
}

#[test]
fn a_status_of_the_wrong_category_or_level_is_caught() {
    let set = |name: &'static str, value: Value| {
        in_states(move |state| {
            if let Some(status) = state.pointer_mut("/system/status") {
                status[name] = value.clone();
            }
        })
    };
    let outcome = with_fault("broken_config", set("category", json!("system.config.apply")));
    assert_fails(&outcome, "/system/status/category");
    assert_fails(&with_fault("broken_config", set("level", json!(600))), "/system/status/level is 600");
}

#[test]
fn a_status_that_stays_is_caught() {
    let mut last = None;
    let sticky = in_states(move |state| match state.pointer("/system/status") {
        Some(status) => last = Some(status.clone()),
        None => {
            if let Some(status) = &last {
                state["system"]["status"] = status.clone();
            }
        }
    });
    assert_fails(&with_fault("broken_config", sticky), "/system/status/level is 500, expected absent");
}

#[test]
fn a_sick_device_is_caught_before_a_sequence_begins() {
    let sick = in_states(|state| {
        state["system"]["status"] = json!({
            "message": "sick", "category": "system.config.parse", "level": 500, "timestamp": state["timestamp"]
        });
    });
    assert_fails(&with_fault("too_much_state", sick), "before it begins");
}

#[test]
fn a_log_entry_of_the_wrong_level_is_caught() {
    let off = |category: &'static str| {
        in_log(move |entry| {
            if is_about(entry, category) {
                entry["level"] = json!(200);
            }
        })
    };
    for (sequence, category) in [
        ("config_logging", "system.config.receive"),
        ("config_logging", "system.config.parse"),
        ("config_logging", "system.config.apply"),
        ("extra_config", "system.config.receive"),
        ("broken_config", "system.config.parse"),
        ("system_min_loglevel", "system.config.apply"),
    ] {
        assert_fails(&with_fault(sequence, off(category)), &format!("log entry {category}"));
    }
}

#[test]
fn a_log_entry_of_the_wrong_category_is_caught() {
    let fault = in_log(|entry| {
        if is_about(entry, "system.config.receive") {
            entry["category"] = json!("system.config.parse");
        }
    });
    assert_fails(&with_fault("config_logging", fault), "log entry system.config.receive");
}

#[test]
fn log_entries_stamped_by_a_slow_clock_are_dropped_and_that_is_caught() {
    let fault = in_log(|entry| entry["timestamp"] = json!("2026-03-01T09:59:59Z"));
    assert_fails(&with_fault("config_logging", fault), "no log entry system.config.receive");
}

#[test]
fn an_apply_entry_below_the_level_in_force_is_caught() {
    let stubborn = |received: Received| {
        let mut received = received;
        let stamp = received.payload["timestamp"].clone();
        if let Some(entries) = received.payload.get_mut("logentries").and_then(Value::as_array_mut) {
            entries.push(json!({
                "message": "applied", "category": "system.config.apply", "level": 300, "timestamp": stamp
            }));
        }
        vec![received]
    };
    assert_fails(&with_fault("system_min_loglevel", stubborn), "system.config.apply of level 300 came");
    assert_fails(&with_fault("broken_config", stubborn), "system.config.apply of level 300 came");
}

#[test]
fn another_serial_number_make_or_software_is_caught() {
    let set = |pointer: &'static str, value: Value| {
        in_states(move |state| {
            if let Some(place) = state.pointer_mut(pointer) {
                *place = value.clone();
            }
        })
    };
    for (sequence, pointer, value) in [
        ("valid_serial_no", "/system/serial_no", json!("000")),
        ("state_make_model", "/system/hardware/model", json!("other")),
        (
            "state_software",
            "/system/software",
            json!({ "firmware": "v7", "bus_driver": "2.1", "shell": "1" }),
        ),
        ("family_ether_addr", "/localnet/families/ether/addr", json!("02:00:5E:10:00:01")),
        ("extra_config", "/system/operation/operational", json!(false)),
    ] {
        assert_fails(&with_fault(sequence, set(pointer, value)), pointer);
    }
}

#[test]
fn numbers_as_texts_are_caught() {
    let fault = in_values(|points| points["filter_pressure"]["present_value"] = json!("10.5"));
    assert_fails(&with_fault("pointset_numeric_values", fault), "filter_pressure is the text \"10.5\"");
}

#[test]
fn a_number_of_another_type_is_not_the_value_written() {
    let fault = in_values(|points| {
        if points["duct_pressure_setpoint"]["present_value"] == json!(60) {
            points["duct_pressure_setpoint"]["present_value"] = json!(60.0);
        }
    });
    assert_fails(&with_fault("writeback_success", fault), "no event with duct_pressure_setpoint 60");
}

#[test]
fn a_point_that_is_missing_or_too_many_in_events_is_caught() {
    let missing = in_values(|points| remove(points, "", "filter_alarm"));
    assert_fails(&with_fault("pointset_remove_point", missing), "value or trouble of every point");
    let extra = in_values(|points| points["stowaway"] = json!({ "present_value": 1 }));
    assert_fails(&with_fault("pointset_request_extraneous", extra), "value or trouble of every point");
}

#[test]
fn an_unknown_point_without_status_is_caught() {
    let fault = in_states(|state| remove(state, "/pointset/points/extraneous_point", "status"));
    let outcome = with_fault("pointset_request_extraneous", fault);
    assert_fails(&outcome, "/pointset/points/extraneous_point/status/category is absent");
}

#[test]
fn a_point_that_stays_in_the_state_is_caught() {
    let fault = in_states(|state| state["pointset"]["points"]["supply_temperature"] = json!({}));
    assert_fails(&with_fault("pointset_remove_point", fault), "supply_temperature is {}, expected absent");
}

#[test]
fn telemetry_at_its_own_pace_is_caught() {
    let mut count = 0;
    let every_third = move |received: Received| {
        count += usize::from(received.topic == "events/pointset");
        if received.topic == "events/pointset" && count % 3 != 0 { vec![] } else { vec![received] }
    };
    assert_fails(&with_fault("pointset_publish_interval", every_third), "intervals of");
    let none = |received: Received| if received.topic == "events/pointset" { vec![] } else { vec![received] };
    assert_fails(&with_fault("pointset_publish", none), "waiting for 2 events on pointset");
}

#[test]
fn value_states_that_do_not_come_or_go_are_caught() {
    let at = "/pointset/points/duct_pressure_setpoint";
    let without = move || in_states(move |state| remove(state, at, "value_state"));
    assert_fails(&with_fault("writeback_success", without()), "value_state is absent, expected \"applied\"");
    let stuck = in_states(move |state| {
        state["pointset"]["points"]["duct_pressure_setpoint"]["value_state"] = json!("applied");
    });
    assert_fails(&with_fault("writeback_success", stuck), "value_state is \"applied\", expected absent");
    for (sequence, point) in [("writeback_invalid", "filter_pressure"), ("writeback_failure", "filter_alarm")]
    {
        let swapped = in_states(move |state| {
            let point = &mut state["pointset"]["points"][point];
            if !point["value_state"].is_null() {
                point["value_state"] = json!("overridden");
            }
        });
        assert_fails(&with_fault(sequence, swapped), "value_state is \"overridden\"");
    }
}

#[test]
fn a_write_that_is_never_under_way_is_caught_and_a_quick_one_skips() {
    let hidden = || {
        in_states(|state| {
            let point = &mut state["pointset"]["points"]["duct_pressure_setpoint"];
            if point["value_state"] == "updating" {
                point["value_state"] = json!("initializing");
            }
        })
    };
    let quick = with_fault("writeback_operation", hidden());
    assert_eq!(quick.verdict, Verdict::Skip("operation completed quickly".into()));
    let slow = with_prepared("writeback_operation", |world| {
        world.plant.writes = Answer::Ok(10_000);
        world.cloud.alter(hidden());
    });
    assert_fails(&slow, "no write under way within 4 s: value_state is \"initializing\"");
}

#[test]
fn a_heartbeat_of_states_is_caught() {
    let heartbeat = |received: Received| match received.topic.as_str() {
        "events/system" => {
            let state = json!({ "timestamp": received.payload["timestamp"], "system": {} });
            let prefix = received.prefix.clone();
            let beat = Received { at: received.at, prefix, topic: "state".into(), payload: state };
            vec![received, beat.clone(), beat]
        }
        _ => vec![received],
    };
    assert_fails(&with_fault("too_much_state", heartbeat), "states in 60 s, 6 are allowed");
}

#[test]
fn a_restart_that_is_not_counted_is_caught() {
    let fault = in_states(|state| state["system"]["operation"]["restart_count"] = json!(1));
    assert_fails(&with_fault("system_mode_restart", fault), "/system/operation/restart_count is 1");
}

#[test]
fn a_store_that_keeps_nothing_is_caught() {
    let outcome = with_prepared("system_mode_restart", |world| world.store_fails = true);
    assert_fails(&outcome, "/system/operation/restart_count is 1");
}

#[test]
fn a_device_that_never_comes_back_is_caught() {
    let model = Model::air_handler();
    let mut setup = setup(&model);
    setup.restart_ms = None;
    let outcome = run_with(&Scenario::load("system_mode_restart", &model), &model, setup, |_| {});
    assert_fails(&outcome, "/system/operation/mode is \"restart\"");
}

#[test]
fn an_unknown_enum_value_ends_the_message_loop() {
    let fault = in_states(|state| state["system"]["operation"]["mode"] = json!("sleeping"));
    assert_fails(&with_fault("config_logging", fault), "the message loop ends");
}

#[test]
fn a_stray_member_passes_and_is_found_by_the_schema() {
    let fault = in_states(|state| state["system"]["mood"] = json!("good"));
    let outcome = with_fault("system_last_update", fault);
    assert_eq!(outcome.verdict, Verdict::Pass);
    assert!(outcome.findings.iter().any(|finding| finding.contains("mood")), "{:?}", outcome.findings);
}

#[test]
fn a_state_that_flaps_passes_and_is_found() {
    let mut number = 0;
    let fault = in_states(move |state| {
        number += 1;
        state["system"]["params"] = json!({ "uptime": number.to_string() });
    });
    let outcome = with_fault("system_last_update", fault);
    assert_eq!(outcome.verdict, Verdict::Pass);
    assert!(outcome.findings.contains(&"device_state: system.params.uptime changed".to_owned()));
}

#[test]
fn configs_that_are_not_acknowledged_are_caught() {
    let outcome = with_prepared("device_config_acked", |world| world.watch.configs_delivered += 1);
    assert_fails(&outcome, "waiting for acknowledgement of the config");
}

fn endpoint(state: &mut Value) -> Option<&mut Value> {
    state.pointer_mut("/blobset/blobs/_iot_endpoint_config")
}

#[test]
fn an_error_of_an_endpoint_that_is_not_told_is_caught() {
    let fault = || {
        in_states(|state| {
            if let Some(blob) = endpoint(state) {
                blob.as_object_mut().unwrap().remove("status");
            }
        })
    };
    for sequence in ["endpoint_connection_error", "endpoint_connection_bad_hash", "endpoint_connection_retry"]
    {
        assert_fails(&with_fault(sequence, fault()), "failed: true");
    }
}

#[test]
fn an_endpoint_of_an_old_generation_is_caught() {
    let mut first = None;
    let fault = in_states(move |state| {
        if let Some(blob) = endpoint(state) {
            blob["generation"] = first.get_or_insert(blob["generation"].clone()).clone();
        }
    });
    assert_fails(&with_fault("endpoint_connection_retry", fault), "step 4");
}

#[test]
fn a_state_in_the_registry_that_was_left_is_caught() {
    let fault = |received: Received| {
        let mut late = received.clone();
        late.prefix = "/r/REG/d/AHU-1".into();
        if received.topic == "state" && late != received { vec![received, late] } else { vec![received] }
    };
    let expected = "states in the registry not in use, 0 to 0";
    assert_fails(&with_fault("endpoint_connection_success_alternate", fault), expected);
}

#[test]
fn a_device_that_does_not_go_where_it_is_sent_is_caught() {
    let model = Model::air_handler();
    let mut setup = setup(&model);
    setup.settings.options.redirects = false;
    for sequence in ["endpoint_connection_success_alternate", "endpoint_redirect_and_restart"] {
        let outcome = run_with(&Scenario::load(sequence, &model), &model, setup.clone(), |_| {});
        assert_fails(&outcome, "step 2");
    }
}

#[test]
fn a_device_that_jumps_before_the_other_registry_has_its_config_is_caught() {
    // Without the tool's copy of the config there is only the way home.
    let model = Model::air_handler();
    let mut scenario = Scenario::load("endpoint_connection_success_alternate", &model);
    scenario.steps.insert(2, Step::Pause(20));
    assert_fails(&run(&scenario, &model), "step 5");
}

#[test]
fn a_version_that_is_not_told_is_caught() {
    let fault = in_states(|state| remove(state, "/system/software", "system"));
    assert_fails(&with_fault("blob_update_success", fault), "/system/software/system");
}

#[test]
fn a_blob_that_is_installed_again_is_caught() {
    let mut seen: Option<Value> = None;
    let fault = move |mut received: Received| {
        let stamp = received.payload["timestamp"].clone();
        if let Some(entries) = received.payload.get_mut("logentries").and_then(Value::as_array_mut) {
            if let Some(again) = &seen {
                let mut again = again.clone();
                again["timestamp"] = stamp;
                entries.push(again);
            } else {
                seen = entries.iter().find(|entry| is_about(entry, "blobset.blob.apply")).cloned();
            }
        }
        vec![received]
    };
    assert_fails(&with_fault("blob_update_idempotency", fault), "blobset.blob.apply");
}

#[test]
fn a_device_that_keeps_running_after_an_update_is_caught() {
    let sequence = "blob_update_idempotency";
    let keeps_running = |world: &mut World| world.plant.blobs = Answer::Never;
    assert_fails(&with_prepared(sequence, keeps_running), "phase");
}

fn in_discovery(mut change: impl FnMut(&mut Value) + 'static) -> impl FnMut(Received) -> Vec<Received> {
    move |mut received| {
        if received.topic == "events/discovery" {
            change(&mut received.payload);
        }
        vec![received]
    }
}

/// Events of discovery that are so are lost.
fn without(mut is_lost: impl FnMut(&Value) -> bool + 'static) -> impl FnMut(Received) -> Vec<Received> {
    move |received| {
        let lost = received.topic == "events/discovery" && is_lost(&received.payload);
        if lost { Vec::new() } else { vec![received] }
    }
}

#[test]
fn an_enumeration_that_does_not_come_or_comes_twice_is_caught() {
    assert_fails(&with_fault("enumerate_nothing", without(|_| true)), "0 events tell of the device");
    let twice = |received: Received| {
        if received.topic == "events/discovery" { vec![received.clone(), received] } else { vec![received] }
    };
    assert_fails(&with_fault("enumerate_nothing", twice), "2 events tell of the device");
}

#[test]
fn an_enumeration_of_too_much_too_little_or_another_generation_is_caught() {
    for (sequence, change, expected) in [
        ("enumerate_nothing", json!({ "points": {} }), "points of the event are {}"),
        ("enumerate_pointset", json!({ "points": {} }), "points of the event are {}"),
        ("enumerate_families", json!({ "families": {} }), "families of the event are {}, not 4"),
        ("enumerate_features", json!({ "features": { "levitation": {} } }), "there is no feature levitation"),
        ("enumerate_features", json!({ "features": { "pointset": {} } }), "features of the event are"),
        ("enumerate_multi", json!({ "generation": "2026-03-01T09:00:00Z" }), "of generation"),
        ("enumerate_multi", json!({ "refs": {} }), "tells of references"),
    ] {
        let fault = in_discovery(move |event| {
            for (name, member) in change.as_object().unwrap() {
                event[name] = member.clone();
            }
        });
        assert_fails(&with_fault(sequence, fault), expected);
    }
}

#[test]
fn a_generation_that_stays_is_caught() {
    let fault = in_states(|state| {
        if let Some(discovery) = state.get_mut("discovery") {
            let generation = discovery.get("generation").cloned();
            discovery["generation"] = generation.unwrap_or(json!("2026-03-01T09:00:00Z"));
        }
    });
    assert_fails(&with_fault("enumerate_nothing", fault), "/discovery/generation");
}

#[test]
fn a_mark_or_a_result_that_is_lost_is_caught() {
    for number in [0, 2, -5] {
        let fault = without(move |event| event["event_no"] == number);
        assert_fails(&with_fault("scan_single_now", fault), "events of a scan that has found 4");
    }
}

#[test]
fn events_in_disorder_are_caught() {
    let mut held: Option<Received> = None;
    let swapped = move |received: Received| {
        if received.topic != "events/discovery" {
            return vec![received];
        }
        if received.payload["event_no"] == 1 {
            held = Some(received);
            return Vec::new();
        }
        [received].into_iter().chain(held.take()).collect()
    };
    assert_fails(&with_fault("scan_single_now", swapped), "events are numbered");
}

#[test]
fn what_was_not_looked_for_or_is_told_wrongly_is_caught() {
    for (sequence, member, content, expected) in [
        ("scan_single_now", "addr", json!("77"), "found"),
        ("scan_single_now", "refs", Value::Null, "references of"),
        ("scan_single_now", "refs", json!({ "AV/99": {} }), "references of"),
        ("scan_single_future", "refs", json!({}), "references of"),
        ("scan_single_targeted", "network", json!("7"), "is in network"),
    ] {
        let fault = in_discovery(move |event| {
            if event["event_no"].as_i64() > Some(0) {
                event[member] = content.clone();
                event.as_object_mut().unwrap().retain(|_, member| !member.is_null());
            }
        });
        assert_fails(&with_fault(sequence, fault), expected);
    }
}

#[test]
fn a_plant_that_finds_too_much_or_too_little_is_caught() {
    let loses = |world: &mut World| drop(world.plant.around.get_mut("vendor").unwrap().pop());
    assert_fails(&with_prepared("scan_single_now", loses), "found");
    let doubles = |world: &mut World| {
        let around = world.plant.around.get_mut("vendor").unwrap();
        let mut other = around[0].clone();
        other.found.address = "a stranger".into();
        around.push(other);
    };
    assert_fails(&with_prepared("scan_single_now", doubles), "found");
    let fails = |world: &mut World| world.plant.scans = Answer::Failed(10);
    assert_fails(&with_prepared("scan_single_now", fails), "no phase active");
}

#[test]
fn phases_that_are_missing_unknown_or_wrong_are_caught() {
    let family = |state: &mut Value, change: fn(&mut Value)| {
        if let Some(family) = state.pointer_mut("/discovery/families/vendor") {
            change(family);
        }
    };
    let never_ends = in_states(move |state| {
        family(state, |family| {
            if family["phase"] == "stopped" {
                family["phase"] = json!("active");
            }
        });
    });
    assert_fails(&with_fault("scan_single_now", never_ends), "no phase stopped");
    let passive = in_states(move |state| family(state, |family| family["phase"] = json!("passive")));
    assert_fails(&with_fault("scan_single_now", passive), "message loop");
    let rests = in_states(move |state| family(state, |family| family["phase"] = json!("stopped")));
    assert_fails(&with_fault("scan_periodic_now_enumerate", rests), "expected not \"stopped\"");
}

#[test]
fn a_scan_of_the_past_is_caught() {
    let stray = |received: Received| {
        let mut event = received.clone();
        event.topic = "events/discovery".into();
        event.payload = json!({ "family": "vendor", "event_no": 0 });
        if received.topic == "state" { vec![received, event] } else { vec![received] }
    };
    assert_fails(&with_fault("scan_single_past", stray), "an event came");
}
