//! The application's log records as entries of the device's system log.
//!
//! Run it beside a broker (`udmi broker`): `cargo run -p udmi-std --example logging -- 127.0.0.1:1883`
//! Ask for all of them: `udmi config --registry ZZ-TRI-FECTA --device AHU-1 --set system.min_loglevel=100`
//!
//! With `udmi watch` you see the entries, in categories made of the records' targets; with a level of 400 only the
//! warnings. Logging never blocks: what does not fit is dropped. The library's own records do not come back.

use std::time::Duration;

use log::{LevelFilter, info, warn};
use udmi_std::{Category, Device, Level, Settings};

fn main() -> Result<(), udmi_std::Failure> {
    let broker = std::env::args().nth(1).unwrap_or("127.0.0.1:1883".into());
    let settings = Settings::in_registry("ZZ-TRI-FECTA", "AHU-1", broker.parse()?);
    let device = Device::builder(settings).start()?;
    device.log_bridge(LevelFilter::Info).install()?;
    log::set_max_level(LevelFilter::Info);
    device.wait_connected(Duration::from_secs(5))?;
    for minute in 0.. {
        info!(target: "fan", "running for {minute} minutes");
        if minute % 10 == 9 {
            warn!(target: "fan::bearing", "due for grease");
        }
        // Without the crate `log`: in words, or with level and category.
        device.info("all is well")?;
        device.log(Level::NOTICE, Category::device("door"), "opened")?;
        if device.wait_for(Duration::from_secs(60)).is_some() {
            break;
        }
    }
    Ok(())
}
