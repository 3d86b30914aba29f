//! Many on one thread.

#[path = "../../udmi-std/tests/common/mod.rs"]
mod common;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc;
use std::thread;

use bytes::BytesMut;
use common::{Broker, PATIENCE, PREFIX, config, read_packet, settings, timestamp, write_packet};
use device_broker::Note;
use device_link::wire::{ConnectCode, Packet, Publish, Qos, encode};
use smol::LocalExecutor;
use udmi_proto::{Command, ExitReason, Hook, Notice, Outcome, Settings, Udmi};
use udmi_smol::driver::{Answering, Driver, Link};

/// All configured, all acknowledged.
#[test]
fn a_thousand_devices_live_on_one_thread() {
    const DEVICES: usize = 1000;
    allow_descriptors(3 * DEVICES as u64);
    let broker = Broker::start();
    let names: Vec<_> = (0..DEVICES).map(|number| format!("D-{number}")).collect();
    for name in &names {
        broker.send_to(name, "config", &config(1, None));
    }
    let (tell, acknowledged) = mpsc::channel();
    let drivers = names.iter().map(|name| driver(named(name, broker.address), tell.clone())).collect();
    let (give, links) = mpsc::channel();
    let fleet = thread::spawn(move || on_one_thread(drivers, &give));
    let mut answered = BTreeMap::new();
    while answered.len() < DEVICES {
        let device = broker.note("state", |note| answer(note, &timestamp(1)));
        answered.insert(device, ());
    }
    (0..DEVICES).for_each(|_| acknowledged.recv_timeout(PATIENCE).expect("an acknowledgement"));
    links.iter().for_each(|link| stop(&link));
    assert_eq!(fleet.join().unwrap(), [ExitReason::Shutdown; DEVICES]);
}

#[test]
fn a_flood_on_one_connection_does_not_hold_the_others_of_its_thread() {
    let (flooder, broker) = (TcpListener::bind("127.0.0.1:0").unwrap(), Broker::start());
    let (tell, _acknowledged) = mpsc::channel();
    let flooded = named("D-1", flooder.local_addr().unwrap());
    let drivers = [flooded, settings(broker.address)].map(|settings| driver(settings, tell.clone())).into();
    let (give, links) = mpsc::channel();
    let fleet = thread::spawn(move || on_one_thread(drivers, &give));
    let flood = thread::spawn(move || flood(&flooder));
    for second in 1..=3 {
        broker.configure(&config(second, None));
        broker.state_for(&timestamp(second));
    }
    links.iter().for_each(|link| stop(&link));
    assert_eq!(fleet.join().unwrap(), [ExitReason::Shutdown; 2]);
    assert!(flood.join().unwrap() > 100);
}

/// Sends messages nobody wants, as fast as they are taken, and says how many.
fn flood(listener: &TcpListener) -> usize {
    let (mut socket, _) = listener.accept().unwrap();
    assert!(matches!(read_packet(&mut socket, &mut BytesMut::new()), Packet::Connect(_)));
    write_packet(&mut socket, &Packet::ConnAck { session_present: false, code: ConnectCode::Accepted });
    let message = Packet::Publish(Publish {
        topic: format!("{PREFIX}/unwanted"),
        payload: vec![0; 100_000].into(),
        qos: Qos::AtMostOnce,
        retain: false,
        dup: false,
        id: None,
    });
    let mut bytes = BytesMut::new();
    encode(&message, &mut bytes).unwrap();
    (0..).take_while(|_| socket.write_all(&bytes).is_ok()).count()
}

/// Runs them until all have ended; their links are handed out, then the channel is closed.
fn on_one_thread(drivers: Vec<Driver<Udmi>>, give: &mpsc::Sender<Link<Udmi>>) -> Vec<ExitReason> {
    let executor = LocalExecutor::new();
    smol::block_on(executor.run(async {
        let mut runs = Vec::new();
        for driver in drivers {
            let (link, run) = driver.start().await.unwrap();
            let _ = give.send(link);
            runs.push(executor.spawn(run));
        }
        let mut reasons = Vec::new();
        for run in runs {
            reasons.push(run.await);
        }
        reasons
    }))
}

/// Says when a state is acknowledged.
fn driver(settings: Settings, tell: mpsc::Sender<()>) -> Driver<Udmi> {
    let answer = |_: Hook| Answering::Now(Outcome::Unhandled);
    let hear = move |notice: Notice| {
        if notice == Notice::StatePublished {
            let _ = tell.send(());
        }
        None
    };
    Driver::new(Udmi::new(settings).unwrap(), (answer, hear))
}

fn named(name: &str, address: SocketAddr) -> Settings {
    let prefix = format!("/r/REG/d/{name}");
    let endpoint = settings(address).endpoint;
    Settings { points: settings(address).points, ..Settings::new(name, endpoint, &prefix, &prefix) }
}

fn stop(link: &Link<Udmi>) {
    link.send_last(Command::Stop { reason: ExitReason::Shutdown }).unwrap();
}

/// The device whose state answers that config, if this is one.
fn answer(note: &Note, timestamp: &str) -> Option<String> {
    let Note::Published { topic, payload, .. } = note else { return None };
    let device = topic.strip_prefix("/r/REG/d/")?.strip_suffix("/state")?;
    let state: serde_json::Value = serde_json::from_slice(payload).unwrap();
    (state["system"]["last_config"] == timestamp).then(|| device.to_owned())
}

/// Each device has a socket here, and one in the broker.
fn allow_descriptors(count: u64) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_some_and(|current| current < count) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(count), maximum }).unwrap();
    }
}
