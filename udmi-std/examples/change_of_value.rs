//! Change of value: a point is published when it has changed enough, beside the regular samples.
//!
//! Run it beside a broker (`udmi broker`): `cargo run -p udmi-std --example change_of_value -- 127.0.0.1:1883`
//! Ask for changes of half a degree, at most one message a second, and all points once a minute:
//! `udmi config --registry ZZ-TRI-FECTA --device AHU-1 --set pointset.points.temperature.cov_increment=0.5 \
//!  --set pointset.points.humidity={} --set pointset.sample_limit_sec=1 --set pointset.sample_rate_sec=60`
//!
//! The program sets both points ten times a second. With `udmi watch` you see `temperature` alone whenever it is half a
//! degree off what was published last (such a message says `partial_update`), and `humidity` once a minute.

use std::time::{Duration, Instant};

use udmi_std::{Device, PointModel, Settings};

fn main() -> Result<(), udmi_std::Failure> {
    let broker = std::env::args().nth(1).unwrap_or("127.0.0.1:1883".into());
    let settings = Settings::in_registry("ZZ-TRI-FECTA", "AHU-1", broker.parse()?);
    let device = Device::builder(settings)
        .point("temperature", PointModel::default())
        .point("humidity", PointModel::default())
        .start()?;
    device.wait_connected(Duration::from_secs(5))?;
    let started = Instant::now();
    while device.wait_for(Duration::from_millis(100)).is_none() {
        let wave = started.elapsed().as_secs_f64().sin();
        device.set_points([("temperature", 21.0 + 2.0 * wave), ("humidity", 40.0 + 5.0 * wave)])?;
    }
    Ok(())
}
