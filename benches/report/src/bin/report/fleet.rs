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
/// As long as the keep-alive, so that each idle device pings once.
const IDLE_S: u64 = 60;
const ACTIVE_S: u64 = 15;
const PATIENCE: Duration = Duration::from_secs(180);
/// Of an idle device at the largest size, in KiB.
const MEMORY_WANTED: f64 = 12.0;
/// Of a core, in percent, by all idle devices at the largest size, and by active ones at the smallest.
const IDLE_WANTED: f64 = 3.0;
const ACTIVE_WANTED: f64 = 100.0;
/// What is measured once is not exact: doubling may seem to do so much.
const DOUBLING_WANTED: f64 = 2.1;

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

/// Runs the fleets: the idle ones side by side, since they have to last for a keep-alive, the active ones in turn.
pub(crate) fn measure() -> Result<Figures, Failure> {
    let udmi = executable(&["-p", "udmi-cli", "--bin", "udmi"], "udmi")?;
    eprintln!("  {SIZES:?} idle devices for {IDLE_S} s");
    let idle = all_idle(&udmi)?;
    let mut active = Vec::new();
    for devices in SIZES {
        eprintln!("  {devices} devices, 10 points every second, for {ACTIVE_S} s");
        active.push(run(&udmi, devices, 10, "1", ACTIVE_S)?);
    }
    Ok(figures(&idle, &active))
}

fn all_idle(udmi: &Path) -> Result<Vec<Run>, Failure> {
    let (send, receive) = mpsc::channel();
    for devices in SIZES {
        let (udmi, send) = (udmi.to_path_buf(), send.clone());
        thread::spawn(move || {
            send.send(run(&udmi, devices, 3, "0", IDLE_S).map_err(|problem| problem.to_string()))
        });
    }
    drop(send);
    let mut runs = receive.into_iter().collect::<Result<Vec<_>, _>>()?;
    runs.sort_by(|one, other| one.devices.total_cmp(&other.devices));
    Ok(runs)
}

/// One fleet on one thread, beside a broker of its own.
fn run(udmi: &Path, devices: u32, points: u32, rate: &str, seconds: u64) -> Result<Run, Failure> {
    let broker = Broker::start(devices as usize)?;
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

fn figures(idle: &[Run], active: &[Run]) -> Figures {
    let mut figures = Figures::default();
    let mut table = Table::new(&[
        ">devices",
        "each",
        ">memory of each",
        ">of a core, all",
        ">of a core, each",
        ">messages/s",
        ">acknowledged, p50",
        ">p99",
        ">connections/s",
    ]);
    for (what, runs) in [("idle, 3 points", idle), ("10 points every second", active)] {
        for run in runs {
            let of_a_message =
                |ms: f64| if ms > 0.0 { format!("{} ms", short(ms)) } else { "–".to_owned() };
            table.row([
                short(run.devices),
                what.to_owned(),
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
    let charts = [
        (
            "fleet-memory.svg",
            "Memory of a fleet on one thread",
            "MiB of user memory, broker not counted",
            memory as Cost,
        ),
        (
            "fleet-cpu.svg",
            "Processor time of a fleet on one thread",
            "per cent of a core, broker not counted",
            percent,
        ),
    ];
    for (file, title, unit, cost) in charts {
        let line = |name, runs: &[Run], colour| Line {
            curve: Curve::new(name, runs.iter().map(|run| (run.devices, cost(run)))),
            colour,
            dashed: false,
        };
        let lines = vec![line("active", active, 1), line("idle", idle, 0)];
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
    figures.text.push_str(&table.to_string());
    judge(&mut figures, idle, active);
    figures
}

type Cost = fn(&Run) -> f64;

fn memory(run: &Run) -> f64 {
    run.memory * run.devices / 1024.0
}

fn percent(run: &Run) -> f64 {
    run.percent
}

fn judge(figures: &mut Figures, idle: &[Run], active: &[Run]) {
    if let Some(Run { devices, memory, percent, .. }) = idle.last() {
        let what = format!("{devices} idle devices: {memory:.1} KiB each, wanted under {MEMORY_WANTED}");
        figures.miss_if(*memory >= MEMORY_WANTED, what);
        let what = format!("{devices} idle devices: {percent:.1} % of a core, wanted under {IDLE_WANTED} %");
        figures.miss_if(*percent >= IDLE_WANTED, what);
    }
    if let Some(Run { devices, percent, .. }) = active.first() {
        let what =
            format!("{devices} active devices: {percent:.0} % of a core, wanted under {ACTIVE_WANTED} %");
        figures.miss_if(*percent >= ACTIVE_WANTED, what);
    }
    for Run { devices, ramp, .. } in active {
        let what = format!("{devices} devices: {ramp:.0} connections a second, wanted {RAMP_WANTED}");
        figures.miss_if(*ramp < RAMP_WANTED, what);
    }
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
        let idle =
            SIZES.map(|devices| read(&told(devices, f64::from(devices) / 2000.0)).expect("it is whole"));
        let active =
            SIZES.map(|devices| read(&told(devices, f64::from(devices) / 20.0)).expect("it is whole"));
        let figures = figures(&idle, &active);
        assert_eq!(figures.pictures.len(), 2);
        assert!(figures.text.contains("| 9,000 | idle, 3 points | 10.0 KiB | 4.50 % |"), "{}", figures.text);
        assert_eq!(figures.missed, ["9000 idle devices: 4.5 % of a core, wanted under 3 %"]);
    }

    #[test]
    fn a_fleet_that_was_not_well_is_no_figure() {
        let mut unwell = told(1000, 1.0);
        unwell["well"] = false.into();
        assert_eq!((read(&unwell), read(&json!({}))), (None, None));
    }
}
