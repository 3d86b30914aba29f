//! A block of the application's own in config and state, and a command of its own, as any part of a device has them.
//!
//! Run it beside a broker (`udmi broker`): `cargo run -p udmi-std --example custom_block -- 127.0.0.1:1883`
//! Configure the lift: `udmi config --registry ZZ-TRI-FECTA --device AHU-1 --set elevator.floors=4`
//!
//! You see `4 floors`, and with `udmi watch` the block `elevator` in the state; it goes when the config loses it. The
//! command `call` (on the topic `commands/call`, such as `{"floor":3}`) moves the lift.

use std::sync::mpsc::channel;
use std::time::Duration;

use serde_json::{Value, json};
use udmi_std::{CommandError, Device, Settings};

fn main() -> Result<(), udmi_std::Failure> {
    let broker = std::env::args().nth(1).unwrap_or("127.0.0.1:1883".into());
    let settings = Settings::in_registry("ZZ-TRI-FECTA", "AHU-1", broker.parse()?);
    let (shown, blocks) = channel();
    let moved = shown.clone();
    let device = Device::builder(settings)
        .on_config_block("elevator", move |block| {
            let config = block.and_then(|block| serde_json::from_str::<Value>(block).ok());
            let floors = config.and_then(|config| config["floors"].as_u64());
            floors.inspect(|floors| println!("{floors} floors"));
            let _ = shown.send(floors.map(|floors| json!({ "floors": floors, "at": 0 })));
        })
        .on_command(move |name, payload| {
            if name != "call" {
                return Err(CommandError::Unknown);
            }
            let call: Value = serde_json::from_str(payload).map_err(|error| error.to_string())?;
            println!("called to {}", call["floor"]);
            moved.send(Some(json!({ "at": call["floor"] }))).map_err(|_| "the lift is gone".into())
        })
        .start()?;
    device.wait_connected(Duration::from_secs(5))?;
    // Ends with the device, since the closures and their senders do.
    for block in blocks {
        device.set_block("elevator", block.map(|block| block.to_string()).as_deref())?;
    }
    Ok(())
}
