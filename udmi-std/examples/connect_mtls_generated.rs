//! Connects by TLS with a key and a certificate that the device makes by itself at its first start.
//!
//! `cargo run -p udmi-std --example connect_mtls_generated -- mqtts://localhost:8883 ca.pem`
//!
//! You see where the new certificate is: register it with the broker. The device tries until that is done, and you see
//! `connected`. Further runs find key and certificate in `out/keys`, where nobody else can read the key.

use std::env::args;
use std::time::Duration;

use udmi_std::udmi_host::key_store::{DeviceKeys, FileKeyStore, KeyFamily, Wanted};
use udmi_std::udmi_host::tls::{Pem, TlsSettings, Trust};
use udmi_std::{Device, Settings};

fn main() -> Result<(), udmi_std::Failure> {
    let broker = args().nth(1).unwrap_or("mqtts://localhost:8883".into());
    let ca = args().nth(2).unwrap_or("ca.pem".into());

    let store = FileKeyStore::open("out/keys", KeyFamily::Ec)?;
    let certificate = store.certificate_file();
    let (keys, made) = DeviceKeys::ensure(store, "AHU-1", Wanted::default())?;
    if made.certificate {
        println!("register this certificate: {}", certificate.display());
    }
    let settings = Settings::in_registry("ZZ-TRI-FECTA", "AHU-1", broker.parse()?);
    let device = Device::builder(settings)
        .tls(TlsSettings { trust: Trust::Private(Pem::File(ca.into())), identity: None })
        .keys(keys)
        .start()?;
    device.wait_connected(Duration::from_secs(60))?; // time to register the certificate
    println!("connected");
    device.wait();
    Ok(())
}
