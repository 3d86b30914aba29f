//! Fetching against servers that do everything wrong.

mod lost;
mod proxies;
mod refused;
mod server;

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use server::Server;
use udmi_host::fetch::{FetchPolicy, Fetcher, Proxy};
use udmi_proto::{FetchError, FetchEvent, FetchId, Request};

/// What ought to happen at once has happened by then, even on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);
const LIMIT: u64 = 1 << 20;

#[test]
fn the_content_is_staged_and_its_size_told_first() {
    let body = bytes(300_000);
    let served = body.clone();
    let server = Server::start(move |_, stream| {
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", served.len())?;
        stream.write_all(&served)
    });
    let mut staging = Staging::new();
    let fetched = staging.fetch(&server.url("/blob"), LIMIT);
    assert_eq!(fetched.events.first(), Some(&FetchEvent::Size(300_000)));
    assert_eq!(fetched.content, Ok(body));
    let request = &server.requests()[0];
    assert_eq!((request.method.as_str(), request.path.as_str()), ("GET", "/blob"));
    assert!(!request.headers.contains_key("range"));
}

#[test]
fn content_of_unknown_size_is_taken_until_its_end() {
    let server = Server::start(|head, stream| match head.path.as_str() {
        "/chunked" => stream.write_all(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        ),
        _ => stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nabcde"),
    });
    for path in ["/chunked", "/closed"] {
        let fetched = Staging::new().fetch(&server.url(path), LIMIT);
        assert_eq!(fetched.content, Ok(b"abcde".to_vec()), "{path}");
        assert!(!fetched.events.iter().any(|event| matches!(event, FetchEvent::Size(_))));
    }
}

#[test]
fn what_follows_the_content_is_ignored() {
    let server = Server::start(|_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcdeHTTP/1.1 200 OK\r\n\r\n")
    });
    assert_eq!(Staging::new().fetch(&server.url("/"), LIMIT).content, Ok(b"abcde".to_vec()));
}

#[test]
fn the_limit_is_enforced_at_the_first_byte_over() {
    let server = Server::start(|head, stream| match head.path.as_str() {
        "/told" => stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n0123456789a"),
        _ => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n0123456789")?;
            if head.path == "/just" {
                return Ok(());
            }
            loop {
                stream.write_all(b"0123456789")?;
            }
        }
    });
    let told = Staging::new().fetch(&server.url("/told"), 10);
    assert_eq!((told.content, told.events.len()), (Err(FetchError::TooLarge), 0));
    assert_eq!(Staging::new().fetch(&server.url("/endless"), 10).content, Err(FetchError::TooLarge));
    assert_eq!(Staging::new().fetch(&server.url("/just"), 10).content, Ok(b"0123456789".to_vec()));
    assert_eq!(Staging::new().fetch("data:,01234567890", 10).content, Err(FetchError::TooLarge));
}

#[test]
fn data_urls_are_staged_like_all_else() {
    for (url, content) in
        [("data:application/json;base64,eyJhIjoxfQ==", "{\"a\":1}"), ("DATA:,a%20b", "a b"), ("data:,", "")]
    {
        let fetched = Staging::new().fetch(url, LIMIT);
        assert_eq!(fetched.events.first(), Some(&FetchEvent::Size(content.len() as u64)));
        assert_eq!(fetched.content, Ok(content.as_bytes().to_vec()), "{url}");
    }
    for bad in ["data:nothing", "data:;base64,%", "data:;base64,x"] {
        let failed = Staging::new().fetch(bad, LIMIT);
        assert!(matches!(failed.content, Err(FetchError::Url(_))), "{bad}");
    }
}

#[test]
fn files_are_fetched_only_where_that_is_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a blob");
    fs::write(&path, bytes(200_000)).unwrap();
    let url = format!("file://{}", path.to_str().unwrap().replace(' ', "%20"));
    let mut staging = Staging::new();
    let failed = staging.fetch(&url, LIMIT);
    assert_eq!(failed.content, Err(FetchError::Url("its scheme is not allowed".into())));
    staging.policy.schemes.file = true;
    assert_eq!(staging.fetch(&url, LIMIT).content, Ok(bytes(200_000)));
    let nothing = format!("file://{}", folder.path().display());
    assert_eq!(staging.fetch(&nothing, LIMIT).content, Err(FetchError::Unreachable("not a file".into())));
    assert!(matches!(staging.fetch("file:///no/such/file", LIMIT).content, Err(FetchError::Unreachable(_))));
}

#[test]
fn a_fetch_released_while_the_server_is_silent_ends_at_once_and_leaves_nothing() {
    let (left, gone) = channel();
    let server = Server::start(move |_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")?;
        left.send(stream.read(&mut [0; 8])).unwrap(); // until the client goes away
        Ok(())
    });
    let staging = Staging::new();
    let (mut fetcher, events) = staging.start(&server.url("/"), LIMIT);
    while events.recv_timeout(PATIENCE).unwrap() != FetchEvent::Chunk(b"abc".as_slice().into()) {}
    assert!(fetcher.staged(id()).exists());
    fetcher.release(id());
    assert!(!fetcher.staged(id()).exists());
    assert!(!matches!(gone.recv_timeout(PATIENCE).unwrap(), Ok(1..)));
    assert!(events.recv_timeout(PATIENCE).is_err(), "no event after the release, and the sink is dropped");
}

