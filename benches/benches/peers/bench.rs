//! What is measured: which clients, which payloads, how many messages, and what is wanted of them.

use std::time::Duration;

use bytes::Bytes;
use udmi_tests::live::broker::{Broker, Kind, Plan};

use crate::adapters::{Adapted, Adapter};
use crate::bare::{self, Bare};
use crate::client::{Client, Failure, Run, thread_busy};
use crate::device::{self, Telemetry};
use crate::figures::{Figures, Row, Wanted, measured, median, percentile, ratio};
use crate::rumqtt::Rumqttc;

pub(crate) const NAMES: [&str; 5] = ["publish", "receive", "echo", "telemetry", "config"];

/// Points of the documents, how many of them are sent, and what is wanted of a device that makes them.
const SIZES: [(usize, usize, f64); 3] =
    [(10, 60_000, 80_000.0), (100, 40_000, 40_000.0), (1000, 8_000, 8_000.0)];
/// Messages for a client that receives them, and how far their source may be ahead.
const RECEIVED: [(usize, usize); 2] = [(10, 30_000), (1000, 4_000)];
const AHEAD: usize = 200;
/// Messages that come back, and the time between two.
const ECHOES: usize = 3_000;
const ECHO_PAUSE: Duration = Duration::from_micros(500);
const ECHO_POINTS: usize = 10;
/// Devices that are configured, and how often.
const DEVICES: u32 = 20;
const CONFIGS: u32 = 10;
/// Messages that may be unacknowledged; more makes none of the clients faster.
const INFLIGHT: u16 = 1000;

const MESSAGES: &str = "messages/s";
const BUSY: &str = "µs of CPU a message";
const MIDDLE: &str = "µs there and back, p50";
const HIGH: &str = "µs there and back, p99";

pub(crate) struct Bench {
    rounds: usize,
    quiet: bool,
    figures: Figures,
}

/// What a table, and a row of it, is about.
struct About {
    title: String,
    points: usize,
    bytes: usize,
    /// The broker is in this process, so that processor time tells nothing.
    embedded: bool,
}

/// What one run of a client has measured, by unit; none if the client does not do that.
type Measured<'a> = dyn Fn(&dyn Client) -> Result<Option<Vec<(&'static str, f64)>>, Failure> + 'a;
type Clients = Vec<Box<dyn Client>>;

impl Bench {
    pub(crate) fn new(rounds: usize, quiet: bool) -> Self {
        Self { rounds, quiet, figures: Figures::default() }
    }

    pub(crate) fn figures(&self) -> &Figures {
        &self.figures
    }

    pub(crate) fn measure(&mut self, name: &str, kind: Kind) -> Result<(), Failure> {
        match name {
            "publish" => SIZES.iter().try_for_each(|&(points, count, _)| self.publish(kind, points, count)),
            "receive" => RECEIVED.iter().try_for_each(|&(points, count)| self.receive(kind, points, count)),
            "echo" => self.echo(kind),
            "telemetry" if kind == Kind::Mosquitto => SIZES
                .iter()
                .try_for_each(|&(points, count, wanted)| self.telemetry(kind, points, count, wanted)),
            "config" if kind == Kind::Mosquitto => self.config(kind),
            _ => Ok(()),
        }
    }

    fn publish(&mut self, kind: Kind, points: usize, count: usize) -> Result<(), Failure> {
        let payload = document(points);
        let broker = Broker::start(kind, &Plan::default())?;
        let run = |client: &dyn Client| {
            client.publish(broker.plain_address(), &payload, count).map(|run| Some(costs(run, count)))
        };
        let wanted = |client: usize, unit: &str| {
            ((1..=2).contains(&client) && unit == MESSAGES).then_some(Wanted::RatioOver(1.0))
        };
        self.compare(&About::new("publish", kind, points, &payload), &clients(), &run, &wanted)
    }

