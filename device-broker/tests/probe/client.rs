//! A client that does just what a check tells it, right or wrong.

use bytes::{Bytes, BytesMut};
use device_link::wire::{
    Connect, ConnectCode, Packet, PacketId, Publish, Qos, Will, decode, encode, encode_publish,
};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Long enough for the slowest honest answer; whoever waits longer has failed.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Client {
    stream: TcpStream,
    buffer: BytesMut,
}

pub(crate) fn connect(client_id: &str) -> Connect {
    Connect {
        client_id: client_id.into(),
        clean_session: true,
        keep_alive: 60,
        will: None,
        username: None,
        password: None,
    }
}

pub(crate) fn login(client_id: &str, username: &str, password: &str) -> Connect {
    let password = Some(Bytes::copy_from_slice(password.as_bytes()));
    Connect { username: Some(username.into()), password, ..connect(client_id) }
}

pub(crate) fn kept(client_id: &str) -> Connect {
    Connect { clean_session: false, ..connect(client_id) }
}

pub(crate) fn with_will(connect: Connect, topic: &str, retain: bool) -> Connect {
    let payload = Bytes::from_static(b"gone");
    Connect { will: Some(Will { topic: topic.into(), payload, qos: Qos::AtLeastOnce, retain }), ..connect }
}

pub(crate) fn id(number: u16) -> PacketId {
    PacketId::new(number).unwrap()
}

impl Client {
    pub(crate) fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { stream, buffer: BytesMut::new() }
    }

    /// Connects and is accepted; returns whether a session was there.
    pub(crate) fn join(address: SocketAddr, connect: Connect) -> (Self, bool) {
        let mut client = Self::open(address);
        client.send(&Packet::Connect(connect));
        match client.next() {
            Some(Packet::ConnAck { session_present, code: ConnectCode::Accepted }) => {
                (client, session_present)
            }
            other => panic!("not accepted: {other:?}"),
        }
    }

    pub(crate) fn send(&mut self, packet: &Packet) {
        let mut bytes = BytesMut::new();
        encode(packet, &mut bytes).unwrap();
        self.send_raw(&bytes);
    }

    /// A peer that has closed already shows when reading.
    pub(crate) fn send_raw(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// The next packet; `None` when the peer has closed.
    pub(crate) fn next(&mut self) -> Option<Packet> {
        loop {
            if let Some(packet) = decode(&mut self.buffer, 1 << 24).expect("the broker sends valid packets") {
                return Some(packet);
            }
            let mut chunk = [0; 65_536];
            match self.stream.read(&mut chunk) {
                Ok(0) => return None,
                Ok(count) => self.buffer.extend_from_slice(&chunk[..count]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    panic!("no answer within {PATIENCE:?}")
                }
                Err(_) => return None,
            }
        }
    }

    /// The next bytes as they are; empty when the peer has closed.
    pub(crate) fn next_raw(&mut self) -> Vec<u8> {
        let mut chunk = [0; 256];
        let count = self.stream.read(&mut chunk).unwrap_or(0);
        chunk[..count].to_vec()
    }

    /// All that has come so far: what comes before the answer to a PINGREQ, which takes its turn in the queue.
    pub(crate) fn all(&mut self) -> Vec<Packet> {
        self.send(&Packet::PingReq);
        let mut all = Vec::new();
        while let Some(packet) = self.next() {
            if packet == Packet::PingResp {
                return all;
            }
            all.push(packet);
        }
        panic!("closed after {all:?}");
    }

    /// As [`all`](Self::all), in words; acknowledges nothing.
    pub(crate) fn all_shown(&mut self) -> String {
        let shown: Vec<_> = self.all().iter().map(|packet| show(Some(packet))).collect();
        if shown.is_empty() { "nothing".into() } else { shown.join(", ") }
    }

    /// What comes next, in words.
    pub(crate) fn shown(&mut self) -> String {
        let packet = self.next();
        show(packet.as_ref())
    }

    /// Subscribes and returns the code granted.
    pub(crate) fn subscribe(&mut self, filter: &str, qos: Qos) -> String {
        self.send(&Packet::Subscribe { id: id(100), filters: vec![(filter.into(), qos)] });
        self.shown()
    }

    /// Publishes and waits until the broker has taken it.
    pub(crate) fn publish(&mut self, topic: &str, payload: &str, qos: Qos, retain: bool) {
        let number = (qos != Qos::AtMostOnce).then(|| id(200));
        self.publish_raw(topic, payload, qos, retain, false, number);
        match qos {
            Qos::AtMostOnce => assert_eq!(self.all(), []),
            Qos::AtLeastOnce => assert_eq!(self.next(), Some(Packet::PubAck(id(200)))),
            Qos::ExactlyOnce => {
                assert_eq!(self.next(), Some(Packet::PubRec(id(200))));
                self.send(&Packet::PubRel(id(200)));
                assert_eq!(self.next(), Some(Packet::PubComp(id(200))));
            }
        }
    }

    pub(crate) fn publish_raw(
        &mut self,
        topic: &str,
        payload: &str,
        qos: Qos,
        retain: bool,
        dup: bool,
        number: Option<PacketId>,
    ) {
        let mut bytes = BytesMut::new();
        encode_publish(topic, payload.as_bytes(), qos, retain, dup, number, &mut bytes).unwrap();
        self.send_raw(&bytes);
    }

    /// Takes one message, acknowledging it in full.
    pub(crate) fn take(&mut self) -> Publish {
        let Some(Packet::Publish(publish)) = self.next() else { panic!("not a message") };
        match (publish.qos, publish.id) {
            (Qos::AtLeastOnce, Some(id)) => self.send(&Packet::PubAck(id)),
            (Qos::ExactlyOnce, Some(id)) => {
                self.send(&Packet::PubRec(id));
                assert_eq!(self.next(), Some(Packet::PubRel(id)));
                self.send(&Packet::PubComp(id));
            }
            _ => {}
        }
        publish
    }
}

/// A packet in words; a message by its last topic level, so that checks with topics of their own compare.
pub(crate) fn show(packet: Option<&Packet>) -> String {
    match packet {
        None => "closed".into(),
        Some(Packet::ConnAck { session_present, code }) => match code {
            ConnectCode::Accepted if *session_present => "accepted, session present".into(),
            ConnectCode::Accepted => "accepted".into(),
            refused => format!("refused: {refused}"),
        },
        Some(Packet::Publish(publish)) => {
            let name = publish.topic.rsplit('/').next().unwrap_or_default();
            let payload = String::from_utf8_lossy(&publish.payload);
            let qos = match publish.qos {
                Qos::AtMostOnce => 0,
                Qos::AtLeastOnce => 1,
                Qos::ExactlyOnce => 2,
            };
            let retain = if publish.retain { " retain" } else { "" };
            let dup = if publish.dup { " dup" } else { "" };
            format!("{name}={payload} qos{qos}{retain}{dup}")
        }
        Some(Packet::SubAck { codes, .. }) => {
            let codes: Vec<_> =
                codes.iter().map(|code| code.map_or("refused".into(), |qos| format!("{qos:?}"))).collect();
            format!("granted {}", codes.join(" "))
        }
        Some(other) => format!("{other:?}"),
    }
}
