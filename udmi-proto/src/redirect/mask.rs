//! Masking the secrets of an endpoint document, so that a trace shows none and still replays: the masked form is
//! as long as the original, and its hash is right where the original's was.

use alloc::string::String;
use alloc::vec::Vec;

use super::base64;
use super::order::sha256;

/// Members whose text is secret, at any depth.
const SECRETS: [&str; 2] = ["\"password\"", "\"keyBytes\""];
/// What comes before the content of a data URL.
const MARK: &[u8] = b";base64,";

/// An endpoint document with a star for each byte of its secrets.
pub(crate) fn document(document: &[u8]) -> Vec<u8> {
    let mut masked = document.to_vec();
    for name in SECRETS {
        let mut from = 0;
        while let Some(at) = find(document, name.as_bytes(), from) {
            from = at + name.len();
            cover(&mut masked, from);
        }
    }
    masked
}

/// Puts stars in place of the text that follows a member's name.
fn cover(bytes: &mut [u8], from: usize) {
    let mut rest = bytes.iter_mut().skip(from).skip_while(|byte| b" \t\r\n:".contains(byte));
    if rest.next().is_none_or(|quote| *quote != b'"') {
        return;
    }
    let mut escaped = false;
    for byte in rest {
        match *byte {
            b'"' if !escaped => return,
            b'\\' => escaped = !escaped,
            _ => escaped = false,
        }
        *byte = b'*';
    }
}

/// A config with the secrets of its data URLs masked, and the hashes over them made to fit; none if it has none.
pub(crate) fn config(payload: &[u8]) -> Option<Vec<u8>> {
    let mut masked: Option<Vec<u8>> = None;
    let mut from = 0;
    while let Some(at) = find(payload, MARK, from) {
        from = at + MARK.len();
        let coded: Vec<u8> = payload.iter().skip(from).take_while(|byte| is_digit(**byte)).copied().collect();
        let Some((plain, covered)) = read(&coded) else { continue };
        let masked = masked.get_or_insert_with(|| payload.to_vec());
        put(masked, from, &written(&coded, &covered));
        let (old, new) = (sha256(&plain), sha256(&covered));
        let mut from = 0;
        while let Some(at) = find(payload, old.as_bytes(), from) {
            put(masked, at, new.as_bytes());
            from = at + old.len();
        }
    }
    masked
}

fn is_digit(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/=\\".contains(&byte)
}

/// The content, and the same masked; none if there is nothing to mask.
fn read(coded: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let text: String = coded.iter().filter(|byte| **byte != b'\\').map(|byte| char::from(*byte)).collect();
    let plain = base64::decode(&text).ok()?;
    let covered = document(&plain);
    (covered != plain).then_some((plain, covered))
}

/// The masked content in place of the coded one. Slashes need no escape: where they had some, the text ends
/// earlier, and spaces follow it.
fn written(coded: &[u8], covered: &[u8]) -> Vec<u8> {
    let mut text = base64::encode(covered).into_bytes();
    if !coded.ends_with(b"=") {
        text.retain(|byte| *byte != b'=');
    }
    if text.len() < coded.len() {
        text.push(b'"');
        text.resize(coded.len().saturating_add(1), b' ');
    }
    text
}

fn put(bytes: &mut [u8], at: usize, text: &[u8]) {
    for (byte, new) in bytes.iter_mut().skip(at).zip(text) {
        *byte = *new;
    }
}

/// Where `text` is next, whatever the case of its letters.
fn find(bytes: &[u8], text: &[u8], from: usize) -> Option<usize> {
    let rest = bytes.get(from..)?;
    rest.windows(text.len()).position(|window| window.eq_ignore_ascii_case(text)).map(|at| at + from)
}

#[cfg(test)]
mod tests {
    use alloc::borrow::ToOwned as _;
    use alloc::string::ToString as _;

    use serde_json::{Value as Json, json};

    use super::*;
    use crate::redirect::connection::Connection;
    use crate::redirect::order::Order;
    use crate::settings::Settings;

    const SECRET: &str = r#"hunter2"\"#;

    fn endpoint() -> String {
        let basic = json!({ "username": "u", "password": SECRET });
        let document = json!({ "hostname": "new??>", "client_id": "/r/ALT/d/AHU-1", "protocol": "mqtt",
            "auth_provider": { "basic": basic }, "keyBytes": SECRET });
        document.to_string()
    }

    fn config_with(document: &str) -> String {
        let url = alloc::format!("data:application/json;base64,{}", base64::encode(document.as_bytes()));
        let blob = json!({ "url": url, "sha256": sha256(document.as_bytes()), "phase": "final",
            "generation": "2026-03-01T10:00:00Z" });
        json!({ "blobset": { "blobs": { "_iot_endpoint_config": blob } } }).to_string()
    }

    fn order(config: &[u8]) -> Order {
        let config: Json = serde_json::from_slice(config).unwrap();
        let blob = config["blobset"]["blobs"]["_iot_endpoint_config"].clone();
        let endpoint =
            device_link::Endpoint { host: "h".into(), port: 1, transport: device_link::Transport::Tcp };
        let settings = Settings::new("AHU-1", endpoint, "c", "p/AHU-1");
        Order::read(&serde_json::from_value(blob).unwrap(), "AHU-1", &Connection::of(&settings))
    }

    fn shows_a_secret(bytes: &[u8]) -> bool {
        let url = String::from_utf8_lossy(bytes).into_owned().replace("\\/", "/");
        let coded = url.split(";base64,").nth(1).unwrap().split('"').next().unwrap().to_owned();
        String::from_utf8(base64::decode(&coded).unwrap()).unwrap().contains("hunter2")
    }

    #[test]
    fn a_masked_config_is_the_same_order_without_its_secrets() {
        let plain = config_with(&endpoint());
        for plain in [plain.replace('/', "\\/"), plain] {
            let masked = config(plain.as_bytes()).unwrap();
            assert_eq!(masked.len(), plain.len());
            assert!(shows_a_secret(plain.as_bytes()) && !shows_a_secret(&masked));
            let (before, after) = (order(plain.as_bytes()), order(&masked));
            assert!(before.wanted.is_ok() && after.wanted.is_ok(), "{after:?}");
            assert_eq!(before.signature, after.signature);
            assert_eq!(config(&masked).unwrap_or(masked.clone()), masked, "the mask of a mask");
        }
    }

    /// A hash that was wrong stays wrong.
    #[test]
    fn a_masked_order_fails_as_the_original_does() {
        let wrong = config_with(&endpoint()).replace(&sha256(endpoint().as_bytes()), &"0".repeat(64));
        let masked = config(wrong.as_bytes()).unwrap();
        assert!(!shows_a_secret(&masked));
        assert_eq!(order(&masked), order(wrong.as_bytes()));
        assert!(order(&masked).wanted.is_err());
    }

    #[test]
    fn a_config_without_secrets_is_left_alone() {
        for plain in
            ["", "{}", ";base64,", ";base64,Zg==", &config_with("{}"), &config_with("{\"password\":")]
        {
            assert_eq!(config(plain.as_bytes()), None, "{plain}");
        }
    }

    #[test]
    fn an_order_is_told_apart_by_content_and_generation() {
        let first = order(config_with(&endpoint()).as_bytes());
        let later = config_with(&endpoint()).replace("10:00:00Z", "10:00:01Z");
        let other = config_with(&endpoint().replace("ALT", "REG"));
        assert_ne!(first.signature, order(later.as_bytes()).signature);
        assert_ne!(first.signature, order(other.as_bytes()).signature);
        assert_eq!(first.signature, order(config_with(&endpoint()).as_bytes()).signature);
    }
}