    fn receive(&mut self, kind: Kind, points: usize, count: usize) -> Result<(), Failure> {
        let payload = document(points);
        let broker = Broker::start(kind, &Plan::default())?;
        let run = |client: &dyn Client| {
            let mut source = Duration::ZERO;
            let run = client.receive(broker.plain_address(), count, &mut |received| {
                let before = thread_busy();
                bare::feed(broker.plain_address(), &payload, count, AHEAD, received)?;
                source = thread_busy().saturating_sub(before);
                Ok(())
            })?;
            let net = |run: Run| Run { busy: run.busy.saturating_sub(source), ..run };
            Ok(run.map(|run| costs(net(run), count)))
        };
        let wanted = |_: usize, unit: &str| (unit == MESSAGES).then_some(Wanted::RatioOver(1.0));
        self.compare(&About::new("receive", kind, points, &payload), &clients(), &run, &wanted)
    }

    fn echo(&mut self, kind: Kind) -> Result<(), Failure> {
        let payload = document(ECHO_POINTS);
        let broker = Broker::start(kind, &Plan::default())?;
        let run = |client: &dyn Client| {
            let ages = client.echo(broker.plain_address(), &payload, ECHOES, ECHO_PAUSE)?;
            Ok(ages.map(|ages| percentiles(&ages, [MIDDLE, HIGH])))
        };
        let wanted = |_: usize, unit: &str| (unit == HIGH).then_some(Wanted::RatioUnder(1.0));
        self.compare(&About::new("echo", kind, ECHO_POINTS, &payload), &clients(), &run, &wanted)
    }

    fn telemetry(&mut self, kind: Kind, points: usize, count: usize, least: f64) -> Result<(), Failure> {
        let payload = document(points);
        let broker = Broker::start(kind, &Plan::default())?;
        let mut clients: Clients = vec![Box::new(rumqttc()), Box::new(Bare)];
        let devices = adapters().map(|adapted| Box::new(Telemetry { adapted, points }) as Box<dyn Client>);
        clients.extend(devices);
        let run = |client: &dyn Client| {
            client.publish(broker.plain_address(), &payload, count).map(|run| Some(costs(run, count)))
        };
        let wanted =
            |client: usize, unit: &str| (client == 2 && unit == MESSAGES).then_some(Wanted::Over(least));
        self.compare(&About::new("telemetry", kind, points, &payload), &clients, &run, &wanted)
    }

    /// What time a state takes to answer a config, and what processor time. Nothing to compare it with.
    fn config(&mut self, kind: Kind) -> Result<(), Failure> {
        let broker = Broker::start(kind, &Plan::default())?;
        for points in [10, 1000] {
            for adapted in adapters() {
                let answers = device::answer(adapted, broker.plain_address(), points, DEVICES, CONFIGS)?;
                let mut rows = percentiles(&answers.delays, ["µs, p50", "µs, p99"]);
                rows.push(("µs of CPU", answers.busy.as_secs_f64() * 1e6));
                for (unit, value) in rows {
                    let wanted = match (points, unit) {
                        (10, "µs, p50") => Some(Wanted::Under(400.0)),
                        (10, "µs, p99") => Some(Wanted::Under(5000.0)),
                        (1000, "µs of CPU") => Some(Wanted::Under(1300.0)),
                        _ => None,
                    };
                    let about =
                        About { title: title("config to state", kind), points, bytes: 0, embedded: false };
                    self.row(&about, adapted.name().into(), unit, &[value], None, wanted);
                }
            }
        }
        Ok(())
    }

