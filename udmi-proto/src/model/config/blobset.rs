//! The blobset block of a config.

use alloc::string::String;

use device_link::Map;

use crate::model::common::{Phase, RESERVED_OR_NAME, ReservedBlob, Timestamp};

document! {
    /// Blobs for the device to fetch and apply (§5.1).
    pub struct Blobset in "config_blobset" {
        /// Without meaning on the wire; upstream has it to generate code from.
        blobsets: Option<ReservedBlob>,
        /// The blobs, by name.
        blobs: Option<Map<String, BlobsetBlob>> [keys = RESERVED_OR_NAME],
    }
}

document! {
    /// One blob. All four members are needed to act on it; the reader says what the lack of one means.
    pub struct BlobsetBlob in "config_blobset_blob" {
        /// The device acts upon `final` only.
        phase: Option<Phase> [required],
        /// Where the content is: `http`, `https` or `data`.
        url: Option<String> [required],
        /// SHA-256 over the content, as 64 lower-case hexadecimal digits.
        sha256: Option<String> [required, pattern = "^[0-9a-f]{64}$"],
        /// Names the content by a time; another one is a new blob.
        generation: Option<Timestamp> [required],
    }
}
