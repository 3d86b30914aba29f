//! A gateway with Modbus meters: from the registers to the cloud and back.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use crate::adapter::udmi_host::family::modbus::frame::Frame;
use crate::adapter::udmi_host::family::modbus::{ModbusProvider, ModbusSettings};
use crate::adapter::{Begin as _, Device, PointModel, Proxied, ProxySettings, Waiting as _};
use crate::common::{Broker, PATIENCE, config, settings, timestamp};
use serde_json::{Value as Json, json};

const TEMPERATURE: &str = "3/0?type=INT16&scale=0.1";
const BALANCE: &str = "3/7?type=INT16";

#[test]
fn registers_are_points_and_a_meter_that_is_gone_is_told_until_it_is_back() {
    let broker = Broker::start();
    let meter = Meter::start(([127, 0, 0, 1], 0).into(), [(0, 215), (7, 0xffff)]);
    broker.configure(&gateway_config(&json!({})));
    broker.send_to("EM-1", "config", &meter_config(2, meter.address, None));
    let device = gateway(&broker, meter.address);
    broker.message_of("EM-1", "events/pointset", |event| {
        value(event, "temperature") == &json!(21.5) && value(event, "balance") == &json!(-1)
    });

    broker.send_to("EM-1", "config", &meter_config(3, meter.address, Some(22.4)));
    broker.message_of("EM-1", "state", |state| {
        state["pointset"]["points"]["temperature"]["value_state"] == "applied"
    });
    assert_eq!(meter.register(0), 224);
    broker.message_of("EM-1", "events/pointset", |event| value(event, "temperature") == &json!(22.4));

    let address = meter.stop();
    let gone = broker.message_of("EM-1", "state", |state| !state["gateway"]["status"].is_null());
    assert_eq!(gone["gateway"]["status"]["category"], "gateway.proxy.connect");
    let meter = Meter::start(address, [(0, 190), (7, 1)]);
    broker.message_of("EM-1", "state", |state| state["gateway"]["status"].is_null());
    broker.message_of("EM-1", "events/pointset", |event| value(event, "temperature") == &json!(19.0));
    drop(meter);
    device.stop();
    device.ended(PATIENCE).unwrap();
}

#[test]
fn a_scan_finds_the_units_of_a_host() {
    let broker = Broker::start();
    let meter = Meter::start(([127, 0, 0, 1], 0).into(), [(0, 215)]);
    let family = json!({ "generation": timestamp(1), "scan_interval_sec": 2, "depth": "entries" });
    broker.configure(&gateway_config(&json!({ "modbus": family })));
    let device = gateway(&broker, meter.address);
    let found = broker.message("events/discovery", |event| !event["addr"].is_null());
    assert_eq!(found["addr"], meter.address.to_string());
    assert_eq!(found["system"]["ancillary"]["units"], json!([1]));
    device.stop();
    device.ended(PATIENCE).unwrap();
}

fn gateway_config(families: &Json) -> Json {
    json!({
        "timestamp": timestamp(1), "version": "1.5.7",
        "gateway": { "proxy_ids": ["EM-1"] }, "discovery": { "families": families },
    })
}

/// A config for the meter, with its unit in the target; the temperature is set if there is a value.
fn meter_config(second: u32, address: SocketAddr, set_value: Option<f64>) -> Json {
    let mut config = config(second, None);
    config["gateway"] =
        json!({ "target": { "family": "modbus", "addr": address.to_string(), "unitid": "1" } });
    config["pointset"]["points"] = json!({
        "temperature": { "ref": TEMPERATURE }, "balance": { "ref": BALANCE },
    });
    if let Some(value) = set_value {
        config["pointset"]["points"]["temperature"]["set_value"] = value.into();
    }
    config
}

