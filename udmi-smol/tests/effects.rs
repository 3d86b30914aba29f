//! Signing and fetching, with a dialect that knows of nothing else.

#[path = "../../udmi-std/tests/common/mod.rs"]
mod common;
#[path = "../../udmi-std/tests/common/loader.rs"]
#[allow(unreachable_pub)] // shared with the benches
mod loader;

use std::fs;
use std::io::Read as _;
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};

use bytes::BytesMut;
use common::{PATIENCE, read_packet};
use device_link::wire::Packet;
use device_link::{Algorithm, Endpoint, ExitReason, FetchError, Request, Secret, SignRequest, Transport};
use loader::{Command, Loader, Notice};
use udmi_host::fetch::{FetchPolicy, Fetcher, Proxy, staged};
use udmi_smol::driver::{Answering, Driver, Link};
use udmi_smol::udmi_host;

#[test]
fn a_token_is_signed_on_another_thread_and_ends_the_password() {
    let broker = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut loader = Loader::new(endpoint(&broker));
    loader.token = Some(SignRequest { algorithm: Algorithm::Es256, input: "head.claims".into() });
    let (mut driver, _heard) = driver(loader);
    driver.equipment.signer = Some(Box::new(|request: &SignRequest| {
        assert_ne!(thread::current().name(), Some("run"));
        assert_eq!((request.algorithm, request.input.as_str()), (Algorithm::Es256, "head.claims"));
        Ok(Secret::new("signature".to_owned()))
    }));
    let (link, run) = start(driver);
    let (mut socket, _) = broker.accept().unwrap();
    let Packet::Connect(connect) = read_packet(&mut socket, &mut BytesMut::new()) else {
        panic!("no CONNECT")
    };
    assert_eq!(connect.password.as_deref(), Some(&b"head.claims.signature"[..]));
    end(&link, run);
}

#[test]
fn what_is_fetched_is_staged_until_it_is_released() {
    let folder = tempfile::tempdir().unwrap();
    let (mut driver, heard) = driver(Loader::new(nowhere()));
    driver.equipment.fetcher = Some(Box::new(Fetcher::open(policy(folder.path())).unwrap()));
    let (link, run) = start(driver);
    let content = "a".repeat(1 << 20); // more chunks than may wait
    link.send(Command::Fetch(Request { url: format!("data:,{content}"), limit: 1 << 20 })).unwrap();
    let (id, size) = find(&heard, |notice| match notice {
        Notice::Done { id, size, .. } => Some((id, size)),
        _ => None,
    });
    assert_eq!(size, 1 << 20);
    let path = staged(folder.path(), id);
    assert_eq!(fs::read(&path).unwrap(), content.as_bytes());
    link.send(Command::Release(id)).unwrap();
    link.send(Command::Fetch(Request { url: "data:,abcd".into(), limit: 3 })).unwrap();
    find(&heard, |notice| (notice == Notice::Failed(FetchError::TooLarge)).then_some(()));
    assert!(!path.exists());
    end(&link, run);
}

#[test]
fn a_run_that_is_dropped_stops_its_fetches() {
    let folder = tempfile::tempdir().unwrap();
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/blob", server.local_addr().unwrap());
    let (mut driver, heard) = driver(Loader::new(nowhere()));
    driver.equipment.fetcher = Some(Box::new(Fetcher::open(policy(folder.path())).unwrap()));
    let (link, run) = smol::block_on(driver.start()).unwrap();
    let executor = smol::Executor::new();
    let task = executor.spawn(run);
    link.send(Command::Fetch(Request { url, limit: 3 })).unwrap();
    let begun =
        smol::unblock(move || find(&heard, |notice| matches!(notice, Notice::Begun(_)).then_some(())));
    smol::block_on(executor.run(begun));
    let (mut socket, _) = server.accept().unwrap();
    smol::block_on(executor.run(task.cancel()));
    let mut rest = Vec::new();
    let _ = socket.read_to_end(&mut rest); // ends when the other side goes, in whatever way
    assert_eq!(link.wait_blocking(PATIENCE), Some(ExitReason::Restart));
}

fn driver(dialect: Loader) -> (Driver<Loader>, Receiver<Notice>) {
    let (tell, heard) = channel();
    let hear = move |notice| {
        let _ = tell.send(notice);
        None
    };
    (Driver::new(dialect, (|()| Answering::Now(()), hear)), heard)
}

fn start(driver: Driver<Loader>) -> (Link<Loader>, JoinHandle<ExitReason>) {
    let (link, run) = smol::block_on(driver.start()).unwrap();
    let thread = thread::Builder::new().name("run".into());
    (link, thread.spawn(move || smol::block_on(run)).unwrap())
}

fn end(link: &Link<Loader>, run: JoinHandle<ExitReason>) {
    link.send_last(Command::Leave).unwrap();
    assert_eq!(link.wait_blocking(PATIENCE), Some(ExitReason::Shutdown));
    assert_eq!(run.join().unwrap(), ExitReason::Shutdown);
}

fn endpoint(listener: &TcpListener) -> Endpoint {
    let port = listener.local_addr().unwrap().port();
    Endpoint { host: "127.0.0.1".into(), port, transport: Transport::Tcp }
}

/// An endpoint that refuses at once.
fn nowhere() -> Endpoint {
    endpoint(&TcpListener::bind("127.0.0.1:0").unwrap())
}

fn policy(folder: &std::path::Path) -> FetchPolicy {
    FetchPolicy { proxy: Proxy::None, ..FetchPolicy::new(folder) }
}

fn find<T>(heard: &Receiver<Notice>, mut wanted: impl FnMut(Notice) -> Option<T>) -> T {
    loop {
        if let Some(found) = wanted(heard.recv_timeout(PATIENCE).expect("in time")) {
            return found;
        }
    }
}
