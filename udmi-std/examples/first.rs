//! A first device: two points, one of which the cloud may set.
//!
//! Run it beside a broker (`udmi broker`): `cargo run -p udmi-std --example first -- 127.0.0.1:1883`
//! Set a point: `udmi config --registry ZZ-TRI-FECTA --device AHU-1 --set pointset.points.setpoint.set_value=21`
//!
//! You see `setpoint := 21` here, and with `udmi watch` the state that says `applied` and the samples of both points.

use std::time::Duration;

use udmi_std::{Device, PointModel, Settings};

fn main() -> Result<(), udmi_std::Failure> {
    let broker = std::env::args().nth(1).unwrap_or("127.0.0.1:1883".into());
    let settings = Settings::in_registry("ZZ-TRI-FECTA", "AHU-1", broker.parse()?);
    let device = Device::builder(settings)
        .point("room_temperature", PointModel::default())
        .point("setpoint", PointModel { writable: true, ..PointModel::default() })
        .on_writeback(|point, value| {
            println!("{point} := {value}");
            Ok(())
        })
        .start()?;
    device.wait_connected(Duration::from_secs(5))?;
    let mut temperature = 20.0;
    while device.wait_for(Duration::from_secs(1)).is_none() {
        temperature += 0.1;
        device.set_point("room_temperature", temperature)?;
    }
    Ok(())
}
