//! Finds the sections of a PEM text and decodes their base64.

use zeroize::Zeroizing;

/// One `-----BEGIN label-----` … `-----END label-----` section.
pub(super) struct Section {
    pub(super) label: String,
    /// The decoded body, or why there is none.
    pub(super) body: Result<Zeroizing<Vec<u8>>, BadBody>,
}

/// Why a section's body cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadBody {
    /// Headers such as `Proc-Type: 4,ENCRYPTED`: the encryption OpenSSL used before PKCS#8.
    LegacyEncryption,
    /// The body is not base64.
    NotBase64,
    /// The closing line is missing.
    Unterminated,
}

/// All sections in the order of the text; what lies between sections is ignored.
pub(super) fn sections(text: &str) -> Vec<Section> {
    let mut found = Vec::new();
    let mut lines = text.lines().map(str::trim);
    while let Some(line) = lines.next() {
        let Some(label) = line.strip_prefix("-----BEGIN ").and_then(|rest| rest.strip_suffix("-----")) else {
            continue;
        };
        let end = format!("-----END {label}-----");
        let mut encoded = Zeroizing::new(String::new());
        let mut encrypted = false;
        let mut closed = false;
        for line in lines.by_ref() {
            if line == end {
                closed = true;
                break;
            }
            match line.split_once(':') {
                Some((name, value)) => encrypted |= name == "Proc-Type" && value.contains("ENCRYPTED"),
                None => encoded.push_str(line),
            }
        }
        let body = match (closed, encrypted) {
            (false, _) => Err(BadBody::Unterminated),
            (true, true) => Err(BadBody::LegacyEncryption),
            (true, false) => decode_base64(&encoded).ok_or(BadBody::NotBase64),
        };
        found.push(Section { label: label.to_owned(), body });
    }
    found
}

/// Strict base64 with padding, no white space.
fn decode_base64(encoded: &str) -> Option<Zeroizing<Vec<u8>>> {
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

    fn decoded(encoded: &str) -> Option<Vec<u8>> {
        decode_base64(encoded).map(|bytes| bytes.to_vec())
    }

    #[test]
    fn base64_is_decoded_with_every_padding() {
        assert_eq!(decoded(""), Some(vec![]));
        assert_eq!(decoded("TQ=="), Some(b"M".to_vec()));
        assert_eq!(decoded("TWE="), Some(b"Ma".to_vec()));
        assert_eq!(decoded("TWFu"), Some(b"Man".to_vec()));
        assert_eq!(decoded("+/8="), Some(vec![0xfb, 0xff]));
    }

    #[test]
    fn base64_with_faults_is_refused() {
        for faulty in ["T", "TQ=", "T===", "====", "TQ==TQ==", "T=Fu", "TW\u{e9}u", "TWF-"] {
            assert_eq!(decoded(faulty), None, "{faulty}");
        }
    }

    #[test]
    fn sections_are_found_among_other_text() {
        let found = sections(
            "Bag Attributes\r\n-----BEGIN A-----\r\nTWFu\r\n-----END A-----\r\nnoise\n-----BEGIN B B-----\nTQ==\n-----END B B-----",
        );
        let labels: Vec<_> = found.iter().map(|section| section.label.as_str()).collect();
        assert_eq!(labels, ["A", "B B"]);
        assert!(found.iter().all(|section| section.body.is_ok()));
    }

    #[test]
    fn an_unterminated_section_is_told_from_one_that_is_not_base64() {
        let body = |text| sections(text).remove(0).body.err();
        assert_eq!(body("-----BEGIN A-----\nTWFu\n"), Some(BadBody::Unterminated));
        assert_eq!(body("-----BEGIN A-----\n!!\n-----END A-----"), Some(BadBody::NotBase64));
    }
}
