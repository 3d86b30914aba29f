//! Connects with signed tokens (JWT), as the brokers of IoT clouds want it.
//!
//! `cargo run -p udmi-std --example connect_token -- mqtts://broker.example:8883 my-project [CA-FILE]`
//!
//! The first run makes a key, and you see the public half of it: register it with the cloud. From then on each
//! connection is made with a fresh token for the audience `my-project`, and renewed before it expires. Without a file of
//! certificates to trust, those of the operating system are.

use std::env::args;
use std::time::Duration;

use udmi_std::udmi_host::key_store::{DeviceKeys, FileKeyStore, KeyFamily, Wanted};
use udmi_std::udmi_host::tls::{Pem, TlsSettings, Trust};
use udmi_std::{Algorithm, Device, Settings, TokenSettings};

fn main() -> Result<(), udmi_std::Failure> {
    let broker = args().nth(1).unwrap_or("mqtts://localhost:8883".into());
    let audience = args().nth(2).unwrap_or("my-project".into());
    let trust = args().nth(3).map_or(Trust::System, |file| Trust::Private(Pem::File(file.into())));

    let store = FileKeyStore::open("out/keys", KeyFamily::Ec)?;
    let (keys, made) = DeviceKeys::ensure(store, "AHU-1", Wanted::default())?;
    if made.key {
        println!("register this key:\n{}", keys.public_key().to_pem());
    }
    let mut settings = Settings::in_registry("ZZ-TRI-FECTA", "AHU-1", broker.parse()?);
    settings.client_id =
        format!("projects/{audience}/locations/us-central1/registries/ZZ-TRI-FECTA/devices/AHU-1");
    settings.topic_prefix = "/devices/AHU-1".into();
    settings.token = Some(TokenSettings {
        algorithm: Algorithm::Es256, // or Rs256, with an RSA key
        audience,
        username: "unused".into(), // brokers look at the token only
        lifetime_seconds: 3600,
    });
    let device = Device::builder(settings).tls(TlsSettings { trust, identity: None }).keys(keys).start()?;
    device.wait_connected(Duration::from_secs(60))?; // time to register the key
    println!("connected");
    device.wait();
    Ok(())
}
