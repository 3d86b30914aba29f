//! Write-back, point by point: closures of their own for some points, and none for those that just keep their value.
//!
//! Run it beside a broker (`udmi broker`): `cargo run -p udmi-std --example writeback_points -- 127.0.0.1:1883`
//! Set a value: `udmi config --registry ZZ-TRI-FECTA --device AHU-1 --set pointset.points.lamp.set_value=true`
//!
//! You see `the lamp is on`, and with `udmi watch` the lamp in the next sample. `damper` moves slowly: its state says
//! `updating`, then `applied`. `mode` has no closure: what is set becomes its value, if it is one of the two.

use std::thread::sleep;
use std::time::Duration;

use udmi_std::{Device, PointModel, Settings, Value, ValueKind};

fn main() -> Result<(), udmi_std::Failure> {
    let broker = std::env::args().nth(1).unwrap_or("127.0.0.1:1883".into());
    let settings = Settings::in_registry("ZZ-TRI-FECTA", "AHU-1", broker.parse()?);
    let writable = |kind| PointModel { writable: true, kind: Some(kind), ..PointModel::default() };
    let percent = ValueKind::Number { minimum: Some(0.0), maximum: Some(100.0) };
    let device = Device::builder(settings)
        .point("lamp", writable(ValueKind::Boolean))
        .point("damper", writable(percent))
        .point("mode", writable(ValueKind::Enumeration(vec!["day".into(), "night".into()])))
        .on_writeback_point("lamp", |value| {
            println!("the lamp is {}", if *value == Value::Boolean(true) { "on" } else { "off" });
            Ok(())
        })
        .on_writeback_point("damper", |value| {
            sleep(Duration::from_secs(1)); // closures may block, the connection does not wait for them
            println!("the damper is at {value} %");
            Ok(())
        })
        .start()?;
    device.wait_connected(Duration::from_secs(5))?;
    device.wait();
    Ok(())
}
