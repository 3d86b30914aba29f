//! Names as UDMI allows them.

/// Whether a text may be a family or point name (§2.6).
pub(crate) fn is_name(name: &str) -> bool {
    // Byte by byte, since a config may bring thousands of names.
    let mut before = b'_';
    let is_well_formed = name.bytes().all(|byte| {
        let fits = match byte {
            b'a'..=b'z' | b'0'..=b'9' => true,
            b'_' => before != b'_',
            _ => false,
        };
        before = byte;
        fits
    });
    is_well_formed && before != b'_' && name.starts_with(|c: char| c.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lower_case_parts_joined_by_underscores() {
        for good in ["ipv4", "a", "fan_speed_2"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "_", "_a", "4a", "a__b", "a_", "BACnet", "a-b", "ä"] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
