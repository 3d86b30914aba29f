//! Memory, disc and load of the host, as `events/system` reports them (§3.3).

use std::path::Path;

/// Bytes in the megabyte that UDMI counts in.
const MEGABYTE: f64 = 1_000_000.0;

/// What could be found out; `None` is left out of the message.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Metrics {
    /// Memory of the host, in megabytes.
    pub mem_total_mb: Option<f64>,
    /// Memory that is free or can be freed at once, in megabytes.
    pub mem_free_mb: Option<f64>,
    /// Size of the file system that holds the store, in megabytes.
    pub store_total_mb: Option<f64>,
    /// What is free there for an ordinary user, in megabytes.
    pub store_free_mb: Option<f64>,
    /// Processes that ran or wanted to, averaged over the last minute.
    pub system_load: Option<f64>,
}

impl Metrics {
    /// Measures the host; `store` is any path on the file system of interest.
    pub fn measure(store: &Path) -> Self {
        let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let (store_total_mb, store_free_mb) = file_system(store).unzip();
        Self {
            mem_total_mb: memory_field(&memory, "MemTotal"),
            mem_free_mb: memory_field(&memory, "MemAvailable").or_else(|| memory_field(&memory, "MemFree")),
            store_total_mb,
            store_free_mb,
            system_load: first_number(&load),
        }
    }
}

/// A line such as `MemTotal:   16384 kB`, in megabytes.
fn memory_field(text: &str, name: &str) -> Option<f64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    first_number(value.trim().strip_suffix("kB")?).map(|kibibytes| kibibytes * 1024.0 / MEGABYTE)
}

/// The first word as a number that JSON can carry.
fn first_number(text: &str) -> Option<f64> {
    text.split_whitespace().next()?.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0)
}

/// Total and free megabytes.
#[cfg(unix)]
fn file_system(path: &Path) -> Option<(f64, f64)> {
    let found = rustix::fs::statvfs(path).ok()?;
    let megabytes = |blocks: u64| blocks as f64 * found.f_frsize as f64 / MEGABYTE;
    // Some virtual file systems have no size; that is unknown, not zero.
    if found.f_blocks == 0 { None } else { Some((megabytes(found.f_blocks), megabytes(found.f_bavail))) }
}

#[cfg(not(unix))]
fn file_system(_path: &Path) -> Option<(f64, f64)> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn linux_tells_everything_and_free_is_part_of_total() {
        let folder = tempfile::tempdir().unwrap();
        let metrics = Metrics::measure(folder.path());
        assert!(metrics.mem_free_mb.unwrap() <= metrics.mem_total_mb.unwrap());
        assert!(metrics.store_free_mb.unwrap() <= metrics.store_total_mb.unwrap());
        assert!(metrics.mem_total_mb.unwrap() > 16.0 && metrics.store_total_mb.unwrap() > 1.0);
        assert!(metrics.system_load.unwrap() >= 0.0);
    }

    #[test]
    fn an_unknown_store_has_no_size() {
        let metrics = Metrics::measure(Path::new("/no/such/folder"));
        assert_eq!((metrics.store_total_mb, metrics.store_free_mb), (None, None));
    }

    #[test]
    fn memory_is_counted_in_megabytes() {
        let text = "MemTotal:        1000000 kB\nMemFree:  0 kB\nMemAvailableX: 5 kB\n";
        assert_eq!(memory_field(text, "MemTotal"), Some(1024.0));
        assert_eq!(memory_field(text, "MemFree"), Some(0.0));
        assert_eq!(memory_field(text, "MemAvailable"), None);
    }

    #[test]
    fn what_is_no_number_is_unknown() {
        for text in ["", "x", "NaN", "inf", "-1"] {
            assert_eq!(first_number(text), None, "{text}");
        }
        assert_eq!(first_number("0.52 0.58 0.59 1/467 12345\n"), Some(0.52));
    }
}
