//! The application's view: a device, its closures and its handle against a broker.

use std::collections::BTreeMap;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Instant;

use crate::adapter::{
    Begin as _, CommandError, Device, ExitReason, Handle, HandleError, Notice, PointNames, Value,
    Waiting as _, WriteError, udmi_proto::Limits,
};
use crate::common::{Broker, PATIENCE, config, settings, timestamp};
use device_broker::{Ended, Note};

fn stop(device: &Handle) -> ExitReason {
    device.stop();
    device.ended(PATIENCE).expect("the device ends")
}

#[test]
fn a_retained_config_is_answered_with_a_state() {
    let broker = Broker::start();
    broker.configure(&config(1, None));
    let started = Instant::now();
    let device = Device::builder(settings(broker.address)).begin().unwrap();
    broker.state_for(&timestamp(1));
    println!("first state after {:?}", started.elapsed());
    assert!(device.is_connected());
    assert_eq!(stop(&device), ExitReason::Shutdown);
    assert!(!device.is_connected());
}

#[test]
fn pushed_polled_and_computed_values_arrive() {
    let broker = Broker::start();
    let mut with_points = config(1, None);
    with_points["pointset"]["points"] =
        serde_json::json!({ "temperature": {}, "setpoint": {}, "pressure": {}, "double": {}, "stuck": {} });
    broker.configure(&with_points);
    let device = Device::builder(settings(broker.address))
        .poll("pressure", hook!(|| 1013))
        .poll("stuck", hook!(|| Err::<f64, _>("valve stuck")))
        .computed("double", |known| known.get("pressure").and_then(Value::as_number).map(|value| value * 2.0))
        .begin()
        .unwrap();
    device.set_point("temperature", 21.5).unwrap();
    device.set_points([("setpoint", 20)]).unwrap();
    let event = broker.message("events/pointset", |event| {
        let has = |name| event["points"].get(name).is_some();
        has("temperature") && has("setpoint") && has("double")
    });
    let present = |name: &str| event["points"][name]["present_value"].clone();
    assert_eq!(present("temperature"), 21.5);
    assert_eq!(
        (present("setpoint"), present("pressure"), present("double")),
        (20.into(), 1013.into(), 2026.0.into())
    );
    assert!(event["points"].get("stuck").is_none());
    stop(&device);
}

#[test]
fn a_write_goes_through_the_closure_of_its_point() {
    let broker = Broker::start();
    let (written, writes) = channel();
    let device = Device::builder(settings(broker.address))
        .on_writeback(hook!(|_, _| Err("not for all".into())))
        .on_writeback_point(
            "setpoint",
            hook!(
                [written] | value | {
                    written.send(value.clone()).unwrap();
                    Ok(())
                }
            ),
        )
        .begin()
        .unwrap();
    broker.configure(&config(1, Some(60.0)));
    assert_eq!(writes.recv_timeout(PATIENCE).unwrap(), Value::Number(60.0));
    let state =
        broker.message("state", |state| state["pointset"]["points"]["setpoint"]["value_state"] == "applied");
    assert_eq!(state["system"]["last_config"], timestamp(1));
    broker.message("events/pointset", |event| event["points"]["setpoint"]["present_value"] == 60.0);
    stop(&device);
}

#[test]
fn a_write_nobody_takes_care_of_becomes_the_present_value() {
    let broker = Broker::start();
    let device = Device::builder(settings(broker.address)).begin().unwrap();
    broker.configure(&config(1, Some(61.0)));
    broker.message("events/pointset", |event| event["points"]["setpoint"]["present_value"] == 61.0);
    stop(&device);
}

#[test]
fn a_panicking_closure_fails_its_write_and_the_device_goes_on() {
    let broker = Broker::start();
    let device = Device::builder(settings(broker.address))
        .on_writeback(hook!(|_, value| {
            assert!(value.as_number() != Some(1.0), "bus gone");
            Ok(())
        }))
        .begin()
        .unwrap();
    let value_state =
        |state: &serde_json::Value| state["pointset"]["points"]["setpoint"]["value_state"].clone();
    broker.configure(&config(1, Some(1.0)));
    let state = broker.message("state", |state| value_state(state) == "failure");
    let message = state["pointset"]["points"]["setpoint"]["status"]["message"].as_str().unwrap();
    assert!(message.contains("the application panicked: bus gone"), "{message}");
    broker.configure(&config(2, Some(2.0)));
    broker.message("state", |state| value_state(state) == "applied");
    stop(&device);
}

