//! Telemetry: the program tells each new value when it has one, and the device publishes as often as its config wants.
//!
//! Run it beside a broker (`udmi broker`): `cargo run -p udmi-smol --example smol_telemetry -- 127.0.0.1:1883`
//! Have it publish: `udmi config --registry ZZ-TRI-FECTA --device AHU-1 --set pointset.sample_rate_sec=5`
//!
//! With `udmi watch` you see a sample of both points every five seconds. The program is one thread: while it waits for the
//! next second, the device does its work there.

use std::error::Error;
use std::time::{Duration, Instant};

use smol::fs;
use udmi_smol::{Device, PointModel, Settings};

fn main() -> Result<(), udmi_smol::Failure> {
    let broker = std::env::args().nth(1).unwrap_or("127.0.0.1:1883".into());
    let settings = Settings::in_registry("ZZ-TRI-FECTA", "AHU-1", broker.parse()?);
    let here = smol::LocalExecutor::new();
    smol::block_on(here.run(async {
        let (device, run) = Device::builder(settings)
            .point("load", PointModel::default())
            .point("uptime", PointModel { units: Some("Seconds".into()), ..PointModel::default() })
            .prepare() // `start` would leave it to an executor with threads of its own
            .await?;
        here.spawn(run).detach();
        device.wait_connected(Duration::from_secs(5)).await?;
        let started = Instant::now();
        while device.wait_for(Duration::from_secs(1)).await.is_none() {
            device.set_point("load", load().await)?; // a number or an error, as it comes
            device.set_point("uptime", started.elapsed().as_secs() as i64)?;
        }
        Ok(())
    }))
}

async fn load() -> Result<f64, Box<dyn Error>> {
    let text = fs::read_to_string("/proc/loadavg").await?;
    Ok(text.split(' ').next().unwrap_or_default().parse()?)
}
