//! Names as UDMI allows them.

/// Whether a text may be a family or point name (§2.6).
pub(crate) fn is_name(name: &str) -> bool {
    let part =
        |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    name.starts_with(|c: char| c.is_ascii_lowercase()) && name.split('_').all(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lower_case_parts_joined_by_underscores() {
        for good in ["ipv4", "a", "fan_speed_2"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "_a", "4a", "a__b", "a_", "BACnet", "a-b"] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
