//! Virtual points: values computed from other points of the device before each sample.
//!
//! Run it beside a broker (`udmi broker`): `cargo run -p udmi-std --example virtual_points -- 127.0.0.1:1883`
//! Have it publish: `udmi config --registry ZZ-TRI-FECTA --device AHU-1 --set pointset.sample_rate_sec=5`
//!
//! With `udmi watch` you see `temperature_difference` in the same sample as the two it was computed from, and always
//! in line with them. A closure that gives `None` says nothing of its point this time.

use std::time::{Duration, Instant};

use udmi_std::{Device, Settings};

fn main() -> Result<(), udmi_std::Failure> {
    let broker = std::env::args().nth(1).unwrap_or("127.0.0.1:1883".into());
    let settings = Settings::in_registry("ZZ-TRI-FECTA", "AHU-1", broker.parse()?);
    let started = Instant::now();
    let wave = move |period: f64| (started.elapsed().as_secs_f64() / period).sin();
    let device = Device::builder(settings)
        .poll("supply_temperature", move || 45.0 + 5.0 * wave(7.0))
        .poll("return_temperature", move || 35.0 + 2.0 * wave(11.0))
        .computed("temperature_difference", |known| {
            let number = |point: &str| known.get(point)?.as_number();
            Some(number("supply_temperature")? - number("return_temperature")?)
        })
        .start()?;
    device.wait_connected(Duration::from_secs(5))?;
    device.wait();
    Ok(())
}
