//! The blobset block of a state.

use alloc::string::String;

use device_link::Map;

use crate::model::common::{Phase, RESERVED_OR_NAME, Timestamp};
use crate::model::entry::Entry;

document! {
    /// What became of the blobs (§5.2).
    pub struct Blobset in "state_blobset" {
        /// The blobs, by name: those of the config.
        blobs: Map<String, BlobsetBlob> [required, keys = RESERVED_OR_NAME],
    }
}

document! {
    /// What became of one blob.
    pub struct BlobsetBlob in "state_blobset_blob" {
        /// How far the handling is.
        phase: Phase [required],
        /// Why the handling failed.
        status: Option<Entry>,
        /// The generation that is handled, as the config gave it.
        generation: Option<Timestamp>,
    }
}
