//! A broker that is killed and started again, again and again, under a stream of numbered events.
//!
//! Who is to say that nothing was lost must not lose anything itself. A subscriber whose broker dies has to
//! come back before the first event of the device does. So the device reaches its broker through a [`Gate`]:
//! the gate is shut when the broker has been killed, and opened again only when the subscriber has come back to
//! the new one. And what a broker has acknowledged it has written to the subscriber before (see [`Cloud`]),
//! whose side of the connection is read to its end. So each event the device counts as delivered was seen,
//! unless the device is wrong, which is the question.
//!
//! A broker on the same machine has next to nothing under way when it dies. So the gate lets the last events
//! before each kill vanish, or, every other time, the acknowledgements of them: the first have to be sent again,
//! the second will be seen twice.
//!
//! The broker keeps nothing. The config is published anew after each start, as the cloud behind it would.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use udmi_proto::{Command, Json, Limits, Notice};
use udmi_std::HandleError;

use super::broker::{self, Broker, Kind};
use super::cloud::{Cloud, Message};
use super::device::{self, Commands, Running, Runtime};
use super::gate::{Gate, Way};
use super::{DEVICE, PATIENCE};

/// Events that are under way when the broker is killed.
const UNDER_WAY: u64 = 20;

/// What to do.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// With which broker.
    pub kind: Kind,
    /// With which device.
    pub runtime: Runtime,
    /// How often the broker is killed.
    pub restarts: usize,
    /// Events a second.
    pub rate: u64,
    /// How many events are sent between a start and the next kill, and again while the broker is away.
    pub events: u64,
    /// Messages that may wait in the device.
    pub outbox: usize,
}

impl Plan {
    /// 100 events a second, half a second up and half a second away, the usual outbox.
    #[must_use]
    pub fn new(kind: Kind, runtime: Runtime, restarts: usize) -> Self {
        Self { kind, runtime, restarts, rate: 100, events: 50, outbox: Limits::default().outbox_messages }
    }
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Events the device took.
    pub sent: u64,
    /// Events the device refused since too many commands waited.
    pub refused: u64,
    /// Different events seen.
    pub seen: u64,
    /// Events seen again, as QoS 1 allows.
    pub repeated: u64,
    /// Events never seen.
    pub missing: Vec<u64>,
    /// How often the device said that its outbox is full: at most once for each connection.
    pub overflows: usize,
    /// States seen.
    pub states: usize,
    /// What is wrong with their order.
    pub disorder: Vec<String>,
    /// All messages, in order.
    pub messages: Vec<Message>,
}

impl Report {
    /// Whether no event was lost and no state came after a newer one. An outbox that overflowed had to lose some.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.missing.is_empty() && self.disorder.is_empty() && self.seen > 0
    }
}

/// Runs it. Everybody is admitted, without TLS.
///
/// # Errors
/// A broker does not start, or the cloud's own connection fails.
///
/// # Panics
/// If the device does not do what it must within [`PATIENCE`].
pub fn run(plan: Plan) -> io::Result<Report> {
    let mut broker = Broker::start(plan.kind, &broker::Plan::default())?;
    let gate = Gate::open_to(broker.device_address())?;
    let mut observer = Observer::new(&broker)?;
    let mut settings = device::Plan::plain(gate.address());
    settings.limits.outbox_messages = plan.outbox;
    let device = Running::start(plan.runtime, settings);
    let sender = Sender::start(device.commands(), plan.rate);
    for way in [Way::Down, Way::Up].into_iter().cycle().take(plan.restarts) {
        observer.see(sender.sent() + plan.events);
        gate.swallow(way);
        observer.configure()?;
        sender.wait_for(sender.sent() + UNDER_WAY);
        broker.kill();
        gate.shut();
        sender.wait_for(sender.sent() + plan.events);
        broker.restart()?;
        observer.come_back(&broker)?;
        gate.open();
    }
    observer.see(sender.sent() + plan.events);
    let mut report = Report::default();
    (report.sent, report.refused) = sender.stop();
    observer.see(report.sent);
    report.overflows = device.notices().filter(|notice| matches!(notice, Notice::OutboxFull { .. })).count();
    let _ = device.stop();
    broker.kill();
    observer.judge(report)
}

/// Sends events with the numbers 1, 2 and so on.
struct Sender {
    sent: Arc<AtomicU64>,
    stopping: Arc<AtomicBool>,
    thread: JoinHandle<u64>,
}

