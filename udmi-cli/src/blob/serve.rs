//! A small HTTP server of one file, for as long as a device fetches it.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// Connections at a time; further ones are closed at once.
const CONNECTIONS_MAX: usize = 16;
/// Bytes of a request that are read.
const REQUEST_BYTES_MAX: u64 = 16 << 10;
/// A peer that is silent for so long is gone.
const SILENCE: Duration = Duration::from_secs(30);
const CHUNK_BYTES: usize = 64 << 10;

/// Serves until it is dropped.
#[derive(Debug)]
pub(super) struct Server {
    url: String,
    address: SocketAddr,
    sent: Arc<AtomicU64>,
    stopping: Arc<AtomicBool>,
}

impl Server {
    /// Listens at `bind`. `peer` is a host and port on the device's side of the network, by which an address
    /// is chosen if `bind` means all.
    ///
    /// # Errors
    /// The address cannot be used.
    pub(super) fn start(file: &Path, size: u64, bind: SocketAddr, peer: (&str, u16)) -> io::Result<Self> {
        let listener = TcpListener::bind(bind)?;
        let address = listener.local_addr()?;
        let shown = SocketAddr::new(reachable(address.ip(), peer)?, address.port());
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let path = format!("/{}", escaped(&name));
        let url = format!("http://{shown}{path}");
        let (sent, stopping) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let served = Served { file: file.to_owned(), path, size, sent: sent.clone() };
        let stop = stopping.clone();
        thread::Builder::new()
            .name("serve".to_owned())
            .spawn(move || accept(&listener, &Arc::new(served), &stop))?;
        Ok(Self { url, address, sent, stopping })
    }

    /// Where the file is.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Bytes of the file that were sent so far, repeated ones included.
    pub(super) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts; if that fails, the end of the process ends it.
        let ip = match self.address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        drop(TcpStream::connect_timeout(&SocketAddr::new(ip, self.address.port()), Duration::from_secs(1)));
    }
}

#[derive(Debug)]
struct Served {
    file: PathBuf,
    path: String,
    size: u64,
    sent: Arc<AtomicU64>,
}

