//! The discovery block of a config.

use alloc::string::String;
use alloc::vec::Vec;

use device_link::Map;

use crate::model::common::{Depth, NAME, Timestamp};

document! {
    /// What the device is to enumerate of itself and to look for around it (§6.1).
    pub struct Discovery in "config_discovery" {
        /// Names an enumeration by its time; a later one starts a new enumeration.
        generation: Option<Timestamp>,
        /// What to enumerate, and how deep.
        enumerations: Option<DiscoveryEnumerations>,
        /// The families to scan, by name.
        families: Option<Map<String, DiscoveryFamily>> [keys = NAME],
    }
}

document! {
    /// How deep to enumerate each kind of thing; what is absent is not enumerated.
    pub struct DiscoveryEnumerations {
        /// The device's own addresses.
        families: Option<Depth>,
        /// The devices it acts for.
        devices: Option<Depth>,
        /// Its points.
        points: Option<Depth>,
        /// Its features.
        features: Option<Depth>,
    }
}

document! {
    /// How to scan one family.
    pub struct DiscoveryFamily in "config_discovery_family" {
        /// Names a scan by the time it starts.
        generation: Option<Timestamp>,
        /// Seconds from the start of one scan to the next; 0 or absent for a single one.
        scan_interval_sec: Option<u32> [minimum = 0],
        /// Seconds a scan lasts at most.
        scan_duration_sec: Option<u32> [minimum = 0],
        /// The addresses to ask; all if absent.
        addrs: Option<Vec<String>>,
        /// The networks to scan; all if absent.
        networks: Option<Vec<String>>,
        /// Seconds in which what was overheard is not reported again.
        passive_sec or "passive_holdoff_sec": Option<u32> [minimum = 0],
        /// How much to tell of each device found.
        depth: Option<Depth>,
    }
}
