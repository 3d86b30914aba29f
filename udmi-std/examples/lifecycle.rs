//! The cloud restarts the device or ends it, by its config or by a command, and the application has its say.
//!
//! Run it beside a broker (`udmi broker`): `cargo run -p udmi-std --example lifecycle -- 127.0.0.1:1883`
//! Bring it to work: `udmi config --registry ZZ-TRI-FECTA --device AHU-1 --set system.operation.mode=active`
//! Restart it: the same with `mode=restart --no-wait`, then with `mode=active` again
//!
//! You see `restarting`, and `run 2` of the same process; with `udmi watch` a state of the mode `restart`, then one with
//! another restart count. The command `shutdown` ends the program in order: last state, last logs, farewell. While the
//! file `busy` is there, the cloud is told that the device cannot restart now.

use std::path::Path;
use std::sync::mpsc::channel;
use std::time::Duration;

use udmi_std::udmi_host::store::FileStore;
use udmi_std::{CommandError, Device, ExitReason, Settings, exit_code};

fn main() -> Result<(), udmi_std::Failure> {
    let mut run = 1;
    loop {
        println!("run {run}");
        match run_once()? {
            ExitReason::Restart => println!("restarting"),
            // What a supervisor of the process understands: 192 to start anew, 193 and 0 not to.
            reason => std::process::exit(exit_code(reason).into()),
        }
        run += 1;
    }
}

fn run_once() -> Result<ExitReason, Box<dyn std::error::Error>> {
    let broker = std::env::args().nth(1).unwrap_or("127.0.0.1:1883".into());
    let settings = Settings::in_registry("ZZ-TRI-FECTA", "AHU-1", broker.parse()?);
    let (order, orders) = channel();
    let device = Device::builder(settings)
        .store(FileStore::open("out/store")?) // counts the restarts
        .on_lifecycle(|action| {
            if Path::new("busy").exists() { Err(format!("busy, no {action:?} now")) } else { Ok(()) }
        })
        .on_command(move |name, _| match name {
            "shutdown" => order.send(ExitReason::Shutdown).map_err(|_| "it ends already".into()),
            _ => Err(CommandError::Unknown),
        })
        .start()?;
    device.wait_connected(Duration::from_secs(5))?;
    // Ends with the device, since the closure and its sender do.
    for reason in orders {
        device.stop_for(reason);
    }
    Ok(device.wait())
}
