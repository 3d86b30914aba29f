//! Polling: futures that read values right before each sample, all at the same time.
//!
//! Run it beside a broker (`udmi broker`): `cargo run -p udmi-smol --example smol_poll -- 127.0.0.1:1883`
//! Have it publish: `udmi config --registry ZZ-TRI-FECTA --device AHU-1 --set pointset.sample_rate_sec=5`
//!
//! Two of the sensors take a fifth of a second to answer, and you see that all three were asked before one has answered;
//! with threads they would be asked one after the other. The third one does not answer: it is an error, which the
//! state tells, and the others have their values. Who sets no limit is given half the time between two samples.

use std::io::{Error, ErrorKind};
use std::time::Duration;

use smol::Timer;
use smol::future::or;
use udmi_smol::{Device, Settings};

fn main() -> Result<(), udmi_smol::Failure> {
    let broker = std::env::args().nth(1).unwrap_or("127.0.0.1:1883".into());
    let settings = Settings::in_registry("ZZ-TRI-FECTA", "AHU-1", broker.parse()?);
    smol::block_on(async {
        let device = Device::builder(settings)
            .poll("supply", || within(500, sensor("supply", 200, 45.5)))
            .poll("return", || within(500, sensor("return", 200, 36.0)))
            .poll("outside", || within(500, sensor("outside", 60_000, -3.0)))
            .start()
            .await?;
        device.wait_connected(Duration::from_secs(5)).await?;
        device.wait().await;
        Ok(())
    })
}

/// A sensor that takes its time, as those behind a serial line do.
async fn sensor(name: &str, milliseconds: u64, value: f64) -> Result<f64, Error> {
    println!("{name} is asked");
    Timer::after(Duration::from_millis(milliseconds)).await;
    println!("{name} answers");
    Ok(value)
}

async fn within(milliseconds: u64, read: impl Future<Output = Result<f64, Error>>) -> Result<f64, Error> {
    let late = async {
        Timer::after(Duration::from_millis(milliseconds)).await;
        Err(Error::new(ErrorKind::TimedOut, "the sensor does not answer"))
    };
    or(read, late).await
}
