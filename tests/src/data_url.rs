//! `data:` URLs as UDMI's configs carry them (§5.3), and the hash that goes with them.

use sha2::{Digest as _, Sha256};

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const MARK: &str = ";base64,";

/// The URL of some content.
#[must_use]
pub fn encode(content: &[u8]) -> String {
    let mut url = format!("data:application/json{MARK}");
    for group in content.chunks(3) {
        let bytes = [0, 1, 2].map(|at| u32::from(group.get(at).copied().unwrap_or(0)));
        let bits = bytes[0] << 16 | bytes[1] << 8 | bytes[2];
        for place in 0..4 {
            let digit = usize::try_from(bits >> (18 - 6 * place) & 63).unwrap_or(0);
            url.push(if place > group.len() { '=' } else { char::from(ALPHABET[digit]) });
        }
    }
    url
}

/// The content of a URL; none if it is no `data:` URL in base64.
#[must_use]
pub fn decode(url: &str) -> Option<Vec<u8>> {
    let (kind, coded) = url.split_once(MARK)?;
    kind.strip_prefix("data:")?;
    let mut content = Vec::new();
    let (mut bits, mut count) = (0_u32, 0_u32);
    for byte in coded.trim_end_matches('=').bytes() {
        let digit = ALPHABET.iter().position(|known| *known == byte)?;
        bits = bits << 6 | u32::try_from(digit).ok()?;
        count += 6;
        if count >= 8 {
            count -= 8;
            content.push(u8::try_from(bits >> count & 255).ok()?);
        }
    }
    Some(content)
}

/// The SHA-256 of some content in lower-case hexadecimal.
#[must_use]
pub fn sha256(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_comes_back_out_of_its_url() {
        for content in ["", "a", "ab", "abc", "{\"version\":\"v2\"}"] {
            assert_eq!(decode(&encode(content.as_bytes())).as_deref(), Some(content.as_bytes()));
        }
        assert_eq!(encode(b"{}"), "data:application/json;base64,e30=");
        assert_eq!(decode("http://localhost:1/bogus"), None);
    }
}
