//! Software from the cloud, in two stages: installed beside what runs, told, then activated with a restart.
//!
//! Run it beside a broker (`udmi broker`): `cargo run -p udmi-std --example update -- 127.0.0.1:1883`
//! Order an update: `echo v2 > v2.txt; udmi blob --registry ZZ-TRI-FECTA --device AHU-1 --name system --data v2.txt`
//!
//! You see `system is v2 from now on`, and the program ends with code 192, for its supervisor to start it anew; with
//! `udmi watch` the state before that has the outcome and the version. Each order is carried out once, whenever the power
//! goes away. What does not begin with `v` is refused.

use std::fs;
use std::path::Path;
use std::time::Duration;

use udmi_std::udmi_host::fetch::FetchPolicy;
use udmi_std::udmi_host::store::FileStore;
use udmi_std::{BlobError, Device, Notice, Settings, exit_code};

fn main() -> Result<(), udmi_std::Failure> {
    let broker = std::env::args().nth(1).unwrap_or("127.0.0.1:1883".into());
    let mut settings = Settings::in_registry("ZZ-TRI-FECTA", "AHU-1", broker.parse()?);
    let version = fs::read_to_string("out/active").unwrap_or("v1".into());
    settings.identity.software.insert("system".into(), version.trim().into());
    let device = Device::builder(settings)
        .store(FileStore::open("out/store")?)
        .fetch_policy(FetchPolicy::new("out/staging"))
        .on_blob("system", |blob| {
            let version = fs::read_to_string(&blob.path)?;
            if !version.starts_with('v') {
                return Err(BlobError::Invalid("expected a version such as v2".into()));
            }
            fs::rename(&blob.path, "out/installed")?;
            Ok(Some(version.trim().into()))
        })
        .on_activate(|name, version| {
            println!("{name} is {} from now on", version.unwrap_or("another one"));
            // One step from the old software to the new one; after a crash behind it, nothing is left to do.
            if Path::new("out/installed").exists() {
                fs::rename("out/installed", "out/active").map_err(|error| error.to_string())?;
            }
            Ok(())
        })
        .on_check_activation(|_, version| {
            let active = fs::read_to_string("out/active").ok();
            Some(!Path::new("out/installed").exists() && active.as_deref().map(str::trim) == version)
        })
        .on_notice(|notice| {
            if let Notice::BlobProgress { name, received, total, .. } = notice {
                println!("{name}: {received} of {} bytes", total.map_or("?".into(), |all| all.to_string()));
            }
        })
        .start()?;
    device.wait_connected(Duration::from_secs(5))?;
    std::process::exit(exit_code(device.wait()).into());
}