fn gateway(broker: &Broker, meter: SocketAddr) -> crate::adapter::Handle {
    let mut proxy = ProxySettings::default();
    proxy.families.insert("modbus".into(), meter.to_string());
    for (point, reference, writable) in [("temperature", TEMPERATURE, true), ("balance", BALANCE, false)] {
        let reference = Some(reference.into());
        proxy.points.insert(point.into(), PointModel { writable, reference, ..PointModel::default() });
    }
    let mut modbus = ModbusSettings {
        units: vec![1, 2],
        answer_timeout: PATIENCE,
        probe_timeout: Duration::from_secs(1),
        pause: Duration::ZERO,
        ..ModbusSettings::default()
    };
    modbus.know(&proxy);
    Device::builder(settings(broker.address))
        .family(ModbusProvider::new(modbus))
        .proxied("EM-1", Proxied::new(proxy))
        .begin()
        .unwrap()
}

fn value<'a>(event: &'a Json, point: &str) -> &'a Json {
    &event["points"][point]["present_value"]
}

/// A meter that speaks Modbus/TCP: unit 1 has holding registers, and unit 2 is not reached.
struct Meter {
    address: SocketAddr,
    inside: Arc<Inside>,
}

#[derive(Default)]
struct Inside {
    state: Mutex<State>,
    stopped: Condvar,
}

#[derive(Default)]
struct State {
    registers: BTreeMap<u16, u16>,
    connections: Vec<TcpStream>,
    is_stopped: bool,
    is_listening: bool,
}

impl Meter {
    fn start(address: SocketAddr, registers: impl IntoIterator<Item = (u16, u16)>) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let inside = Arc::new(Inside::default());
        inside.state.lock().unwrap().registers = registers.into_iter().collect();
        inside.state.lock().unwrap().is_listening = true;
        let listening = Arc::clone(&inside);
        thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let mut state = listening.state.lock().unwrap();
                if state.is_stopped {
                    break;
                }
                state.connections.push(stream.try_clone().unwrap());
                let serving = Arc::clone(&listening);
                thread::spawn(move || serving.serve(stream));
            }
            drop(listener);
            listening.state.lock().unwrap().is_listening = false;
            listening.stopped.notify_all();
        });
        Self { address, inside }
    }

    fn register(&self, address: u16) -> u16 {
        self.inside.state.lock().unwrap().registers[&address]
    }

    /// Hangs up and listens no more, and says where it did.
    fn stop(self) -> SocketAddr {
        let mut state = self.inside.state.lock().unwrap();
        state.is_stopped = true;
        for connection in state.connections.drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
        drop(state);
        let _ = TcpStream::connect(self.address); // wakes the listener
        let state = self.inside.state.lock().unwrap();
        drop(self.inside.stopped.wait_while(state, |state| state.is_listening).unwrap());
        self.address
    }
}

impl Inside {
    fn serve(&self, mut stream: TcpStream) {
        let mut received = Vec::new();
        let mut bytes = [0; 260];
        while let Ok(count @ 1..) = stream.read(&mut bytes) {
            received.extend(&bytes[..count]);
            while let Some((request, size)) = Frame::read(&received).unwrap() {
                let data = self.answer(request.unit, request.data);
                let answer = Frame { data: &data, ..request }.to_bytes().unwrap();
                let _ = stream.write_all(&answer);
                received.drain(..size);
            }
        }
    }

    fn answer(&self, unit: u8, data: &[u8]) -> Vec<u8> {
        let registers = &mut self.state.lock().unwrap().registers;
        let number = |at: usize| u16::from_be_bytes([data[at], data[at + 1]]);
        match (unit, data[0]) {
            (1, 3) => {
                let values = (number(1)..number(1) + number(3)).map(|address| registers.get(&address));
                match values.collect::<Option<Vec<_>>>() {
                    Some(values) => {
                        let bytes: Vec<u8> =
                            values.into_iter().flat_map(|value| value.to_be_bytes()).collect();
                        [&[3, u8::try_from(bytes.len()).unwrap()], bytes.as_slice()].concat()
                    }
                    None => vec![0x83, 2],
                }
            }
            (1, 6) => {
                registers.insert(number(1), number(3));
                data.to_vec()
            }
            (1, function) => vec![function | 0x80, 1],
            (_, function) => vec![function | 0x80, 11],
        }
    }
}
