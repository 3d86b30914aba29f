//! A device that proves itself by tokens and makes itself a new key once a day, beside a broker on this machine:
//! `cargo run --example rotate`

use std::time::Duration;

use udmi_std::udmi_host::key_store::{DeviceKeys, FileKeyStore, KeyFamily, Wanted};
use udmi_std::udmi_proto::{Algorithm, TokenSettings};
use udmi_std::{Device, Endpoint, Settings, Transport};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (keys, made) =
        DeviceKeys::ensure(FileKeyStore::open("out/keys", KeyFamily::Ec)?, "AHU-1", Wanted::default())?;
    if made.key {
        println!("register this key:\n{}", keys.public_key().to_pem());
    }
    let endpoint = Endpoint { host: "localhost".into(), port: 1883, transport: Transport::Tcp };
    let mut settings = Settings::new("AHU-1", endpoint, "/r/ZZ-TRI-FECTA/d/AHU-1", "/r/ZZ-TRI-FECTA/d/AHU-1");
    settings.token = Some(TokenSettings {
        algorithm: Algorithm::Es256,
        audience: "ZZ-TRI-FECTA".into(),
        username: "unused".into(),
        lifetime_seconds: 3600,
    });
    let device = Device::builder(settings)
        .keys(keys)
        .on_key_rotated(|public_key, backup| {
            println!("register this key; the old one is kept as {backup}:\n{public_key}");
        })
        .start()?;
    while device.wait_for(Duration::from_secs(24 * 3600)).is_none() {
        device.rotate_key()?;
    }
    Ok(())
}
