//! Connects, by TLS if the endpoint says so, and tells what comes of it.
//!
//! Run it beside a broker (`udmi broker`): `cargo run -p udmi-smol --example smol_connect -- 127.0.0.1:1883`
//! or with a broker's certificate: `cargo run -p udmi-smol --example smol_connect -- mqtts://localhost:8883 ca.pem`
//! Send a config: `udmi config --registry ZZ-TRI-FECTA --device AHU-1 --set system.operation.mode=active`
//!
//! You see `connected`, then the time stamp of each config. `UDMI_USERNAME` and `UDMI_PASSWORD` are shown to brokers that
//! want them. Keys, tokens and certificates are the same as for threads: see those examples.

use std::env::{args, var};
use std::time::Duration;

use udmi_smol::udmi_host::tls::{Pem, TlsSettings, Trust};
use udmi_smol::{Credentials, Device, Notice, Secret, Settings};

fn main() -> Result<(), udmi_smol::Failure> {
    let broker = args().nth(1).unwrap_or("127.0.0.1:1883".into());
    let trust = args().nth(2).map_or(Trust::System, |file| Trust::Private(Pem::File(file.into())));
    let mut settings = Settings::in_registry("ZZ-TRI-FECTA", "AHU-1", broker.parse()?);
    if let (Ok(username), Ok(password)) = (var("UDMI_USERNAME"), var("UDMI_PASSWORD")) {
        settings.credentials = Some(Credentials { username, password: Secret::new(password) });
    }
    smol::block_on(async {
        let device = Device::builder(settings)
            .tls(TlsSettings { trust, identity: None })
            .on_notice(|notice| async move {
                match notice {
                    Notice::Connected { .. } => println!("connected"),
                    Notice::Disconnected { why } => println!("not connected: {why}"),
                    Notice::ConfigApplied { timestamp, .. } => println!("config of {timestamp}"),
                    _ => {}
                }
            })
            .start()
            .await?;
        device.wait_connected(Duration::from_secs(5)).await?;
        device.wait().await;
        Ok(())
    })
}
