//! A small module from the cloud, taken as bytes: a time table that is checked before it replaces the one in force.
//!
//! Run it beside a broker (`udmi broker`): `cargo run -p udmi-std --example update_bytes -- 127.0.0.1:1883`
//! Order one: `echo '{"version":"v2","occupied":"07:00"}' > table.json`, then
//! `udmi blob --registry ZZ-TRI-FECTA --device AHU-1 --name time_table --data table.json`
//!
//! You see `occupied from 07:00`. The library has compared the hash by then. With `udmi watch` the state shows the blob
//! as `final`, with the reason if the table could not be used, and the version in `system.software`.

use std::fs;
use std::time::Duration;

use serde_json::Value;
use udmi_std::udmi_host::fetch::FetchPolicy;
use udmi_std::udmi_host::store::FileStore;
use udmi_std::{Blob, BlobError, Device, ExitReason, Settings};

const TABLE: &str = "out/time_table.json";

fn main() -> Result<(), udmi_std::Failure> {
    let broker = std::env::args().nth(1).unwrap_or("127.0.0.1:1883".into());
    // An update ends with a restart of the device, which need not be one of the process.
    loop {
        let settings = Settings::in_registry("ZZ-TRI-FECTA", "AHU-1", broker.parse()?);
        let device = Device::builder(settings)
            .store(FileStore::open("out/store")?)
            .fetch_policy(FetchPolicy::new("out/staging"))
            .on_blob("time_table", |blob| install(&blob))
            .start()?;
        device.wait_connected(Duration::from_secs(5))?;
        if device.wait() != ExitReason::Restart {
            return Ok(());
        }
    }
}

fn install(blob: &Blob) -> Result<Option<String>, BlobError> {
    let bytes = fs::read(&blob.path)?;
    let table: Value =
        serde_json::from_slice(&bytes).map_err(|error| BlobError::Invalid(error.to_string()))?;
    let Some(occupied) = table["occupied"].as_str() else {
        return Err(BlobError::Invalid("the table does not say from when on".into()));
    };
    fs::rename(&blob.path, TABLE)?; // in one step, so that there is always a whole table
    println!("occupied from {occupied}");
    Ok(table["version"].as_str().map(Into::into))
}
