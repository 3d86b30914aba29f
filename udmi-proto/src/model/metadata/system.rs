//! The system block of the metadata.

use alloc::string::String;
use alloc::vec::Vec;

use device_link::Map;

use crate::model::category::Level;
use crate::model::common::{DEVICE_ID, TABLE_KEY};

/// The pattern of names of sites.
const SITE: &str = "^[A-Z]{2}-[A-Z]{3,4}-[A-Z0-9]{2,9}$";

document! {
    /// What the site model says of a device as a whole.
    pub struct System in "model_system" {
        /// What people call it.
        name: Option<String>,
        /// What it is for.
        description: Option<String>,
        /// The UDMI version the device speaks.
        device_version: Option<String>,
        /// The zone it serves.
        zone: Option<String> [pattern = "^[-_a-zA-Z0-9]+$"],
        /// What part it plays among other devices.
        node_type: Option<String> [pattern = "^[a-z][_a-z0-9]+$"],
        /// Labels.
        tags: Option<Vec<String>> [unique_items, items_pattern = "^[a-z][_a-z0-9]+$"],
        /// Where it is.
        location: Option<SystemLocation>,
        /// The maker's serial number.
        serial_no: Option<String>,
        /// Make and model.
        hardware: Option<SystemHardware>,
        /// Versions of the software, by component.
        software: Option<Map<String, String>> [keys = TABLE_KEY],
        /// What is written upon it.
        physical_tag: Option<SystemPhysicalTag>,
        /// Further parameters.
        adjunct: Option<Map<String, String>> [keys = TABLE_KEY],
        /// Log entries below this level are not to be published.
        min_loglevel: Option<Level> [minimum = 100, maximum = 800, default = 300],
        /// Seconds between system events with metrics; 0 for none.
        metrics_rate_sec: Option<u32> [minimum = 0, maximum = 86_400],
    }
}

document! {
    /// Make and model of a device.
    pub struct SystemHardware in "model_system_hardware" {
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
    /// Where a device is.
    pub struct SystemLocation {
        /// The name of the site.
        site: String [required, pattern = SITE],
        /// The panel or cabinet.
        panel: Option<String> [pattern = "^[-_a-zA-Z0-9]+$"],
        /// The section of the site.
        section: Option<String> [pattern = "^[A-Z0-9-]+$"],
        /// The room.
        room: Option<String> [pattern = "^[-_a-zA-Z0-9]+$"],
        /// The floor, by name.
        floor: Option<String> [pattern = "^[A-Z0-9-]+$"],
        /// The floor, counted.
        floor_seq: Option<i64>,
        /// The place in a drawing.
        position: Option<SystemPosition>,
        /// The place on Earth.
        coordinates: Option<SystemCoordinates>,
    }
}

document! {
    /// A place in a drawing, in the drawing's units.
    pub struct SystemPosition {
        /// To the right.
        x: Option<f64>,
        /// Upward on the sheet.
        y: Option<f64>,
        /// Out of the sheet.
        z: Option<f64>,
    }
}

document! {
    /// A place on Earth.
    pub struct SystemCoordinates {
        /// Degrees to the north.
        lat: Option<f64>,
        /// Degrees to the east.
        long: Option<f64>,
        /// Metres above the sea.
        alt_m: Option<f64>,
    }
}

document! {
    /// What is written upon a device.
    pub struct SystemPhysicalTag {
        /// The asset the device is.
        asset: SystemAsset [required],
    }
}

document! {
    /// A device as an asset.
    pub struct SystemAsset {
        /// A name that no other asset has, with its scheme.
        guid: String [required, pattern = "^[a-z]+://[-0-9a-zA-Z_$]+$"],
        /// The name of the site.
        site: Option<String> [pattern = SITE],
        /// The id of the device.
        name: String [required, pattern = DEVICE_ID],
    }
}
