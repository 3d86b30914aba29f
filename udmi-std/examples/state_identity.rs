//! What the device tells of itself: make, model, serial number, versions of its software.
//!
//! Run it beside a broker (`udmi broker`): `cargo run -p udmi-std --example state_identity -- 127.0.0.1:1883`
//! Have it speak: `udmi config --registry ZZ-TRI-FECTA --device AHU-1 --set system.operation.mode=active`
//!
//! With `udmi watch` you see the identity in the state, and a second state once the bus driver has told its version. The
//! library adds what it knows: the last config, the restart count, the mode.

use std::fs;
use std::time::Duration;

use udmi_std::{Device, Identity, Settings};

fn main() -> Result<(), udmi_std::Failure> {
    let broker = std::env::args().nth(1).unwrap_or("127.0.0.1:1883".into());
    let mut settings = Settings::in_registry("ZZ-TRI-FECTA", "AHU-1", broker.parse()?);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or("unknown".into());
    settings.identity = Identity {
        make: "Delta Controls".into(),
        model: "Red5 Controller".into(),
        rev: Some("C".into()),
        serial_no: "SN-998877-XY".into(),
        software: [
            ("firmware".into(), concat!("v", env!("CARGO_PKG_VERSION")).into()),
            ("kernel".into(), kernel.trim().into()),
        ]
        .into(),
        ..Identity::default()
    };
    let device = Device::builder(settings).start()?;
    device.wait_connected(Duration::from_secs(5))?;
    // Known only later than the rest: it is told when it is known.
    device.set_software("bus_driver", Some("2.1"))?;
    device.ready()?;
    device.wait();
    Ok(())
}
