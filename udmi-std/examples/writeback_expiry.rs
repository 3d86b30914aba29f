//! Write-back with an end: a value that holds until a time, and local control before and after.
//!
//! Run it beside a broker (`udmi broker`): `cargo run -p udmi-std --example writeback_expiry -- 127.0.0.1:1883`
//! Set a value for a minute: `udmi config --registry ZZ-TRI-FECTA --device AHU-1 \
//!  --set pointset.points.setpoint.set_value=18 --set pointset.set_value_expiry=$(date -u -d '1 minute' +%FT%TZ)`
//!
//! You see `setpoint := 18 for the cloud`, and when the time has come, or the value is gone from the config,
//! `setpoint := 21 by the thermostat`. The state says `applied` in between, and nothing after. No timer is yours to keep.

use std::time::Duration;

use udmi_std::{Device, PointModel, Settings, Value};

fn main() -> Result<(), udmi_std::Failure> {
    let broker = std::env::args().nth(1).unwrap_or("127.0.0.1:1883".into());
    let settings = Settings::in_registry("ZZ-TRI-FECTA", "AHU-1", broker.parse()?);
    let local = Value::Integer(21);
    let device = Device::builder(settings)
        .point("setpoint", PointModel { writable: true, ..PointModel::default() })
        .on_writeback(|point, value| {
            println!("{point} := {value} for the cloud");
            Ok(())
        })
        .on_release({
            let local = local.clone();
            move |point| {
                println!("{point} := {local} by the thermostat");
                Ok(())
            }
        })
        .start()?;
    device.set_point("setpoint", local)?;
    device.wait_connected(Duration::from_secs(5))?;
    device.wait();
    Ok(())
}
