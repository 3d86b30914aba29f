//! Key rotation: the device makes itself a new key, by a command of the cloud or by its own calendar.
//!
//! Run it beside a broker (`udmi broker`): `cargo run -p udmi-std --example rotate -- 127.0.0.1:1883`
//! Rotate: publish anything to `/r/ZZ-TRI-FECTA/d/AHU-1/commands/rotate_key`, or wait for a month
//!
//! You see the new public key, to be registered, and the name of the old pair's backup. If the broker does not take the
//! new key, the old one is put back, and you are told. A crash at any moment leaves one whole pair, never none.

use std::time::Duration;

use udmi_std::udmi_host::key_store::{DeviceKeys, FileKeyStore, KeyFamily, Wanted};
use udmi_std::{Algorithm, Device, Notice, Settings, TokenSettings};

const MONTH: Duration = Duration::from_secs(30 * 24 * 3600);

fn main() -> Result<(), udmi_std::Failure> {
    let broker = std::env::args().nth(1).unwrap_or("127.0.0.1:1883".into());
    let store = FileKeyStore::open("out/keys", KeyFamily::Ec)?;
    let (keys, made) = DeviceKeys::ensure(store, "AHU-1", Wanted::default())?;
    if made.key {
        println!("register this key:\n{}", keys.public_key().to_pem());
    }
    let mut settings = Settings::in_registry("ZZ-TRI-FECTA", "AHU-1", broker.parse()?);
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
        .on_notice(|notice| {
            if let Notice::KeyRestored { backup } = notice {
                println!("the broker does not take the new key; {backup} is back in use");
            }
        })
        .start()?;
    device.wait_connected(Duration::from_secs(60))?; // time to register the key
    while device.wait_for(MONTH).is_none() {
        device.rotate_key()?;
    }
    Ok(())
}
