//! Whole numbers as references write them: digits only.

/// A number in a range, without sign and leading zeros.
pub(super) fn decimal(text: &str, minimum: u32, maximum: u32) -> Option<u32> {
    if text.len() > 1 && text.starts_with('0') {
        return None;
    }
    digits(text).filter(|number| (minimum..=maximum).contains(number))
}

/// A number that may have leading zeros.
pub(super) fn digits(text: &str) -> Option<u32> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None; // `parse` would take a sign
    }
    text.parse().ok()
}
