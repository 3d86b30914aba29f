//! The section about fleets: what an idle device and an active one take, at some sizes of the fleet.

use std::path::Path;
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::Failure;
use crate::broker::Broker;
use crate::chart::{Chart, Line};
use crate::curve::Curve;
use crate::program::{self, executable};
use crate::section::Figures;
use crate::table::{Table, short};

const SIZES: [u32; 3] = [1000, 5000, 9000];
/// Connections a second that the fleets are told to make.
const RAMP: &str = "2000";
const RAMP_WANTED: f64 = 1000.0;
const PATIENCE: Duration = Duration::from_secs(180);
/// Of an idle device at the largest size, in KiB.
const MEMORY_WANTED: f64 = 12.0;
/// Of a core, in percent, by all idle devices at the largest size.
const IDLE_WANTED: f64 = 3.0;
/// By a thousand devices of ten points every second.
const BUSY_WANTED: f64 = 100.0;
/// What is measured once is not exact: doubling may seem to do so much.
const DOUBLING_WANTED: f64 = 2.1;

/// What devices do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Activity {
    name: &'static str,
    points: u32,
    /// Samples a second.
    rate: &'static str,
    /// How long they are looked at.
    seconds: u64,
}

/// As long as the keep-alive, so that each device pings once.
const IDLE: Activity = Activity { name: "idle, 3 points", points: 3, rate: "0", seconds: 60 };
const ACTIVE: Activity = Activity { name: "10 points every 10 s", points: 10, rate: "0.1", seconds: 10 };
const BUSY: Activity = Activity { name: "10 points every second", points: 10, rate: "1", seconds: 10 };
/// Connects and leaves; what that costs is much the same whatever the devices do.
const BESIDE_OURS: Activity = Activity { name: "idle, embedded broker", points: 3, rate: "0", seconds: 2 };
const BESIDE_OURS_DEVICES: u32 = 2000;

/// What a fleet has told of itself.
#[derive(Clone, Debug, PartialEq)]
struct Run {
    devices: f64,
    /// Of each device, in KiB.
    memory: f64,
    /// Of one core.
    percent: f64,
    ramp: f64,
    messages: f64,
    /// Milliseconds until half of the messages, and all but one of a hundred, are acknowledged.
    acknowledged: [f64; 2],
}

/// What became of all fleets.
#[derive(Debug, Default)]
struct Fleets {
    runs: Vec<(Activity, Run)>,
    failed: Vec<String>,
}

/// Runs the fleets: the idle ones side by side, since they have to last for a keep-alive, the others in turn.
pub(crate) fn measure() -> Result<Figures, Failure> {
    let udmi = executable("udmi")?;
    let mut fleets = Fleets::default();
    eprintln!("  {SIZES:?} idle devices for {} s", IDLE.seconds);
    let (send, receive) = mpsc::channel();
    for devices in SIZES {
        let (udmi, send) = (udmi.clone(), send.clone());
        thread::spawn(move || {
            let run = run(&udmi, devices, IDLE).map_err(|problem| problem.to_string());
            send.send((devices, run))
        });
    }
    drop(send);
    receive.into_iter().for_each(|(devices, run)| fleets.add(devices, IDLE, run));
    for (devices, activity) in SIZES.map(|devices| (devices, ACTIVE)).into_iter().chain([(1000, BUSY)]) {
        eprintln!("  {devices} devices, {}, for {} s", activity.name, activity.seconds);
        fleets.add(devices, activity, run(&udmi, devices, activity).map_err(|problem| problem.to_string()));
    }
    let (devices, activity) = (BESIDE_OURS_DEVICES, BESIDE_OURS);
    eprintln!("  {devices} devices at the embedded broker");
    fleets.add(devices, activity, run(&udmi, devices, activity).map_err(|problem| problem.to_string()));
    if fleets.runs.is_empty() { Err(fleets.failed.join("; ").into()) } else { Ok(fleets.figures()) }
}

