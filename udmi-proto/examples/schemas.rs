//! Writes the JSON Schemas of the model into `schemas/`, and removes what does not belong there.
//!
//! Run in the project's folder: `cargo run -p udmi-proto --example schemas`

use std::path::Path;
use std::{fs, io};

use udmi_proto::model::documents;

fn main() -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas");
    fs::create_dir_all(&folder)?;
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
        if path.extension().is_some_and(|extension| extension == "json") && documents::find(name).is_none() {
            fs::remove_file(&path)?;
        }
    }
    for (name, text) in documents::schemas() {
        fs::write(folder.join(format!("{name}.json")), text)?;
    }
    Ok(())
}
