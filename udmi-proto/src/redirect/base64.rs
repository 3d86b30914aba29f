//! Base64 (RFC 4648): read from data URLs, written into tokens.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// The text is no base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Base64Error;

impl fmt::Display for Base64Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no valid base64")
    }
}

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Reads the standard alphabet, with its padding or without.
pub(crate) fn decode(text: &str) -> Result<Vec<u8>, Base64Error> {
    let digits = text.trim_end_matches('=');
    let padding = text.len() - digits.len();
    let complete = text.len().is_multiple_of(4) && padding <= 2;
    if digits.len() % 4 == 1 || (padding > 0 && !complete) {
        return Err(Base64Error);
    }
    let mut bytes = Vec::with_capacity(digits.len() / 4 * 3 + 2);
    for group in digits.as_bytes().chunks(4) {
        let mut bits = 0_u32;
        for (place, digit) in group.iter().enumerate() {
            bits |= value(*digit)? << (18 - 6 * place);
        }
        let [_, first, second, third] = bits.to_be_bytes();
        bytes.extend([first, second, third].into_iter().take(group.len() * 3 / 4));
    }
    Ok(bytes)
}

fn value(digit: u8) -> Result<u32, Base64Error> {
    let value = match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return Err(Base64Error),
    };
    Ok(u32::from(value))
}

/// Writes the standard alphabet with padding.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut text = encode_with(STANDARD, bytes);
    while !text.len().is_multiple_of(4) {
        text.push('=');
    }
    text
}

/// Writes the alphabet for URLs without padding, as tokens want it (RFC 7515, section 2).
pub(crate) fn encode_url(bytes: &[u8]) -> String {
    encode_with(URL_SAFE, bytes)
}

fn encode_with(alphabet: &[u8; 64], bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let mut bits = 0_usize;
        for (place, byte) in group.iter().enumerate() {
            bits |= usize::from(*byte) << (16 - 8 * place);
        }
        for place in 0..=group.len() {
            let digit = alphabet.get(bits >> (18 - 6 * place) & 63);
            text.extend(digit.map(|digit| char::from(*digit)));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4648, section 10.
    #[test]
    fn the_test_vectors_of_the_standard_hold() {
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(encode(plain.as_bytes()), coded);
            assert_eq!(decode(coded).as_deref(), Ok(plain.as_bytes()));
            assert_eq!(decode(coded.trim_end_matches('=')).as_deref(), Ok(plain.as_bytes()));
        }
    }

    #[test]
    fn every_byte_survives_and_urls_have_their_own_digits() {
        let all: Vec<u8> = (0..=255).collect();
        for end in 0..=all.len() {
            assert_eq!(decode(&encode(&all[..end])).as_deref(), Ok(&all[..end]));
        }
        assert_eq!(encode_url(&[0xfb, 0xff]), "-_8");
    }

    #[test]
    fn what_is_no_base64_is_refused() {
        for bad in ["Z", "Zm9vY", "Zg=", "Zg===", "Z===", "Zm 9v", "Zm9v\n", "-_8=", "====", "Zg==Zg=="] {
            assert_eq!(decode(bad), Err(Base64Error), "{bad}");
        }
    }
}
