//! The discovery block of a state.

use alloc::string::String;

use device_link::Map;

use crate::model::common::{NAME, Timestamp, Version};
use crate::model::entry::Entry;

choice! {
    /// How far a scan is.
    pub enum ScanPhase {
        /// Ended.
        Stopped = "stopped",
        /// Waiting for its time.
        Pending = "pending",
        /// Running.
        Active = "active",
    }
}

document! {
    /// The condition of enumeration and scans.
    pub struct Discovery in "state_discovery" {
        /// Added by the cloud when it splits a state; not written by devices.
        timestamp: Option<Timestamp>,
        /// Added by the cloud when it splits a state; not written by devices.
        version: Option<Version>,
        /// The generation of the last enumeration.
        generation: Option<Timestamp>,
        /// The families that are scanned, by name.
        families: Option<Map<String, DiscoveryFamily>> [keys = NAME],
    }
}

document! {
    /// The condition of the scan of one family.
    pub struct DiscoveryFamily in "state_discovery_family" {
        /// The generation of the scan.
        generation: Option<Timestamp>,
        /// How far the scan is.
        phase: Option<ScanPhase>,
        /// How many devices the scan has found.
        active_count: Option<u32> [minimum = 0],
        /// How many devices were overheard.
        passive_count: Option<u32> [minimum = 0],
        /// A condition of the scan.
        status: Option<Entry>,
    }
}
