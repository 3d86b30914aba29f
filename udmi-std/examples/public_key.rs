//! Shows a device's public key, to be registered with the cloud. The key is made if there is none.
//!
//! `cargo run -p udmi-std --example public_key -- out/keys`
//!
//! You see the key as PEM, as `udmi keys show` does. The private half stays in the folder, readable by its owner only, in
//! the file forms that UDMI's site models have.

use udmi_std::udmi_host::key_store::{DeviceKeys, FileKeyStore, KeyFamily, Wanted};

fn main() -> Result<(), udmi_std::Failure> {
    let folder = std::env::args().nth(1).unwrap_or("out/keys".into());
    let store = FileKeyStore::open(folder, KeyFamily::Ec)?;
    let (keys, _made) = DeviceKeys::ensure(store, "AHU-1", Wanted::default())?;
    let public_key = keys.public_key();
    print!("{}", public_key.to_pem());
    eprintln!("{:?}, {} bits, {}", public_key.kind(), public_key.bits(), public_key.fingerprint());
    Ok(())
}
