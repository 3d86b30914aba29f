//! Where the values of a JSON text stand, also in one that is broken further on.

use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use crate::json;

/// More levels than any parser here follows; deeper ones are taken for this one.
const DEEPEST: usize = 256;

/// Calls `visit` for each text, number and word, with the names on the way to it and where it is: a text without
/// its quotes.
pub(crate) fn scan(json: &[u8], mut visit: impl FnMut(&[String], Range<usize>)) {
    let (mut path, mut deeper) = (Vec::new(), 0_usize);
    let mut at = 0;
    while let Some(byte) = json.get(at) {
        match byte {
            b'{' | b'[' if path.len() >= DEEPEST => deeper += 1,
            b'{' | b'[' => path.push(String::new()),
            b'}' | b']' if deeper > 0 => deeper -= 1,
            b'}' | b']' => drop(path.pop()),
            b'"' => {
                let text = at + 1..end_of_text(json, at + 1);
                at = text.end;
                let is_name =
                    json.iter().skip(at + 1).find(|byte| !byte.is_ascii_whitespace()) == Some(&b':');
                match path.last_mut() {
                    Some(last) if is_name => *last = unescaped(json, &text),
                    Some(_) | None => visit(&path, text),
                }
            }
            b',' | b':' | b' ' | b'\t' | b'\r' | b'\n' => {}
            _ => {
                let word = at..end_of_word(json, at);
                at = word.end - 1;
                visit(&path, word);
            }
        }
        at += 1;
    }
}

/// Where the closing quote is, or the end of all.
fn end_of_text(json: &[u8], from: usize) -> usize {
    let mut escaped = false;
    for (at, byte) in json.iter().enumerate().skip(from) {
        match byte {
            b'"' if !escaped => return at,
            b'\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    json.len()
}

fn end_of_word(json: &[u8], from: usize) -> usize {
    let ends = |byte: &u8| b"{}[],:\" \t\r\n".contains(byte);
    json.iter().skip(from + 1).position(ends).map_or(json.len(), |length| from + 1 + length)
}

/// What a text says; nothing if it is no valid one.
pub(crate) fn unescaped(json: &[u8], text: &Range<usize>) -> String {
    let quoted = json.get(text.start.saturating_sub(1)..text.end + 1).unwrap_or_default();
    json::from_slice(quoted).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(json: &str) -> Vec<(String, &str)> {
        let mut seen = Vec::new();
        scan(json.as_bytes(), |path, at| seen.push((path.join("."), &json[at])));
        seen
    }

    #[test]
    fn every_value_is_seen_with_its_names() {
        let json = r#"{"a":{"\u0062":"x\"y","c":[1,"two",{"d":null}]},"e" : true,"a":-1.5}"#;
        let expected = [
            ("a.b", r#"x\"y"#),
            ("a.c.", "1"),
            ("a.c.", "two"),
            ("a.c..d", "null"),
            ("e", "true"),
            ("a", "-1.5"),
        ];
        assert_eq!(seen(json), expected.map(|(path, value)| (String::from(path), value)));
    }

    #[test]
    fn what_is_broken_is_looked_through_to_its_end() {
        assert_eq!(seen(r#"{"a":oops "b":"c"#), [("a".into(), "oops"), ("b".into(), "c")]);
        assert_eq!(seen(r#"]}"x"#), [(String::new(), "x")]);
        assert_eq!(seen(r#"{"a\"#), [(String::new(), r"a\")]);
        assert_eq!(seen(""), []);
        let deep = "[".repeat(100_000) + "\"x\"" + &"]".repeat(100_000) + "1";
        assert_eq!(seen(&deep).len(), 2);
    }
}
