//! What a config wants of one blob (§5.1).

use alloc::string::{String, ToString as _};
use core::fmt;

use device_link::mask_url;

use crate::model::common::{Phase, Timestamp};
use crate::model::config::BlobsetBlob;

/// Where the content is, and what it hashes to.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) url: String,
    pub(super) sha256: [u8; 32],
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content").field("url", &mask_url(&self.url)).finish_non_exhaustive()
    }
}

/// A wish for one generation of a blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Order {
    /// None if the config names none that could be echoed.
    pub(super) generation: Option<Timestamp>,
    /// The content, or what is wrong with the wish.
    pub(super) content: Result<Content, String>,
}

/// A blob of a config as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// The cloud is still busy with it: what is there stays as it is (§5.1, phase `apply`).
    NotYet,
    /// To be carried out.
    Ordered(Order),
}

impl Wish {
    pub(super) fn read(blob: BlobsetBlob) -> Self {
        match blob.phase {
            Some(Phase::Apply) => Self::NotYet,
            Some(Phase::Final) => Self::Ordered(order(blob)),
            Some(Phase::Unknown) => Self::Ordered(malformed(blob, "phase: expected apply or final")),
            None => Self::Ordered(malformed(blob, "phase: expected apply or final, found nothing")),
        }
    }
}

fn order(blob: BlobsetBlob) -> Order {
    let Some(generation) = echoable(blob.generation) else {
        return Order { generation: None, content: Err("generation: expected a date and time".to_string()) };
    };
    Order { generation: Some(generation), content: content(blob.url, blob.sha256.as_deref()) }
}

fn malformed(blob: BlobsetBlob, reason: &str) -> Order {
    Order { generation: echoable(blob.generation), content: Err(reason.to_string()) }
}

fn content(url: Option<String>, sha256: Option<&str>) -> Result<Content, String> {
    let Some(url) = url.filter(|url| !url.is_empty()) else {
        return Err("url: expected a URL, found nothing".to_string());
    };
    match sha256.map(unhex) {
        Some(Some(sha256)) => Ok(Content { url, sha256 }),
        Some(None) => Err("sha256: expected 64 hexadecimal digits".to_string()),
        None => Err("sha256: expected 64 hexadecimal digits, found nothing".to_string()),
    }
}

/// The generation in a form that the state's schema takes and that has a bound.
fn echoable(generation: Option<Timestamp>) -> Option<Timestamp> {
    let generation = generation?;
    let millis = generation.millis().ok()?;
    let text = generation.as_str().as_bytes();
    let usual = text.get(10) == Some(&b'T') && text.last() == Some(&b'Z') && text.len() <= 30;
    Some(if usual { generation } else { Timestamp::from_millis(millis) })
}

/// Whether two generations are the same moment, however it is written; no generation is like no other.
pub(super) fn is_same(one: Option<&Timestamp>, other: Option<&Timestamp>) -> bool {
    let millis = |generation: Option<&Timestamp>| generation.and_then(|text| text.millis().ok());
    millis(one) == millis(other)
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut bytes = [0; 32];
    if text.len() != 64 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

/// Lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blob() -> BlobsetBlob {
        BlobsetBlob {
            phase: Some(Phase::Final),
            url: Some("data:,x".to_string()),
            sha256: Some("0f".repeat(32)),
            generation: Some(Timestamp::from("2026-03-01T10:00:00Z".to_string())),
        }
    }

    fn reason(blob: BlobsetBlob) -> String {
        let Wish::Ordered(order) = Wish::read(blob) else { panic!("not ordered") };
        order.content.unwrap_err()
    }

    #[test]
    fn a_complete_blob_is_an_order() {
        let Wish::Ordered(order) = Wish::read(blob()) else { panic!("not ordered") };
        assert_eq!(order.content, Ok(Content { url: "data:,x".to_string(), sha256: [15; 32] }));
        assert_eq!(hex(&[15; 32]), "0f".repeat(32));
    }

    #[test]
    fn what_is_missing_or_bad_is_named() {
        assert!(reason(BlobsetBlob { phase: None, ..blob() }).starts_with("phase:"));
        assert!(reason(BlobsetBlob { phase: Some(Phase::Unknown), ..blob() }).starts_with("phase:"));
        assert!(reason(BlobsetBlob { url: None, ..blob() }).starts_with("url:"));
        assert!(reason(BlobsetBlob { url: Some(String::new()), ..blob() }).starts_with("url:"));
        assert!(reason(BlobsetBlob { generation: None, ..blob() }).starts_with("generation:"));
        for bad in [None, Some("0f".repeat(31)), Some("0g".repeat(32)), Some("é".repeat(32))] {
            assert!(reason(BlobsetBlob { sha256: bad, ..blob() }).starts_with("sha256:"));
        }
    }

    #[test]
    fn a_generation_is_the_same_however_it_is_written() {
        let time = |text: &str| Some(Timestamp::from(text.to_string()));
        let same = |one: Option<Timestamp>, other: Option<Timestamp>| is_same(one.as_ref(), other.as_ref());
        assert!(same(time("2026-03-01T10:00:00Z"), time("2026-03-01T10:00:00.000Z")));
        assert!(same(time("2026-03-01T10:00:00Z"), time("2026-03-01T11:00:00+01:00")));
        assert!(!same(time("2026-03-01T10:00:00Z"), time("2026-03-01T10:00:01Z")));
        assert!(!same(time("2026-03-01T10:00:00Z"), None));
        assert_eq!(echoable(time("2026-03-01T11:00:00+01:00")), time("2026-03-01T10:00:00Z"));
    }
}
