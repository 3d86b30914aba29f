//! JSON written straight into the bytes of a message, in the very form that `serde_json` gives it. What makes up
//! the bulk of a message, names and numbers of points, costs little more than the copying this way.

use alloc::vec::Vec;

use serde::Serialize;

/// A JSON object that is being written.
#[derive(Debug)]
pub(crate) struct Object<'a> {
    out: &'a mut Vec<u8>,
    is_empty: bool,
}

impl<'a> Object<'a> {
    pub(crate) fn begin(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, is_empty: true }
    }

    /// A member whose value is written by the caller.
    pub(crate) fn member(&mut self, name: &str) -> &mut Vec<u8> {
        if !core::mem::take(&mut self.is_empty) {
            self.out.push(b',');
        }
        put_text(self.out, name);
        self.out.push(b':');
        self.out
    }

    /// A member whose name is known to be of letters, digits and underscores.
    pub(crate) fn plain_member(&mut self, name: &str) -> &mut Vec<u8> {
        let comma: &[u8] = if core::mem::take(&mut self.is_empty) { b"\"" } else { b",\"" };
        self.out.reserve(name.len() + 4);
        self.out.extend_from_slice(comma);
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }

    pub(crate) fn text(&mut self, name: &str, text: &str) {
        put_text(self.member(name), text);
    }

    pub(crate) fn object(&mut self, name: &str) -> Object<'_> {
        Object::begin(self.member(name))
    }

    /// As [`Object::object`], for names as in [`Object::plain_member`].
    pub(crate) fn plain_object(&mut self, name: &str) -> Object<'_> {
        Object::begin(self.plain_member(name))
    }

    /// A member of whatever type.
    ///
    /// # Errors
    /// What `serde_json` finds wrong with the value.
    pub(crate) fn value<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> serde_json::Result<()> {
        put(self.member(name), value)
    }

    pub(crate) fn end(self) {
        self.out.push(b'}');
    }
}

/// Room for a text of which the last one of its kind took so many bytes.
pub(crate) fn room_like(last: usize) -> Vec<u8> {
    Vec::with_capacity(last + last / 16 + 64)
}

/// Appends a value of whatever type.
///
/// # Errors
/// What `serde_json` finds wrong with the value.
pub(crate) fn put<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) -> serde_json::Result<()> {
    // Without the standard library there is no writing into a buffer that is there already.
    serde_json::to_vec(value).map(|json| out.extend_from_slice(&json))
}

/// Appends a text in its quotes.
pub(crate) fn put_text(out: &mut Vec<u8>, text: &str) {
    let is_escaped = |byte: u8| byte < b' ' || byte == b'"' || byte == b'\\';
    // All bytes are looked at, so that many are at a time.
    if text.bytes().fold(false, |found, byte| found | is_escaped(byte)) {
        // A text cannot fail.
        let _ = put(out, text);
        return;
    }
    out.reserve(text.len() + 2);
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

/// Appends a whole number.
pub(crate) fn put_integer(out: &mut Vec<u8>, number: i64) {
    if number < 0 {
        out.push(b'-');
    }
    put_digits(out, number.unsigned_abs());
}

/// Appends so many hundredths as `serde_json` writes the double nearest to them. None beyond 15 digits: up to there
/// no two decimals share a double, so the shortest that tells it from others is the number itself.
pub(crate) fn put_hundredths(out: &mut Vec<u8>, hundredths: i64) -> Option<()> {
    const SIXTEEN_DIGITS: u64 = 1_000_000_000_000_000;
    let absolute = hundredths.unsigned_abs();
    if absolute >= SIXTEEN_DIGITS {
        return None;
    }
    if hundredths < 0 {
        out.push(b'-');
    }
    put_digits(out, absolute / 100);
    let [tenths, hundredths] = [digit(absolute / 10), digit(absolute)];
    out.extend_from_slice(&[b'.', tenths]);
    if hundredths != b'0' {
        out.push(hundredths);
    }
    Some(())
}

fn put_digits(out: &mut Vec<u8>, number: u64) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    let mut rest = number;
    for place in digits.iter_mut().rev() {
        *place = digit(rest);
        start -= 1;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(start..).unwrap_or_default());
}

/// The last digit.
fn digit(number: u64) -> u8 {
    b'0' + (number % 10) as u8
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use super::*;

    fn written(put: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        put(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn texts_are_written_as_serde_json_writes_them() {
        for text in ["", "supply_air_1", "°C", "a\"b", "a\\b", "line\nend", "\u{1f}\u{7f}", "/ü€😀"] {
            assert_eq!(written(|out| put_text(out, text)), serde_json::to_string(text).unwrap());
        }
    }

    #[test]
    fn whole_numbers_are_written_as_serde_json_writes_them() {
        for number in [0, 1, -1, 9, 10, -10, 99, 12_345, i64::MAX, i64::MIN, i64::MIN + 1] {
            assert_eq!(written(|out| put_integer(out, number)), serde_json::to_string(&number).unwrap());
        }
    }

    #[test]
    #[allow(clippy::cast_precision_loss)]
    fn hundredths_are_written_as_serde_json_writes_the_double() {
        const END: i64 = 1_000_000_000_000_000;
        let spread =
            (0..100_000).map(|n| n * 9_999_991 % END).chain((0..200_000).map(|n| END - 1 - n * n * 17));
        for hundredths in (0..100_000).chain(spread).flat_map(|n| [n, -n]) {
            let json = serde_json::to_string(&(hundredths as f64 / 100.0)).unwrap();
            assert_eq!(written(|out| put_hundredths(out, hundredths).unwrap()), json);
        }
        assert_eq!(put_hundredths(&mut Vec::new(), END), None);
        assert_eq!(put_hundredths(&mut Vec::new(), i64::MIN), None);
    }

    #[test]
    fn an_object_is_written_member_by_member() {
        let json = written(|out| {
            let mut object = Object::begin(out);
            object.text("a", "x");
            let mut inner = object.object("b");
            inner.value("c", &[1, 2]).unwrap();
            inner.end();
            object.plain_object("d").end();
            put_integer(object.plain_member("e_1"), 5);
            object.end();
        });
        assert_eq!(json, r#"{"a":"x","b":{"c":[1,2]},"d":{},"e_1":5}"#);
        let mut out = Vec::new();
        put_integer(Object::begin(&mut out).plain_member("a"), 5);
        assert_eq!(out, br#"{"a":5"#);
    }
}
