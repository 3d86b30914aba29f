//! Signing and fetching through both drivers, with a dialect that knows of nothing else.

mod common;
#[path = "common/loader.rs"]
#[allow(unreachable_pub)] // shared with the benches
mod loader;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use common::{PATIENCE, read_packet};
use device_link::wire::Packet;
use device_link::{Algorithm, Endpoint, FetchError, FetchId, Request, Secret, SignRequest, Transport};
use loader::{Command, Loader, Notice};
use udmi_host::fetch::{FetchPolicy, Fetcher, Proxy, staged};
use udmi_std::bare::Bare;
use udmi_std::driver::{Driver, Link};
use udmi_std::udmi_host;

const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

#[test]
fn a_token_is_signed_on_another_thread_and_ends_the_password() {
    let broker = TcpListener::bind("127.0.0.1:0").unwrap();
    let (driver, _heard) = driver(signing(&broker));
    let mut driver = driver;
    driver.equipment.signer = Some(Box::new(|request: &SignRequest| {
        assert_ne!(thread::current().name(), Some("device-core"));
        assert_eq!((request.algorithm, request.input.as_str()), (Algorithm::Es256, "head.claims"));
        Ok(Secret::new("signature".to_owned()))
    }));
    let link = driver.start().unwrap();
    assert_eq!(password(&broker), "head.claims.signature");
    end(&link);
}

#[test]
fn a_bare_device_signs_in_place() {
    let broker = TcpListener::bind("127.0.0.1:0").unwrap();
    let (mut driver, _heard) = driver(signing(&broker));
    driver.equipment.signer = Some(Box::new(|_: &SignRequest| Ok(Secret::new("signature".to_owned()))));
    let mut device = Bare::start(driver).unwrap();
    device.turn(Duration::ZERO);
    assert_eq!(password(&broker), "head.claims.signature");
}

#[test]
fn without_a_key_the_link_goes_down_with_the_reason() {
    let broker = TcpListener::bind("127.0.0.1:0").unwrap();
    let (driver, heard) = driver(signing(&broker));
    let link = driver.start().unwrap();
    let why = find(&heard, |notice| match notice {
        Notice::Down(why) => Some(why),
        _ => None,
    });
    assert!(why.contains("no private key"), "{why}");
    end(&link);
}

#[test]
fn what_is_fetched_is_hashed_and_staged_until_it_is_released() {
    let folder = tempfile::tempdir().unwrap();
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/blob", server.local_addr().unwrap());
    let serving = thread::spawn(move || {
        let (mut socket, _) = server.accept().unwrap();
        assert!(socket.read(&mut [0; 4096]).unwrap() > 0);
        socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc").unwrap();
    });
    let (mut driver, heard) = driver(Loader::new(nowhere()));
    driver.equipment.fetcher = Some(Box::new(Fetcher::open(policy(folder.path())).unwrap()));
    let link = driver.start().unwrap();
    link.send(Command::Fetch(Request { url, limit: 3 })).unwrap();
    let id = find(&heard, |notice| done(notice, 3, ABC));
    serving.join().unwrap();
    let path = staged(folder.path(), id);
    assert_eq!(fs::read(&path).unwrap(), b"abc");
    link.send(Command::Release(id)).unwrap();
    link.send(Command::Fetch(Request { url: "data:,abcd".into(), limit: 3 })).unwrap();
    find(&heard, |notice| (notice == Notice::Failed(FetchError::TooLarge)).then_some(()));
    assert!(!path.exists());
    end(&link);
}

