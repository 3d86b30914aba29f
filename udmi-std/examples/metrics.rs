//! Metrics of the host: memory, disc and load, as often as the config wants.
//!
//! Run it beside a broker (`udmi broker`): `cargo run -p udmi-std --example metrics -- 127.0.0.1:1883`
//! Ask for them: `udmi config --registry ZZ-TRI-FECTA --device AHU-1 --set system.metrics_rate_sec=10`
//!
//! With `udmi watch` you see an event with `metrics` every ten seconds; with a rate of 0, none. What the host does not
//! tell is left out.

use std::time::Duration;

use udmi_std::{Device, Settings};

fn main() -> Result<(), udmi_std::Failure> {
    let broker = std::env::args().nth(1).unwrap_or("127.0.0.1:1883".into());
    let settings = Settings::in_registry("ZZ-TRI-FECTA", "AHU-1", broker.parse()?);
    let device = Device::builder(settings).metrics(true).start()?;
    device.wait_connected(Duration::from_secs(5))?;
    device.wait();
    Ok(())
}
