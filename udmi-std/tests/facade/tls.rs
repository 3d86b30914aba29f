//! A device over TLS, against a small server of one certificate.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use crate::adapter::udmi_host::tls::{Pem, TlsSettings, Trust};
use crate::adapter::{Begin as _, Device, ExitReason, Notice, Settings, Transport, Waiting as _};
use crate::common::{PATIENCE, PREFIX, config, read_packet, settings, timestamp, write_packet};
use bytes::{Bytes, BytesMut};
use device_link::wire::{ConnectCode, Packet, Publish, Qos};
use device_link::{Closed, Down};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// Serves one connection with a certificate for `localhost`; tells its PEM, and what is published on `state`.
fn server() -> (SocketAddr, String, Receiver<serde_json::Value>) {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (published, states) = channel();
    std::thread::spawn(move || {
        let connection = ServerConnection::new(Arc::new(config)).unwrap();
        serve(StreamOwned::new(connection, listener.accept().unwrap().0), &published);
    });
    (address, cert.pem(), states)
}

fn serve(mut stream: StreamOwned<ServerConnection, TcpStream>, published: &Sender<serde_json::Value>) {
    while stream.conn.is_handshaking() {
        if stream.conn.complete_io(&mut stream.sock).is_err() {
            return; // the device does not trust it
        }
    }
    let mut input = BytesMut::new();
    loop {
        match read_packet(&mut stream, &mut input) {
            Packet::Connect(_) => write_packet(
                &mut stream,
                &Packet::ConnAck { session_present: false, code: ConnectCode::Accepted },
            ),
            Packet::Subscribe { id, filters } => {
                let codes = filters.iter().map(|_| Some(Qos::AtLeastOnce)).collect();
                write_packet(&mut stream, &Packet::SubAck { id, codes });
                if filters.iter().any(|(filter, _)| filter.ends_with("/config")) {
                    write_packet(&mut stream, &retained_config());
                }
            }
            Packet::Publish(publish) => {
                if let Some(id) = publish.id {
                    write_packet(&mut stream, &Packet::PubAck(id));
                }
                if publish.topic.ends_with("/state") {
                    let _ = published.send(serde_json::from_slice(&publish.payload).unwrap());
                }
            }
            Packet::Disconnect => return,
            _ => {}
        }
    }
}

fn retained_config() -> Packet {
    // Larger than a TLS record, so that it comes in pieces.
    let mut config = config(1, None);
    config["padding"] = "x".repeat(40_000).into();
    Packet::Publish(Publish {
        topic: format!("{PREFIX}/config"),
        payload: Bytes::from(config.to_string()),
        qos: Qos::AtMostOnce,
        retain: true,
        dup: false,
        id: None,
    })
}

fn over_tls(address: SocketAddr, host: &str) -> Settings {
    let mut settings = settings(address);
    settings.endpoint.host = host.into();
    settings.endpoint.transport = Transport::Tls;
    settings
}

#[test]
fn a_config_is_answered_over_tls() {
    let (address, pem, states) = server();
    let tls = TlsSettings { trust: Trust::Private(Pem::Bytes(pem.into_bytes())), identity: None };
    let device = Device::builder(over_tls(address, "localhost")).tls(tls).begin().unwrap();
    while states.recv_timeout(PATIENCE).unwrap()["system"]["last_config"] != timestamp(1) {}
    device.stop();
    while states.recv_timeout(PATIENCE).unwrap()["system"]["operation"]["mode"] != "shutdown" {}
    assert_eq!(device.ended(PATIENCE), Some(ExitReason::Shutdown));
}

#[test]
fn a_certificate_of_another_host_is_refused_and_the_cause_is_told() {
    let (address, pem, _states) = server();
    let (ended, ends) = channel();
    let tls = TlsSettings { trust: Trust::Private(Pem::Bytes(pem.into_bytes())), identity: None };
    let device = Device::builder(over_tls(address, "127.0.0.1"))
        .tls(tls)
        .on_notice(hook!(
            [ended] | notice | {
                if let Notice::Disconnected { why } = notice {
                    let _ = ended.send(why.clone());
                }
            }
        ))
        .begin()
        .unwrap();
    let Down::Closed(Closed::Tls(cause)) = ends.recv_timeout(PATIENCE).unwrap() else {
        panic!("another cause")
    };
    assert!(cause.starts_with("the server certificate is not for 127.0.0.1"), "{cause}");
    device.stop();
    device.ended(PATIENCE).unwrap();
}

#[test]
fn certificates_that_cannot_be_read_are_told_before_the_start() {
    let tls = TlsSettings { trust: Trust::Private(Pem::File("no/such/file".into())), identity: None };
    let address = ([127, 0, 0, 1], 8883).into();
    let error = Device::builder(over_tls(address, "localhost")).tls(tls).begin().unwrap_err();
    assert!(error.to_string().starts_with("certificate file no/such/file cannot be read"), "{error}");
}
