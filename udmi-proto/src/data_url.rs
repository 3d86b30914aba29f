//! Data URLs (RFC 2397).

use alloc::string::String;
use alloc::vec::Vec;

/// The content of a data URL, given what follows `data:`: base64 if it says so, else percent-encoded. Hosts fetch
/// such URLs by this function, since traces have to know what comes of one.
///
/// # Errors
/// What is wrong with it, without any of its content.
pub fn decode_data_url(rest: &str) -> Result<Vec<u8>, String> {
    let (kind, content) = rest.split_once(',').ok_or("a data URL wants a comma")?;
    let content = percent_decode(content)?;
    if is_base64(kind) { base64_decode(&content) } else { Ok(content) }
}

/// Whether a data URL that begins like this, up to its comma, has its content in base64.
pub(crate) fn is_base64(kind: &str) -> bool {
    kind.rsplit_once(';').is_some_and(|(_, last)| last.trim().eq_ignore_ascii_case("base64"))
}

/// The bytes of a percent-encoded text (RFC 3986, section 2.1).
///
/// # Errors
/// A percent sign without two hexadecimal digits.
pub fn percent_decode(text: &str) -> Result<Vec<u8>, String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|byte| char::from(byte).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else {
            return Err("a percent sign wants two hexadecimal digits".into());
        };
        decoded.push(u8::try_from(high << 4 | low).unwrap_or_default());
    }
    Ok(decoded)
}

/// Standard alphabet, with or without padding; white space is no matter, as browsers have it.
fn base64_decode(text: &[u8]) -> Result<Vec<u8>, String> {
    let mut sextets: Vec<u8> = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    if sextets.len().is_multiple_of(4) {
        for _ in 0..2 {
            sextets.pop_if(|last| *last == b'=');
        }
    }
    let mut decoded = Vec::with_capacity(sextets.len() / 4 * 3 + 2);
    for group in sextets.chunks(4) {
        let mut bits = 0;
        for &byte in group {
            bits = bits << 6 | sextet(byte).ok_or("a character that is not of base64")?;
        }
        let bytes = (bits << (6 * (4 - group.len()))).to_be_bytes();
        match group.len() {
            1 => return Err("base64 is cut short".into()),
            length => decoded.extend_from_slice(bytes.get(1..length).unwrap_or_default()),
        }
    }
    Ok(decoded)
}

fn sextet(byte: u8) -> Option<u32> {
    Some(u32::from(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_encodings_of_a_data_url_are_read() {
        for (rest, content) in [
            ("application/json;base64,eyJhIjoxfQ==", "{\"a\":1}"),
            ("application/json;base64,eyJhIjoxfQ", "{\"a\":1}"),
            (";base64,eyJh\nIjox fQ%3D%3D", "{\"a\":1}"),
            ("text/plain;charset=utf-8;BASE64,", ""),
            (",a%20b%2Cc", "a b,c"),
            ("application/json,{\"a\":1}", "{\"a\":1}"),
            ("base64,eA==", "eA=="), // a media type of that name
        ] {
            assert_eq!(decode_data_url(rest).as_deref(), Ok(content.as_bytes()), "{rest}");
        }
        assert_eq!(decode_data_url(";base64,//79/A==").unwrap(), [255, 254, 253, 252]);
    }

    #[test]
    fn bad_data_urls_are_refused() {
        for bad in [
            "",
            "text/plain",
            ";base64,e",
            ";base64,eA=",
            ";base64,e?==",
            ";base64,eyJh=",
            ",%",
            ",%4",
            ",%zz",
        ] {
            assert!(decode_data_url(bad).is_err(), "{bad}");
        }
    }
}
