//! A gateway of a thousand devices in a process of its own, beside a broker: how long until all have answered their
//! configs, what each adds to the memory of the process, and what is left after many of them came and went.

use std::io::{self, Read as _};
use std::net::SocketAddr;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};
use std::{env, thread};

use udmi_std::{Device, DeviceHandle, HandleError};
use udmi_tests::live::PATIENCE;
use udmi_tests::live::broker::{Broker, Kind, Plan};
use udmi_tests::live::gateway::{Registry, config, id, limits, point, settings};

use crate::Failure;
use crate::table::{Table, millis};
use crate::udmi::Process;

/// The argument by which this program is a gateway.
const GATEWAY: &str = "--as-gateway";
const DEVICES: usize = 1000;
const POINTS: usize = 10;
/// Devices that come and go without the application knowing them.
const STRANGERS: usize = 100;
/// Times that half of the devices go and come back: until it is warm, and then counted.
const WARM: i64 = 5;
const ROUNDS: i64 = 30;
/// Rounds after each of which memory is looked at.
const LOOK: i64 = 10;
/// Seconds between two samples of each device meanwhile.
const RATE_S: i64 = 2;
/// Least time between two states of a device, less what the rounding of two clocks takes.
const FLOOR: Duration = Duration::from_millis(1990);
/// For what a step leaves behind to settle.
const SETTLE: Duration = Duration::from_secs(3);
const WEIGHT: f64 = 24.0;
const SOON: Duration = Duration::from_secs(15);

/// If this process was started as a gateway: runs it until standard input ends.
pub(crate) fn run_as_gateway() -> Option<ExitCode> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [first, address, devices] = &arguments[..] else { return None };
    if first != GATEWAY {
        return None;
    }
    let (Ok(address), Ok(devices)) = (address.parse(), devices.parse()) else {
        return Some(ExitCode::from(2));
    };
    Some(match gateway(address, devices) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    })
}

fn gateway(broker: SocketAddr, devices: usize) -> Result<(), Failure> {
    let gateway = Device::builder(settings(broker, devices, POINTS)).limits(limits()).start()?;
    for device in 0..devices {
        let values = (0..POINTS).map(|number| (point(number), 20.5 + number as f64));
        set(&gateway.proxied(&id(device)), &values.collect::<Vec<_>>())?;
    }
    io::stdin().read_to_end(&mut Vec::new())?;
    gateway.stop();
    gateway.wait();
    Ok(())
}

/// Sets points, as soon as there is room.
fn set(device: &DeviceHandle, values: &[(String, f64)]) -> Result<(), Failure> {
    loop {
        match device.set_points(values.iter().cloned()) {
            Err(HandleError::Full) => thread::sleep(Duration::from_millis(1)),
            done => return Ok(done?),
        }
    }
}

pub(crate) fn measure(table: &mut Table) -> Result<(), Failure> {
    for kind in [Kind::Embedded, Kind::Mosquitto].into_iter().filter(|kind| kind.is_there_or_say("gateway")) {
        let alone = alone(kind)?;
        let mut bench = Bench::start(kind, DEVICES)?;
        let within = bench.answered(1)?;
        let what = format!("{DEVICES} devices of {POINTS} points, {kind:?} broker");
        let figures = format!("{} from the start of the process to the last state", millis(within));
        table.row(&format!("attach, configure, answer: {what}"), figures, "15 s", within <= SOON);
        bench.registry.keep_all(2, DEVICES, POINTS, -1)?;
        bench.answered(2)?;
        let pause = bench.registry.shortest_pause().ok_or("no device sent two states")?;
        let figures = format!("{} at least", millis(pause));
        table.row(&format!("between two states of a device: {what}"), figures, "2 s", pause >= FLOOR);
        let each = bench.memory()?.saturating_sub(alone) as f64 / 1024.0 / DEVICES as f64;
        let figures = format!("{each:.1} KiB a device");
        table.row(&format!("memory of the process: {what}"), figures, "< 24 KiB", each < WEIGHT);
        churn(&mut bench, &what, table)?;
    }
    Ok(())
}

