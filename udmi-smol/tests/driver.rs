//! The driver: what comes in time, what is cancelled, what is bounded.

#[path = "../../udmi-std/tests/common/mod.rs"]
mod common;

use std::collections::BTreeMap;
use std::io::Read as _;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bytes::BytesMut;
use common::{Broker, PATIENCE, config, read_packet, settings, timestamp, write_packet};
use device_link::wire::{ConnectCode, Packet};
use device_link::{Closed, Down};
use smol::channel::unbounded;
use smol::future;
use udmi_host::store::{MemoryStore, SetAside, Store, StoreError};
use udmi_proto::{Command, ExitReason, Hook, Json, Notice, Outcome, Settings, Udmi, Value};
use udmi_smol::driver::{Answering, Driver, DriverError, Hearing, Link, SendError};
use udmi_smol::udmi_host;

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
    end(&link, run);
    assert_eq!(link.send(Command::SampleNow), Err(SendError::Ended));
}

#[test]
fn answers_come_side_by_side_and_one_that_nobody_waits_for_is_dropped() {
    let broker = Broker::start();
    broker.configure(&config(1, Some(7.0)));
    let (begun, begins) = mpsc::channel();
    let dropped = Arc::new(AtomicUsize::new(0));
    let drops = dropped.clone();
    let answer = move |hook: Hook| match hook {
        Hook::WritePoint { value, .. } => {
            let end = OnDrop(drops.clone());
            begun.send(value.clone()).unwrap();
            later(async move {
                let _end = end;
                match value {
                    Value::Number(7.0) => future::pending().await,
                    _ => Outcome::Done,
                }
            })
        }
        _ => Answering::Now(Outcome::Unhandled),
    };
    let (link, run) = start(Driver::new(dialect(settings(broker.address)), (answer, deaf)));
    assert_eq!(begins.recv_timeout(PATIENCE), Ok(Value::Number(7.0)));
    assert_eq!(dropped.load(Ordering::SeqCst), 0);
    broker.configure(&config(2, Some(8.0)));
    assert_eq!(begins.recv_timeout(PATIENCE), Ok(Value::Number(8.0)));
    let state =
        broker.message("state", |state| state["pointset"]["points"]["setpoint"]["value_state"] == "applied");
    assert_eq!(state["system"]["last_config"], timestamp(2));
    end(&link, run);
    assert_eq!(dropped.load(Ordering::SeqCst), 2);
}

#[test]
fn notices_are_heard_in_order_and_those_beyond_the_bound_are_not() {
    let broker = Broker::start();
    broker.configure(&config(1, None));
    let (release, released) = unbounded::<()>();
    let (tell, told) = mpsc::channel();
    let hear = move |notice: Notice| -> Option<Hearing> {
        let (released, tell) = (released.clone(), tell.clone());
        Some(Box::pin(async move {
            let _ = released.recv().await;
            let _ = tell.send(notice);
        }))
    };
    let mut driver = Driver::new(dialect(settings(broker.address)), (unhandled, hear));
    let (see, seen) = mpsc::channel();
    driver.equipment.observer = Some(Box::new(move |notice| drop(see.send(notice.clone()))));
    driver.equipment.notices_max = 2;
    let (link, run) = start(driver);
    broker.state_for(&timestamp(1)); // so that there were more than three
    drop(release);
    end(&link, run);
    let (seen, told): (Vec<_>, Vec<_>) = (seen.iter().collect(), told.iter().collect());
    assert_eq!(told[..3], seen[..3]);
    let mut rest = seen[3..].iter();
    assert!(told[3..].iter().all(|notice| rest.any(|seen| seen == notice)), "{told:?} of {seen:?}");
    assert!(told.len() < seen.len(), "{} of {}", told.len(), seen.len());
}

#[test]
fn a_run_that_is_dropped_closes_its_socket_and_stores_what_it_acknowledged() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (store, saved) = SlowStore::new();
    let mut driver = Driver::new(dialect(settings(listener.local_addr().unwrap())), (unhandled, deaf));
    driver.equipment.store = Box::new(store);
    let (link, run) = smol::block_on(driver.start()).unwrap();
    let (cancel, cancelled) = unbounded::<()>();
    let running = thread::spawn(move || {
        let ended = async {
            let _ = run.await;
        };
        let cancelled = async {
            let _ = cancelled.recv().await;
        };
        smol::block_on(future::or(ended, cancelled));
    });
    let (mut socket, _) = listener.accept().unwrap();
    let mut input = BytesMut::new();
    accept(&mut socket, &mut input);
    drop(cancel);
    running.join().unwrap();
    let _ = socket.read_to_end(&mut Vec::new()); // ends, or is reset since the device had more to read
    assert_eq!(link.wait_blocking(PATIENCE), Some(ExitReason::Restart));
    assert_eq!(link.send(Command::SampleNow), Err(SendError::Ended));
    assert_eq!(saved.recv_timeout(PATIENCE).as_deref(), Ok("system"));
}

#[test]
fn a_run_ends_only_when_all_is_stored() {
    let broker = Broker::start();
    let (store, saved) = SlowStore::new();
    let mut driver = Driver::new(dialect(settings(broker.address)), (unhandled, deaf));
    driver.equipment.store = Box::new(store);
    let (link, run) = start(driver);
    end(&link, run);
    assert_eq!(saved.try_recv().as_deref(), Ok("system"));
}

