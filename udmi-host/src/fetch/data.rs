//! URLs that need no network: `data:` (RFC 2397) and `file:` (RFC 8089).

use std::path::PathBuf;

/// The content of a data URL, given what follows `data:`: base64 if it says so, else percent-encoded.
pub(super) fn decode(rest: &str) -> Result<Vec<u8>, String> {
    let (kind, content) = rest.split_once(',').ok_or("a data URL wants a comma")?;
    let is_base64 = kind.rsplit_once(';').is_some_and(|(_, last)| last.trim().eq_ignore_ascii_case("base64"));
    let content = percent_decode(content)?;
    if is_base64 { base64_decode(&content) } else { Ok(content) }
}

/// The path of a file URL of this host, given what follows `file:`.
pub(super) fn file_path(rest: &str) -> Result<PathBuf, String> {
    let path = match rest.strip_prefix("//") {
        Some(with_host) => with_host.strip_prefix("localhost").unwrap_or(with_host),
        None => rest,
    };
    if !path.starts_with('/') {
        return Err("a file URL wants a path from the root of this host".into());
    }
    let path = String::from_utf8(percent_decode(path)?).map_err(|_| "the path is not UTF-8")?;
    if path.contains('\0') { Err("the path has a zero byte".into()) } else { Ok(path.into()) }
}

fn percent_decode(text: &str) -> Result<Vec<u8>, String> {
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
        decoded.push((high << 4 | low) as u8);
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
            assert_eq!(decode(rest).as_deref(), Ok(content.as_bytes()), "{rest}");
        }
        assert_eq!(decode(";base64,//79/A==").unwrap(), [255, 254, 253, 252]);
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
            assert!(decode(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_files_of_this_host_have_a_path() {
        for rest in ["///tmp/a%20b", "//localhost/tmp/a%20b", "/tmp/a%20b"] {
            assert_eq!(file_path(rest), Ok(PathBuf::from("/tmp/a b")), "{rest}");
        }
        for bad in ["//elsewhere/tmp/a", "tmp/a", "", "///tmp/%00", "///tmp/%ff"] {
            assert!(file_path(bad).is_err(), "{bad}");
        }
    }
}
