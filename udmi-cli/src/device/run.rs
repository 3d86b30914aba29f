//! Runs a device on threads, as a future or on a bare socket, until it ends.

use std::io::{self, Read as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use device_link::ExitReason;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;
use udmi_host::family::FieldHooks;
use udmi_proto::{Command, Udmi};
use udmi_std::bare::Bare;
use udmi_std::driver::Link;

use super::application::PlantFutures;
use super::gateway::Plants;
use super::prepare::Prepared;
use crate::access::Plan;
use crate::output::{Failure, Output};

/// What ends a run.
const LAST: Command = Command::Stop { reason: ExitReason::Shutdown };
/// How long a bare device sleeps at most before it looks whether it is to stop.
const LOOK_AROUND: Duration = Duration::from_millis(250);
/// From then on a second signal ends the process at once.
const IMPATIENCE: Duration = Duration::from_secs(1);
/// The exit code of a process that a second signal ends.
const IMPATIENT: i32 = 130;

/// What runs.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) plan: Plan,
    pub(super) plants: Plants,
    /// Scans, and reaches field devices.
    pub(super) field: FieldHooks,
    pub(super) write: Duration,
    pub(super) store: PathBuf,
    /// Bytes of unacknowledged messages that outlive the run.
    pub(super) keep_outbox: usize,
    pub(super) trace: Option<PathBuf>,
    pub(super) seed: u64,
    pub(super) until_input_ends: bool,
}

impl Run {
    /// On blocking threads.
    pub(super) fn on_threads(self, output: &Output) -> Result<ExitReason, Failure> {
        let until_input_ends = self.until_input_ends;
        let reached: Arc<OnceLock<Link<Udmi>>> = Arc::default();
        let link = reached.clone();
        // A command that finds no room is an alarm less in the log.
        let say = move |command| {
            let _ = link.get().map(|link| link.send(command));
        };
        let signals = Signals::new([SIGINT, SIGTERM]).map_err(|error| no_signals(&error))?;
        let (application, prepared) = self.prepare(Box::new(say), output)?;
        let Prepared { dialect, equipment } = prepared;
        let driver = udmi_std::driver::Driver { dialect, application: Box::new(application), equipment };
        let link = driver.start().map_err(Failure::new)?;
        let _ = reached.set(link.clone()); // nobody else sets it
        let stopped = link.clone();
        let stop = move || {
            // Refused only if the device is about to end anyway.
            let _ = stopped.send_last(LAST);
        };
        stop_on_signals(signals, stop.clone())?;
        if until_input_ends {
            stop_on_end_of_input(stop)?;
        }
        let _ = link.send(Command::Ready); // refused only if the run has ended already
        Ok(link.wait())
    }

    /// As a future, on this thread; what blocks is done by others.
    pub(super) fn on_smol(self, output: &Output) -> Result<ExitReason, Failure> {
        let until_input_ends = self.until_input_ends;
        let reached: Arc<OnceLock<udmi_smol::driver::Link<Udmi>>> = Arc::default();
        let link = reached.clone();
        // A command that finds no room is an alarm less in the log.
        let say = move |command| {
            let _ = link.get().map(|link| link.send(command));
        };
        let signals = Signals::new([SIGINT, SIGTERM]).map_err(|error| no_signals(&error))?;
        let (application, prepared) = self.prepare(Box::new(say), output)?;
        let Prepared { dialect, equipment } = prepared;
        let application = Box::new(PlantFutures::new(application));
        let driver = udmi_smol::driver::Driver { dialect, application, equipment };
        async_io::block_on(async {
            let (link, run) = driver.start().await.map_err(Failure::new)?;
            let _ = reached.set(link.clone()); // nobody else sets it
            let stopped = link.clone();
            let stop = move || {
                // Refused only if the device is about to end anyway.
                let _ = stopped.send_last(LAST);
            };
            stop_on_signals(signals, stop.clone())?;
            if until_input_ends {
                stop_on_end_of_input(stop)?;
            }
            let _ = link.send(Command::Ready); // refused only if the run has ended already
            Ok(run.await)
        })
    }

    /// On this thread alone.
    pub(super) fn on_a_bare_socket(self, output: &Output) -> Result<ExitReason, Failure> {
        let stopping = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            flag::register(signal, stopping.clone()).map_err(|error| no_signals(&error))?;
        }
        if self.until_input_ends {
            let stopping = stopping.clone();
            spawn("input", move || {
                wait_for_end_of_input();
                stopping.store(true, Ordering::Relaxed);
            })?;
        }
        let said: Arc<Mutex<Vec<Command>>> = Arc::default();
        let queue = said.clone();
        let say = move |command| queue.lock().unwrap_or_else(PoisonError::into_inner).push(command);
        let (application, prepared) = self.prepare(Box::new(say), output)?;
        let Prepared { dialect, equipment } = prepared;
        let driver = udmi_std::driver::Driver { dialect, application: Box::new(application), equipment };
        let mut device = Bare::start(driver).map_err(Failure::new)?;
        device.command(Command::Ready);
        let mut stopped = false;
        loop {
            if let Some(reason) = device.turn(LOOK_AROUND) {
                return Ok(reason);
            }
            let commands = std::mem::take(&mut *said.lock().unwrap_or_else(PoisonError::into_inner));
            commands.into_iter().for_each(|command| device.command(command));
            if stopping.load(Ordering::Relaxed) && !stopped {
                stopped = true;
                device.command(LAST);
            }
        }
    }
}

/// Stops at the first signal; a second one ends the process.
fn stop_on_signals(mut signals: Signals, stop: impl Fn() + Send + 'static) -> Result<(), Failure> {
    spawn("signals", move || {
        let mut first = None;
        for _ in signals.forever() {
            match first {
                None => stop(),
                // Tools such as timeout(1) signal a process and its group in one breath.
                Some(first) if Instant::elapsed(&first) < IMPATIENCE => {}
                Some(_) => std::process::exit(IMPATIENT),
            }
            first.get_or_insert_with(Instant::now);
        }
    })
}

fn stop_on_end_of_input(stop: impl Fn() + Send + 'static) -> Result<(), Failure> {
    spawn("input", move || {
        wait_for_end_of_input();
        stop();
    })
}

fn wait_for_end_of_input() {
    let mut ignored = [0; 64];
    while matches!(io::stdin().read(&mut ignored), Ok(length) if length > 0) {}
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), Failure> {
    const STACK: usize = 64 << 10;
    let thread = thread::Builder::new().name(name.to_owned()).stack_size(STACK);
    thread.spawn(work).map(drop).map_err(|error| Failure::new(format!("cannot start a thread: {error}")))
}

fn no_signals(error: &io::Error) -> Failure {
    Failure::new(format!("signals cannot be caught: {error}"))
}
