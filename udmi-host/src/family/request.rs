//! What is asked of a family, and what a scan finds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use udmi_proto::model::common::{Depth, Timestamp};
use udmi_proto::model::discovery::{DiscoveryRef, DiscoverySystem};

/// What to scan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScanRequest {
    /// The family.
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
    /// Seconds after which the round ends.
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
    pub families: BTreeMap<String, String>,
    /// What it offers, by local reference.
    pub references: BTreeMap<String, DiscoveryRef>,
    /// What it tells of itself.
    pub system: Option<DiscoverySystem>,
    /// What is wrong with it, if anything.
    pub status: Option<String>,
}

/// How a field device is reached (§6.6).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Target {
    /// The family; `vendor` where the config names none.
    pub family: String,
    /// The address, in the family's form.
    pub addr: Option<String>,
    /// The network the address is in.
    pub network: Option<String>,
    /// The number of the unit behind the address, for Modbus.
    pub unitid: Option<String>,
    /// Further parameters of the family, such as those of a serial line.
    pub adjunct: BTreeMap<String, String>,
}
