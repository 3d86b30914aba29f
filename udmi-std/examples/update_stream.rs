//! A large module from the cloud, as a stream: never more than a piece of it is in memory.
//!
//! Run it beside a broker (`udmi broker`): `cargo run -p udmi-std --example update_stream -- 127.0.0.1:1883`
//! Order one: `udmi blob --registry ZZ-TRI-FECTA --device AHU-1 --name firmware --serve firmware.bin`
//!
//! You see how much has come, then `written`. While it comes it goes to a file, hashed on the way, and a lost connection
//! is taken up where it was lost; so the program gets a whole blob or none. It copies it piece by piece to its
//! place, here a file, as it would to the spare partition of a flash memory.

use std::fs::File;
use std::io::{BufReader, Write as _, copy};
use std::time::Duration;

use udmi_std::udmi_host::fetch::FetchPolicy;
use udmi_std::udmi_host::store::FileStore;
use udmi_std::{Blob, BlobError, Device, Notice, Settings, exit_code};

fn main() -> Result<(), udmi_std::Failure> {
    let broker = std::env::args().nth(1).unwrap_or("127.0.0.1:1883".into());
    let mut settings = Settings::in_registry("ZZ-TRI-FECTA", "AHU-1", broker.parse()?);
    settings.options.blob_limit = 64 << 20; // bytes, at most
    let device = Device::builder(settings)
        .store(FileStore::open("out/store")?)
        .fetch_policy(FetchPolicy::new("out/staging"))
        .on_blob("firmware", |blob| write(&blob))
        .on_notice(|notice| {
            if let Notice::BlobProgress { received, rate, .. } = notice {
                println!("{received} bytes, {rate} a second");
            }
        })
        .start()?;
    device.wait_connected(Duration::from_secs(5))?;
    std::process::exit(exit_code(device.wait()).into());
}

/// Runs on a thread of its own, so it may last; the device stays connected meanwhile.
fn write(blob: &Blob) -> Result<Option<String>, BlobError> {
    let mut place = File::create("out/spare")?;
    copy(&mut BufReader::new(File::open(&blob.path)?), &mut place)?;
    place.flush()?;
    place.sync_all()?;
    println!("written: {} bytes, {}", blob.size, blob.sha256);
    Ok(Some(blob.generation.clone())) // the version, if there is no better one
}
