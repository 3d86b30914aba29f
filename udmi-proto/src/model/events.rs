//! What a device reports as it happens: the event documents.

use alloc::string::String;
use alloc::vec::Vec;

use device_link::Map;

use super::common::{NAME, Timestamp, Version};
use super::entry::Entry;
use super::value::Value;

document! {
    /// Log entries and metrics of a device (§3.3).
    pub struct System in "events_system" {
        /// When the event was sent.
        timestamp: Timestamp [required],
        /// The version the event is written in.
        version: Version [required],
        /// The version before a tool rewrote the event; not written by devices.
        upgraded_from: Option<String>,
        /// The timestamp of the last config that could be read.
        last_config: Option<Timestamp>,
        /// Log entries, oldest first.
        logentries: Option<Vec<Entry>>,
        /// A running number from 1.
        event_no: Option<i64>,
        /// Measures of the host.
        metrics: Option<SystemMetrics>,
    }
}

document! {
    /// Measures of the host.
    pub struct SystemMetrics {
        /// Memory in all, in megabytes.
        mem_total_mb: Option<f64>,
        /// Free memory, in megabytes.
        mem_free_mb: Option<f64>,
        /// Storage in all, in megabytes.
        store_total_mb: Option<f64>,
        /// Free storage, in megabytes.
        store_free_mb: Option<f64>,
        /// Processes running or waiting to run, on average.
        system_load: Option<f64>,
    }
}

document! {
    /// Values of points (§4.4).
    pub struct Pointset in "events_pointset" {
        /// When the event was sent.
        timestamp: Timestamp [required],
        /// The version the event is written in.
        version: Version [required],
        /// The version before a tool rewrote the event; not written by devices.
        upgraded_from: Option<String>,
        /// Whether points are missing on purpose, as when only changes are reported.
        partial_update: Option<bool>,
        /// The values, by name of point.
        points: Map<String, PointsetPoint> [required, keys = NAME],
    }
}

document! {
    /// The value of one point.
    pub struct PointsetPoint in "events_pointset_point" {
        /// The value now, in the point's units.
        present_value: Value [required],
    }
}
