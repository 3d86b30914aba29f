//! A large module from the cloud: fetched to a file beside everything else, then copied piece by piece.
//!
//! Run it beside a broker (`udmi broker`): `cargo run -p udmi-smol --example smol_update -- 127.0.0.1:1883`
//! Order one: `udmi blob --registry ZZ-TRI-FECTA --device AHU-1 --name firmware --serve firmware.bin`
//!
//! You see how it comes, then `written`, and the program ends with code 192, for its supervisor to start it anew. It is
//! hashed on the way and a lost connection is taken up where it was lost, so the future gets a whole blob or none. It
//! may last: the device stays connected, and other points of the program go on.

use std::time::Duration;

use smol::fs::File;
use smol::io::{AsyncWriteExt as _, copy};
use udmi_smol::udmi_host::fetch::FetchPolicy;
use udmi_smol::udmi_host::store::FileStore;
use udmi_smol::{Blob, BlobError, Device, Notice, Settings, exit_code};

fn main() -> Result<(), udmi_smol::Failure> {
    let broker = std::env::args().nth(1).unwrap_or("127.0.0.1:1883".into());
    let mut settings = Settings::in_registry("ZZ-TRI-FECTA", "AHU-1", broker.parse()?);
    settings.options.blob_limit = 64 << 20; // bytes, at most
    let ended = smol::block_on(async {
        let device = Device::builder(settings)
            .store(FileStore::open("out/store")?)
            .fetch_policy(FetchPolicy::new("out/staging"))
            .on_blob("firmware", write)
            .on_notice(|notice| async move {
                if let Notice::BlobProgress { received, rate, .. } = notice {
                    println!("{received} bytes, {rate} a second");
                }
            })
            .start()
            .await?;
        device.wait_connected(Duration::from_secs(5)).await?;
        Ok::<_, Box<dyn std::error::Error>>(device.wait().await)
    })?;
    std::process::exit(exit_code(ended).into());
}

async fn write(blob: Blob) -> Result<Option<String>, BlobError> {
    let mut place = File::create("out/spare").await?;
    copy(File::open(&blob.path).await?, &mut place).await?;
    place.flush().await?;
    place.sync_all().await?;
    println!("written: {} bytes, {}", blob.size, blob.sha256);
    Ok(Some(blob.generation)) // the version, if there is no better one
}
