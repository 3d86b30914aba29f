//! Many devices on one thread.
//!
//! Run it beside a broker (`udmi broker`): `cargo run -p udmi-smol --example smol_many -- 127.0.0.1:1883 500`
//! Have some publish: `udmi config --registry ZZ-TRI-FECTA --device AHU-7 --set pointset.sample_rate_sec=5`
//!
//! You see how many are connected and how long that took; `top -H` shows one thread that is at rest. Each device is one
//! future, one socket and some KiB. For more than a thousand, raise the limit of open files (`ulimit -n`). Ctrl-C ends
//! them all, and typing `stop` does so in order: each says farewell.

use std::io::{self, BufRead as _};
use std::time::{Duration, Instant};

use smol::LocalExecutor;
use udmi_smol::{Device, Endpoint, Settings};

fn main() -> Result<(), udmi_smol::Failure> {
    let broker = std::env::args().nth(1).unwrap_or("127.0.0.1:1883".into());
    let count: u32 = std::env::args().nth(2).map_or(Ok(500), |count| count.parse())?;
    let endpoint: Endpoint = broker.parse()?;
    let here = LocalExecutor::new();
    smol::block_on(here.run(async {
        let started = Instant::now();
        let mut devices = Vec::new();
        for number in 1..=count {
            let settings = Settings::in_registry("ZZ-TRI-FECTA", &format!("AHU-{number}"), endpoint.clone());
            let (device, run) =
                Device::builder(settings).poll("number", move || async move { number }).prepare().await?;
            here.spawn(run).detach();
            devices.push(device);
        }
        for device in &devices {
            device.wait_connected(Duration::from_secs(30)).await?;
        }
        println!("{count} devices are connected after {:.1?}", started.elapsed());
        let stop = || io::stdin().lock().lines().map_while(Result::ok).any(|line| line == "stop");
        if !smol::unblock(stop).await {
            smol::future::pending::<()>().await; // nobody types: until Ctrl-C
        }
        devices.iter().for_each(|device| device.stop());
        for device in devices {
            device.wait().await;
        }
        println!("all have said farewell");
        Ok(())
    }))
}
