//! Connects to a broker that asks nobody who they are, and tells what comes of it.
//!
//! Run it beside a broker (`udmi broker`): `cargo run -p udmi-std --example connect_anonymous -- 127.0.0.1:1883`
//! Send a config: `udmi config --registry ZZ-TRI-FECTA --device AHU-1 --set system.operation.mode=active`
//!
//! You see `connected`, then the time stamp of each config, which the device has answered with a state by then. Stop the
//! broker: you see why the connection is gone. Start it again: the device is back. Ctrl-C ends it.

use std::time::Duration;

use udmi_std::{Device, Notice, Settings};

fn main() -> Result<(), udmi_std::Failure> {
    let broker = std::env::args().nth(1).unwrap_or("127.0.0.1:1883".into());
    let settings = Settings::in_registry("ZZ-TRI-FECTA", "AHU-1", broker.parse()?);
    let device = Device::builder(settings)
        .on_notice(|notice| match notice {
            Notice::Connected { .. } => println!("connected"),
            Notice::Disconnected { why } => println!("not connected: {why}"),
            Notice::ConfigApplied { timestamp, .. } => println!("config of {timestamp}"),
            _ => {}
        })
        .start()?;
    // Nothing needs this line: a device goes on trying for ever. It is for those who want to hear of it.
    device.wait_connected(Duration::from_secs(5))?;
    device.wait();
    Ok(())
}
