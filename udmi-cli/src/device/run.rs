//! Runs a device on threads or on a bare socket, until it ends.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use device_link::ExitReason;
use device_link::trace::Header;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;
use udmi_host::family::FieldHooks;
use udmi_host::fetch::{FetchPolicy, Fetcher};
use udmi_host::key_store::DeviceKeys;
use udmi_host::store::{FileStore, Store as _};
use udmi_host::tls::TlsConfig;
use udmi_proto::{Command, Limits, Settings, Source, Udmi};
use udmi_std::bare::Bare;
use udmi_std::driver::{Driver, Link, Signer, TlsSource, TraceOutput};

use super::application::PlantApplication;
use super::gateway::Plants;
use super::module::Module;
use super::notices::Notices;
use crate::access::{Plan, Tls};
use crate::output::{Failure, Output};

/// How long a bare device sleeps at most before it looks whether it is to stop.
const LOOK_AROUND: Duration = Duration::from_millis(250);
/// Where blobs are fetched to, within the state folder.
const STAGING: &str = "staging";
/// Where the simulated software is, within the state folder.
const SOFTWARE: &str = "software";
/// Notices of a proxied device that may wait to be printed.
const NOTICES_PER_PROXY: usize = 8;
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
        let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(|error| no_signals(&error))?;
        let link = self.driver(Box::new(say), output)?.start().map_err(Failure::new)?;
        let _ = reached.set(link.clone()); // nobody else sets it
        let stopped = link.clone();
        spawn("signals", move || {
            let mut first = None;
            for _ in signals.forever() {
                match first {
                    None => stop(&stopped),
                    // Tools such as timeout(1) signal a process and its group in one breath.
                    Some(first) if Instant::elapsed(&first) < IMPATIENCE => {}
                    Some(_) => std::process::exit(IMPATIENT),
                }
                first.get_or_insert_with(Instant::now);
            }
        })?;
        if until_input_ends {
            let stopped = link.clone();
            spawn("input", move || {
                wait_for_end_of_input();
                stop(&stopped);
            })?;
        }
        let _ = link.send(Command::Ready); // refused only if the run has ended already
        Ok(link.wait())
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
        let mut device = Bare::start(self.driver(Box::new(say), output)?).map_err(Failure::new)?;
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
                device.command(Command::Stop { reason: ExitReason::Shutdown });
            }
        }
    }

    fn driver(self, say: Box<dyn FnMut(Command) + Send>, output: &Output) -> Result<Driver<Udmi>, Failure> {
        let Plan { settings, tls, keys } = self.plan;
        let settings = simulated(settings, self.write);
        let staging = self.store.join(STAGING);
        let store = open_store(&self.store, output)?;
        let application = PlantApplication {
            plants: self.plants,
            born: Instant::now(),
            staging: staging.clone(),
            module: Module::new(self.store.join(SOFTWARE)),
            keys: keys.clone(),
            folder: self.store,
            notices: Notices::new(output, settings.endpoint.to_string()),
            say,
        };
        let trace = self.trace.map(|path| trace_output(&path, settings.clone())).transpose()?;
        let gateway = settings.gateway.as_ref();
        let (proxies, limits) = gateway
            .map(|gateway| (gateway.proxies.len(), gateway.scaled(&Limits::default())))
            .unwrap_or_default();
        let dialect = Udmi::new(settings).map_err(Failure::usage)?;
        let mut driver = Driver::new(dialect, application);
        driver.store = Box::new(store);
        secure(&mut driver, tls, keys)?;
        driver.fetcher = Some(Fetcher::open(FetchPolicy::new(staging)).map_err(Failure::new)?);
        driver.delegate = Box::new(self.field);
        driver.limits = limits;
        driver.notices_max += proxies * NOTICES_PER_PROXY;
        driver.limits.outbox_kept_bytes = self.keep_outbox;
        driver.seed = self.seed;
        driver.trace = trace;
        Ok(driver)
    }
}

/// Signs with the keys, and connects with the certificate that they have at the time.
fn secure(driver: &mut Driver<Udmi>, tls: Option<Tls>, keys: Option<DeviceKeys>) -> Result<(), Failure> {
    if let Some(Tls { mut settings, rotates }) = tls {
        driver.tls = Some(TlsConfig::new(&settings).map_err(Failure::usage)?);
        let rotating = keys.clone().filter(|_| rotates);
        driver.tls_source = rotating.map(|keys| -> TlsSource {
            Box::new(move || {
                settings.identity = keys.tls_identity();
                TlsConfig::new(&settings)
            })
        });
    }
    driver.signer = keys.map(|keys| -> Signer { Box::new(move |request| keys.sign(request)) });
    Ok(())
}

/// All points are asked for, and writes show as `updating` for as long as the plant takes.
fn simulated(mut settings: Settings, write: Duration) -> Settings {
    let proxies = settings.gateway.iter_mut().flat_map(|gateway| gateway.proxies.values_mut());
    let points = proxies.map(|proxy| &mut proxy.points).chain([&mut settings.points]);
    for model in points.flat_map(|points| points.values_mut()) {
        model.source = Source::Polled;
    }
    settings.options.minimum_updating_ms = u64::try_from(write.as_millis()).unwrap_or(u64::MAX);
    settings.options.metrics_hook = true;
    settings
}

fn open_store(folder: &Path, output: &Output) -> Result<FileStore, Failure> {
    let unusable = |error| Failure::new(error).hint("--state-dir names another folder");
    let mut store = FileStore::open(folder).map_err(unusable)?;
    store.load_all().map_err(unusable)?;
    for notice in store.take_notices() {
        let kept_as = notice.kept_as.display();
        output.remark(format!("{} could not be read ({}); it is kept as {kept_as}", notice.key, notice.why));
    }
    Ok(store)
}

fn trace_output(path: &Path, settings: Settings) -> Result<TraceOutput, Failure> {
    let file = File::create(path)
        .map_err(|error| Failure::usage(format!("cannot write the trace {}: {error}", path.display())))?;
    let software = concat!("udmi ", env!("CARGO_PKG_VERSION"));
    let header = move |boot: &device_link::Boot| Header::new(software, boot.clone(), settings).line();
    Ok(TraceOutput { header: Box::new(header), output: Box::new(file) })
}

fn stop(link: &Link<Udmi>) {
    // Refused only if the device is about to end anyway.
    let _ = link.send_last(Command::Stop { reason: ExitReason::Shutdown });
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
