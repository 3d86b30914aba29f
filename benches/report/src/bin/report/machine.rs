//! What was measured on, and with.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use crate::callgrind;
use crate::program::line;

/// The compiler that has made this program, as cargo has it.
pub(crate) fn compiler() -> String {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    line(&rustc, &["--version"]).unwrap_or_else(|| "an unknown compiler".into())
}

/// The machine's kind and its C library.
pub(crate) fn target() -> String {
    let libc = line("ldd", &["--version"]);
    let libc = libc.and_then(|line| line.split_whitespace().last().map(str::to_owned));
    format!(
        "{} {}, libc {}",
        std::env::consts::ARCH,
        std::env::consts::OS,
        libc.unwrap_or_else(|| "unknown".into())
    )
}

/// One paragraph.
pub(crate) fn describe() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let of = |text: &str, name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.trim_start_matches([' ', '\t', ':']).to_owned())
    };
    let model = of(&read("/proc/cpuinfo"), "model name").unwrap_or_else(|| std::env::consts::ARCH.into());
    let memory = of(&read("/proc/meminfo"), "MemTotal").and_then(|line| {
        line.split_whitespace().next()?.parse::<f64>().ok().map(|kibibytes| kibibytes / 1024.0 / 1024.0)
    });
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let kernel = read("/proc/sys/kernel/osrelease");
    let mut versions = vec![compiler()];
    versions.extend(mosquitto().and_then(|program| {
        let version = line(&program.to_string_lossy(), &["-h"])?;
        version.strip_suffix(|_: char| false).map(str::to_owned).or(Some(version))
    }));
    versions.extend(locked("rumqttc").map(|version| format!("rumqttc {version}")));
    versions.extend(callgrind::valgrind().ok());
    format!(
        "Measured on {cores} cores ({model}) with {:.0} GiB of memory, Linux {}; {}. Everything on loopback.",
        memory.unwrap_or_default(),
        kernel.trim(),
        versions.join(", "),
    )
}

/// Where mosquitto is.
pub(crate) fn mosquitto() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    folders.map(|folder| folder.join("mosquitto")).find(|program| program.is_file())
}

/// The version of a crate that the workspace uses.
fn locked(name: &str) -> Option<String> {
    let lock = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.lock")).ok()?;
    let (_, rest) = lock.split_once(&format!("name = \"{name}\"\nversion = \""))?;
    rest.split('"').next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_those_of_the_lock_file() {
        assert!(locked("serde_json").is_some_and(|version| version.starts_with("1.")));
        assert_eq!(locked("no-such-crate"), None);
    }

    #[test]
    fn the_machine_is_told_in_one_paragraph() {
        let text = describe();
        assert!(
            text.starts_with("Measured on ") && text.contains("rustc 1.") && !text.contains('\n'),
            "{text}"
        );
    }
}
