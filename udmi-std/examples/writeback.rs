//! Write-back: one closure puts the cloud's values in force for all points.
//!
//! Run it beside a broker (`udmi broker`): `cargo run -p udmi-std --example writeback -- 127.0.0.1:1883`
//! Set a value: `udmi config --registry ZZ-TRI-FECTA --device AHU-1 --set pointset.points.setpoint.set_value=21.5`
//!
//! You see `setpoint := 21.5`, once, however often configs with that value come. With `udmi watch` you see `applied`
//! and the value in the next sample; `invalid` for 99 and `failure` for the blinds, with the texts of the program.
//! A value based on a state that is outdated (`state_etag`) never gets here.

use std::time::Duration;

use udmi_std::{Device, PointModel, Settings, Value, WriteError};

fn main() -> Result<(), udmi_std::Failure> {
    let broker = std::env::args().nth(1).unwrap_or("127.0.0.1:1883".into());
    let settings = Settings::in_registry("ZZ-TRI-FECTA", "AHU-1", broker.parse()?);
    let writable = PointModel { writable: true, ..PointModel::default() };
    let device = Device::builder(settings)
        .point("setpoint", writable.clone())
        .point("blinds", writable)
        .on_writeback(write)
        .start()?;
    device.wait_connected(Duration::from_secs(5))?;
    device.wait();
    Ok(())
}

/// It may take its time: meanwhile the state says `updating`, and everything else goes on.
fn write(point: &str, value: &Value) -> Result<(), WriteError> {
    match (point, value.as_number()) {
        ("setpoint", Some(10.0..=30.0)) => println!("{point} := {value}"),
        ("setpoint", _) => return Err(WriteError::Invalid("10 to 30 degrees".into())),
        _ => return Err("the motor is stuck".into()),
    }
    Ok(())
}
