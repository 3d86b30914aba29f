//! Redirection: the cloud sends the device to another broker, and it comes back if there is no work for it there.
//!
//! Run it beside two brokers (`udmi broker`, `udmi broker --port 1884`):
//! `cargo run -p udmi-std --example redirect -- 127.0.0.1:1883`
//! Give it a config: `udmi config --registry ZZ-TRI-FECTA --device AHU-1 --set system.operation.mode=active`
//! Send it away: `udmi endpoint --registry ZZ-TRI-FECTA --device AHU-1 --to mqtt://127.0.0.1:1884 --mirror`
//!
//! You see where it goes and, with the first config there, that it stays; without `--mirror` there is none, and you see
//! why it came back. With `udmi watch` the state tells the same. A restart begins where the device was last at work:
//! only an endpoint that has delivered a config is stored, so no crash can lose the way.

use std::time::Duration;

use udmi_std::udmi_host::store::FileStore;
use udmi_std::{Device, Redirect, Settings};

fn main() -> Result<(), udmi_std::Failure> {
    let broker = std::env::args().nth(1).unwrap_or("127.0.0.1:1883".into());
    let settings = Settings::in_registry("ZZ-TRI-FECTA", "AHU-1", broker.parse()?);
    let device = Device::builder(settings)
        .store(FileStore::open("out/store")?)
        .on_redirect(|redirect| match redirect {
            Redirect::Leaving { to, .. } => println!("leaving for {to}"),
            Redirect::Ended { endpoint, failure: None, .. } => println!("at work at {endpoint}"),
            Redirect::Ended { endpoint, failure: Some(why), .. } => println!("back at {endpoint}: {why}"),
        })
        .start()?;
    device.wait_connected(Duration::from_secs(5))?;
    device.wait();
    Ok(())
}