/// Half of the devices go and come back, with some the application does not know, while all that stay send samples.
fn churn(bench: &mut Bench, what: &str, table: &mut Table) -> Result<(), Failure> {
    bench.registry.keep_all(3, DEVICES, POINTS, RATE_S)?;
    bench.answered(3)?;
    let mut memory = Vec::new();
    for round in 0..WARM + ROUNDS {
        if round >= WARM && (round - WARM) % LOOK == 0 {
            memory.push(bench.memory()?);
        }
        bench.turn(4 + 2 * round, 0..DEVICES / 2)?;
        bench.turn(5 + 2 * round, 0..DEVICES + STRANGERS)?;
        let back = (DEVICES / 2..DEVICES).map(id);
        bench.wait("those that came back", |registry| {
            back.clone().all(|device| registry.of(&device, "state").next().is_some())
        })?;
    }
    bench.turn(4 + 2 * (WARM + ROUNDS), 0..DEVICES)?;
    memory.push(bench.memory()?);
    let grown: Vec<_> = memory.windows(2).map(|pair| (pair[1] as f64 - pair[0] as f64) / 1024.0).collect();
    let each: Vec<_> = grown.iter().map(|kibibytes| format!("{kibibytes:+.0}")).collect();
    let (each, devices) = (each.join(", "), DEVICES / 2 + STRANGERS);
    let figures = format!("{each} KiB by each {LOOK} rounds of {devices} devices");
    let grown: f64 = grown.iter().sum();
    // A leak of one device's weight for each that came and went would be thousands of times as much.
    table.row(&format!("memory under coming and going: {what}"), figures, "< 1 MiB", grown < 1024.0);
    Ok(())
}

/// What a gateway without devices holds resident, in bytes.
fn alone(kind: Kind) -> Result<u64, Failure> {
    let mut bench = Bench::start(kind, 0)?;
    bench.answered(1)?;
    bench.memory()
}

struct Bench {
    registry: Registry,
    process: Process,
    devices: usize,
    _broker: Broker,
}

impl Bench {
    /// A broker that keeps a config for each device, and the gateway.
    fn start(kind: Kind, devices: usize) -> Result<Self, Failure> {
        let broker = Broker::start(kind, &Plan::default())?;
        let mut registry = Registry::connect(broker.plain_address())?;
        registry.validates = false;
        registry.keep_all(1, devices, POINTS, -1)?;
        let mut command = Command::new(env::current_exe()?);
        command.args([GATEWAY, &broker.device_address().to_string(), &devices.to_string()]);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::inherit());
        Ok(Self { registry, process: Process::start(command)?, devices, _broker: broker })
    }

    /// Waits until all have answered the config of that number; tells how long after the start of the process.
    fn answered(&mut self, number: i64) -> Result<Duration, Failure> {
        let all = self.devices + 1;
        if !self.registry.until(PATIENCE, |registry| registry.answered(number).len() == all) {
            let answered = self.registry.answered(number).len();
            return Err(format!("{answered} of {all} have answered").into());
        }
        let states = self.registry.said.values().filter_map(|said| said.last());
        let last = states.map(|state| state.at).max().unwrap_or_else(Instant::now);
        Ok(last.saturating_duration_since(self.process.started))
    }

    /// The gateway is to act for these, and has answered that.
    fn turn(&mut self, number: i64, devices: std::ops::Range<usize>) -> Result<(), Failure> {
        self.registry.said.clear();
        self.registry.keep("GAT-1", &config(number, devices))?;
        self.wait("the gateway's answer", |registry| registry.answered(number).contains("GAT-1"))
    }

    fn wait(&mut self, what: &str, done: impl FnMut(&Registry) -> bool) -> Result<(), Failure> {
        if self.registry.until(PATIENCE, done) { Ok(()) } else { Err(format!("no sign of {what}").into()) }
    }

    fn memory(&mut self) -> Result<u64, Failure> {
        self.registry.until(SETTLE, |_| false);
        Ok(self.process.memory()?.resident)
    }
}
