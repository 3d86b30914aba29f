//! Points that come and go while the device runs, as sensors do that are plugged in.
//!
//! Run it beside a broker (`udmi broker`), with a folder that has a file for each sensor, such as those of a 1-Wire bus:
//! `cargo run -p udmi-std --example dynamic_points -- 127.0.0.1:1883 sensors`
//! Name a point: `udmi config --registry ZZ-TRI-FECTA --device AHU-1 --set pointset.points.attic={}`
//! Plug its sensor in: `echo 17.5 > sensors/attic`
//!
//! With `udmi watch` you see the point as unknown at first, and nominal with its value once there is a sensor for it.
//! `rm sensors/attic` takes it away again. The config need not change for any of that.

use std::collections::BTreeSet;
use std::error::Error;
use std::path::Path;
use std::time::Duration;
use std::{fs, io};

use udmi_std::{Device, PointModel, Settings};

fn main() -> Result<(), udmi_std::Failure> {
    let broker = std::env::args().nth(1).unwrap_or("127.0.0.1:1883".into());
    let folder = std::env::args().nth(2).unwrap_or("sensors".into());
    let settings = Settings::in_registry("ZZ-TRI-FECTA", "AHU-1", broker.parse()?);
    let device = Device::builder(settings).start()?;
    device.wait_connected(Duration::from_secs(5))?;
    let mut known = BTreeSet::new();
    while device.wait_for(Duration::from_millis(500)).is_none() {
        let plugged: BTreeSet<String> = sensors(&folder)?;
        for sensor in plugged.difference(&known) {
            println!("{sensor} was plugged in");
            device.define_point(sensor, PointModel::default())?;
        }
        for sensor in known.difference(&plugged) {
            println!("{sensor} was pulled out");
            device.remove_point(sensor)?;
        }
        for sensor in &plugged {
            device.set_point(sensor, measure(&Path::new(&folder).join(sensor)))?;
        }
        known = plugged;
    }
    Ok(())
}

fn sensors(folder: &str) -> io::Result<BTreeSet<String>> {
    fs::read_dir(folder)?.map(|file| Ok(file?.file_name().to_string_lossy().into_owned())).collect()
}

fn measure(file: &Path) -> Result<f64, Box<dyn Error>> {
    Ok(fs::read_to_string(file)?.trim().parse()?)
}