/// One fleet on one thread, beside a broker of its own.
fn run(udmi: &Path, devices: u32, activity: Activity) -> Result<Run, Failure> {
    let broker = match activity == BESIDE_OURS {
        true => Broker::embedded(udmi, devices as usize)?,
        false => Broker::mosquitto(devices as usize)?,
    };
    let Activity { points, rate, seconds, .. } = activity;
    let mut command = Command::new(udmi);
    command.args(["--json", "--quiet", "fleet", &format!("mqtt://{}", broker.address())]);
    command.args(["--count", &devices.to_string(), "--points", &points.to_string(), "--rate", rate]);
    command.args(["--ramp", RAMP, "--threads", "1", "--duration", &seconds.to_string(), "--seed", "1"]);
    let output = program::output(command, PATIENCE)?;
    let json = output.lines().next_back().ok_or("the fleet has told nothing")?;
    read(&serde_json::from_str(json)?).ok_or_else(|| format!("not what a fleet tells: {json}").into())
}

fn read(json: &Value) -> Option<Run> {
    let number = |path: &str| json.pointer(path)?.as_f64();
    let run = Run {
        devices: number("/devices")?,
        memory: number("/memory/bytes_per_device")? / 1024.0,
        percent: number("/steady/cpu_percent")?,
        ramp: number("/ramp/connections_per_second")?,
        messages: number("/steady/messages_per_second")?,
        acknowledged: ["/steady/acknowledgement_ms/p50", "/steady/acknowledgement_ms/p99"]
            .map(|path| number(path).unwrap_or(0.0)),
    };
    json["well"].as_bool()?.then_some(run)
}

impl Fleets {
    fn add(&mut self, devices: u32, activity: Activity, run: Result<Run, String>) {
        match run {
            Ok(run) => self.runs.push((activity, run)),
            Err(problem) => {
                eprintln!("  FAILED: {problem}");
                self.failed.push(format!("{devices} devices, {}: failed, {problem}", activity.name));
            }
        }
        self.runs.sort_by(|(_, one), (_, other)| one.devices.total_cmp(&other.devices));
    }

    fn of(&self, activity: Activity) -> impl DoubleEndedIterator<Item = &Run> {
        self.runs.iter().filter(move |(other, _)| *other == activity).map(|(_, run)| run)
    }

    fn figures(&self) -> Figures {
        let mut figures = Figures { missed: self.failed.clone(), ..Figures::default() };
        for (file, title, unit, cost) in [
            (
                "fleet-memory.svg",
                "Memory of a fleet on one thread",
                "MiB, broker not counted",
                memory as Cost,
            ),
            (
                "fleet-cpu.svg",
                "Processor time of a fleet on one thread",
                "per cent of a core, broker not counted",
                percent,
            ),
        ] {
            let lines = [BUSY, ACTIVE, IDLE].into_iter().zip([4, 1, 0]).map(|(activity, colour)| Line {
                curve: Curve::new(activity.name, self.of(activity).map(|run| (run.devices, cost(run)))),
                colour,
                dashed: false,
            });
            let lines: Vec<_> = lines.filter(|line| !line.curve.points.is_empty()).collect();
            for curve in lines.iter().map(|line| &line.curve) {
                let Some(most) = curve.doubling() else { continue };
                let what = format!("{title}, {}: × {most:.2} when the devices double", curve.name);
                figures.miss_if(most > DOUBLING_WANTED, what);
            }
            figures.text.push_str(&format!("![{title}](performance/{file})\n\n"));
            let cost = format!("{unit}; along the dotted lines it doubles when the devices do");
            let chart = Chart { title: title.to_owned(), size: "devices".to_owned(), cost, lines };
            figures.pictures.push((file.to_owned(), chart.svg()));
        }
        figures.text.push_str(&self.table());
        self.judge(&mut figures);
        figures
    }

