//! Events of the application's own, in a folder beside UDMI's.
//!
//! Run it beside a broker (`udmi broker`): `cargo run -p udmi-std --example custom_event -- 127.0.0.1:1883`
//! Have it speak: `udmi config --registry ZZ-TRI-FECTA --device AHU-1 --set system.operation.mode=active`
//!
//! With `udmi watch` you see an event on `events/heartbeat` every ten seconds; time stamp and version are added. Events
//! wait while the broker is away, in the same order as all others.

use std::time::{Duration, Instant};

use serde_json::json;
use udmi_std::{Device, HandleError, Settings};

fn main() -> Result<(), udmi_std::Failure> {
    let broker = std::env::args().nth(1).unwrap_or("127.0.0.1:1883".into());
    let settings = Settings::in_registry("ZZ-TRI-FECTA", "AHU-1", broker.parse()?);
    let device = Device::builder(settings).start()?;
    device.wait_connected(Duration::from_secs(5))?;
    let started = Instant::now();
    for count in 1.. {
        let beat = json!({ "count": count, "uptime_sec": started.elapsed().as_secs() });
        match device.send_event("heartbeat", &beat.to_string()) {
            Ok(()) => {}
            Err(HandleError::Full) => eprintln!("too much is waiting already, this one is left out"),
            Err(error) => return Err(error.into()),
        }
        if device.wait_for(Duration::from_secs(10)).is_some() {
            break;
        }
    }
    Ok(())
}
