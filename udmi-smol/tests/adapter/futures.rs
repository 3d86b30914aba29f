//! What only futures can do.

use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use smol::{LocalExecutor, block_on};
use udmi_smol::{Device, ExitReason, PointModel, Value};

use crate::common::{Broker, PATIENCE, config, settings, timestamp};

#[test]
fn a_closure_that_waits_does_not_hold_the_device_up() {
    let broker = Broker::start();
    let (release, waiting) = smol::channel::bounded::<()>(1);
    let builder = Device::builder(settings(broker.address)).on_writeback(move |_, _| {
        let waiting = waiting.clone();
        async move {
            let _ = waiting.recv().await;
            Ok(())
        }
    });
    let device = block_on(builder.start()).unwrap();
    broker.configure(&config(1, Some(5.0)));
    broker.state_for(&timestamp(1));
    broker.configure(&config(2, Some(5.0)));
    broker.state_for(&timestamp(2));
    assert_eq!(block_on(device.shutdown()), ExitReason::Shutdown);
    drop(release);
}

/// Three points are written at once, and each write ends only when the others have begun.
#[test]
fn points_are_written_side_by_side() {
    let broker = Broker::start();
    let (begun, together) = (Arc::new(Mutex::new(0)), Arc::new(event()));
    let builder = Device::builder(settings(broker.address))
        .point("a", PointModel { writable: true, ..PointModel::default() })
        .point("b", PointModel { writable: true, ..PointModel::default() })
        .on_writeback(move |_, _| {
            let together = together.clone();
            let is_last = {
                let mut begun = begun.lock().unwrap();
                *begun += 1;
                *begun == 3
            };
            async move {
                if is_last {
                    together.0.close();
                }
                let _ = together.1.recv().await;
                Ok(())
            }
        });
    let device = block_on(builder.start()).unwrap();
    let mut three = config(1, Some(1.0));
    three["pointset"]["points"]["a"] = json!({ "set_value": 1 });
    three["pointset"]["points"]["b"] = json!({ "set_value": 1 });
    broker.configure(&three);
    broker.message("state", |state| {
        let applied = |point: &str| state["pointset"]["points"][point]["value_state"] == "applied";
        applied("a") && applied("b") && applied("setpoint")
    });
    assert_eq!(block_on(device.shutdown()), ExitReason::Shutdown);
}

#[test]
fn points_are_read_side_by_side_and_computed_after() {
    let broker = Broker::start();
    let (left, right) = (Arc::new(event()), Arc::new(event()));
    let (of_left, of_right) = (left.clone(), right.clone());
    let builder = Device::builder(settings(broker.address))
        .poll("left", move || {
            let (left, right) = (left.clone(), right.clone());
            async move {
                left.0.close();
                let _ = right.1.recv().await;
                1
            }
        })
        .poll("right", move || {
            let (left, right) = (of_left.clone(), of_right.clone());
            async move {
                right.0.close();
                let _ = left.1.recv().await;
                2
            }
        })
        .computed("sum", |known| {
            let read = |point: &str| known.get(point).and_then(Value::as_number);
            Some(read("left")? + read("right")?)
        });
    let device = block_on(builder.start()).unwrap();
    let mut wanted = config(1, None);
    wanted["pointset"]["points"] = json!({ "left": {}, "right": {}, "sum": {} });
    broker.configure(&wanted);
    broker.message("events/pointset", |event| event["points"]["sum"]["present_value"] == 3.0);
    assert_eq!(block_on(device.shutdown()), ExitReason::Shutdown);
}

/// The cloud changes its mind while a value is written: the write is dropped where it waits.
#[test]
fn a_write_that_is_superseded_is_dropped_before_the_next_begins() {
    let broker = Broker::start();
    let (told, heard) = channel();
    let builder = Device::builder(settings(broker.address)).on_writeback(move |_, value| {
        let told = told.clone();
        async move {
            told.send(format!("begin {value}")).unwrap();
            let dropped = OnDrop(told.clone(), format!("drop {value}"));
            if value == Value::Number(1.0) {
                std::future::pending::<()>().await;
            }
            drop(dropped);
            Ok(())
        }
    });
    let device = block_on(builder.start()).unwrap();
    broker.configure(&config(1, Some(1.0)));
    assert_eq!(heard.recv_timeout(PATIENCE).unwrap(), "begin 1.0");
    broker.configure(&config(2, Some(2.0)));
    for next in ["drop 1.0", "begin 2.0", "drop 2.0"] {
        assert_eq!(heard.recv_timeout(PATIENCE).unwrap(), next);
    }
    assert_eq!(block_on(device.shutdown()), ExitReason::Shutdown);
}

