//! A device in a process of its own, for tests of what befalls a process: `border-subject RUNTIME HOST PORT`, in a
//! folder of its own.
//!
//! It obeys the lines `start`, `stop`, `exhaust` and `release` (descriptors), `fill` and `empty` (the disk of its store),
//! `protect` and `unprotect` (the same, as root), and `memory`. It says of each when it is done, and tells when the
//! device is connected or not.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, Write as _};
use std::process::Command;
use std::thread;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use udmi_proto::{Notice, Transport};
use udmi_tests::live::device::{Plan, Running, Runtime};

/// Descriptors below this number are taken from the start, so that the device has none of them.
const LOWEST: u64 = 16;
const STORE: &str = "store";
const FILLER: &str = "store/filler";

fn main() -> io::Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [runtime, host, port] = arguments.as_slice() else {
        return Err(io::Error::other("usage: border-subject RUNTIME HOST PORT"));
    };
    let runtime = Runtime::ALL.into_iter().find(|known| format!("{known:?}") == *runtime);
    let runtime = runtime.ok_or_else(|| io::Error::other("no such runtime"))?;
    let port = port.parse().map_err(io::Error::other)?;
    let _taken: Vec<_> = (0..LOWEST).map(|_| File::open("/dev/null")).collect::<io::Result<_>>()?;
    let usual = getrlimit(Resource::Nofile);
    let mut device = None;
    for line in io::stdin().lock().lines() {
        let line = line?;
        match line.as_str() {
            "start" => device = Some(start(runtime, host, port)),
            "stop" => drop(device.take().map(Running::stop)),
            "exhaust" => setrlimit(Resource::Nofile, Rlimit { current: Some(LOWEST), ..usual })?,
            "release" => setrlimit(Resource::Nofile, usual)?,
            "fill" => fill()?,
            "empty" => fs::remove_file(FILLER)?,
            "protect" => remount("remount,ro")?,
            "unprotect" => remount("remount,rw")?,
            "memory" => println!("peak {} KiB", peak()?),
            _ => return Err(io::Error::other(format!("no such order: {line}"))),
        }
        println!("done: {line}");
    }
    Ok(())
}

fn start(runtime: Runtime, host: &str, port: u16) -> Running {
    let plan = Plan { store: Some(STORE.into()), ..Plan::new(host, port, Transport::Tcp) };
    let mut device = Running::start(runtime, plan);
    let notices = device.take_notices();
    thread::spawn(move || {
        for notice in notices {
            match notice {
                Notice::Connected { .. } => println!("connected"),
                Notice::Disconnected { why } => println!("disconnected: {why:?}"),
                _ => {}
            }
        }
    });
    device
}

/// Takes all room there is in the store's folder.
fn fill() -> io::Result<()> {
    let mut filler = OpenOptions::new().create(true).append(true).open(FILLER)?;
    while filler.write_all(&[0; 512]).is_ok() {}
    Ok(())
}

fn remount(how: &str) -> io::Result<()> {
    let done = Command::new("mount").args(["-o", how, STORE]).status()?.success();
    if done { Ok(()) } else { Err(io::Error::other(format!("mount -o {how} fails"))) }
}

/// The most memory the process has had, in KiB.
fn peak() -> io::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number =
        peak.and_then(|peak| peak.trim().strip_suffix(" kB")).and_then(|peak| peak.trim().parse().ok());
    number.ok_or_else(|| io::Error::other("no VmHWM"))
}
