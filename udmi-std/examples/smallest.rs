//! As small as a device gets: one thread, TLS, two points, one of which the cloud may set.
//!
//! `cargo run -p udmi-std --example smallest -- mqtts://localhost:8883 ca.pem`
//!
//! The file is the certificate of who signed the broker's one; `UDMI_USERNAME` and `UDMI_PASSWORD` are what it lets in.
//! You see `setpoint := 21` if the cloud sets it, and why there is no connection if there is none. What a device does not
//! ask its builder for (fetching, keys, field devices, traces) is not in the program. docs/performance.md tells how it is
//! built and how large it is.

use std::env::{args, var};
use std::time::{Duration, Instant};

use udmi_std::udmi_host::tls::{Pem, TlsSettings, Trust};
use udmi_std::{Credentials, Device, Notice, PointModel, Secret, Settings};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let broker = args().nth(1).unwrap_or("mqtts://localhost:8883".into());
    let authority = args().nth(2).unwrap_or("ca.pem".into());
    let mut settings = Settings::in_registry("ZZ-TRI-FECTA", "AHU-1", broker.parse()?);
    if let (Ok(username), Ok(password)) = (var("UDMI_USERNAME"), var("UDMI_PASSWORD")) {
        settings.credentials = Some(Credentials { username, password: Secret::new(password) });
    }
    let started = Instant::now();
    let mut device = Device::builder(settings)
        .tls(TlsSettings { trust: Trust::Private(Pem::File(authority.into())), identity: None })
        .poll("uptime", move || started.elapsed().as_secs_f64())
        .point("setpoint", PointModel { writable: true, ..PointModel::default() })
        .on_writeback(|point, value| {
            println!("{point} := {value}");
            Ok(())
        })
        .on_notice(|notice| {
            if let Notice::Disconnected { why } = notice {
                println!("not connected: {why}");
            }
        })
        .start_bare()?;
    while device.turn(Duration::from_secs(3600)).is_none() {}
    Ok(())
}
