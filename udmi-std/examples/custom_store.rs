//! A store of one's own: what the device remembers goes where the application keeps its other things.
//!
//! Run it beside a broker (`udmi broker`): `cargo run -p udmi-std --example custom_store -- 127.0.0.1:1883`
//! Have it speak: `udmi config --registry ZZ-TRI-FECTA --device AHU-1 --set system.operation.mode=active`
//!
//! You see what is saved, and in `out/memory.json` all of it; run the program again, and the state shows a restart count
//! that is one more. A store maps short names to JSON objects, and is called on a thread of its own.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::time::Duration;

use serde_json::value::RawValue;
use udmi_std::udmi_host::store::{SetAside, Store, StoreError};
use udmi_std::{Device, Settings};

const FILE: &str = "out/memory.json";

fn main() -> Result<(), udmi_std::Failure> {
    let broker = std::env::args().nth(1).unwrap_or("127.0.0.1:1883".into());
    let settings = Settings::in_registry("ZZ-TRI-FECTA", "AHU-1", broker.parse()?);
    fs::create_dir_all("out")?;
    let device = Device::builder(settings).store(OneFile).start()?;
    device.wait_connected(Duration::from_secs(5))?;
    device.wait();
    Ok(())
}

/// All values in one JSON document.
struct OneFile;

type Values = BTreeMap<String, Box<RawValue>>;

impl OneFile {
    fn read() -> io::Result<Values> {
        match fs::read(FILE) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(io::Error::other),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Values::new()),
            Err(error) => Err(error),
        }
    }

    /// When this returns, the new file is on the disc; at no moment is there half a one.
    fn write(values: &Values) -> io::Result<()> {
        let mut file = File::create("out/memory.new")?;
        file.write_all(&serde_json::to_vec_pretty(values)?)?;
        file.sync_all()?;
        fs::rename("out/memory.new", FILE)?;
        File::open("out")?.sync_all()
    }
}

impl Store for OneFile {
    fn load(&mut self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.load_all()?.remove(key))
    }

    fn save(&mut self, key: &str, value: Option<&[u8]>) -> Result<(), StoreError> {
        let mut values = Self::read().map_err(failed)?;
        if let Some(value) = value {
            let value = serde_json::from_slice(value).map_err(|error| failed(error.into()))?;
            values.insert(key.into(), value);
        } else {
            values.remove(key);
        }
        Self::write(&values).map_err(failed)?;
        println!("saved {key}");
        Ok(())
    }

    fn load_all(&mut self) -> Result<BTreeMap<String, Vec<u8>>, StoreError> {
        let values = Self::read().map_err(failed)?;
        Ok(values.into_iter().map(|(key, value)| (key, value.get().into())).collect())
    }

    fn take_notices(&mut self) -> Vec<SetAside> {
        Vec::new() // what cannot be read is an error here, and nothing is set aside
    }
}

fn failed(error: io::Error) -> StoreError {
    StoreError::Io { what: "cannot use", path: FILE.into(), error }
}
