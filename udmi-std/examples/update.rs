//! A device that takes software from the cloud, beside a broker on this machine: `cargo run --example update`.
//! Order an update with `udmi blob`, and the program starts itself anew with it.

use std::fs;
use std::path::Path;

use udmi_std::udmi_host::fetch::FetchPolicy;
use udmi_std::udmi_host::store::FileStore;
use udmi_std::udmi_proto::exit_code;
use udmi_std::{BlobError, Device, Endpoint, Notice, Settings, Transport};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let endpoint = Endpoint { host: "localhost".into(), port: 1883, transport: Transport::Tcp };
    let mut settings = Settings::new("AHU-1", endpoint, "/r/ZZ-TRI-FECTA/d/AHU-1", "/r/ZZ-TRI-FECTA/d/AHU-1");
    let version = fs::read_to_string("out/active").unwrap_or("v1".into());
    settings.identity.software.insert("system".into(), version.trim().into());
    let device = Device::builder(settings)
        .store(FileStore::open("out/store")?)
        .fetch_policy(FetchPolicy::new("out/staging"))
        .on_blob("system", |blob| {
            let version = fs::read_to_string(&blob.path)?;
            if !version.trim_start().starts_with('v') {
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
                println!(
                    "{name}: {received} of {} bytes",
                    total.map_or("?".into(), |total| total.to_string())
                );
            }
        })
        .start()?;
    std::process::exit(exit_code(device.wait()).into());
}
