//! A gateway that acts for two meters, each read by a future while the others are read as well.
//!
//! Run it beside a broker (`udmi broker`): `cargo run -p udmi-smol --example smol_gateway -- 127.0.0.1:1883`
//! Say which meters it acts for: `udmi config --registry ZZ-TRI-FECTA --device GAT-1 \
//!  --set 'gateway.proxy_ids=["EM-1","EM-2"]'`
//! Have one publish: `udmi config --registry ZZ-TRI-FECTA --device EM-1 --set pointset.sample_rate_sec=5`
//!
//! With `udmi watch` you see each meter as a device with its own state, samples and logs. A meter that takes long to
//! answer, or does not, holds no other one.

use std::time::Duration;

use smol::Timer;
use udmi_smol::{Device, PointModel, Proxied, ProxySettings, Settings};

fn main() -> Result<(), udmi_smol::Failure> {
    let broker = std::env::args().nth(1).unwrap_or("127.0.0.1:1883".into());
    let settings = Settings::in_registry("ZZ-TRI-FECTA", "GAT-1", broker.parse()?);
    let limit = PointModel { writable: true, ..PointModel::default() };
    let meter = || Proxied::new(ProxySettings::default()).point("power", PointModel::default());
    smol::block_on(async {
        let gateway = Device::builder(settings)
            .proxied("EM-1", meter().poll("voltage", || async { 230.1 }))
            .proxied("EM-2", meter().point("limit", limit))
            .on_proxied_read(|device, points| async move {
                println!("{device} is asked for {points:?}");
                Timer::after(Duration::from_millis(200)).await; // the line is slow
                // An error here would tell the cloud that the meter cannot be reached.
                Ok(points.into_iter().map(|point| (point, 42)).collect::<Vec<_>>())
            })
            .on_proxied_writeback(|device, point, value| async move {
                println!("{device} {point} := {value}");
                Ok(())
            })
            .start()
            .await?;
        gateway.wait_connected(Duration::from_secs(5)).await?;
        gateway.proxied("EM-1").info("the gateway speaks for this meter")?;
        gateway.wait().await;
        Ok(())
    })
}
