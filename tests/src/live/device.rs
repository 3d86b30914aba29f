//! The same device on each runtime.

use std::fmt;
use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use device_link::Boot;
use device_link::trace::Header;
use udmi_proto::{
    Command, Credentials, Endpoint, ExitReason, Hook, Limits, Notice, Outcome, PointModel, Secret, Settings,
    Transport, Udmi, Value,
};
use udmi_std::bare::Bare;
use udmi_std::driver::{Driver, TraceOutput};
use udmi_std::udmi_host::store::FileStore;
use udmi_std::udmi_host::tls::{TlsConfig, TlsSettings};
use udmi_std::{Device, Handle, HandleError};

use super::{DEVICE, DEVICE_PASSWORD, PATIENCE};

/// What a device runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    /// The façade: threads and closures.
    Threads,
    /// One thread and a bare socket.
    Bare,
    /// One future on smol.
    Smol,
}

impl Runtime {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Threads, Self::Bare, Self::Smol];
}

/// What a device is made from.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Its settings.
    pub settings: Settings,
    /// Certificates, if it is to use TLS.
    pub tls: Option<TlsSettings>,
    /// Its bounds.
    pub limits: Limits,
    /// How long a bare device may sleep before it looks for commands.
    pub turn: Duration,
    /// Seeds jitter and identifiers; without, each run has its own.
    pub seed: Option<u64>,
    /// Where to record the run, if anywhere.
    pub trace: Option<PathBuf>,
    /// The folder of what it remembers; without, it forgets.
    pub store: Option<PathBuf>,
}

impl Plan {
    /// AHU-1 with its account, a point `temperature` and a writable point `setpoint`; it is quick to reconnect,
    /// and sends as many states as it may.
    #[must_use]
    pub fn new(host: &str, port: u16, transport: Transport) -> Self {
        let endpoint = Endpoint { host: host.into(), port, transport };
        let mut settings = Settings::new("AHU-1", endpoint, DEVICE, DEVICE);
        let password = Secret::new(DEVICE_PASSWORD.to_owned());
        settings.credentials = Some(Credentials { username: DEVICE.into(), password });
        settings.points.insert("temperature".into(), PointModel::default());
        settings.points.insert("setpoint".into(), PointModel { writable: true, ..PointModel::default() });
        settings.options.state_interval_ms = 1000;
        let limits = Limits {
            reconnect_minimum: Duration::from_millis(20),
            reconnect_maximum: Duration::from_millis(200),
            ..Limits::default()
        };
        Self {
            settings,
            tls: None,
            limits,
            turn: Duration::from_millis(10),
            seed: None,
            trace: None,
            store: None,
        }
    }

    /// As [`Self::new`], at an address without TLS.
    #[must_use]
    pub fn plain(address: SocketAddr) -> Self {
        Self::new(&address.ip().to_string(), address.port(), Transport::Tcp)
    }
}

/// A running device. Writes succeed, and are told on a channel.
pub struct Running {
    commands: Commands,
    thread: Option<JoinHandle<ExitReason>>,
    notices: Receiver<Notice>,
    writes: Receiver<(String, Value)>,
}

/// The way of commands to a running device, for any thread.
#[derive(Clone, Debug)]
pub enum Commands {
    /// To a device on threads.
    Threads(Handle),
    /// To a device on a bare socket.
    Bare(Sender<Command>),
    /// To a device that is a future.
    Smol(udmi_smol::Handle),
}

impl Commands {
    /// Hands a command over.
    ///
    /// # Errors
    /// [`HandleError::Ended`] once the device has ended.
    pub fn send(&self, command: Command) -> Result<(), HandleError> {
        match self {
            Self::Threads(handle) => handle.send(command),
            Self::Bare(queue) => queue.send(command).map_err(|_| HandleError::Ended),
            Self::Smol(handle) => handle.send(command),
        }
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").finish_non_exhaustive()
    }
}