#[test]
fn an_invalid_value_is_told_from_a_failure() {
    let broker = Broker::start();
    let device = Device::builder(settings(broker.address))
        .on_writeback(hook!(|_, _| Err(WriteError::Invalid("out of reach".into()))))
        .begin()
        .unwrap();
    broker.configure(&config(1, Some(1.0)));
    broker.message("state", |state| state["pointset"]["points"]["setpoint"]["value_state"] == "invalid");
    stop(&device);
}

#[test]
fn a_closure_may_use_the_handle() {
    let broker = Broker::start();
    let own: Arc<OnceLock<Handle>> = Arc::default();
    let inside = own.clone();
    let device = Device::builder(settings(broker.address))
        .on_writeback(hook!(
            [inside] | _,
            value | {
                let device = inside.get().unwrap();
                device.set_point("temperature", value).unwrap();
                device.info("from inside").unwrap();
                device.sample_now().unwrap();
                device.stop();
                assert_eq!(device.set_point("temperature", 1.0), Err(HandleError::Ended));
                Ok(())
            }
        ))
        .begin()
        .unwrap();
    own.set(device.clone()).unwrap();
    broker.configure(&config(1, Some(5.0)));
    assert_eq!(device.ended(PATIENCE), Some(ExitReason::Shutdown));
}

#[test]
fn stopping_sends_the_last_state_and_says_farewell() {
    let broker = Broker::start();
    let device = Device::builder(settings(broker.address)).begin().unwrap();
    broker.configure(&config(1, None));
    broker.state_for(&timestamp(1));
    device.stop();
    assert_eq!(device.set_point("temperature", 1.0), Err(HandleError::Ended));
    broker.message("state", |state| state["system"]["operation"]["mode"] == "shutdown");
    let why = broker.note("end", |note| match note {
        Note::Disconnected { client, why } if client.as_ref() == crate::common::PREFIX => Some(*why),
        _ => None,
    });
    assert_eq!((why, device.ended(PATIENCE)), (Ended::Goodbye, Some(ExitReason::Shutdown)));
}

#[test]
fn events_sent_while_the_broker_is_away_arrive_when_it_is_back() {
    let broker = Broker::start();
    let (lost, losses) = channel();
    let device = Device::builder(settings(broker.address))
        .on_notice(hook!(
            [lost] | notice | {
                if matches!(notice, Notice::Disconnected { .. }) {
                    let _ = lost.send(());
                }
            }
        ))
        .begin()
        .unwrap();
    broker.configure(&config(1, None));
    broker.state_for(&timestamp(1));
    let address = broker.stop();
    losses.recv_timeout(PATIENCE).unwrap();
    for number in 0..200 {
        device.send_event("test", &format!("{{\"number\":{number}}}")).unwrap();
    }
    let broker = Broker::start_at(address);
    for number in 0..200 {
        broker.message("events/test", |event| event["number"] == number);
    }
    stop(&device);
}

#[test]
fn more_events_than_the_broker_keeps_up_with_are_refused_and_none_is_lost() {
    let broker = Broker::start();
    broker.configure(&config(1, None));
    let device = Device::builder(settings(broker.address)).begin().unwrap();
    broker.state_for(&timestamp(1));
    for number in 0..5000 {
        let event = format!("{{\"number\":{number}}}");
        while device.send_event("test", &event) == Err(HandleError::Full) {
            std::thread::yield_now();
        }
    }
    for number in 0..5000 {
        broker.message("events/test", |event| event["number"] == number);
    }
    stop(&device);
}

#[test]
fn the_cloud_asks_for_a_restart_and_the_application_is_heard_first() {
    let broker = Broker::start();
    let (asked, questions) = channel();
    let device = Device::builder(settings(broker.address))
        .on_lifecycle(hook!(
            [asked] | action | {
                asked.send(action).unwrap();
                Ok(())
            }
        ))
        .begin()
        .unwrap();
    broker.configure(&config(1, None));
    broker.message("state", |state| state["system"]["operation"]["mode"] == "active");
    let mut restart = config(2, None);
    restart["system"]["operation"]["mode"] = "restart".into();
    broker.configure(&restart);
    assert_eq!(device.ended(PATIENCE), Some(ExitReason::Restart));
    assert_eq!(questions.try_recv(), Ok(crate::adapter::Lifecycle::Restart));
}