fn accept(listener: &TcpListener, served: &Arc<Served>, stopping: &AtomicBool) {
    let open = Arc::new(AtomicUsize::new(0));
    for connection in listener.incoming() {
        if stopping.load(Ordering::Relaxed) {
            return;
        }
        let Ok(connection) = connection else { continue };
        if open.fetch_add(1, Ordering::Relaxed) >= CONNECTIONS_MAX {
            open.fetch_sub(1, Ordering::Relaxed);
            continue;
        }
        let (served, count) = (served.clone(), open.clone());
        let answer = move || {
            let _ = answer(&connection, &served); // the device says what it misses
            count.fetch_sub(1, Ordering::Relaxed);
        };
        if thread::Builder::new().name("serve".to_owned()).spawn(answer).is_err() {
            open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Answers one request and closes.
fn answer(mut connection: &TcpStream, served: &Served) -> io::Result<()> {
    connection.set_read_timeout(Some(SILENCE))?;
    connection.set_write_timeout(Some(SILENCE))?;
    let Request { method, path, from } = read_request(connection)?;
    if method != "GET" && method != "HEAD" {
        return connection.write_all(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n");
    }
    if path != served.path {
        return connection.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    }
    let size = served.size;
    if from.is_some_and(|from| from >= size) {
        let head = format!(
            "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */{size}\r\nContent-Length: 0\r\n\r\n"
        );
        return connection.write_all(head.as_bytes());
    }
    let first = from.unwrap_or(0);
    let mut head = match from {
        None => "HTTP/1.1 200 OK\r\n".to_owned(),
        Some(first) => {
            let last = size.saturating_sub(1);
            format!("HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {first}-{last}/{size}\r\n")
        }
    };
    head.push_str(&format!(
        "Content-Length: {}\r\nContent-Type: application/octet-stream\r\nAccept-Ranges: bytes\r\n\
         Connection: close\r\n\r\n",
        size - first
    ));
    connection.write_all(head.as_bytes())?;
    if method == "HEAD" { Ok(()) } else { send(connection, served, first) }
}

fn send(mut connection: &TcpStream, served: &Served, first: u64) -> io::Result<()> {
    let mut file = File::open(&served.file)?;
    file.seek(SeekFrom::Start(first))?;
    let mut content = file.take(served.size - first);
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let length = content.read(&mut chunk)?;
        let Some(bytes) = chunk.get(..length).filter(|bytes| !bytes.is_empty()) else { return Ok(()) };
        connection.write_all(bytes)?;
        served.sent.fetch_add(bytes.len() as u64, Ordering::Relaxed);
    }
}

struct Request {
    method: String,
    path: String,
    /// The first byte wanted, of a range without end; other ranges are answered with the whole.
    from: Option<u64>,
}

fn read_request(connection: &TcpStream) -> io::Result<Request> {
    let mut lines = BufReader::new(connection.take(REQUEST_BYTES_MAX)).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    let mut parts = first.split(' ');
    let method = parts.next().unwrap_or_default().to_owned();
    let target = parts.next().unwrap_or_default();
    let path = target.split('?').next().unwrap_or_default().to_owned();
    let mut from = None;
    for line in lines {
        let line = line?;
        let Some((name, value)) = line.split_once(':') else { break };
        if name.eq_ignore_ascii_case("range") {
            let range = value.trim().strip_prefix("bytes=").and_then(|range| range.strip_suffix('-'));
            from = range.and_then(|range| range.parse().ok());
        }
    }
    Ok(Request { method, path, from })
}

/// An address of this machine that `peer` leads to: `ip`, unless it means all.
fn reachable(ip: IpAddr, peer: (&str, u16)) -> io::Result<IpAddr> {
    if !ip.is_unspecified() {
        return Ok(ip);
    }
    // Nothing is sent: the operating system only chooses the way.
    let socket = UdpSocket::bind(SocketAddr::new(ip, 0))?;
    socket.connect(peer)?;
    Ok(socket.local_addr()?.ip())
}

/// A file name as the last part of a URL.
fn escaped(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let part = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    name.bytes().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(server: &Server, request: &str) -> String {
        let mut connection = TcpStream::connect(server.address).unwrap();
        connection.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn a_file_is_served_whole_or_from_a_byte_on_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("new software.bin");
        std::fs::write(&file, "0123456789").unwrap();
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let server = Server::start(&file, 10, any, ("127.0.0.1", 1883)).unwrap();
        assert!(server.url().ends_with("/new%20software.bin"), "{}", server.url());
        let get = "GET /new%20software.bin HTTP/1.1\r\nHost: h\r\n";
        let whole = ask(&server, &format!("{get}\r\n"));
        assert!(whole.starts_with("HTTP/1.1 200 ") && whole.ends_with("\r\n\r\n0123456789"), "{whole}");
        let rest = ask(&server, &format!("{get}Range: bytes=7-\r\n\r\n"));
        assert!(rest.starts_with("HTTP/1.1 206 ") && rest.ends_with("\r\n\r\n789"), "{rest}");
        assert!(rest.contains("Content-Range: bytes 7-9/10\r\n"), "{rest}");
        assert_eq!(server.sent(), 13);
        assert!(ask(&server, &format!("{get}Range: bytes=10-\r\n\r\n")).starts_with("HTTP/1.1 416 "));
        assert!(ask(&server, "GET /../secret HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404 "));
        assert!(ask(&server, "POST / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 405 "));
    }

    #[test]
    fn an_address_that_means_all_is_told_as_one_that_can_be_reached() {
        let here = reachable([0, 0, 0, 0].into(), ("127.0.0.1", 9)).unwrap();
        assert_eq!(here, IpAddr::from([127, 0, 0, 1]));
    }
}
