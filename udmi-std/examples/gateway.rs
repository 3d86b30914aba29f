//! A gateway that acts for two meters: one has closures of its own, the other is read by the closure for all.
//!
//! Run it beside a broker (`udmi broker`): `cargo run -p udmi-std --example gateway -- 127.0.0.1:1883`
//! Say which meters it acts for: `udmi config --registry ZZ-TRI-FECTA --device GAT-1 \
//!  --set 'gateway.proxy_ids=["EM-1","EM-2"]'`
//! Have one publish: `udmi config --registry ZZ-TRI-FECTA --device EM-1 --set pointset.sample_rate_sec=5`
//!
//! With `udmi watch` you see each meter as a device with its own state, samples and logs. After each reconnect, all are
//! attached again. A meter that cannot be read says so in its own state, and the others are not touched by that.

use std::time::Duration;

use udmi_std::{Device, PointModel, Proxied, ProxySettings, Settings};

fn main() -> Result<(), udmi_std::Failure> {
    let broker = std::env::args().nth(1).unwrap_or("127.0.0.1:1883".into());
    let settings = Settings::in_registry("ZZ-TRI-FECTA", "GAT-1", broker.parse()?);
    let limit = PointModel { writable: true, ..PointModel::default() };
    let meter = || Proxied::new(ProxySettings::default()).point("power", PointModel::default());
    let gateway = Device::builder(settings)
        .proxied("EM-1", meter().poll("voltage", || 230.1))
        .proxied("EM-2", meter().point("limit", limit))
        .on_proxied_read(|device, points| {
            println!("{device} is asked for {points:?}");
            // An error here would tell the cloud that the meter cannot be reached.
            Ok(points.iter().map(|point| (point.clone(), 42)).collect::<Vec<_>>())
        })
        .on_proxied_writeback(|device, point, value| {
            println!("{device} {point} := {value}");
            Ok(())
        })
        .start()?;
    gateway.wait_connected(Duration::from_secs(5))?;
    gateway.proxied("EM-1").info("the gateway speaks for this meter")?;
    gateway.wait();
    Ok(())
}