#[test]
fn blocks_commands_and_notices_reach_their_closures() {
    let broker = Broker::start();
    let seen: Arc<Mutex<BTreeMap<&str, Option<String>>>> = Arc::default();
    let (blocks, notices) = (seen.clone(), seen.clone());
    let (applied, applications) = channel();
    let device = Device::builder(settings(broker.address))
        .on_config_block(
            "elevator",
            hook!(
                [blocks] | content | {
                    blocks.lock().unwrap().insert("block", content.map(|content| content.to_string()));
                }
            ),
        )
        .on_command(hook!(|_, _| Err(CommandError::Unknown)))
        .on_notice(hook!(
            [notices, applied] | notice | {
                if let Notice::ConfigApplied { timestamp, .. } = notice {
                    notices.lock().unwrap().insert("applied", Some(timestamp.clone()));
                    applied.send(()).unwrap();
                }
            }
        ))
        .metrics(true)
        .begin()
        .unwrap();
    let mut with_block = config(1, None);
    with_block["elevator"] = serde_json::json!({ "floors": 3 });
    broker.configure(&with_block);
    applications.recv_timeout(PATIENCE).unwrap();
    device.set_block("elevator", Some(r#"{"floor":2}"#)).unwrap();
    broker.message("state", |state| state["elevator"]["floor"] == 2);
    assert_eq!(device.set_block("elevator", Some("[]")).unwrap_err().to_string(), "expected a JSON object");
    stop(&device);
    let seen = seen.lock().unwrap();
    assert_eq!(seen["block"].as_deref(), Some(r#"{"floors":3}"#));
    assert_eq!(seen["applied"], Some(timestamp(1)));
}

#[test]
fn a_recorded_run_replays() {
    let broker = Broker::start();
    broker.configure(&config(1, Some(4.0)));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace.ndjson");
    let device = Device::builder(settings(broker.address)).trace(&path).begin().unwrap();
    broker.message("events/pointset", |event| event["points"]["setpoint"]["present_value"] == 4.0);
    stop(&device);
    let text = std::fs::read_to_string(&path).unwrap();
    let mut lines = text.lines();
    let header: device_link::trace::Header<crate::adapter::Settings> =
        device_link::trace::Header::read(lines.next().unwrap()).unwrap();
    let dialect = crate::adapter::udmi_proto::Udmi::new(header.setup).unwrap();
    let count = device_link::trace::replay(header.boot, dialect, lines).unwrap();
    assert!(count.lines > 5 && count.actions > 5, "{count:?}");
}

#[test]
fn what_was_stored_is_there_after_a_restart() {
    let broker = Broker::start();
    broker.configure(&config(1, None));
    let folder = tempfile::tempdir().unwrap();
    let restarts = || {
        let store = crate::adapter::udmi_host::store::FileStore::open(folder.path()).unwrap();
        let device = Device::builder(settings(broker.address)).store(store).begin().unwrap();
        let state = broker.state_for(&timestamp(1));
        stop(&device);
        broker.message("state", |state| state["system"]["operation"]["mode"] == "shutdown");
        state["system"]["operation"]["restart_count"].as_i64().unwrap()
    };
    let first = restarts();
    assert_eq!(restarts(), first + 1);
}

#[test]
fn dropping_the_handle_does_not_end_the_device() {
    let broker = Broker::start();
    drop(Device::builder(settings(broker.address)).begin().unwrap());
    broker.configure(&config(1, None));
    broker.state_for(&timestamp(1));
}

#[test]
fn samples_published_faster_than_the_broker_takes_them_are_refused_for_a_while_and_none_is_lost() {
    const SAMPLES: i64 = 4000;
    let broker = Broker::start();
    broker.configure(&config(1, None));
    let limits = Limits { outbox_messages: 4, inflight: 2, ..Limits::default() };
    let lost = Arc::new(OnceLock::new());
    let overflown = lost.clone();
    let device = Device::builder(settings(broker.address))
        .limits(limits)
        .on_notice(hook!(
            [overflown] | notice | {
                if matches!(notice, Notice::OutboxFull { .. }) {
                    let _ = overflown.set(());
                }
            }
        ))
        .begin()
        .unwrap();
    broker.state_for(&timestamp(1));
    let names = PointNames::new(["temperature", "setpoint"]);
    let publisher = device.clone();
    let refused = std::thread::spawn(move || {
        let mut refused = 0;
        for sample in 0..SAMPLES {
            while publisher.publish_values(&names, [sample, -sample]) == Err(HandleError::Full) {
                refused += 1;
                publisher.has_room(PATIENCE).unwrap();
            }
        }
        refused
    });
    for sample in 0..SAMPLES {
        broker.message("events/pointset", |event| {
            let seen = event["points"]["temperature"]["present_value"].as_i64().unwrap();
            assert!(seen <= sample, "{sample} is lost, {seen} came");
            seen == sample
        });
    }
    assert!(refused.join().unwrap() > 0);
    assert_eq!(lost.get(), None);
    stop(&device);
}