#[test]
fn commands_of_a_device_are_carried_out_one_after_the_other() {
    let broker = Broker::start();
    let (told, heard) = channel();
    let (release, held) = smol::channel::bounded::<()>(1);
    let builder = Device::builder(settings(broker.address)).on_command(move |name, _| {
        let (told, held) = (told.clone(), held.clone());
        async move {
            told.send(format!("begin {name}")).unwrap();
            let _ = held.recv().await;
            told.send(format!("end {name}")).unwrap();
            Ok(())
        }
    });
    let device = block_on(builder.start()).unwrap();
    broker.configure(&config(1, None));
    broker.state_for(&timestamp(1));
    for name in ["first", "second"] {
        broker.send_to("AHU-1", &format!("commands/{name}"), &json!({}));
    }
    assert_eq!(heard.recv_timeout(PATIENCE).unwrap(), "begin first");
    // What answers a later config has seen the second command.
    broker.configure(&config(2, None));
    broker.state_for(&timestamp(2));
    assert!(heard.try_recv().is_err());
    release.close();
    for next in ["end first", "begin second", "end second"] {
        assert_eq!(heard.recv_timeout(PATIENCE).unwrap(), next);
    }
    assert_eq!(block_on(device.shutdown()), ExitReason::Shutdown);
}

#[test]
fn a_future_that_panics_fails_its_write_and_the_device_goes_on() {
    let broker = Broker::start();
    let builder = Device::builder(settings(broker.address)).on_writeback(|_, value| async move {
        smol::future::yield_now().await;
        assert!(value != Value::Number(1.0), "bus gone");
        Ok(())
    });
    let device = block_on(builder.start()).unwrap();
    let setpoint = |state: &serde_json::Value| state["pointset"]["points"]["setpoint"].clone();
    broker.configure(&config(1, Some(1.0)));
    let state = broker.message("state", |state| setpoint(state)["value_state"] == "failure");
    let message = setpoint(&state)["status"]["message"].to_string();
    assert!(message.contains("the application panicked: bus gone"), "{message}");
    broker.configure(&config(2, Some(2.0)));
    broker.message("state", |state| setpoint(state)["value_state"] == "applied");
    assert_eq!(block_on(device.shutdown()), ExitReason::Shutdown);
}

#[test]
fn devices_run_on_an_executor_of_the_applications_own_and_end_with_their_futures() {
    let broker = Broker::start();
    broker.configure(&config(1, None));
    let executor = LocalExecutor::new();
    block_on(executor.run(async {
        let (device, run) = Device::builder(settings(broker.address)).prepare().await.unwrap();
        assert_eq!(device.wait_for(Duration::ZERO).await, None);
        let task = executor.spawn(run);
        device.wait_connected(PATIENCE).await.unwrap();
        assert!(device.is_connected());
        assert_eq!(device.shutdown().await, ExitReason::Shutdown);
        assert_eq!(task.await, ExitReason::Shutdown);
        let error = device.wait_connected(PATIENCE).await.unwrap_err();
        assert!(error.ended && !device.is_connected());

        let (device, run) = Device::builder(settings(broker.address)).prepare().await.unwrap();
        let task = executor.spawn(run);
        device.wait_connected(PATIENCE).await.unwrap();
        drop(task);
        assert_eq!(device.wait().await, ExitReason::Restart);
        assert!(device.set_point("temperature", 1.0).is_err());
    }));
}

#[test]
fn waiting_for_a_broker_that_is_not_there_says_so() {
    let broker = Broker::start();
    let address = broker.stop();
    block_on(async {
        let device = Device::builder(settings(address)).start().await.unwrap();
        let mut patience = Duration::from_millis(10);
        let error = loop {
            let error = device.wait_connected(patience).await.unwrap_err();
            if error.why.is_some() {
                break error;
            }
            patience *= 2;
        };
        assert!(error.to_string().starts_with("no connection to the broker within"), "{error}");
        assert_eq!(device.shutdown().await, ExitReason::Shutdown);
    });
}

/// Happens once one of the first is closed, for all who receive from the second.
fn event() -> (smol::channel::Sender<()>, smol::channel::Receiver<()>) {
    smol::channel::bounded(1)
}

struct OnDrop(std::sync::mpsc::Sender<String>, String);

impl Drop for OnDrop {
    fn drop(&mut self) {
        let _ = self.0.send(self.1.clone());
    }
}
