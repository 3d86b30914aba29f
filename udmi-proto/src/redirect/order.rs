//! What the cloud orders of the endpoint: a blob, decoded, checked and read (§5.3).

use alloc::format;
use alloc::string::{String, ToString as _};
use core::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::base64;
use super::connection::Connection;
use super::mask;
use crate::model::common::Timestamp;
use crate::model::config::BlobsetBlob;

/// What comes before the content in the only URLs an endpoint may have.
pub(super) const PREFIX: &str = "data:application/json;base64,";

/// An order to use an endpoint.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Order {
    /// Tells orders apart: content and generation, but nothing that is secret. An order that differs from
    /// another in its password alone needs a generation of its own, as tools give it.
    pub(crate) signature: String,
    /// As received, to be echoed.
    pub(crate) generation: Option<Timestamp>,
    /// Where to connect, or what is wrong with the order.
    pub(crate) wanted: Result<Connection, String>,
}

impl Order {
    pub(crate) fn read(blob: &BlobsetBlob, device_id: &str, configured: &Connection) -> Self {
        let document = content(blob);
        let wanted = match &document {
            Err(error) => Err(error.clone()),
            Ok(document) => verify(document, blob).and_then(|()| {
                if blob.generation.is_none() {
                    return Err("generation: expected a date and time, found nothing".into());
                }
                Connection::read(document, device_id, configured)
            }),
        };
        Self {
            signature: signature(blob, document.ok().as_deref()),
            generation: blob.generation.clone(),
            wanted,
        }
    }
}

fn content(blob: &BlobsetBlob) -> Result<alloc::vec::Vec<u8>, String> {
    let url = blob.url.as_deref().ok_or("url: expected a data URL, found nothing")?;
    let Some(coded) = url.strip_prefix(PREFIX) else {
        return Err(format!("url: expected {PREFIX} and the endpoint"));
    };
    base64::decode(coded).map_err(|error| format!("url: {error}"))
}

fn verify(document: &[u8], blob: &BlobsetBlob) -> Result<(), String> {
    let wanted = blob.sha256.as_deref().ok_or("sha256: expected a hash, found nothing")?;
    let found = sha256(document);
    if found.eq_ignore_ascii_case(wanted) {
        Ok(())
    } else {
        Err("the content is not of the announced sha256".to_string())
    }
}

/// A hash over the generation and the content with its secrets masked. Of a content that does not verify, the
/// announced hash is a part too: a corrected one makes another order.
fn signature(blob: &BlobsetBlob, document: Option<&[u8]>) -> String {
    let generation = blob.generation.as_ref().map_or("", Timestamp::as_str);
    let announced = blob.sha256.as_deref().unwrap_or_default();
    let mut hash = Sha256::new();
    hash.update(generation);
    hash.update([0]);
    match document {
        Some(document) => {
            if verify(document, blob).is_err() {
                hash.update(announced);
            }
            hash.update([0]);
            hash.update(mask::document(document));
        }
        None => {
            hash.update(announced);
            hash.update([0]);
            hash.update(mask::url(blob.url.as_deref().unwrap_or_default()));
        }
    }
    hexadecimal(&hash.finalize())
}

/// The SHA-256 of some bytes in lower-case hexadecimal.
pub(super) fn sha256(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
