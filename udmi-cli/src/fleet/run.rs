//! Runs a fleet on its threads, and watches it from the one that was there before.

use std::io::Read as _;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::Arguments;
use super::counters::{Counters, Sum};
use super::crew::{self, Plan};
use super::host;
use super::members::Members;
use super::report::{Moment, Progress, Summary};
use super::stopping::Stopping;
use crate::cloud::{Cloud, Reach, Registry, own_id};
use crate::config::CONNECT_PATIENCE;
use crate::output::{Failure, Output};

/// How often the fleet is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// From the beginning of the last device until those that are not connected are no longer waited for.
const CONNECTED_WITHIN: Duration = Duration::from_secs(60);
/// Beyond the devices' grace, for threads to end.
const THREADS_GRACE: Duration = Duration::from_secs(5);
/// The exit code of a process that a second signal ends.
const IMPATIENT: i32 = 130;
/// From then on a second signal ends the process at once: tools such as timeout(1) signal a process and its group in
/// one breath.
const IMPATIENCE: Duration = Duration::from_secs(1);
/// A core's calls nest, and a signature takes some.
const STACK: usize = 1 << 20;

/// Runs the devices until they are stopped, or their time is over.
///
/// # Errors
/// The host does not allow so many, or the configs cannot be published.
pub(super) fn run(arguments: &Arguments, mut members: Members, output: &Output) -> Result<Summary, Failure> {
    let devices = members.len();
    host::allow_descriptors(devices as u64)?;
    if let Some(warning) = host::short_of_ports((devices / arguments.endpoints.len().max(1)) as u64) {
        output.remark(warning);
    }
    let (stop, stops) = sync_channel(2);
    stop_on_signals(stop.clone())?;
    if arguments.until_input_ends {
        stop_on_end_of_input(stop)?;
    }
    let configures = arguments.rate.is_some();
    if configures {
        publish_configs(arguments, &mut members, output)?;
    }
    let fleet = Fleet::begin(arguments, members)?;
    let mut watch = Watch::new(&fleet, arguments, output);
    while !watch.is_over() {
        match stops.recv_timeout(LOOK) {
            Ok(()) | Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => watch.look(&fleet),
        }
    }
    let ending = fleet.moment();
    watch.progress.clear();
    output.remark("stopping");
    let (before, cuts_power) = (fleet.before.clone(), fleet.plan.faults.cut.is_some());
    let of_all_shards = fleet.plan.members.of_all_shards();
    let end = fleet.end();
    Ok(Summary {
        fleet: of_all_shards,
        shard: arguments.shard.to_string(),
        devices,
        threads: watch.threads,
        configures,
        cuts_power,
        before,
        ramped: watch.ramped,
        ending,
        end,
    })
}

/// A fleet at work.
struct Fleet {
    plan: Arc<Plan>,
    counters: Vec<Arc<Counters>>,
    stopping: Arc<Stopping>,
    threads: Vec<JoinHandle<()>>,
    before: Moment,
}

impl Fleet {
    fn begin(arguments: &Arguments, members: Members) -> Result<Self, Failure> {
        let threads = usize::try_from(arguments.threads).unwrap_or(1).min(members.len().max(1));
        let seed = arguments.seed.unwrap_or_else(udmi_host::drive::random_seed);
        let before = Moment::new(Sum::of(std::iter::empty()));
        let plan = Arc::new(Plan {
            members,
            threads,
            ramp: arguments.ramp,
            told_per_second: arguments.rate.and_then(super::configs::Wanted::told_per_second),
            faults: arguments.faults.unwrap_or_default(),
            seed,
            born: Instant::now(),
            grace: Duration::from_secs(arguments.grace),
        });
        let stopping = Arc::new(Stopping::default());
        let mut fleet = Self { plan, counters: Vec::new(), stopping, threads: Vec::new(), before };
        for thread in 0..threads {
            let counters = Arc::new(Counters::new());
            let (plan, stopping, own) = (fleet.plan.clone(), fleet.stopping.clone(), counters.clone());
            let work = move || crew::run(plan, thread, own, stopping);
            let thread =
                spawn(&format!("fleet-{thread}"), STACK, work).inspect_err(|_| fleet.stopping.say())?;
            fleet.threads.push(thread);
            fleet.counters.push(counters);
        }
        Ok(fleet)
    }

    fn moment(&self) -> Moment {
        Moment::new(Sum::of(self.counters.iter().map(|counters| &**counters)))
    }

