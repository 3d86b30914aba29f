//! Connects with a user name and a password.
//!
//! Run a broker that wants them: `udmi broker --user ahu:s3cret`. Then
//! `UDMI_USERNAME=ahu UDMI_PASSWORD=s3cret cargo run -p udmi-std --example connect_password -- 127.0.0.1:1883`
//!
//! You see `connected as ahu`; with another password, that the broker does not accept it. UDMI's own brokers derive the
//! password from the device's key instead: `DeviceKeys::password` of `udmi_host` does so.

use std::env::{args, var};
use std::time::Duration;

use udmi_std::{Credentials, Device, Secret, Settings};

fn main() -> Result<(), udmi_std::Failure> {
    let broker = args().nth(1).unwrap_or("127.0.0.1:1883".into());
    let mut settings = Settings::in_registry("ZZ-TRI-FECTA", "AHU-1", broker.parse()?);
    // From the environment, since everybody on this machine can see a command line.
    let username = var("UDMI_USERNAME").map_err(|_| "UDMI_USERNAME says no user name")?;
    let password = var("UDMI_PASSWORD").map_err(|_| "UDMI_PASSWORD says no password")?;
    settings.credentials = Some(Credentials { username: username.clone(), password: Secret::new(password) });
    let device = Device::builder(settings).start()?;
    device.wait_connected(Duration::from_secs(5))?;
    println!("connected as {username}");
    device.wait();
    Ok(())
}