#[test]
fn a_store_that_cannot_be_read_is_told_before_the_start() {
    let mut driver = Driver::new(dialect(settings(([127, 0, 0, 1], 1).into())), (unhandled, deaf));
    driver.equipment.store = Box::new(NoStore);
    let error = smol::block_on(driver.start()).unwrap_err();
    assert!(matches!(error, DriverError::Store(StoreError::BadKey(_))), "{error}");
}

#[test]
fn an_application_that_panics_ends_the_run_and_leaves_nobody_waiting() {
    let broker = Broker::start();
    broker.configure(&config(1, Some(7.0)));
    let answer = |_: Hook| later(async { panic!("an application must not panic") });
    let (link, run) = start(Driver::new(dialect(settings(broker.address)), (answer, deaf)));
    assert_eq!(link.wait_blocking(PATIENCE), Some(ExitReason::Restart));
    assert!(run.join().is_err());
}

#[test]
fn a_full_channel_refuses_until_there_is_room_but_a_stop_gets_through() {
    let broker = Broker::start();
    let mut driver = Driver::new(dialect(settings(broker.address)), (unhandled, deaf));
    driver.equipment.commands_max = 3;
    let (link, run) = smol::block_on(driver.start()).unwrap(); // nothing is taken before it is polled
    for _ in 0..3 {
        link.send(Command::SampleNow).unwrap();
    }
    assert_eq!(link.send(Command::SampleNow), Err(SendError::Full));
    let run = thread::spawn(move || smol::block_on(run));
    smol::block_on(link.wait_for_room()).unwrap();
    link.send(Command::SampleNow).unwrap();
    end(&link, run);
    assert_eq!(smol::block_on(link.wait_for_room()), Err(SendError::Ended));
}

#[test]
fn a_host_without_address_and_a_port_nobody_listens_on_are_told() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let mut nowhere = settings(address);
    nowhere.endpoint.host = "no-such-host.invalid".into();
    for (settings, wanted) in [(nowhere, Closed::Resolve), (settings(address), Closed::Refused)] {
        let (tell, ends) = mpsc::channel();
        let hear = move |notice: Notice| {
            if let Notice::Disconnected { why } = notice {
                let _ = tell.send(why);
            }
            None
        };
        let (link, run) = start(Driver::new(dialect(settings), (unhandled, hear)));
        assert_eq!(ends.recv_timeout(PATIENCE), Ok(Down::Closed(wanted)));
        end(&link, run);
    }
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

fn end(link: &Link<Udmi>, run: Run) {
    link.send_last(Command::Stop { reason: ExitReason::Shutdown }).unwrap();
    assert_eq!(link.wait_blocking(PATIENCE), Some(ExitReason::Shutdown));
    assert_eq!(run.join().unwrap(), ExitReason::Shutdown);
}

fn later(answer: impl Future<Output = Outcome> + Send + 'static) -> Answering<Udmi> {
    Answering::Later(Box::pin(answer))
}

fn unhandled(_: Hook) -> Answering<Udmi> {
    Answering::Now(Outcome::Unhandled)
}

fn deaf(_: Notice) -> Option<Hearing> {
    None
}

fn event(number: u32) -> Command {
    let content = Json::object(&format!(r#"{{"number":{number}}}"#)).unwrap();
    Command::SendEvent { folder: "counted".into(), content }
}

/// Takes the next connection's CONNECT.
fn accept(socket: &mut TcpStream, input: &mut BytesMut) {
    assert!(matches!(read_packet(socket, input), Packet::Connect(_)));
    write_packet(socket, &Packet::ConnAck { session_present: false, code: ConnectCode::Accepted });
}

/// Counts its ends.
struct OnDrop(Arc<AtomicUsize>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A store whose disc takes its time.
struct SlowStore {
    saved: mpsc::Sender<String>,
    memory: MemoryStore,
}

impl SlowStore {
    fn new() -> (Self, mpsc::Receiver<String>) {
        let (saved, seen) = mpsc::channel();
        (Self { saved, memory: MemoryStore::new() }, seen)
    }
}

impl Store for SlowStore {
    fn load(&mut self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.memory.load(key)
    }

    fn save(&mut self, key: &str, value: Option<&[u8]>) -> Result<(), StoreError> {
        thread::sleep(Duration::from_millis(300)); // what a disc takes, not to wait for anything
        self.memory.save(key, value)?;
        let _ = self.saved.send(key.to_owned());
        Ok(())
    }

    fn load_all(&mut self) -> Result<BTreeMap<String, Vec<u8>>, StoreError> {
        self.memory.load_all()
    }

    fn take_notices(&mut self) -> Vec<SetAside> {
        Vec::new()
    }
}

/// A store that cannot be read.
struct NoStore;

impl Store for NoStore {
    fn load(&mut self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Err(StoreError::BadKey(key.to_owned()))
    }

    fn save(&mut self, key: &str, _: Option<&[u8]>) -> Result<(), StoreError> {
        Err(StoreError::BadKey(key.to_owned()))
    }

    fn load_all(&mut self) -> Result<BTreeMap<String, Vec<u8>>, StoreError> {
        Err(StoreError::BadKey("*".into()))
    }

    fn take_notices(&mut self) -> Vec<SetAside> {
        Vec::new()
    }
}
