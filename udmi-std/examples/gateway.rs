//! A gateway that acts for two meters: one has closures of its own, the other is read by the closure for all. Run it
//! beside a broker on this machine, and name the meters in the gateway's config: `"gateway": { "proxy_ids": ["EM-1", "EM-2"] }`

use udmi_std::{Device, Endpoint, PointModel, Proxied, ProxySettings, Settings, Transport};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let endpoint = Endpoint { host: "localhost".into(), port: 1883, transport: Transport::Tcp };
    let settings = Settings::new("GAT-1", endpoint, "/r/ZZ-TRI-FECTA/d/GAT-1", "/r/ZZ-TRI-FECTA/d/GAT-1");
    let meter = || Proxied::new(ProxySettings::default()).point("power", PointModel::default());
    let gateway = Device::builder(settings)
        .proxied("EM-1", meter().poll("voltage", || 230.1))
        .proxied("EM-2", meter())
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
    gateway.proxied("EM-1").info("the gateway speaks for this meter")?;
    gateway.wait();
    Ok(())
}