    /// Lets all devices leave in order, as far as they do so in time.
    fn end(self) -> Moment {
        self.stopping.say();
        let deadline = Instant::now() + self.plan.grace * 2 + THREADS_GRACE;
        while !self.threads.iter().all(JoinHandle::is_finished) && Instant::now() < deadline {
            thread::sleep(LOOK / 10);
        }
        self.moment()
    }
}

/// What the first thread knows of how the fleet fares.
struct Watch {
    progress: Progress,
    devices: u64,
    configures: bool,
    duration: Option<Duration>,
    threads: usize,
    /// When the last device was begun.
    begun: Option<Instant>,
    /// When all were connected, or no longer waited for.
    ramped: Option<Moment>,
}

impl Watch {
    fn new(fleet: &Fleet, arguments: &Arguments, output: &Output) -> Self {
        let devices = fleet.plan.members.len();
        Self {
            progress: Progress::new(output, devices, &fleet.before),
            devices: devices as u64,
            configures: arguments.rate.is_some(),
            duration: arguments.duration.map(Duration::from_secs),
            threads: fleet.threads.len(),
            begun: None,
            ramped: None,
        }
    }

    fn look(&mut self, fleet: &Fleet) {
        let now = fleet.moment();
        self.progress.show(&now);
        if self.begun.is_none() && now.sum.started == self.devices {
            self.begun = Some(now.sum.at);
        }
        let complete = now.sum.connected_once == self.devices
            && (!self.configures || now.sum.configured == self.devices);
        let late = self.begun.is_some_and(|begun| now.sum.at >= begun + CONNECTED_WITHIN);
        if self.ramped.is_none() && (complete || late) {
            self.ramped = Some(now);
        }
    }

    fn is_over(&self) -> bool {
        let Some((ramped, duration)) = self.ramped.as_ref().zip(self.duration) else { return false };
        ramped.sum.at.elapsed() >= duration
    }
}

/// Publishes the configs of the shard's devices for the broker to keep, as a cloud of its own.
fn publish_configs(arguments: &Arguments, members: &mut Members, output: &Output) -> Result<(), Failure> {
    let first = members.get(0)?;
    let credentials = match &arguments.cloud_username {
        Some(username) => Some((username.clone(), cloud_password(arguments)?)),
        None => first.settings.credentials.map(|of_device| (of_device.username, of_device.password)),
    };
    let reach = Reach {
        endpoint: first.settings.endpoint,
        client_id: own_id("fleet"),
        credentials,
        tls: first.security.tls,
        registry: Registry::Any,
        device: None,
    };
    let mut cloud = Cloud::connect_to_publish(reach, CONNECT_PATIENCE)?;
    let published = cloud.retain_all(members.take_configs())?;
    output.remark(format!("published {published} configs"));
    Ok(())
}

fn cloud_password(arguments: &Arguments) -> Result<device_link::Secret<String>, Failure> {
    let Some(file) = &arguments.cloud_password_file else {
        return Ok(device_link::Secret::new(String::new()));
    };
    let text = crate::text::read(file, 64 << 10).map_err(Failure::usage)?;
    Ok(device_link::Secret::new(text.lines().next().unwrap_or_default().to_owned()))
}

fn stop_on_signals(stop: SyncSender<()>) -> Result<(), Failure> {
    let mut signals = Signals::new([SIGINT, SIGTERM])
        .map_err(|error| Failure::new(format!("signals cannot be caught: {error}")))?;
    let wait = move || {
        let mut first: Option<Instant> = None;
        for _ in signals.forever() {
            match first {
                // Fails only if the fleet is about to end anyway.
                None => drop(stop.try_send(())),
                Some(first) if first.elapsed() < IMPATIENCE => {}
                Some(_) => std::process::exit(IMPATIENT),
            }
            first.get_or_insert_with(Instant::now);
        }
    };
    spawn("signals", 64 << 10, wait).map(drop)
}

fn stop_on_end_of_input(stop: SyncSender<()>) -> Result<(), Failure> {
    let wait = move || {
        let mut ignored = [0; 64];
        while matches!(std::io::stdin().read(&mut ignored), Ok(length) if length > 0) {}
        let _ = stop.try_send(());
    };
    spawn("input", 64 << 10, wait).map(drop)
}

fn spawn(name: &str, stack: usize, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, Failure> {
    let thread = thread::Builder::new().name(name.to_owned()).stack_size(stack);
    thread.spawn(work).map_err(|error| Failure::new(format!("cannot start a thread: {error}")))
}
