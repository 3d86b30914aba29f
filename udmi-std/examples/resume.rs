//! Resuming: a device that is started again knows what it was, and what it had to say is not lost.
//!
//! Start it without a broker, and stop it by typing `stop`: `cargo run -p udmi-std --example resume -- 127.0.0.1:1883`
//! Then start a broker (`udmi broker`), and the program again.
//!
//! With `udmi watch` you see the events of both runs, those of the first one first, and a restart count that says which
//! run it is. A value that the cloud has set is put in force again by the config that the broker keeps.

use std::io::stdin;
use std::time::Duration;

use serde_json::json;
use udmi_std::udmi_host::store::FileStore;
use udmi_std::{Device, Limits, PointModel, Settings};

fn main() -> Result<(), udmi_std::Failure> {
    let broker = std::env::args().nth(1).unwrap_or("127.0.0.1:1883".into());
    let settings = Settings::in_registry("ZZ-TRI-FECTA", "AHU-1", broker.parse()?);
    // What the broker has not acknowledged when the device ends is kept; without this line, it ends with the run.
    let limits = Limits { outbox_kept_bytes: 256 << 10, ..Limits::default() };
    let device = Device::builder(settings)
        .store(FileStore::open("out/store")?)
        .limits(limits)
        .point("setpoint", PointModel { writable: true, ..PointModel::default() })
        .on_writeback(|point, value| {
            println!("{point} := {value}");
            Ok(())
        })
        .start()?;
    device.send_event("journal", &json!({ "what": "started", "process": std::process::id() }).to_string())?;
    if let Err(error) = device.wait_connected(Duration::from_secs(1)) {
        println!("{error}; what is told waits");
    }
    for line in stdin().lines() {
        match line?.as_str() {
            "stop" => break,
            note => device.send_event("journal", &json!({ "what": note }).to_string())?,
        }
    }
    device.stop();
    device.wait();
    Ok(())
}