#[test]
fn a_fetcher_that_is_dropped_stops_what_runs() {
    let (left, gone) = channel();
    let server = Server::start(move |_, stream| {
        left.send(stream.read(&mut [0; 8])).unwrap();
        Ok(())
    });
    let (fetcher, events) = Staging::new().start(&server.url("/"), LIMIT);
    while server.requests().is_empty() {
        std::thread::yield_now();
    }
    drop(fetcher);
    assert!(!matches!(gone.recv_timeout(PATIENCE).unwrap(), Ok(1..)));
    assert!(events.recv_timeout(PATIENCE).is_err());
}

#[test]
fn nothing_is_read_while_the_sink_is_busy() {
    let server = Server::start(|_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
        loop {
            stream.write_all(&[7; 1 << 16])?;
        }
    });
    let staging = Staging::new();
    let mut fetcher = Fetcher::open(staging.policy.clone()).unwrap();
    let (heard, events) = channel();
    let (go, wait) = std::sync::mpsc::sync_channel(0);
    let sink = move |event| {
        heard.send(event).unwrap();
        if wait.recv().is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    fetcher.start(id(), Request { url: server.url("/"), limit: u64::MAX }, Box::new(sink)).unwrap();
    for _ in 0..3 {
        assert!(matches!(events.recv_timeout(PATIENCE).unwrap(), FetchEvent::Chunk(_)));
        assert!(events.try_recv().is_err(), "the next chunk waits for the sink");
        go.send(()).unwrap();
    }
    let path = fetcher.staged(id());
    drop(go);
    while events.recv_timeout(PATIENCE).is_ok() {}
    assert!(!path.exists(), "nobody wanted the rest");
}

#[test]
fn leftovers_of_an_earlier_run_are_cleared_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("state/staging");
    fs::create_dir_all(&inner).unwrap();
    for name in ["fetch-7", "fetch-", "fetch-x", "other"] {
        fs::write(inner.join(name), "x").unwrap();
    }
    let fetcher = Fetcher::open(FetchPolicy::new(&inner)).unwrap();
    assert!(!inner.join("fetch-7").exists());
    assert!(inner.join("fetch-x").exists() && inner.join("other").exists());
    assert_eq!(fetcher.staged(id()), inner.join("fetch-1"));
    let error = Fetcher::open(FetchPolicy::new(inner.join("other"))).unwrap_err();
    assert!(error.to_string().contains("other"), "{error}");
}

#[cfg(unix)]
#[test]
fn staged_files_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let folder = tempfile::tempdir().unwrap();
    let mut staging = Staging::new();
    staging.policy.staging = folder.path().join("staging");
    let (fetcher, events) = staging.start("data:,x", LIMIT);
    while events.recv_timeout(PATIENCE).unwrap() != FetchEvent::Done {}
    assert_eq!((mode(&staging.policy.staging), mode(&fetcher.staged(id()))), (0o700, 0o600));
}

/// A staging folder, and a policy without proxy and pauses for it.
struct Staging {
    policy: FetchPolicy,
    _folder: tempfile::TempDir,
}

/// How a fetch went.
struct Fetched {
    events: Vec<FetchEvent>,
    content: Result<Vec<u8>, FetchError>,
}

impl Staging {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut policy = FetchPolicy::new(folder.path());
        policy.proxy = Proxy::None;
        policy.pause = Duration::from_millis(1);
        policy.total_timeout = PATIENCE;
        Self { policy, _folder: folder }
    }

    fn start(&self, url: &str, limit: u64) -> (Fetcher, Receiver<FetchEvent>) {
        let mut fetcher = Fetcher::open(self.policy.clone()).unwrap();
        let (heard, events) = channel();
        let sink = move |event| heard.send(event).map_or(ControlFlow::Break(()), ControlFlow::Continue);
        fetcher.start(id(), Request { url: url.to_owned(), limit }, Box::new(sink)).unwrap();
        (fetcher, events)
    }

    /// Fetches to the end. What is staged has to be what was told in chunks.
    fn fetch(&mut self, url: &str, limit: u64) -> Fetched {
        let mut fetcher = Fetcher::open(self.policy.clone()).unwrap();
        let (heard, hear) = channel();
        let sink = move |event| heard.send(event).map_or(ControlFlow::Break(()), ControlFlow::Continue);
        if let Err(error) = fetcher.start(id(), Request { url: url.to_owned(), limit }, Box::new(sink)) {
            return Fetched { events: Vec::new(), content: Err(error) };
        }
        let deadline = Instant::now() + PATIENCE;
        let (mut events, mut content) = (Vec::new(), Vec::new());
        loop {
            let event = hear.recv_timeout(deadline.saturating_duration_since(Instant::now())).unwrap();
            let path = fetcher.staged(id());
            match &event {
                FetchEvent::Size(_) => {}
                FetchEvent::Chunk(bytes) => content.extend_from_slice(bytes),
                FetchEvent::Restarted => content.clear(),
                FetchEvent::Done => {
                    assert_eq!(fs::read(&path).unwrap(), content);
                    fetcher.release(id());
                    assert!(!path.exists());
                    return Fetched { events, content: Ok(content) };
                }
                FetchEvent::Failed(error) => {
                    assert!(!path.exists());
                    return Fetched { events, content: Err(error.clone()) };
                }
            }
            events.push(event);
        }
    }
}

/// Fetches are named by nodes; this is the first of one.
fn id() -> FetchId {
    serde_json::from_str("1").unwrap()
}

fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|index| (index * 7 % 251) as u8).collect()
}
