//! What a config orders of a blob: content by URL and hash, named by a generation (§5.1).

use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use udmi_proto::model::common::Timestamp;

/// The name under which an endpoint is ordered (§5.3).
pub(crate) const ENDPOINT: &str = "_iot_endpoint_config";
/// Bytes of content that go into a data URL at most, so that the config stays a message that brokers take.
pub(crate) const DATA_BYTES_MAX: u64 = 128 << 10;
/// A generation names a second.
const GENERATION_MILLIS: i64 = 1000;

/// One blob as a config orders it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    /// Which blob, such as `system`.
    pub(crate) name: String,
    /// Where its content is.
    pub(crate) url: String,
    /// SHA-256 of the content, in lower-case hexadecimal.
    pub(crate) sha256: String,
    /// What names this content.
    pub(crate) generation: String,
}

impl Order {
    /// Puts the order in the config, in place of one of that name.
    ///
    /// # Errors
    /// The config's `blobset` or `blobs` is no object.
    pub(crate) fn put(&self, config: &mut Map<String, Value>) -> Result<(), String> {
        let blobs = member(member(config, "blobset")?, "blobs")?;
        let (url, sha256, generation) = (&self.url, &self.sha256, &self.generation);
        let blob = json!({ "phase": "final", "url": url, "sha256": sha256, "generation": generation });
        blobs.insert(self.name.clone(), blob);
        Ok(())
    }
}

/// Takes an order out of a config, and the block with it if it was the last. Whether there was one.
pub(crate) fn remove(config: &mut Map<String, Value>, name: &str) -> bool {
    let blobs = config.get_mut("blobset").and_then(|blobset| blobset.get_mut("blobs"));
    let Some(blobs) = blobs.and_then(Value::as_object_mut) else { return false };
    let removed = blobs.remove(name).is_some();
    if blobs.is_empty() {
        config.remove("blobset");
    }
    removed
}

fn member<'a>(parent: &'a mut Map<String, Value>, name: &str) -> Result<&'a mut Map<String, Value>, String> {
    let member = parent.entry(name).or_insert_with(|| Value::Object(Map::new()));
    member.as_object_mut().ok_or_else(|| format!("{name} of the config is no object"))
}

/// The generation of a new order: what the user wants, or else this second, but later than the one it replaces,
/// since a device does nothing for a generation that it knows (§5.5).
pub(crate) fn generation(wanted: Option<&str>, config: &Map<String, Value>, name: &str) -> String {
    if let Some(wanted) = wanted {
        return wanted.to_owned();
    }
    let path = format!("/blobset/blobs/{name}/generation");
    let last = config.get("blobset").and_then(|blobset| {
        let of = blobset.pointer(path.strip_prefix("/blobset")?)?.as_str()?;
        Timestamp::from(of.to_owned()).millis().ok()
    });
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
    let least = last.map_or(i64::MIN, |last| last.saturating_add(GENERATION_MILLIS));
    Timestamp::from_millis_whole_seconds(now.max(least)).as_str().to_owned()
}

/// Reads a generation of the user's.
pub(crate) fn time(text: &str) -> Result<String, String> {
    match Timestamp::from(text.to_owned()).millis() {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("expected a time such as 2026-03-01T10:00:00Z".to_owned()),
    }
}

/// Reads a SHA-256.
pub(crate) fn sha256(text: &str) -> Result<String, String> {
    let digits = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if digits { Ok(text.to_ascii_lowercase()) } else { Err("expected 64 hexadecimal digits".to_owned()) }
}

/// The SHA-256 of bytes, in lower-case hexadecimal.
pub(crate) fn hash(content: &[u8]) -> String {
    hexadecimal(&Sha256::digest(content))
}

/// Bytes in lower-case hexadecimal.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // a String takes everything
        text
    })
}

/// A URL that is its content (RFC 2397).
pub(crate) fn data_url(kind: &str, content: &[u8]) -> String {
    format!("data:{kind};base64,{}", base64(content))
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let at = |index: usize| u32::from(group.get(index).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for digit in 0..4 {
            let value = bits >> (18 - 6 * digit) & 0x3f;
            // Every six bits have their digit.
            let shown = DIGITS.get(value as usize).copied().unwrap_or(b'=');
            text.push(if digit <= group.len() { char::from(shown) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(document: Value) -> Map<String, Value> {
        let Value::Object(object) = document else { panic!("an object") };
        object
    }

    #[test]
    fn base64_is_as_in_the_standard() {
        for (bytes, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        assert_eq!(data_url("text/plain", &[0xfb, 0xff]), "data:text/plain;base64,+/8=");
    }

    #[test]
    fn an_order_stands_beside_others_and_leaves_nothing_behind() {
        let mut config = object(json!({ "system": {}, "blobset": { "blobs": { "other": {} } } }));
        let before = config.clone();
        let order = Order {
            name: "system".into(),
            url: "data:,x".into(),
            sha256: hash(b"x"),
            generation: "2026-03-01T10:00:00Z".into(),
        };
        order.put(&mut config).unwrap();
        assert_eq!(config["blobset"]["blobs"]["system"]["sha256"], hash(b"x"));
        assert_eq!(config["blobset"]["blobs"]["system"]["phase"], "final");
        assert!(remove(&mut config, "system"));
        assert_eq!(config, before);
        assert!(remove(&mut config, "other") && !remove(&mut config, "other"));
        assert_eq!(config, object(json!({ "system": {} })));
    }

    #[test]
    fn a_new_generation_is_later_than_the_one_it_replaces() {
        let known = json!({ "blobset": { "blobs": { "system": { "generation": "9000-01-01T00:00:00Z" } } } });
        assert_eq!(generation(None, &object(known.clone()), "system"), "9000-01-01T00:00:01Z");
        assert!(generation(None, &object(known.clone()), "other").as_str() < "9000");
        assert_eq!(generation(Some("T"), &object(known), "system"), "T");
    }
}