impl Sender {
    fn start(device: Commands, rate: u64) -> Self {
        let (sent, stopping) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, stop) = (sent.clone(), stopping.clone());
        let pause = Duration::from_secs(1) / u32::try_from(rate.max(1)).unwrap_or(u32::MAX);
        let thread = thread::spawn(move || {
            let (mut refused, mut next) = (0, Instant::now());
            while !stop.load(Ordering::Relaxed) {
                let number = count.load(Ordering::Relaxed) + 1;
                match device.send(event(number)) {
                    Ok(()) => count.store(number, Ordering::Relaxed),
                    Err(HandleError::Full | HandleError::Ended | HandleError::Json(_)) => refused += 1,
                }
                next += pause; // the rate is kept even if a sleep was too long
                thread::sleep(next.saturating_duration_since(Instant::now()));
            }
            refused
        });
        Self { sent, stopping, thread }
    }

    fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Waits until so many have been sent. There is nothing else to wait for while the broker is away.
    fn wait_for(&self, number: u64) {
        while self.sent() < number {
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn stop(self) -> (u64, u64) {
        self.stopping.store(true, Ordering::Relaxed);
        let refused = self.thread.join().expect("the sender does not panic");
        (self.sent.load(Ordering::Relaxed), refused)
    }
}

fn event(number: u64) -> Command {
    let content = Json::object(&format!(r#"{{"number":{number}}}"#)).expect("it is an object");
    Command::SendEvent { folder: "counted".into(), content }
}

/// Sees all that devices say, and sends them configs.
struct Observer {
    cloud: Option<Cloud>,
    seen: Vec<Message>,
    /// The highest number of an event.
    highest: u64,
    /// The number of the last config.
    config: u32,
}

impl Observer {
    fn new(broker: &Broker) -> io::Result<Self> {
        let mut observer = Self { cloud: None, seen: Vec::new(), highest: 0, config: 0 };
        observer.come_back(broker)?;
        Ok(observer)
    }

    /// Reads its old connection to the end, makes a new one and publishes a config newer than all before.
    fn come_back(&mut self, broker: &Broker) -> io::Result<()> {
        self.seen.extend(self.cloud.take().into_iter().flat_map(Cloud::rest));
        let filters = ["/r/+/d/+/state", "/r/+/d/+/events/#"];
        self.cloud = Some(Cloud::connect(broker.plain_address(), "observer", None, &filters)?);
        self.configure()
    }

    fn configure(&mut self) -> io::Result<()> {
        self.config += 1;
        let config = json!({
            "timestamp": format!("2026-11-20T05:{:02}:{:02}Z", self.config / 60, self.config % 60),
            "version": "1.5.7",
            "system": { "min_loglevel": 300, "operation": {} },
            "pointset": { "points": { "temperature": {}, "setpoint": {} } },
        });
        let Some(cloud) = &mut self.cloud else { return Ok(()) };
        cloud.publish(&format!("{DEVICE}/config"), config.to_string(), true).map(drop)
    }

    /// Waits until it has seen the event of that number, or a later one.
    fn see(&mut self, wanted: u64) {
        let deadline = Instant::now() + PATIENCE;
        while self.highest < wanted {
            let left = deadline.saturating_duration_since(Instant::now());
            let message = self.cloud.as_ref().and_then(|cloud| cloud.next(left));
            let message = message.unwrap_or_else(|| panic!("event {wanted} does not come"));
            self.highest = self.highest.max(number(&message).unwrap_or(0));
            self.seen.push(message);
        }
    }

    fn judge(mut self, mut report: Report) -> io::Result<Report> {
        self.seen.extend(self.cloud.take().into_iter().flat_map(Cloud::rest));
        let numbers: Vec<u64> = self.seen.iter().filter_map(number).collect();
        let different: BTreeSet<u64> = numbers.iter().copied().collect();
        report.missing = (1..=report.sent).filter(|number| !different.contains(number)).collect();
        report.seen = different.len() as u64;
        report.repeated = numbers.len() as u64 - report.seen;
        let states = self.seen.iter().filter(|message| message.topic.ends_with("/state"));
        let states: Vec<_> = states.map(age).collect::<Result<_, _>>()?;
        report.states = states.len();
        let backwards = states.windows(2).filter(|pair| pair[1].0 < pair[0].0 || pair[1].1 < pair[0].1);
        report.disorder = backwards.map(|pair| format!("{:?} came before {:?}", pair[0], pair[1])).collect();
        report.messages = self.seen;
        Ok(report)
    }
}

fn number(message: &Message) -> Option<u64> {
    if !message.topic.ends_with("/events/counted") {
        return None;
    }
    serde_json::from_slice::<Value>(&message.payload).ok()?["number"].as_u64()
}

/// What tells an older state from a newer one: its own timestamp, and that of the last config.
fn age(message: &Message) -> io::Result<(String, String)> {
    let state: Value = serde_json::from_slice(&message.payload)?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Ok((text(&state["timestamp"]), text(&state["system"]["last_config"])))
}
