//! The system block of a state.

use alloc::string::String;

use device_link::Map;

use crate::model::common::{Mode, TABLE_KEY, Timestamp, Version};
use crate::model::entry::Entry;

document! {
    /// The condition of the device as a whole (§3.2).
    pub struct System in "state_system" {
        /// Added by the cloud when it splits a state; not written by devices.
        timestamp: Option<Timestamp>,
        /// Added by the cloud when it splits a state; not written by devices.
        version: Option<Version>,
        /// The timestamp of the last config that could be read; the epoch before the first.
        last_config: Timestamp [required],
        /// Life of the process.
        operation: SystemOperation [required],
        /// The maker's serial number.
        serial_no: String [required],
        /// Make and model.
        hardware: SystemHardware [required],
        /// Versions of the software, by component.
        software: Map<String, String> [required, keys = TABLE_KEY],
        /// Further parameters worth knowing.
        params: Option<Map<String, String>> [keys = TABLE_KEY],
        /// The condition that matters most now; absent if there is none.
        status: Option<Entry>,
        /// The version before a tool rewrote the state; not written by devices.
        upgraded_from: Option<String>,
    }
}

document! {
    /// Make and model of a device.
    pub struct SystemHardware in "state_system_hardware" {
        /// Who makes it.
        make: String [required],
        /// The maker's name for the model.
        model: String [required],
        /// The maker's order number.
        sku: Option<String>,
        /// The revision of the hardware.
        rev: Option<String>,
    }
}

document! {
    /// The life of the process.
    pub struct SystemOperation in "state_system_operation" {
        /// Whether the device does its work.
        operational: bool [required],
        /// When the process started, in whole seconds; constant for its life.
        last_start: Option<Timestamp>,
        /// How many times the device has started, this start included.
        restart_count: Option<i64>,
        /// The mode the device is in.
        mode: Option<Mode>,
    }
}
