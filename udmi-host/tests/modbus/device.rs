//! A device of another make: the server of the Python package pymodbus.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use udmi_host::family::modbus::{ModbusProvider, ModbusSettings};
use udmi_host::family::{FamilyProvider, PointError, ProviderError, Stop, Target, WriteError};
use udmi_proto::Value;

use crate::peer::{provider, read, settings, target};

/// The device, which ends when its standard input does.
struct Device {
    process: Child,
    address: String,
}

impl Device {
    /// Starts it; none where the package is not installed.
    fn start() -> Option<Self> {
        let python = std::env::var("UDMI_PYTHON").unwrap_or_else(|_| "python3".into());
        let is_there =
            Command::new(&python).args(["-c", "import pymodbus.simulator"]).stderr(Stdio::null()).status();
        if !is_there.is_ok_and(|status| status.success()) {
            eprintln!("left out: {python} has no package pymodbus with a simulator");
            return None;
        }
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/modbus/device.py");
        let mut process = Command::new(python)
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut port = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut port).unwrap();
        Some(Self { process, address: format!("127.0.0.1:{}", port.trim()) })
    }

    fn target(&self) -> Target {
        target(&self.address)
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

fn values(provider: &ModbusProvider, target: &Target, references: &[&str]) -> Vec<Value> {
    read(provider, target, references).unwrap().into_iter().map(Result::unwrap).collect()
}

#[test]
fn a_real_device_is_read_in_all_types() {
    let Some(device) = Device::start() else { return };
    let cases = [
        ("1/3/0", Value::Integer(100)),
        ("2/3/0", Value::Integer(200)),
        ("1/3/1?type=INT16", Value::Integer(-1)),
        ("1/3/2/2?type=FLOAT32", Value::Number(21.1)),
        ("1/3/4?type=FLOAT32&worder=LWF", Value::Number(21.1)),
        ("1/3/7/3?type=ASCII", Value::Text("AHU-1".into())),
        ("1/3/10?type=INT64", Value::Integer(i64::MIN + 1)),
        ("1/3/10?type=UINT64", Value::Number(9_223_372_036_854_775_809.0)),
        ("1/3/14?type=FLOAT64", Value::Number(21.1)),
        ("1/3/1?type=BOOLEAN", Value::Boolean(true)),
        ("1/4/0", Value::Integer(101)),
        ("1/4/1?scale=0.1", Value::Number(21.5)),
        ("1/1/2", Value::Boolean(true)),
        ("1/1/9", Value::Boolean(false)),
        ("1/2/0", Value::Boolean(false)),
        ("1/2/15", Value::Boolean(true)),
        ("1/16/0", Value::Integer(100)),
    ];
    let (references, expected): (Vec<_>, Vec<_>) = cases.into_iter().unzip();
    assert_eq!(values(&provider(), &device.target(), &references), expected);
}

#[test]
fn many_registers_take_several_readings() {
    let Some(device) = Device::start() else { return };
    let references: Vec<_> = (0..300).map(|ix| format!("1/3/{}", 100 + ix)).collect();
    let references: Vec<_> = references.iter().map(String::as_str).collect();
    let expected: Vec<_> = (0..300).map(Value::Integer).collect();
    assert_eq!(values(&provider(), &device.target(), &references), expected);
}

#[test]
fn a_point_that_is_not_there_spoils_no_other() {
    let Some(device) = Device::start() else { return };
    let references = ["1/3/5", "1/3/6", "1/3/7", "1/3/0/9", "nonsense"];
    let found = read(&provider(), &device.target(), &references).unwrap();
    assert_eq!((&found[0], &found[2]), (&Ok(Value::Integer(0x41a8)), &Ok(Value::Integer(0x4148))));
    for ix in [1, 3, 4] {
        assert!(matches!(found[ix], Err(PointError::Reference(_))), "{:?}", found[ix]);
    }
}

#[test]
fn what_is_written_to_a_real_device_is_there() {
    let Some(device) = Device::start() else { return };
    let provider = provider();
    let target = device.target();
    let write =
        |reference: &str, value: Value| provider.write(&target, reference, Some(&value), &Stop::new());
    for (reference, value) in [
        ("1/1/1", Value::Boolean(true)),
        ("1/5/3", Value::Boolean(false)),
        ("1/15/4", Value::Boolean(true)),
        ("1/3/20", Value::Integer(7)),
        ("1/6/21?type=INT16&scale=0.1", Value::Number(-21.5)),
        ("1/16/22?type=UINT16&border=LSB", Value::Integer(0x0102)),
        ("1/3/23?type=FLOAT32", Value::Number(21.1)),
        ("1/16/25?type=INT32&worder=LWF", Value::Integer(-70_000)),
        ("1/16/27/3?type=ASCII", Value::Text("FAN-2".into())),
    ] {
        assert_eq!(write(reference, value.clone()), Ok(()), "{reference}");
        assert_eq!(values(&provider, &target, &[reference]), std::slice::from_ref(&value), "{reference}");
        assert_eq!(provider.write(&target, reference, None, &Stop::new()), Ok(()), "{reference}");
        assert_eq!(values(&provider, &target, &[reference]), [value], "{reference}");
    }
    assert!(matches!(write("1/3/6", Value::Integer(1)), Err(WriteError::Point(PointError::Reference(_)))));
    assert!(matches!(write("1/4/0", Value::Integer(1)), Err(WriteError::Point(PointError::Refused(_)))));
    assert!(matches!(write("1/3/20", Value::Integer(-1)), Err(WriteError::Invalid(_))));
}

#[test]
fn a_unit_is_named_in_any_form_of_a_target() {
    let Some(device) = Device::start() else { return };
    let lines = [("modbus_rtu_1".to_owned(), device.address.clone())].into();
    let provider = ModbusProvider::new(ModbusSettings { lines, ..settings() });
    let by_unit = Target { unitid: Some("2".into()), ..device.target() };
    let by_number = Target { network: Some("modbus_rtu_1".into()), ..target("2") };
    for target in [by_unit, target("modbus_rtu_1/2"), by_number] {
        assert_eq!(values(&provider, &target, &["3/0"]), [Value::Integer(200)], "{target:?}");
    }
}

#[test]
fn an_exception_of_a_real_device_is_told() {
    let Some(device) = Device::start() else { return };
    // It says so for a unit that it does not have.
    let failure = PointError::Refused("exception 4 (server device failure)".into());
    assert_eq!(read(&provider(), &device.target(), &["9/3/0"]), Ok(vec![Err(failure)]));
}

#[test]
fn a_device_that_starts_again_is_read_again() {
    let Some(device) = Device::start() else { return };
    let lines = |address: &String| [("line".to_owned(), address.clone())].into();
    let provider = ModbusProvider::new(ModbusSettings { lines: lines(&device.address), ..settings() });
    assert_eq!(values(&provider, &target("line"), &["1/3/0"]), [Value::Integer(100)]);
    drop(device);
    let gone = read(&provider, &target("line"), &["1/3/0"]);
    assert!(matches!(gone, Err(ProviderError::Unreachable(_))), "{gone:?}");
}
