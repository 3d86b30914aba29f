//! Polling: the device asks for a value right before each sample, and not more often.
//!
//! Run it beside a broker (`udmi broker`): `cargo run -p udmi-std --example poll -- 127.0.0.1:1883`
//! Have it publish: `udmi config --registry ZZ-TRI-FECTA --device AHU-1 --set pointset.sample_rate_sec=5`
//!
//! You see `asked` every five seconds, and with `udmi watch` the samples. A point that cannot be read is left out of
//! them, and the state tells why; the other points are not touched by that.

use std::error::Error;
use std::fs;
use std::time::{Duration, Instant};

use udmi_std::{Device, Settings};

fn main() -> Result<(), udmi_std::Failure> {
    let broker = std::env::args().nth(1).unwrap_or("127.0.0.1:1883".into());
    let settings = Settings::in_registry("ZZ-TRI-FECTA", "AHU-1", broker.parse()?);
    let started = Instant::now();
    let device = Device::builder(settings)
        .poll("uptime", move || {
            println!("asked");
            started.elapsed().as_secs() as i64
        })
        .poll("filter_pressure", || -> Result<f64, Box<dyn Error>> {
            Ok(fs::read_to_string("filter_pressure.txt")?.trim().parse()?) // no such file, or no number
        })
        .start()?;
    device.wait_connected(Duration::from_secs(5))?;
    device.wait();
    Ok(())
}