    /// Lets all clients take turns, and shows a row for each unit of each; the first is the reference.
    fn compare(
        &mut self,
        about: &About,
        clients: &[Box<dyn Client>],
        run: &Measured<'_>,
        wanted: &dyn Fn(usize, &str) -> Option<Wanted>,
    ) -> Result<(), Failure> {
        let mut values: Vec<Vec<(&'static str, Vec<f64>)>> = vec![Vec::new(); clients.len()];
        for _ in 0..self.rounds {
            for (client, values) in clients.iter().zip(&mut values) {
                let measured =
                    run(client.as_ref()).map_err(|problem| format!("{}: {problem}", client.name()))?;
                for (unit, value) in measured.unwrap_or_default() {
                    match values.iter_mut().find(|(known, _)| *known == unit) {
                        Some((_, known)) => known.push(value),
                        None => values.push((unit, vec![value])),
                    }
                }
            }
        }
        for (at, (client, own)) in clients.iter().zip(&values).enumerate() {
            for (unit, own) in own.iter().filter(|(unit, _)| *unit != BUSY || !about.embedded) {
                let reference =
                    values.first().and_then(|values| values.iter().find(|(known, _)| known == unit));
                let ratio = reference.filter(|_| at > 0).map(|(_, reference)| ratio(own, reference));
                let wanted = if at > 0 { wanted(at, unit) } else { None };
                self.row(about, client.name(), unit, own, ratio, wanted);
            }
        }
        Ok(())
    }

    fn row(
        &mut self,
        about: &About,
        client: String,
        unit: &str,
        values: &[f64],
        ratio: Option<f64>,
        wanted: Option<Wanted>,
    ) {
        let size = if about.bytes > 0 { format!(" ({} bytes)", about.bytes) } else { String::new() };
        let row = Row {
            what: format!("{unit}, {} points{size}", about.points),
            measured: measured(values),
            client,
            ratio,
            wanted: wanted.map(|wanted| wanted.to_string()),
            met: wanted.map(|wanted| wanted.is_met(median(values), ratio)),
        };
        let shown = ratio.map_or_else(|| "–".into(), |ratio| format!("{ratio:.2}"));
        let Row { what, measured, client, wanted, met, .. } = &row;
        let judged = match (wanted, met) {
            (Some(wanted), Some(true)) => format!("{wanted}: met"),
            (Some(wanted), _) => format!("{wanted}: not met"),
            (None, _) => "–".into(),
        };
        let line = format!("| {} | {what} | {client} | {measured} | {shown} | {judged} |", about.title);
        if self.quiet {
            eprintln!("{line}");
        } else {
            println!("{line}");
        }
        self.figures.tables.entry(about.title.clone()).or_default().push(row);
    }
}

impl About {
    fn new(what: &str, kind: Kind, points: usize, payload: &Bytes) -> Self {
        Self { title: title(what, kind), points, bytes: payload.len(), embedded: kind == Kind::Embedded }
    }
}

fn rumqttc() -> Rumqttc {
    Rumqttc { inflight: INFLIGHT, requests: INFLIGHT.into() }
}

fn adapters() -> [Adapted; 2] {
    [Adapter::Threads, Adapter::Futures].map(|adapter| Adapted { adapter, inflight: INFLIGHT.into() })
}

/// Clients that take turns; the first is the reference.
fn clients() -> Clients {
    let mut clients: Clients = vec![Box::new(rumqttc())];
    clients.extend(adapters().map(|adapted| Box::new(adapted) as Box<dyn Client>));
    clients.push(Box::new(Bare));
    clients
}

fn costs(run: Run, count: usize) -> Vec<(&'static str, f64)> {
    let count = f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    vec![(MESSAGES, count / run.elapsed.as_secs_f64()), (BUSY, run.busy.as_secs_f64() * 1e6 / count)]
}

fn percentiles(ages: &[Duration], units: [&'static str; 2]) -> Vec<(&'static str, f64)> {
    let mut ages: Vec<_> = ages.iter().map(|age| age.as_secs_f64() * 1e6).collect();
    ages.sort_by(f64::total_cmp);
    units.into_iter().zip([50, 99]).map(|(unit, percent)| (unit, percentile(&ages, percent))).collect()
}

fn title(what: &str, kind: Kind) -> String {
    let broker = match kind {
        Kind::Embedded => "embedded broker",
        Kind::Mosquitto => "mosquitto",
    };
    format!("{what}, {broker}")
}

/// An event of so many points, as a device writes it.
fn document(points: usize) -> Bytes {
    let point = |at| format!(r#""supply_air_temperature_sensor_{at}":{{"present_value":{}.25}}"#, at % 1000);
    let values: Vec<_> = (0..points).map(point).collect();
    let values = values.join(",");
    format!(r#"{{"timestamp":"2026-03-01T10:00:15.123Z","version":"1.5.7","points":{{{values}}}}}"#).into()
}
