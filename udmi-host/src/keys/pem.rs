//! Finds the sections of a PEM text and decodes their base64, and writes such sections.

use zeroize::Zeroizing;

use super::base64;

/// One `-----BEGIN label-----` … `-----END label-----` section.
pub(crate) struct Section {
    pub(crate) label: String,
    /// The decoded body, or why there is none.
    pub(crate) body: Result<Zeroizing<Vec<u8>>, BadBody>,
}

/// Why a section's body cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadBody {
    /// Headers such as `Proc-Type: 4,ENCRYPTED`: the encryption OpenSSL used before PKCS#8.
    LegacyEncryption,
    /// The body is not base64.
    NotBase64,
    /// The closing line is missing.
    Unterminated,
}

/// All sections in the order of the text; what lies between sections is ignored.
pub(crate) fn sections(text: &str) -> Vec<Section> {
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
            (true, false) => base64::decode(&encoded).ok_or(BadBody::NotBase64),
        };
        found.push(Section { label: label.to_owned(), body });
    }
    found
}

/// A section with lines of 64 characters, as RFC 7468 has it.
pub(crate) fn encode(label: &str, body: &[u8]) -> Zeroizing<String> {
    let encoded = base64::encode(body);
    let mut text = Zeroizing::new(String::with_capacity(encoded.len() / 64 * 65 + 2 * label.len() + 100));
    text.push_str("-----BEGIN ");
    text.push_str(label);
    text.push_str("-----\n");
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text.push_str("-----END ");
    text.push_str(label);
    text.push_str("-----\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for length in [0, 1, 47, 48, 49, 500] {
            let body = vec![0xa5; length];
            let text = encode("B B", &body);
            assert!(text.lines().all(|line| line.len() <= 64));
            let found = sections(&text).remove(0);
            assert_eq!(found.label, "B B");
            assert_eq!(found.body.unwrap().as_slice(), body, "{length}");
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
