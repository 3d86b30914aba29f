//! A blob of 64 MiB from this machine, fetched, staged, synced and hashed by the threaded driver, beside what
//! `curl` takes for the same URL in turn: thrown away, and written to a file of the same folder.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command as Process;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use device_link::{Endpoint, FetchId, Request, Transport};
use udmi_host::fetch::{FetchPolicy, Fetcher, Proxy};
use udmi_std::driver::{Driver, Link};

use crate::Failure;
use crate::loader::{Command, Loader, Notice};
use crate::table::Table;

const SIZE: u64 = 64 << 20;
const ROUNDS: usize = 15;
const PATIENCE: Duration = Duration::from_secs(60);
const GROWTH: u64 = 2_000_000;

pub(crate) fn measure(table: &mut Table) -> Result<(), Failure> {
    let url = serve()?;
    let folder = tempfile::tempdir()?;
    let (link, heard) = start(folder.path())?;
    let (grown, first) = growth(|| fetch(&link, &heard, &url))?;
    let [own, all] = [grown.own, grown.all].map(|bytes| bytes as f64 / 1e6);
    let figures = format!("{all:.2} MB more at most than before, {own:.2} MB of it no program files");
    table.row("memory, the first fetch of 64 MiB", figures, "< 2 MB", grown.all < GROWTH);

    let (mut own, mut thrown_away, mut written) = (vec![first], Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        thrown_away.push(curl(&url, Path::new("/dev/null"))?);
        written.push(curl(&url, &folder.path().join("curl"))?);
        own.push(fetch(&link, &heard, &url)?);
    }
    link.send_last(Command::Leave)?;
    link.wait_for(PATIENCE);
    let [own, thrown_away, written] = [own, thrown_away, written].map(rate);
    for (what, theirs) in [("curl to /dev/null", thrown_away), ("curl to a file", written)] {
        let share = own / theirs;
        let figures = format!("{own:.0} MB/s against {theirs:.0} MB/s, {:.0} %", share * 100.0);
        table.row(&format!("64 MiB staged and hashed, beside {what}"), figures, "≥ 80 %", share >= 0.8);
    }
    Ok(())
}

/// Bytes a microsecond, in the middle.
fn rate(mut times: Vec<Duration>) -> f64 {
    times.sort();
    SIZE as f64 / times.get(times.len() / 2).map_or(f64::MAX, Duration::as_secs_f64) / 1e6
}

/// Serves the blob to whoever connects, for as long as the process lives.
fn serve() -> Result<String, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let part: Vec<u8> = (0..1 << 20).map(|index| (index * 31 % 251) as u8).collect();
    thread::spawn(move || {
        while let Ok((socket, _)) = listener.accept() {
            let _ = answer(socket, &part); // a client that goes away has what it wanted
        }
    });
    Ok(format!("http://{address}/blob"))
}

fn answer(mut socket: TcpStream, part: &[u8]) -> std::io::Result<()> {
    let _ = socket.read(&mut [0; 4096])?;
    write!(socket, "HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\nConnection: close\r\n\r\n")?;
    (0..SIZE / part.len() as u64).try_for_each(|_| socket.write_all(part))
}

fn start(folder: &Path) -> Result<(Link<Loader>, Receiver<Notice>), Failure> {
    let (tell, heard) = channel();
    let broker = TcpListener::bind("127.0.0.1:0")?.local_addr()?; // nobody listens any more
    let endpoint = Endpoint { host: broker.ip().to_string(), port: broker.port(), transport: Transport::Tcp };
    let mut driver = Driver::new(Loader::new(endpoint), (|()| (), move |notice| drop(tell.send(notice))));
    let policy = FetchPolicy { proxy: Proxy::None, ..FetchPolicy::new(folder) };
    driver.equipment.fetcher = Some(Box::new(Fetcher::open(policy)?));
    Ok((driver.start()?, heard))
}

/// How long it takes from the wish to the last byte on the disc and in the hash.
fn fetch(link: &Link<Loader>, heard: &Receiver<Notice>, url: &str) -> Result<Duration, Failure> {
    let started = Instant::now();
    link.send(Command::Fetch(Request { url: url.to_owned(), limit: SIZE }))?;
    let id: FetchId = loop {
        match heard.recv_timeout(PATIENCE)? {
            Notice::Done { id, size: SIZE, .. } => break id,
            Notice::Down(_) | Notice::Begun(_) => {}
            other => return Err(format!("the fetch went wrong: {other:?}").into()),
        }
    };
    let taken = started.elapsed();
    link.send(Command::Release(id))?;
    Ok(taken)
}

/// The whole transfer as curl itself measures it, without the start of the process.
fn curl(url: &str, to: &Path) -> Result<Duration, Failure> {
    let output = Process::new("curl")
        .args(["--silent", "--fail", "--noproxy", "*", "--write-out", "%{stderr}%{time_total}", "--output"])
        .arg(to)
        .arg(url)
        .output()?;
    if !output.status.success() {
        return Err("curl has failed".into());
    }
    Ok(Duration::from_secs_f64(String::from_utf8(output.stderr)?.trim().parse()?))
}

/// How many bytes a process grew at most.
struct Growth {
    /// Without program files, as far as a look every millisecond tells.
    own: u64,
    /// With what was read of program files for the first time.
    all: u64,
}

fn growth<T>(run: impl FnOnce() -> Result<T, Failure>) -> Result<(Growth, T), Failure> {
    let (stop, stopped) = channel::<()>();
    let watch = thread::spawn(move || {
        let mut most = 0;
        while stopped.recv_timeout(Duration::from_millis(1)) == Err(RecvTimeoutError::Timeout) {
            most = most.max(status("RssAnon:").unwrap_or(u64::MAX));
        }
        most
    });
    thread::sleep(Duration::from_millis(50)); // until the watch has all the memory it needs
    fs::write("/proc/self/clear_refs", "5")?; // forgets the peak
    let (own, all) = (status("RssAnon:")?, status("VmRSS:")?);
    let result = run()?;
    drop(stop);
    let most = watch.join().map_err(|_| "the watch has failed")?;
    let grown = Growth { own: most.saturating_sub(own), all: status("VmHWM:")?.saturating_sub(all) };
    Ok((grown, result))
}

/// A figure of this process, in bytes.
fn status(name: &str) -> Result<u64, Failure> {
    let text = fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)).ok_or("no such line")?;
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kilobytes * 1024)
}
