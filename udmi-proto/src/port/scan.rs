//! A scan of a family around the device, and what it finds (§6.4).

use alloc::string::String;
use alloc::vec::Vec;

use device_link::Map;
use serde::{Deserialize, Serialize};

use crate::model::common::{Depth, Timestamp};
use crate::model::discovery::{DiscoveryRef, DiscoverySystem};

/// What to scan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScanRequest {
    /// The family, one of [`Settings::scans`](crate::Settings::scans).
    pub family: String,
    /// The round, named by its start.
    pub generation: Timestamp,
    /// How much is wanted of each device found.
    pub depth: Depth,
    /// Whether the references of each device found are wanted.
    pub references: bool,
    /// Only these addresses; all if there are none.
    pub addresses: Vec<String>,
    /// Only these networks; all if there are none.
    pub networks: Vec<String>,
    /// Seconds after which the core ends the round.
    pub duration_seconds: u32,
}

/// One device that a scan has found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Found {
    /// Its address, in the family's form.
    pub address: String,
    /// The network the address is in.
    pub network: Option<String>,
    /// Its addresses in other families.
    pub families: Map<String, String>,
    /// What it offers, by local reference.
    pub references: Map<String, DiscoveryRef>,
    /// What it tells of itself.
    pub system: Option<DiscoverySystem>,
    /// What is wrong with it, if anything.
    pub status: Option<String>,
}