#[test]
fn a_bare_device_takes_what_is_fetched_in_its_turns() {
    let folder = tempfile::tempdir().unwrap();
    let (mut driver, heard) = driver(Loader::new(nowhere()));
    driver.equipment.fetcher = Some(Box::new(Fetcher::open(policy(folder.path())).unwrap()));
    let mut device = Bare::start(driver).unwrap();
    let content = "a".repeat(1 << 20); // more chunks than may wait
    device.command(Command::Fetch(Request { url: format!("data:,{content}"), limit: 1 << 20 }));
    let deadline = Instant::now() + PATIENCE;
    let id = loop {
        assert!(Instant::now() < deadline, "too late");
        device.turn(Duration::from_secs(1));
        let mut notices = heard.try_iter();
        if let Some((id, size)) = notices.find_map(|notice| match notice {
            Notice::Done { id, size, .. } => Some((id, size)),
            _ => None,
        }) {
            assert_eq!(size, 1 << 20);
            break id;
        }
    };
    assert_eq!(fs::read(staged(folder.path(), id)).unwrap(), content.as_bytes());
    device.command(Command::Release(id));
    assert!(!staged(folder.path(), id).exists());
}

#[test]
fn without_a_fetcher_every_fetch_fails() {
    let (driver, heard) = driver(Loader::new(nowhere()));
    let link = driver.start().unwrap();
    link.send(Command::Fetch(Request { url: "data:,abc".into(), limit: 3 })).unwrap();
    find(&heard, |notice| matches!(notice, Notice::Failed(FetchError::Url(_))).then_some(()));
    end(&link);
}

#[test]
fn a_run_that_ends_stops_its_fetches() {
    let folder = tempfile::tempdir().unwrap();
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/blob", server.local_addr().unwrap());
    let (mut driver, heard) = driver(Loader::new(nowhere()));
    driver.equipment.fetcher = Some(Box::new(Fetcher::open(policy(folder.path())).unwrap()));
    let link = driver.start().unwrap();
    link.send(Command::Fetch(Request { url, limit: 3 })).unwrap();
    find(&heard, |notice| matches!(notice, Notice::Begun(_)).then_some(()));
    let (mut socket, _) = server.accept().unwrap();
    end(&link);
    let mut rest = Vec::new();
    let _ = socket.read_to_end(&mut rest); // ends when the other side goes, in whatever way
}

fn driver(dialect: Loader) -> (Driver<Loader>, Receiver<Notice>) {
    let (tell, heard) = channel();
    (Driver::new(dialect, (|()| (), move |notice| drop(tell.send(notice)))), heard)
}

fn signing(broker: &TcpListener) -> Loader {
    let port = broker.local_addr().unwrap().port();
    let endpoint = Endpoint { host: "127.0.0.1".into(), port, transport: Transport::Tcp };
    let request = SignRequest { algorithm: Algorithm::Es256, input: "head.claims".into() };
    let mut loader = Loader::new(endpoint);
    loader.token = Some(request);
    loader
}

/// The password of the next connection's CONNECT.
fn password(broker: &TcpListener) -> String {
    let (mut socket, _) = broker.accept().unwrap();
    let Packet::Connect(connect) = read_packet(&mut socket, &mut BytesMut::new()) else {
        panic!("no CONNECT")
    };
    String::from_utf8(connect.password.unwrap().to_vec()).unwrap()
}

/// An endpoint that refuses at once.
fn nowhere() -> Endpoint {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    Endpoint { host: "127.0.0.1".into(), port, transport: Transport::Tcp }
}

fn policy(folder: &std::path::Path) -> FetchPolicy {
    FetchPolicy { proxy: Proxy::None, ..FetchPolicy::new(folder) }
}

fn done(notice: Notice, wanted_size: u64, wanted_hash: &str) -> Option<FetchId> {
    let Notice::Done { id, size, sha256 } = notice else { return None };
    assert_eq!((size, sha256.as_str()), (wanted_size, wanted_hash));
    Some(id)
}

fn find<T>(heard: &Receiver<Notice>, mut wanted: impl FnMut(Notice) -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if let Some(found) = wanted(heard.recv_timeout(left).expect("in time")) {
            return found;
        }
    }
}

fn end(link: &Link<Loader>) {
    link.send_last(Command::Leave).unwrap();
    assert!(link.wait_for(PATIENCE).is_some());
}
