//! The server: what it adds to the core.

use bytes::BytesMut;
use device_broker::{Config, Note, Qos, Save, Server};
use device_link::wire::{Connect, Packet, PacketId, decode, encode};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

struct Client {
    stream: TcpStream,
    buffer: BytesMut,
}

impl Client {
    fn join(server: &Server, client_id: &str) -> Self {
        let stream = TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut client = Self { stream, buffer: BytesMut::new() };
        client.send(&Packet::Connect(Connect {
            client_id: client_id.into(),
            clean_session: true,
            keep_alive: 0,
            will: None,
            username: None,
            password: None,
        }));
        assert!(matches!(client.next(), Some(Packet::ConnAck { .. })));
        client
    }

    fn send(&mut self, packet: &Packet) {
        let mut bytes = BytesMut::new();
        encode(packet, &mut bytes).unwrap();
        self.stream.write_all(&bytes).unwrap();
    }

    fn subscribe(&mut self, filter: &str) {
        let filters = vec![(filter.into(), Qos::AtMostOnce)];
        self.send(&Packet::Subscribe { id: PacketId::FIRST, filters });
        assert!(matches!(self.next(), Some(Packet::SubAck { .. })));
    }

    fn next(&mut self) -> Option<Packet> {
        loop {
            if let Some(packet) = decode(&mut self.buffer, 1 << 24).unwrap() {
                return Some(packet);
            }
            let mut chunk = [0; 65_536];
            match self.stream.read(&mut chunk) {
                Ok(0) => return None,
                Ok(count) => self.buffer.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn payload(&mut self) -> Vec<u8> {
        match self.next() {
            Some(Packet::Publish(publish)) => publish.payload.to_vec(),
            other => panic!("not a message: {other:?}"),
        }
    }
}

#[test]
fn stopping_and_dropping_close_all_connections() {
    for stop in [true, false] {
        let server = Server::start(Config::default()).unwrap();
        let mut client = Client::join(&server, "a");
        if stop {
            server.stop().unwrap();
        } else {
            drop(server);
        }
        assert_eq!(client.next(), None);
    }
}

#[test]
fn work_runs_on_the_broker_and_its_outcome_is_sent() {
    let server = Server::start(Config::default()).unwrap();
    let mut client = Client::join(&server, "a");
    client.subscribe("t");
    let big = vec![7; 5_000_000];
    let sent = big.clone();
    let result = server.with(move |broker| broker.publish("t", &sent, Qos::AtMostOnce, false));
    assert_eq!(result, Some(Ok(())));
    assert_eq!(client.payload(), big);
    assert_eq!(server.with(|broker| broker.counters().connections), Some(1));
    assert_eq!(server.with(|broker| broker.disconnect("a")), Some(true));
    assert_eq!(client.next(), None);
}

#[test]
fn retained_messages_survive_a_restart_by_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let save = Save::to(folder.path().join("broker.json"));
    let config = Config { save: Some(save.clone()), ..Config::default() };
    let server = Server::start(config.clone()).unwrap();
    server.with(|broker| broker.publish("config", b"{}", Qos::AtLeastOnce, true)).unwrap().unwrap();
    let stopped = server.stop().unwrap();
    let server = Server::start(config.clone()).unwrap();
    assert_eq!(server.with(|broker| broker.snapshot()), Some(stopped));
    let mut client = Client::join(&server, "a");
    client.subscribe("config");
    assert_eq!(client.payload(), b"{}");
    drop(server);
    std::fs::write(&save.path, "not json").unwrap();
    assert!(Server::start(config).is_err());
}

#[test]
fn a_snapshot_is_saved_while_the_server_runs() {
    let folder = tempfile::tempdir().unwrap();
    let save = Save { every: Duration::ZERO, ..Save::to(folder.path().join("broker.json")) };
    let server = Server::start(Config { save: Some(save.clone()), ..Config::default() }).unwrap();
    server.with(|broker| broker.publish("config", b"{}", Qos::AtLeastOnce, true)).unwrap().unwrap();
    // Saving follows in the server's round; each order is obeyed in the same round or a later one.
    assert!((0..100_000).any(|_| server.with(|_| ()).is_some() && save.path.exists()));
    assert!(std::fs::read_to_string(&save.path).unwrap().contains("config"));
    drop(server);
}

#[test]
fn the_tap_tells_what_happens_and_never_blocks() {
    let (tap, notes) = sync_channel(3);
    let server = Server::start(Config { tap: Some(tap), ..Config::default() }).unwrap();
    let mut client = Client::join(&server, "a");
    for _ in 0..10 {
        let packet = Packet::Publish(device_link::wire::Publish {
            topic: "t".into(),
            payload: bytes::Bytes::from_static(b"x"),
            qos: Qos::AtMostOnce,
            retain: false,
            dup: false,
            id: None,
        });
        client.send(&packet);
    }
    client.send(&Packet::PingReq);
    assert_eq!(client.next(), Some(Packet::PingResp));
    assert_eq!(notes.recv().unwrap(), Note::Connected { client: "a".into(), user: None });
    assert!(matches!(notes.recv().unwrap(), Note::Published { topic, .. } if topic == "t"));
    server.stop().unwrap();
    assert!(notes.iter().count() <= 3);
}

#[test]
fn a_reader_that_does_not_read_holds_up_nobody() {
    let limits = device_broker::Limits { unsent_bytes: 1 << 20, ..Default::default() };
    let server = Server::start(Config { limits, ..Config::default() }).unwrap();
    let mut slow = Client::join(&server, "slow");
    let mut quick = Client::join(&server, "quick");
    slow.subscribe("t");
    quick.subscribe("t");
    // More than the network's own buffers take on both sides.
    for _ in 0..100 {
        server.with(|broker| broker.publish("t", &[7; 500_000], Qos::AtMostOnce, false)).unwrap().unwrap();
        assert_eq!(quick.payload().len(), 500_000);
    }
    assert_eq!(server.with(|broker| broker.counters().slow_readers), Some(1));
}
