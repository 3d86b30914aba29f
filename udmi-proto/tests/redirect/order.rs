//! Orders as the cloud writes them.

use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use super::ALTERNATE;
use super::support::PREFIX;

fn endpoint(host: &str, client: &str) -> Json {
    json!({
        "protocol": "mqtt",
        "hostname": host,
        "port": 1883,
        "transport": "tcp",
        "client_id": client,
        "topic_prefix": client,
        "auth_provider": { "basic": { "username": client, "password": "0123abcd" } },
    })
}

/// The broker of the other registry.
pub(crate) fn alternate() -> Json {
    endpoint("alternate", ALTERNATE)
}

/// The broker a device of the rig begins with.
pub(crate) fn main_endpoint() -> Json {
    endpoint("localhost", PREFIX)
}

/// The blob of an endpoint.
pub(crate) fn blob(endpoint: &Json, generation: &str) -> Json {
    let text = endpoint.to_string();
    json!({
        "phase": "final",
        "generation": generation,
        "url": format!("data:application/json;base64,{}", base64(text.as_bytes())),
        "sha256": sha256(text.as_bytes()),
    })
}

/// A blob with one member changed.
pub(crate) fn changed(member: &str, value: Json) -> Json {
    let mut blob = blob(&alternate(), super::G1);
    blob[member] = value;
    blob
}

/// A config with an endpoint blob.
pub(crate) fn with_blob(blob: Json) -> Json {
    json!({ "blobset": { "blobs": { "_iot_endpoint_config": blob } } })
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = group.iter().chain(&[0, 0]).take(3).fold(0, |bits, byte| bits << 8 | usize::from(*byte));
        for place in 0..4 {
            let digit = char::from(DIGITS[bits >> (18 - 6 * place) & 63]);
            text.push(if place > group.len() { '=' } else { digit });
        }
    }
    text
}