    fn table(&self) -> String {
        let mut table = Table::new(&[
            "each",
            ">devices",
            ">memory of each",
            ">of a core, all",
            ">of a core, each",
            ">messages/s",
            ">acknowledged, p50",
            ">p99",
            ">connections/s",
        ]);
        for activity in [IDLE, ACTIVE, BUSY, BESIDE_OURS] {
            for run in self.of(activity) {
                let of_a_message =
                    |ms: f64| if ms > 0.0 { format!("{} ms", short(ms)) } else { "–".to_owned() };
                table.row([
                    activity.name.to_owned(),
                    short(run.devices),
                    format!("{} KiB", short(run.memory)),
                    format!("{} %", short(run.percent)),
                    format!("{:.5} %", run.percent / run.devices),
                    short(run.messages),
                    of_a_message(run.acknowledged[0]),
                    of_a_message(run.acknowledged[1]),
                    short(run.ramp),
                ]);
            }
        }
        table.to_string()
    }

    fn judge(&self, figures: &mut Figures) {
        if let Some(Run { devices, memory, percent, .. }) = self.of(IDLE).next_back() {
            let what = format!("{devices} idle devices: {memory:.1} KiB each, wanted under {MEMORY_WANTED}");
            figures.miss_if(*memory >= MEMORY_WANTED, what);
            let what =
                format!("{devices} idle devices: {percent:.1} % of a core, wanted under {IDLE_WANTED} %");
            figures.miss_if(*percent >= IDLE_WANTED, what);
        }
        for Run { devices, percent, .. } in self.of(BUSY) {
            let what = format!(
                "{devices} devices, {}: {percent:.0} % of a core, wanted under {BUSY_WANTED} %",
                BUSY.name
            );
            figures.miss_if(*percent >= BUSY_WANTED, what);
        }
        for Run { devices, ramp, .. } in self.of(ACTIVE).chain(self.of(BUSY)).chain(self.of(BESIDE_OURS)) {
            let what = format!("{devices} devices: {ramp:.0} connections a second, wanted {RAMP_WANTED}");
            figures.miss_if(*ramp < RAMP_WANTED, what);
        }
    }
}

type Cost = fn(&Run) -> f64;

fn memory(run: &Run) -> f64 {
    run.memory * run.devices / 1024.0
}

fn percent(run: &Run) -> f64 {
    run.percent
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(devices: u32, percent: f64) -> Value {
        json!({
            "devices": devices, "well": true, "memory": { "bytes_per_device": 10240.0 },
            "ramp": { "connections_per_second": 1800.5 },
            "steady": { "cpu_percent": percent, "messages_per_second": 0.0, "acknowledgement_ms": { "p50": null } },
        })
    }

    #[test]
    fn what_a_fleet_tells_becomes_a_row_and_a_verdict() {
        let mut fleets = Fleets::default();
        for devices in SIZES {
            let run = |share: f64| read(&told(devices, f64::from(devices) * share)).ok_or_else(String::new);
            fleets.add(devices, IDLE, run(0.0005));
            fleets.add(devices, ACTIVE, run(0.005));
        }
        fleets.add(1000, BUSY, Err("it hung".into()));
        let figures = fleets.figures();
        assert_eq!(figures.pictures.len(), 2);
        assert!(figures.text.contains("| idle, 3 points | 9,000 | 10.0 KiB | 4.50 % |"), "{}", figures.text);
        assert_eq!(
            figures.missed,
            [
                "1000 devices, 10 points every second: failed, it hung",
                "9000 idle devices: 4.5 % of a core, wanted under 3 %",
            ]
        );
    }

    #[test]
    fn a_fleet_that_was_not_well_is_no_figure() {
        let mut unwell = told(1000, 1.0);
        unwell["well"] = false.into();
        assert_eq!((read(&unwell), read(&json!({}))), (None, None));
    }
}
