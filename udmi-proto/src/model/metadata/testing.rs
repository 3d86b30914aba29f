//! What tests are to know of a device.

use alloc::string::String;

use device_link::Map;

use serde_json::Value;

use crate::model::common::NAME;

document! {
    /// What tests are to know of a device.
    pub struct Testing in "model_testing" {
        /// Whether the device sends no state at all.
        nostate: Option<bool>,
        /// What tests are to use, by purpose.
        targets: Option<Map<String, TestingTarget>> [keys = NAME],
        /// Blobs that tests are to install, by purpose.
        blob_update_targets: Option<Map<String, TestingUpdate>> [keys = NAME],
    }
}

document! {
    /// A point for a test to use.
    pub struct TestingTarget in "model_testing_target" {
        /// The name of the point.
        target_point: Option<String>,
        /// The value to write to it.
        target_value: Option<Value>,
    }
}

document! {
    /// A blob for a test to install.
    pub struct TestingUpdate in "model_testing_update" {
        /// The name of the blob.
        blob_name: Option<String>,
        /// Where its content is.
        url: Option<String>,
        /// SHA-256 over the content, in hexadecimal digits.
        sha256: Option<String>,
        /// The version that is installed by it.
        version: Option<String>,
    }
}
