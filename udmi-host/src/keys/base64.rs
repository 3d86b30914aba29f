//! Base64 in the two forms that keys need (RFC 4648): with padding for PEM, and the URL-safe one without for
//! signatures.

use zeroize::Zeroizing;

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Standard base64 with padding.
pub(crate) fn encode(bytes: &[u8]) -> Zeroizing<String> {
    let mut encoded = digits(bytes, STANDARD);
    while !encoded.len().is_multiple_of(4) {
        encoded.push('=');
    }
    encoded
}

/// URL-safe base64 without padding.
pub(crate) fn encode_url(bytes: &[u8]) -> Zeroizing<String> {
    digits(bytes, URL_SAFE)
}

fn digits(bytes: &[u8], alphabet: &[u8; 64]) -> Zeroizing<String> {
    // Reserved ahead, so that growing does not leave copies behind.
    let mut encoded = Zeroizing::new(String::with_capacity(bytes.len().div_ceil(3) * 4));
    for group in bytes.chunks(3) {
        let word = group.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte));
        let word = word << (8 * (3 - group.len()));
        for position in 0..=group.len() {
            let sextet = word >> (18 - 6 * position) & 0x3f;
            encoded.push(char::from(alphabet[sextet as usize]));
        }
    }
    encoded
}

/// Strict standard base64 with padding, no white space.
pub(crate) fn decode(encoded: &str) -> Option<Zeroizing<Vec<u8>>> {
    let bytes = encoded.as_bytes();
    if !bytes.len().is_multiple_of(4) {
        return None;
    }
    let digits = bytes.iter().rev().skip_while(|byte| **byte == b'=').count();
    let padding = bytes.len() - digits;
    if padding > 2 {
        return None;
    }
    let mut decoded = Zeroizing::new(Vec::with_capacity(bytes.len() / 4 * 3));
    for group in bytes.chunks_exact(4) {
        let mut word = 0u32;
        for byte in group {
            word = word << 6 | sextet(*byte)?;
        }
        decoded.extend_from_slice(&word.to_be_bytes()[1..]);
    }
    let length = decoded.len() - padding;
    decoded.truncate(length);
    // An equals sign before the end decodes as zero above, so it is refused here.
    if bytes[..digits].contains(&b'=') { None } else { Some(decoded) }
}

fn sextet(byte: u8) -> Option<u32> {
    let value = match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        b'=' => 0,
        _ => return None,
    };
    Some(u32::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAIRS: [(&[u8], &str); 5] =
        [(b"", ""), (b"M", "TQ=="), (b"Ma", "TWE="), (b"Man", "TWFu"), (&[0xfb, 0xff], "+/8=")];

    #[test]
    fn every_padding_is_written_and_read() {
        for (bytes, text) in PAIRS {
            assert_eq!(encode(bytes).as_str(), text);
            assert_eq!(decode(text).as_deref().map(Vec::as_slice), Some(bytes), "{text}");
        }
    }

    #[test]
    fn the_form_for_urls_has_no_padding_and_two_other_digits() {
        assert_eq!(encode_url(&[0xfb, 0xff]).as_str(), "-_8");
        assert_eq!(encode_url(b"Man").as_str(), "TWFu");
    }

    #[test]
    fn faults_are_refused() {
        for faulty in ["T", "TQ=", "T===", "====", "TQ==TQ==", "T=Fu", "TW\u{e9}u", "TWF-"] {
            assert!(decode(faulty).is_none(), "{faulty}");
        }
    }
}
