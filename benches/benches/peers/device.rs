//! Devices of UDMI through the adapters: telemetry built from values for every message, and configs answered.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use bytes::Bytes;
use device_link::wire::{Packet, PacketId, Publish, Qos};
use device_link::{Endpoint, ExitReason, Transport};
use udmi_proto::{Command, Json, Notice, Outcome, PointNames, Reading, Settings, Udmi, Value};

use crate::adapters::{Adapted, Link};
use crate::bare::Line;
use crate::client::{Client, Failure, PATIENCE, Run, Watch, thread_busy};

/// A folder of the application's own.
const FENCE: &str = "fence";
/// Least time between two states of a device, in milliseconds: the least there is.
const STATE_INTERVAL: u64 = 1000;
/// Between two configs of a device, which then answers at once.
const TURN: Duration = Duration::from_millis(STATE_INTERVAL + 150);

/// A device that publishes as many samples as it can, each of new values of all its points.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Telemetry {
    pub(crate) adapted: Adapted,
    pub(crate) points: usize,
}

impl Client for Telemetry {
    fn name(&self) -> String {
        format!("{} from values (inflight {})", self.adapted.name(), self.adapted.inflight)
    }

    /// What there is to publish, but not the payload.
    fn publish(&self, broker: SocketAddr, _payload: &Bytes, count: usize) -> Result<Run, Failure> {
        let mut cloud = Line::connect(broker, "cloud")?;
        cloud.subscribe(&format!("{}/events/{FENCE}", prefix(0)))?;
        let device = Device::start(self.adapted, broker, 0, self.points)?;
        cloud.write(&config(0, self.points, 1))?;
        device.applied.recv_timeout(PATIENCE)?;
        let names = PointNames::new((0..self.points).map(name));
        let mut sample = 0_u32;
        let mut publish = |device: &Device| {
            sample = sample.wrapping_add(1);
            device.link.send_when_possible(|| {
                // New numbers each time, as long as those of the ready-made document.
                let values = (0..self.points as u32).map(|point| f64::from((sample + point) % 1000) + 0.25);
                let readings = names.with(values.map(|value| Some(Reading::Value(Value::Number(value)))));
                Command::PublishPoints { readings }
            })
        };
        publish(&device)?; // the first sample of a period
        let watch = Watch::start();
        for _ in 0..count {
            publish(&device)?;
        }
        // Brokers pass messages on in order, so that all were taken before this one comes.
        let fence = Json::object("{}")?;
        let fence = || Command::SendEvent { folder: FENCE.into(), content: fence.clone() };
        device.link.send_when_possible(fence)?;
        while !matches!(cloud.next()?, Packet::Publish(_)) {}
        let run = watch.stop();
        let lost = device.lost.load(Ordering::Relaxed);
        device.end()?;
        if lost { Err("samples were lost".into()) } else { Ok(run) }
    }

    fn receive(
        &self,
        _broker: SocketAddr,
        _count: usize,
        _feed: &mut dyn FnMut(&AtomicUsize) -> Result<(), Failure>,
    ) -> Result<Option<Run>, Failure> {
        Ok(None)
    }
}

/// How long states took to answer configs, in all, and what processor time each answer took.
#[derive(Debug)]
pub(crate) struct Answers {
    pub(crate) delays: Vec<Duration>,
    pub(crate) busy: Duration,
}

