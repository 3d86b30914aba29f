//! A gateway with four devices behind it, one of each temper, and one with five hundred.

use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value as Json;
use udmi_proto::{Found, ScanRequest, Target, Value};
use udmi_std::udmi_host::family::{FamilyProvider, PointError, ProviderError, Stop, WriteError};
use udmi_std::{DeviceHandle, ExitReason};
use udmi_tests::live::PATIENCE;
use udmi_tests::live::broker::{Broker, Kind, Plan};
use udmi_tests::live::gateway::{Registry, id, limits, settings};

const POINTS: usize = 3;
/// Devices by number, with their tempers.
const WELL: usize = 0;
const FAILING: usize = 1;
const SLOW: usize = 2;
const FLAPPING: usize = 3;
/// Seconds between samples, and how long they are looked at.
const RATE_S: i64 = 1;
const LOOK: Duration = Duration::from_secs(6);
/// How much later than that a sample may come on a loaded machine.
const LATE_MS: i64 = 700;
/// The least milliseconds between two states, less what the rounding of two clocks takes.
const FLOOR: Duration = Duration::from_millis(1990);

#[test]
fn a_gateway_of_four_lives_with_our_broker() {
    live(Kind::Embedded, Adapter::Threads);
}

#[test]
fn a_gateway_of_four_as_a_future_lives_with_our_broker() {
    live(Kind::Embedded, Adapter::Smol);
}

#[test]
fn a_gateway_of_four_lives_with_mosquitto() {
    live(Kind::Mosquitto, Adapter::Threads);
}

#[test]
fn a_gateway_of_four_as_a_future_lives_with_mosquitto() {
    live(Kind::Mosquitto, Adapter::Smol);
}

#[test]
fn five_hundred_devices_are_attached_and_answer_with_our_broker() {
    crowd(Kind::Embedded, Adapter::Threads);
}

#[test]
fn five_hundred_devices_of_a_future_are_attached_and_answer_with_our_broker() {
    crowd(Kind::Embedded, Adapter::Smol);
}

#[test]
fn five_hundred_devices_are_attached_and_answer_with_mosquitto() {
    crowd(Kind::Mosquitto, Adapter::Threads);
}

/// Who has a façade for gateways.
#[derive(Clone, Copy, Debug)]
enum Adapter {
    Threads,
    Smol,
}

/// A running gateway.
enum Gateway {
    Threads(udmi_std::Handle),
    Smol(udmi_smol::Handle),
}

/// Devices on a bus: one answers, one never does, one takes its time, one answers every other time.
#[derive(Debug, Default)]
struct Bus {
    flaps: Mutex<u32>,
}

impl FamilyProvider for Bus {
    fn family(&self) -> &'static str {
        "vendor"
    }

    fn scan(&self, _: &ScanRequest, _: &mut dyn FnMut(Found), _: &Stop) -> Result<(), ProviderError> {
        Ok(())
    }

    fn read(
        &self,
        target: &Target,
        references: &[&str],
        stop: &Stop,
    ) -> Result<Vec<Result<Value, PointError>>, ProviderError> {
        let silent = || Err(ProviderError::Unreachable("the bus is silent".into()));
        match target.addr.as_deref().and_then(|addr| addr.parse().ok()) {
            Some(FAILING) => return silent(),
            Some(SLOW) => {
                let until = Instant::now() + Duration::from_secs(3);
                while Instant::now() < until && !stop.is_set() {
                    thread::sleep(Duration::from_millis(20)); // a device that takes its time
                }
            }
            Some(FLAPPING) => {
                let mut flaps = self.flaps.lock().unwrap();
                *flaps += 1;
                if *flaps % 2 == 1 {
                    return silent();
                }
            }
            _ => {}
        }
        Ok(references.iter().map(|_| Ok(Value::Number(21.5))).collect())
    }

    fn write(&self, _: &Target, _: &str, _: Option<&Value>, _: &Stop) -> Result<(), WriteError> {
        Ok(())
    }
}

impl Gateway {
    fn start(adapter: Adapter, broker: &Broker, devices: usize, points: usize) -> Self {
        let settings = settings(broker.device_address(), devices, points);
        match adapter {
            Adapter::Threads => {
                let builder = udmi_std::Device::builder(settings).limits(limits());
                Self::Threads(builder.family(Bus::default()).start().expect("the gateway starts"))
            }
            Adapter::Smol => {
                let builder = udmi_smol::Device::builder(settings).limits(limits());
                let started = smol::block_on(builder.family(Bus::default()).start());
                Self::Smol(started.expect("the gateway starts"))
            }
        }
    }

    fn proxied(&self, device: &str) -> DeviceHandle {
        match self {
            Self::Threads(handle) => handle.proxied(device),
            Self::Smol(handle) => handle.proxied(device),
        }
    }

