//! A slow HTTP server of some payloads.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// A payload goes in so many pieces, with a pause after each.
const PIECES: usize = 16;
const PAUSE: Duration = Duration::from_millis(25);
/// How long serving a payload takes at least.
pub(crate) const SERVING: Duration = PAUSE.saturating_mul(16);
/// Bytes of a request that are read.
const REQUEST_BYTES: u64 = 16 << 10;

/// Serves until it is dropped.
#[derive(Debug)]
pub struct Web {
    address: SocketAddr,
    served: Arc<Mutex<BTreeMap<String, Served>>>,
    stopping: Arc<AtomicBool>,
}

#[derive(Clone, Debug)]
struct Served {
    payload: Arc<[u8]>,
    requests: usize,
}

impl Web {
    /// Listens on a free port of this machine.
    ///
    /// # Errors
    /// There is no port to be had.
    pub fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let web = Self { address: listener.local_addr()?, served: Arc::default(), stopping: Arc::default() };
        let (served, stopping) = (web.served.clone(), web.stopping.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten().take_while(|_| !stopping.load(Ordering::Relaxed)) {
                let served = served.clone();
                thread::spawn(move || drop(answer(stream, &served))); // who asks may be killed meanwhile
            }
        });
        Ok(web)
    }

    /// Serves a payload from now on. Gives its URL.
    #[must_use]
    pub fn serve(&self, path: &str, payload: &[u8]) -> String {
        let served = Served { payload: payload.into(), requests: 0 };
        self.served.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), served);
        format!("http://{}{path}", self.address)
    }

    /// How often a payload was asked for.
    #[must_use]
    pub fn requests(&self, path: &str) -> usize {
        let served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        served.get(path).map_or(0, |served| served.requests)
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(self.address)); // wakes the thread that listens
    }
}

fn answer(mut stream: TcpStream, served: &Mutex<BTreeMap<String, Served>>) -> io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?.take(REQUEST_BYTES)).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let path = first.split(' ').nth(1).unwrap_or_default();
    let found = served.lock().unwrap_or_else(PoisonError::into_inner).get_mut(path).map(|served| {
        served.requests += 1;
        served.payload.clone()
    });
    let Some(payload) = found else {
        return stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    };
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", payload.len())?;
    for piece in payload.chunks(payload.len().div_ceil(PIECES).max(1)) {
        stream.write_all(piece)?;
        thread::sleep(PAUSE);
    }
    Ok(())
}
