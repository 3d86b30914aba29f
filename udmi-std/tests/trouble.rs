//! Peers and networks that misbehave, and a channel that is full.

mod common;

use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use bytes::BytesMut;
use common::{Broker, PATIENCE, config, read_packet, settings, timestamp, write_packet};
use device_link::wire::{ConnectCode, Packet};
use device_link::{Closed, Down};
use udmi_std::driver::{Driver, SendError};
use udmi_std::udmi_proto::{Command, Hook, Limits, Outcome, Udmi};
use udmi_std::{Device, ExitReason, Handle, HandleError, Notice, Settings};

/// A device, and why it was disconnected, each time.
fn start(settings: Settings) -> (Handle, Receiver<Down>) {
    start_within(settings, Limits::default())
}

fn start_within(settings: Settings, limits: Limits) -> (Handle, Receiver<Down>) {
    let (ended, ends) = channel();
    let device = Device::builder(settings).limits(limits).on_notice(move |notice| {
        if let Notice::Disconnected { why } = notice {
            let _ = ended.send(why.clone());
        }
    });
    (device.start().unwrap(), ends)
}

fn first_end(settings: Settings) -> Down {
    let (device, ends) = start(settings);
    let why = ends.recv_timeout(PATIENCE).unwrap();
    device.stop();
    assert_eq!(device.wait_for(PATIENCE), Some(ExitReason::Shutdown));
    why
}

#[test]
fn a_host_without_address_is_told_and_the_device_can_be_stopped() {
    let mut nowhere = settings(([127, 0, 0, 1], 1883).into());
    nowhere.endpoint.host = "no-such-host.invalid".into();
    assert_eq!(first_end(nowhere), Down::Closed(Closed::Resolve));
}

#[test]
fn a_port_nobody_listens_on_is_told_and_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let (device, ends) = start(settings(address));
    assert_eq!(ends.recv_timeout(PATIENCE).unwrap(), Down::Closed(Closed::Refused));
    let broker = Broker::start_at(address);
    broker.configure(&config(1, None));
    broker.state_for(&timestamp(1));
    device.stop();
    device.wait();
}

#[test]
fn a_peer_that_ends_at_once_is_told_apart_from_one_that_refuses() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let peer = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        read_packet(&mut socket, &mut BytesMut::new());
    });
    assert_eq!(first_end(settings(address)), Down::Closed(Closed::Eof));
    peer.join().unwrap();
}

#[test]
fn a_peer_that_stops_reading_gets_no_more_and_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (done, over) = channel::<()>();
    let peer = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut input = BytesMut::new();
        assert!(matches!(read_packet(&mut socket, &mut input), Packet::Connect(_)));
        write_packet(&mut socket, &Packet::ConnAck { session_present: false, code: ConnectCode::Accepted });
        let _ = over.recv(); // holds the socket and reads no more
    });
    let limits = Limits { suback_timeout: Duration::from_secs(1), ..Limits::default() };
    let (device, ends) = start_within(settings(address), limits);
    while !device.is_connected() {
        std::thread::yield_now();
    }
    let large = format!("{{\"text\":\"{}\"}}", "x".repeat(20_000));
    while device.send_event("large", &large) != Err(HandleError::Full) {}
    assert_eq!(ends.recv_timeout(PATIENCE).unwrap(), Down::SubAckTimeout);
    drop(done);
    peer.join().unwrap();
    device.stop();
    device.wait();
}

/// A driver of UDMI whose core is held in its first notice until the sender is used or dropped.
fn held(address: SocketAddr) -> (Driver<Udmi>, std::sync::mpsc::Sender<()>, Receiver<()>) {
    let (release, released) = channel::<()>();
    let (holding, held) = channel();
    let dialect = Udmi::new(settings(address)).unwrap();
    let mut driver = Driver::new(dialect, (|_: Hook| Outcome::Unhandled, |_: Notice| {}));
    driver.equipment.observer = Some(Box::new(move |_| {
        let _ = holding.send(());
        let _ = released.recv();
    }));
    (driver, release, held)
}

#[test]
fn a_full_channel_refuses_but_a_stop_gets_through() {
    let broker = Broker::start();
    let (mut driver, release, held) = held(broker.address);
    driver.equipment.commands_max = 3;
    let link = driver.start().unwrap();
    held.recv_timeout(PATIENCE).unwrap();
    for _ in 0..3 {
        link.send(Command::SampleNow).unwrap();
    }
    assert_eq!(link.send(Command::SampleNow), Err(SendError::Full));
    link.send_last(Command::Stop { reason: ExitReason::Terminate }).unwrap();
    assert_eq!(link.send(Command::SampleNow), Err(SendError::Ended));
    drop(release);
    assert_eq!(link.wait_for(PATIENCE), Some(ExitReason::Terminate));
}

#[test]
fn a_core_that_breaks_ends_the_run_as_a_restart() {
    let broker = Broker::start();
    let dialect = Udmi::new(settings(broker.address)).unwrap();
    let mut driver = Driver::new(dialect, (|_: Hook| Outcome::Unhandled, |_: Notice| {}));
    driver.equipment.observer = Some(Box::new(|_| panic!("an observer must not panic")));
    assert_eq!(driver.start().unwrap().wait_for(PATIENCE), Some(ExitReason::Restart));
}
