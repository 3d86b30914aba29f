//! Connects by TLS with a certificate that is there already (mutual TLS).
//!
//! `cargo run -p udmi-std --example connect_mtls -- mqtts://localhost:8883 ca.pem device.pem device.key`
//!
//! The files are the certificate of who signed the broker's one, the device's certificate, and its private key in any of
//! the usual forms. You see `connected`, or in words what one side has against the certificate of the other.

use std::env::args;
use std::path::Path;
use std::time::Duration;

use udmi_std::udmi_host::keys::PrivateKey;
use udmi_std::udmi_host::tls::{Identity, Pem, TlsSettings, Trust};
use udmi_std::{Device, Settings};

fn main() -> Result<(), udmi_std::Failure> {
    let broker = args().nth(1).unwrap_or("mqtts://localhost:8883".into());
    let file = |place, usual: &str| args().nth(place).unwrap_or(usual.into());
    let tls = TlsSettings {
        trust: Trust::Private(Pem::File(file(2, "ca.pem").into())),
        identity: Some(Identity {
            certificates: Pem::File(file(3, "device.pem").into()),
            key: PrivateKey::load(Path::new(&file(4, "device.key")), None)?,
        }),
    };
    let settings = Settings::in_registry("ZZ-TRI-FECTA", "AHU-1", broker.parse()?);
    let device = Device::builder(settings).tls(tls).start()?;
    device.wait_connected(Duration::from_secs(5))?;
    println!("connected");
    device.wait();
    Ok(())
}
