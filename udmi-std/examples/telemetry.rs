//! Telemetry: the program tells each new value when it has one, and the device publishes as often as its config wants.
//!
//! Run it beside a broker (`udmi broker`): `cargo run -p udmi-std --example telemetry -- 127.0.0.1:1883`
//! Have it publish: `udmi config --registry ZZ-TRI-FECTA --device AHU-1 --set pointset.sample_rate_sec=5`
//!
//! With `udmi watch` you see a sample of both points every five seconds. Where there is no `/proc/loadavg`, the state
//! says why `load` has no value, and the samples go without it. While the broker is away, samples wait in the device.

use std::error::Error;
use std::fs;
use std::time::{Duration, Instant};

use udmi_std::{Device, PointModel, Settings};

fn main() -> Result<(), udmi_std::Failure> {
    let broker = std::env::args().nth(1).unwrap_or("127.0.0.1:1883".into());
    let settings = Settings::in_registry("ZZ-TRI-FECTA", "AHU-1", broker.parse()?);
    let device = Device::builder(settings)
        .point("load", PointModel::default())
        .point("uptime", PointModel { units: Some("Seconds".into()), ..PointModel::default() })
        .start()?;
    device.wait_connected(Duration::from_secs(5))?;
    let started = Instant::now();
    while device.wait_for(Duration::from_secs(1)).is_none() {
        device.set_point("load", load())?; // a number or an error, as it comes
        device.set_point("uptime", started.elapsed().as_secs() as i64)?;
    }
    Ok(())
}

fn load() -> Result<f64, Box<dyn Error>> {
    let text = fs::read_to_string("/proc/loadavg")?;
    Ok(text.split(' ').next().unwrap_or_default().parse()?)
}