impl Running {
    /// Starts a device.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn start(runtime: Runtime, plan: Plan) -> Self {
        let (notice, notices) = channel();
        let (write, writes) = channel();
        // Nobody may be listening, which is no failure.
        let hear = move |heard: Notice| drop(notice.send(heard));
        let write = move |point: &str, value: &Value| drop(write.send((point.to_owned(), value.clone())));
        let (commands, thread) = match runtime {
            Runtime::Threads => (Commands::Threads(on_threads(plan, hear, write)), None),
            Runtime::Bare => {
                let (commands, thread) = on_a_bare_socket(plan, hear, write);
                (Commands::Bare(commands), Some(thread))
            }
            Runtime::Smol => {
                let (commands, thread) = as_a_future(plan, hear, write);
                (Commands::Smol(commands), Some(thread))
            }
        };
        Self { commands, thread, notices, writes }
    }

    /// The way of commands to it.
    #[must_use]
    pub fn commands(&self) -> Commands {
        self.commands.clone()
    }

    /// Hands a command to it.
    ///
    /// # Panics
    /// If it takes none now.
    pub fn command(&self, command: Command) {
        self.commands.send(command).expect("the device takes a command");
    }

    /// Waits for a notice of which `wanted` makes something.
    ///
    /// # Panics
    /// If none comes.
    pub fn notice<T>(&self, what: &str, wanted: impl Fn(&Notice) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let notice = self.notices.recv_timeout(left).unwrap_or_else(|_| panic!("no notice: {what}"));
            if let Some(found) = wanted(&notice) {
                return found;
            }
        }
    }

    /// All notices nobody has waited for so far.
    pub fn notices(&self) -> impl Iterator<Item = Notice> {
        self.notices.try_iter()
    }

    /// Hands all notices from now on to the caller; nobody else gets any more.
    pub fn take_notices(&mut self) -> Receiver<Notice> {
        std::mem::replace(&mut self.notices, channel().1)
    }

    /// Waits for the next write.
    ///
    /// # Panics
    /// If none comes.
    #[must_use]
    pub fn write(&self) -> (String, Value) {
        self.writes.recv_timeout(PATIENCE).expect("a write comes")
    }

    /// Stops it in order.
    ///
    /// # Panics
    /// If it does not end.
    #[must_use]
    pub fn stop(self) -> ExitReason {
        let stop = Command::Stop { reason: ExitReason::Shutdown };
        match (self.commands, self.thread) {
            (Commands::Threads(handle), _) => {
                handle.stop();
                handle.wait_for(PATIENCE).expect("the device ends")
            }
            (Commands::Bare(queue), Some(thread)) => {
                let _ = queue.send(stop); // it may have ended
                thread.join().expect("the device ends")
            }
            (Commands::Smol(handle), Some(thread)) => {
                handle.stop();
                smol::block_on(handle.wait_for(PATIENCE)).expect("the device ends");
                thread.join().expect("the device ends")
            }
            (Commands::Bare(_) | Commands::Smol(_), None) => unreachable!("these devices have a thread"),
        }
    }
}

fn on_threads(
    plan: Plan,
    hear: impl Fn(Notice) + Send + 'static,
    write: impl Fn(&str, &Value) + Send + 'static,
) -> Handle {
    let mut builder = Device::builder(plan.settings)
        .limits(plan.limits)
        .on_notice(move |notice| hear(notice.clone()))
        .on_writeback(move |point, value| {
            write(point, value);
            Ok(())
        });
    if let Some(tls) = plan.tls {
        builder = builder.tls(tls);
    }
    if let Some(seed) = plan.seed {
        builder = builder.seed(seed);
    }
    if let Some(trace) = plan.trace {
        builder = builder.trace(trace);
    }
    if let Some(folder) = plan.store {
        builder = builder.store(open(folder));
    }
    builder.start().expect("the device starts")
}

fn on_a_bare_socket(
    plan: Plan,
    hear: impl Fn(Notice) + Send + 'static,
    write: impl Fn(&str, &Value) + Send + 'static,
) -> (Sender<Command>, JoinHandle<ExitReason>) {
    let answer = move |hook: Hook| {
        if let Hook::WritePoint { point, value, .. } = &hook {
            write(point, value);
        }
        Outcome::Done
    };
    let trace = trace_output(&plan);
    let dialect = Udmi::new(plan.settings).expect("the settings are valid");
    let mut driver = Driver::new(dialect, (answer, hear));
    driver.equipment.limits = plan.limits;
    driver.equipment.tls = plan.tls.map(|tls| TlsConfig::new(&tls).expect("the certificates are valid"));
    driver.equipment.seed = plan.seed.unwrap_or(driver.equipment.seed);
    driver.equipment.trace = trace;
    if let Some(folder) = plan.store {
        driver.equipment.store = Box::new(open(folder));
    }
    let (commands, queue) = channel();
    let thread = thread::spawn(move || {
        let mut device = Bare::start(driver).expect("the device starts");
        loop {
            if let Some(reason) = device.turn(plan.turn) {
                return reason;
            }
            while let Ok(command) = queue.try_recv() {
                device.command(command);
            }
        }
    });
    (commands, thread)
}

fn as_a_future(
    plan: Plan,
    hear: impl Fn(Notice) + Send + 'static,
    write: impl Fn(&str, &Value) + Send + 'static,
) -> (udmi_smol::Handle, JoinHandle<ExitReason>) {
    let mut builder = udmi_smol::Device::builder(plan.settings)
        .limits(plan.limits)
        .on_notice(move |notice| {
            hear(notice);
            async {}
        })
        .on_writeback(move |point, value| {
            write(&point, &value);
            async { Ok(()) }
        });
    if let Some(tls) = plan.tls {
        builder = builder.tls(tls);
    }
    if let Some(seed) = plan.seed {
        builder = builder.seed(seed);
    }
    if let Some(trace) = plan.trace {
        builder = builder.trace(trace);
    }
    if let Some(folder) = plan.store {
        builder = builder.store(open(folder));
    }
    let (handle, run) = smol::block_on(builder.prepare()).expect("the device starts");
    (handle, thread::spawn(move || smol::block_on(run)))
}

fn open(folder: PathBuf) -> FileStore {
    FileStore::open(folder).expect("the folder can be used")
}

fn trace_output(plan: &Plan) -> Option<TraceOutput<Udmi>> {
    let output = File::create(plan.trace.as_ref()?).expect("the trace can be written");
    let settings = plan.settings.clone();
    let header = move |boot: &Boot| Header::new("udmi-tests", boot.clone(), settings).line();
    Some(TraceOutput::new(header, output))
}