/// Sends so many configs to each of so many devices, one after the other, and waits for each state.
pub(crate) fn answer(
    adapted: Adapted,
    broker: SocketAddr,
    points: usize,
    devices: u32,
    rounds: u32,
) -> Result<Answers, Failure> {
    let mut cloud = Line::connect(broker, "cloud")?;
    cloud.subscribe("/r/REG/d/+/state")?;
    let started: Result<Vec<_>, _> =
        (0..devices).map(|number| Device::start(adapted, broker, number, points)).collect();
    let started = started?;
    for number in 0..devices {
        cloud.write(&config(number, points, 0))?;
        state(&mut cloud, number, 0)?;
    }
    let names = PointNames::new((0..points).map(name));
    for device in &started {
        device.link.send_when_possible(|| {
            let values = (0..points).map(|_| Some(Reading::Value(Value::Number(21.5))));
            Command::PublishPoints { readings: names.with(values) }
        })?;
    }
    std::thread::sleep(3 * TURN); // until there is nothing to tell but answers
    let (mut delays, mut busy) = (Vec::new(), Duration::ZERO);
    for round in 1..=rounds {
        let begun = Instant::now();
        for number in 0..devices {
            let config = config(number, points, round);
            let (watch, own) = (Watch::start(), thread_busy());
            cloud.write(&config)?;
            state(&mut cloud, number, round)?;
            let run = watch.stop();
            delays.push(run.elapsed);
            busy += run.busy.saturating_sub(thread_busy().saturating_sub(own));
        }
        std::thread::sleep(TURN.saturating_sub(begun.elapsed()));
    }
    started.into_iter().try_for_each(Device::end)?;
    let count = u32::try_from(delays.len()).unwrap_or(u32::MAX).max(1);
    Ok(Answers { delays, busy: busy / count })
}

/// Waits for the state that answers a config, and acknowledges all states before.
fn state(cloud: &mut Line, number: u32, round: u32) -> Result<(), Failure> {
    let (topic, wanted) =
        (format!("{}/state", prefix(number)), format!("\"last_config\":\"{}\"", timestamp(round)));
    loop {
        let Packet::Publish(message) = cloud.next()? else { continue };
        if let Some(id) = message.id {
            cloud.write(&Packet::PubAck(id))?;
        }
        let text = std::str::from_utf8(&message.payload)?;
        if message.topic == topic && text.contains(&wanted) {
            return Ok(());
        }
    }
}

struct Device {
    link: Link<Udmi>,
    /// Each config.
    applied: Receiver<()>,
    /// Something did not fit into the outbox.
    lost: Arc<AtomicBool>,
}

impl Device {
    fn start(adapted: Adapted, broker: SocketAddr, number: u32, points: usize) -> Result<Self, Failure> {
        let endpoint =
            Endpoint { host: broker.ip().to_string(), port: broker.port(), transport: Transport::Tcp };
        let mut settings =
            Settings::new(&format!("DEV-{number}"), endpoint, &prefix(number), &prefix(number));
        settings.options.state_interval_ms = STATE_INTERVAL;
        settings.points = (0..points).map(|point| (name(point), udmi_proto::PointModel::default())).collect();
        let (lost, (subscribed, up), (apply, applied)) =
            (Arc::new(AtomicBool::new(false)), channel(), channel());
        let losing = lost.clone();
        let hear = move |notice: &Notice| match notice {
            Notice::OutboxFull { .. } => losing.store(true, Ordering::Relaxed),
            Notice::ConfigApplied { .. } => drop(apply.send(())),
            Notice::Connected { .. } => drop(subscribed.send(())),
            _ => {}
        };
        let link = adapted.start(Udmi::new(settings)?, Outcome::Unhandled, hear)?;
        up.recv_timeout(PATIENCE)?;
        Ok(Self { link, applied, lost })
    }

    fn end(self) -> Result<(), Failure> {
        self.link.end(Command::Stop { reason: ExitReason::Shutdown })
    }
}

/// A retained config.
fn config(device: u32, points: usize, round: u32) -> Packet {
    let points: Vec<_> = (0..points).map(|point| format!("\"{}\":{{}}", name(point))).collect();
    let text = format!(
        r#"{{"timestamp":"{}","version":"1.5.7","system":{{"min_loglevel":500,"metrics_rate_sec":0}},"pointset":{{"sample_rate_sec":86400,"points":{{{}}}}}}}"#,
        timestamp(round),
        points.join(",")
    );
    Packet::Publish(Publish {
        topic: format!("{}/config", prefix(device)),
        payload: text.into(),
        qos: Qos::AtLeastOnce,
        retain: true,
        dup: false,
        id: PacketId::new(7),
    })
}

fn prefix(device: u32) -> String {
    format!("/r/REG/d/DEV-{device}")
}

fn name(point: usize) -> String {
    format!("supply_air_temperature_sensor_{point}")
}

fn timestamp(round: u32) -> String {
    format!("2026-11-20T05:00:{round:02}Z")
}