    fn stop(&self) {
        let reason = match self {
            Self::Threads(handle) => {
                handle.stop();
                handle.wait_for(PATIENCE)
            }
            Self::Smol(handle) => {
                handle.stop();
                smol::block_on(handle.wait_for(PATIENCE))
            }
        };
        assert_eq!(reason, Some(ExitReason::Shutdown));
    }
}

/// The gateway and so many devices have answered their configs of that number, each on its own topic.
fn answered(registry: &mut Registry, number: i64, devices: usize) {
    let done = registry.until(PATIENCE, |registry| registry.answered(number).len() == devices + 1);
    assert!(done, "{} of {devices} have answered config {number}", registry.answered(number).len());
    for device in (0..devices).map(id) {
        let state = &registry.of(&device, "state").next_back().unwrap().content;
        assert_eq!(state["system"]["serial_no"], device.as_str());
        assert_eq!(registry.of(&device, "attach").count(), 1, "{device}");
    }
}

fn live(kind: Kind, adapter: Adapter) {
    if !kind.is_there_or_say("a gateway's life") {
        return;
    }
    let mut broker = Broker::start(kind, &Plan::default()).unwrap();
    let mut registry = Registry::connect(broker.plain_address()).unwrap();
    registry.keep_all(1, 4, POINTS, RATE_S).unwrap();
    let gateway = Gateway::start(adapter, &broker, 4, POINTS);
    for device in (0..4).map(id) {
        let proxied = gateway.proxied(&device);
        (0..POINTS - 1).for_each(|point| {
            proxied.set_point(&udmi_tests::live::gateway::point(point), 1.0).unwrap();
        });
    }
    answered(&mut registry, 1, 4);
    tempers(&mut registry);
    broker.kill();
    broker.restart().unwrap();
    let mut registry = Registry::connect(broker.plain_address()).unwrap();
    registry.keep_all(2, 4, POINTS, RATE_S).unwrap();
    answered(&mut registry, 2, 4);
    gateway.stop();
}

/// Whoever is well keeps its beat beside the others, and each tells of its own trouble alone.
fn tempers(registry: &mut Registry) {
    let reads = |said: &Json| said["points"]["point_2"]["present_value"] == 21.5;
    registry.until(LOOK, |_| false);
    let samples = |registry: &Registry, device: usize| -> Vec<i64> {
        let device = id(device);
        let samples = registry.of(&device, "events/pointset").filter(|said| reads(&said.content));
        samples.map(|said| said.millis().unwrap()).collect()
    };
    let well = samples(registry, WELL);
    assert!(well.len() >= 4, "{well:?}");
    let longest = well.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
    assert!(longest <= RATE_S * 1000 + LATE_MS, "{longest} ms between two samples: {well:?}");
    assert_eq!(samples(registry, FAILING), [0; 0], "what cannot be read is not told");
    assert!(!samples(registry, FLAPPING).is_empty());
    let status = |device: usize| {
        let device = id(device);
        let state = registry.of(&device, "state").next_back().unwrap();
        state.content.pointer("/gateway/status/category").cloned()
    };
    assert_eq!(status(WELL), None);
    assert_eq!(status(FAILING).as_ref().and_then(Json::as_str), Some("gateway.proxy.connect"));
    // Slower than the next sample: it is taken for one that cannot be reached.
    assert_eq!(status(SLOW).as_ref().and_then(Json::as_str), Some("gateway.proxy.connect"));
    let shortest = registry.shortest_pause();
    assert!(shortest.is_none_or(|shortest| shortest >= FLOOR), "{shortest:?} between two states");
}

/// Connect, attach, configure, answer; and once more after the broker is gone.
fn crowd(kind: Kind, adapter: Adapter) {
    const DEVICES: usize = 500;
    if !kind.is_there_or_say("a gateway of five hundred") {
        return;
    }
    let mut broker = Broker::start(kind, &Plan::default()).unwrap();
    let mut registry = Registry::connect(broker.plain_address()).unwrap();
    registry.validates = false;
    registry.keep_all(1, DEVICES, POINTS, -1).unwrap();
    let started = Instant::now();
    let gateway = Gateway::start(adapter, &broker, DEVICES, POINTS);
    answered(&mut registry, 1, DEVICES);
    println!("{kind:?}: {DEVICES} devices have answered after {:?}", started.elapsed());
    let shortest = registry.shortest_pause();
    assert!(shortest.is_none_or(|shortest| shortest >= FLOOR), "{shortest:?} between two states");
    broker.kill();
    broker.restart().unwrap();
    let mut registry = Registry::connect(broker.plain_address()).unwrap();
    registry.validates = false;
    registry.keep_all(2, DEVICES, POINTS, -1).unwrap();
    answered(&mut registry, 2, DEVICES);
    gateway.stop();
}
