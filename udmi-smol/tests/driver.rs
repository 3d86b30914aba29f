//! The driver: what comes in time, what is cancelled, what is bounded.

#[path = "../../udmi-std/tests/common/mod.rs"]
mod common;

use std::thread::{self, JoinHandle};

use common::{Broker, PATIENCE, config, settings, timestamp};
use smol::channel::unbounded;
use udmi_proto::{Command, ExitReason, Hook, Json, Notice, Outcome, Settings, Udmi, Value};
use udmi_smol::driver::{Answering, Driver, Hearing, Link, SendError};

#[test]
fn a_config_is_answered_and_a_write_takes_its_time() {
    let broker = Broker::start();
    broker.configure(&config(1, Some(7.0)));
    let (release, released) = unbounded::<()>();
    let answer = move |hook: Hook| match hook {
        Hook::WritePoint { value: Value::Number(7.0), .. } => {
            let released = released.clone();
            later(async move {
                let _ = released.recv().await;
                Outcome::Done
            })
        }
        _ => Answering::Now(Outcome::Unhandled),
    };
    let (link, run) = start(Driver::new(dialect(settings(broker.address)), (answer, deaf)));
    let value_state =
        |state: &serde_json::Value| state["pointset"]["points"]["setpoint"]["value_state"].clone();
    broker.message("state", |state| value_state(state) == "updating");
    // Meanwhile the device is served.
    link.send(event(1)).unwrap();
    broker.message("events/counted", |event| event["number"] == 1);
    release.send_blocking(()).unwrap();
    let state = broker.message("state", |state| value_state(state) == "applied");
    assert_eq!(state["system"]["last_config"], timestamp(1));
    link.send_last(Command::Stop { reason: ExitReason::Shutdown }).unwrap();
    assert_eq!(link.wait_blocking(PATIENCE), Some(ExitReason::Shutdown));
    assert_eq!(run.join().unwrap(), ExitReason::Shutdown);
    assert_eq!(link.send(Command::SampleNow), Err(SendError::Ended));
}

type Run = JoinHandle<ExitReason>;

fn dialect(settings: Settings) -> Udmi {
    Udmi::new(settings).unwrap()
}

/// Runs it on a thread of its own.
fn start(driver: Driver<Udmi>) -> (Link<Udmi>, Run) {
    let (link, run) = smol::block_on(driver.start()).unwrap();
    (link, thread::spawn(move || smol::block_on(run)))
}

fn later(answer: impl Future<Output = Outcome> + Send + 'static) -> Answering<Udmi> {
    Answering::Later(Box::pin(answer))
}

fn deaf(_: Notice) -> Option<Hearing> {
    None
}

fn event(number: u32) -> Command {
    let content = Json::object(&format!(r#"{{"number":{number}}}"#)).unwrap();
    Command::SendEvent { folder: "counted".into(), content }
}
