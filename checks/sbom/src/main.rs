//! Writes `target/sbom/<name>.cdx.json` of the command and of each library of the workspace.

use std::fs;
use std::process::{Command, ExitCode};

use sbom::bill::{Kind, Sources, document};
use sbom::{lock, repository, tree};

/// Packages, and the names of what comes of them.
const PACKAGES: [(&str, &str, Kind); 7] = [
    ("udmi-cli", "udmi", Kind::Application),
    ("device-broker", "device-broker", Kind::Library),
    ("device-link", "device-link", Kind::Library),
    ("udmi-host", "udmi-host", Kind::Library),
    ("udmi-proto", "udmi-proto", Kind::Library),
    ("udmi-smol", "udmi-smol", Kind::Library),
    ("udmi-std", "udmi-std", Kind::Library),
];

fn main() -> ExitCode {
    match write_all() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn write_all() -> Result<(), String> {
    let repository = repository();
    let lock = fs::read_to_string(repository.join("Cargo.lock"));
    let lock = lock.map_err(|error| format!("Cargo.lock cannot be read: {error}"))?;
    let checksums = lock::checksums(&lock);
    let compiler = compiler()?;
    let folder = repository.join("target/sbom");
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for (package, name, kind) in PACKAGES {
        let linked = tree::of(&repository, package, "normal,no-proc-macro")?;
        let built = tree::of(&repository, package, "normal,build")?;
        let sources = Sources { linked: &linked, built: &built, checksums: &checksums, compiler: &compiler };
        let file = folder.join(format!("{name}.cdx.json"));
        let text = format!("{:#}\n", document(kind, name, &sources));
        fs::write(&file, text).map_err(|error| format!("{}: {error}", file.display()))?;
        let (linked, built) = (linked.packages.len(), built.packages.len());
        println!("{}: {linked} packages linked, {} more for building", file.display(), built - linked);
    }
    Ok(())
}

/// The version of the compiler, as `1.95.0`.
fn compiler() -> Result<String, String> {
    let said = Command::new("rustc").arg("--version").output();
    let said = said.map_err(|error| format!("rustc cannot be started: {error}"))?;
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    said.split(' ').nth(1).map(str::to_owned).ok_or_else(|| format!("rustc says {said:?}"))
}
