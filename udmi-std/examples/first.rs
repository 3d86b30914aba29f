//! A device with two points, one of which the cloud may set. Run it beside a broker on this machine.

use std::time::Duration;

use udmi_std::{Device, Endpoint, PointModel, Settings, Transport};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let endpoint = Endpoint { host: "localhost".into(), port: 1883, transport: Transport::Tcp };
    let settings = Settings::new("AHU-1", endpoint, "/r/ZZ-TRI-FECTA/d/AHU-1", "/r/ZZ-TRI-FECTA/d/AHU-1");
    let device = Device::builder(settings)
        .point("room_temperature", PointModel::default())
        .point("setpoint", PointModel { writable: true, ..PointModel::default() })
        .on_writeback(|point, value| {
            println!("{point} := {value}");
            Ok(())
        })
        .start()?;
    let mut temperature = 20.0;
    while device.wait_for(Duration::from_secs(1)).is_none() {
        temperature += 0.1;
        device.set_point("room_temperature", temperature)?;
    }
    Ok(())
}
