//! Polling in bulk: one closure reads many points at once, as from one register block or one file.
//!
//! Run it beside a broker (`udmi broker`): `cargo run -p udmi-std --example poll_all -- 127.0.0.1:1883`
//! Have it publish: `udmi config --registry ZZ-TRI-FECTA --device AHU-1 --set pointset.sample_rate_sec=5`
//!
//! With `udmi watch` you see samples of the machine's load, three points of one reading. A point that a reading leaves
//! out keeps its value.

use std::time::Duration;
use std::{fs, io};

use udmi_std::{Device, PointModel, Settings};

const POINTS: [&str; 3] = ["load_1", "load_5", "load_15"];

fn main() -> Result<(), udmi_std::Failure> {
    let broker = std::env::args().nth(1).unwrap_or("127.0.0.1:1883".into());
    let settings = Settings::in_registry("ZZ-TRI-FECTA", "AHU-1", broker.parse()?);
    let mut builder = Device::builder(settings).poll_all(read);
    for point in POINTS {
        builder = builder.point(point, PointModel::default());
    }
    let device = builder.start()?;
    device.wait_connected(Duration::from_secs(5))?;
    device.wait();
    Ok(())
}

/// All points with their values, or with why they have none.
fn read() -> Vec<(&'static str, io::Result<f64>)> {
    match fs::read_to_string("/proc/loadavg") {
        Ok(text) => POINTS
            .into_iter()
            .zip(text.split(' ').map(|number| number.parse().map_err(io::Error::other)))
            .collect(),
        Err(error) => POINTS.into_iter().map(|point| (point, Err(error.kind().into()))).collect(),
    }
}
