//! What the libraries for HTTP log of a fetch is not published. A process has one logger, hence a file of its own.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::ops::ControlFlow;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use log::{Level, Log, Metadata, Record};
use udmi_host::fetch::{FetchPolicy, Fetcher, Proxy};
use udmi_host::log_bridge::{LevelFilter, LogBridge};
use udmi_proto::{FetchEvent, Request};

const PATIENCE: Duration = Duration::from_secs(60);

/// The application's own logger.
struct Own(Sender<String>);

impl Log for Own {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn log(&self, record: &Record<'_>) {
        self.0.send(record.target().to_owned()).unwrap();
    }
    fn flush(&self) {}
}

#[test]
fn a_fetch_publishes_nothing_of_what_its_libraries_log() {
    let (publish, published) = channel();
    let (log, logged) = channel();
    LogBridge::new(LevelFilter::Trace, move |entry| publish.send(entry).unwrap())
        .chained_to(Box::new(Own(log)))
        .install()
        .unwrap();
    log::set_max_level(LevelFilter::Trace);

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let _ = socket.read(&mut [0; 4096]).unwrap();
        socket
            .write_all(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=hunter2\r\nContent-Length: 4\r\n\r\ngood")
            .unwrap();
    });
    let folder = tempfile::tempdir().unwrap();
    let policy = FetchPolicy { proxy: Proxy::None, ..FetchPolicy::new(folder.path()) };
    let mut fetcher = Fetcher::open(policy).unwrap();
    let url = format!("http://user:hunter2@{address}/hunter2?signature=hunter2");
    let (tell, told) = channel();
    let sink = move |event| tell.send(event).map_or(ControlFlow::Break(()), ControlFlow::Continue);
    let id = serde_json::from_str("1").unwrap();
    fetcher.start(id, Request { url, limit: 100 }, Box::new(sink)).unwrap();
    while told.recv_timeout(PATIENCE).unwrap() != FetchEvent::Done {}

    log::log!(target: "my_app", Level::Info, "fetched");
    let entries: Vec<_> = published.try_iter().map(|entry| entry.message).collect();
    assert_eq!(entries, ["fetched"]);
    let logged: Vec<_> = logged.try_iter().collect();
    assert!(
        logged.iter().any(|target| target.starts_with("ureq")),
        "there was something to hold back: {logged:?}"
    );
}
