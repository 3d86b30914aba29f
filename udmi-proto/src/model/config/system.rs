//! The system block of a config.

use alloc::string::String;

use crate::model::category::Level;
use crate::model::common::{Mode, Timestamp};

document! {
    /// What the cloud orders of the device as a whole (§3.1).
    pub struct System in "config_system" {
        /// Log entries below this level are not published.
        min_loglevel: Option<Level> [minimum = 100, maximum = 800, default = 300],
        /// Seconds between system events with metrics; 0 stops the periodic ones.
        metrics_rate_sec: Option<i64> [minimum = 0, maximum = 86_400, default = 10],
        /// Life of the process.
        operation: Option<SystemOperation>,
        /// What a test run tells of itself.
        testing: Option<SystemTesting>,
    }
}

document! {
    /// Orders concerning the life of the process.
    pub struct SystemOperation {
        /// The mode the device is to take.
        mode: Option<Mode>,
        /// The latest start the cloud knows of under this device id; if it is later than the device's own,
        /// another process has taken its place.
        last_start: Option<Timestamp>,
    }
}

document! {
    /// What a test run tells of itself; for debugging only.
    pub struct SystemTesting in "config_system_testing" {
        /// The test that is running.
        sequence_name: Option<String>,
        /// The transaction that led to this config.
        transaction_id: Option<String>,
        /// A number for the basis of this config.
        config_base: Option<i64>,
        /// Which of several endpoints the config was sent through.
        endpoint_type: Option<String>,
    }
}
