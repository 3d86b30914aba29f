//! JSON that is carried without being looked into, and how JSON is written.

pub(crate) mod shown;
pub(crate) mod write;

use alloc::borrow::Cow;
use alloc::string::{String, ToString as _};
use core::fmt;

use serde::de::{DeserializeSeed as _, Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Error;

use crate::model::place::{Place, Read};
use crate::model::read::{Path, Reading};

/// A JSON object as text, carried without being looked into.
#[derive(Clone)]
pub struct Json(String);

impl Json {
    /// Takes a JSON object.
    ///
    /// # Errors
    /// [`JsonError`] if the text is no valid JSON or no object.
    pub fn object(text: &str) -> Result<Self, JsonError> {
        let text = text.trim();
        check(text.as_bytes()).map_err(|error| JsonError(error.to_string()))?;
        if text.starts_with('{') {
            Ok(Self(text.into()))
        } else {
            Err(JsonError("expected a JSON object".into()))
        }
    }

    /// Takes the text of a value that was read.
    pub(crate) fn from_raw(raw: &str) -> Self {
        Self(raw.into())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Serialize for Json {
    /// As a text, so that it survives formats and buffers that know nothing of raw JSON.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        check(text.as_bytes()).map_err(D::Error::custom)?;
        Ok(Self(text.trim().into()))
    }
}

/// A text is no JSON object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonError(String);

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for JsonError {}

/// Why a text cannot be read.
#[derive(Debug)]
pub(crate) struct Unreadable {
    /// The way to what is wrong with it.
    pub(crate) path: Path,
    pub(crate) error: Error,
}

/// Reads a text. All that the core reads comes through here, so that there is one copy of the reader.
///
/// # Errors
/// What is wrong with it; some of it may have been read all the same.
pub(crate) fn read<'de>(bytes: &'de [u8], place: Place<'_, 'de>) -> Result<(), Unreadable> {
    let (text, is_cut) = match core::str::from_utf8(bytes) {
        Ok(text) => (text, false),
        Err(error) => {
            let text = bytes.get(..error.valid_up_to()).and_then(|text| core::str::from_utf8(text).ok());
            (text.unwrap_or_default(), true)
        }
    };
    let mut path = Path::default();
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let read =
        Reading::new(place, &mut path).deserialize(&mut deserializer).and_then(|()| deserializer.end());
    match read {
        Ok(()) if is_cut => Err(Unreadable { path, error: Error::custom(NO_TEXT) }),
        Ok(()) => Ok(()),
        Err(error) if is_cut && error.is_eof() => Err(Unreadable { path, error: cut(&error) }),
        Err(error) => Err(Unreadable { path, error }),
    }
}

const NO_TEXT: &str = "invalid unicode code point";

/// Where a text seems to end, something follows that is none.
fn cut(error: &Error) -> Error {
    let told = error.to_string();
    let expected = match told.split_once(" at line ").map_or(&*told, |(what, _)| what) {
        "EOF while parsing a value" => "expected value",
        "EOF while parsing a list" => "expected `,` or `]`",
        "EOF while parsing an object" => "expected `,` or `}`",
        _ => NO_TEXT,
    };
    // A text in this form tells `serde_json` the place.
    Error::custom(format_args!("{expected} at line {} column {}", error.line(), error.column() + 1))
}

/// The value of a text.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn from_slice<'de, T: Read<'de> + Default>(text: &'de [u8]) -> Result<T, Error> {
    let mut value = T::default();
    read(text, value.place()).map_err(|unreadable| unreadable.error)?;
    Ok(value)
}

/// The number that digits with an optional point and exponent stand for, also where JSON would have them in another form:
/// with a digit on either side of the point, and no zeros in front. None if it is too large, or no such number.
pub(crate) fn number(text: &str) -> Option<f64> {
    let (digits, exponent) = text.split_at(text.find(['e', 'E']).unwrap_or(text.len()));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) || digits.len() < 1 + usize::from(digits.contains('.')) {
        return None;
    }
    let whole = whole.trim_start_matches('0');
    let json = alloc::format!("0{whole}.{fraction}0{exponent}");
    let json = if whole.is_empty() { &*json } else { json.get(1..)? };
    from_slice(json.as_bytes()).ok()
}

/// Whether a text is valid JSON.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn check(text: &[u8]) -> Result<(), Error> {
    read(text, Place::Nowhere).map_err(|unreadable| unreadable.error)
}

/// A text, borrowed where it has no escapes.
pub(crate) struct Text<'a>(pub(crate) Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.into())))
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn numbers_in_other_forms_than_those_of_json_are_read_as_the_standard_library_reads_them() {
        for text in [
            "0",
            "007",
            ".5",
            "5.",
            "00.50",
            "1e3",
            "1.E+3",
            "0.1e-5",
            "9007199254740993",
            "4.9e-324",
            "0e9999",
        ] {
            assert_eq!(number(text), text.parse().ok(), "{text}");
        }
        for text in
            ["", ".", "e5", ".e5", "1e", "1e+", "1.2.3", "-1", "+1", " 1", "1 ", "inf", "0x1", "1e999", "1,0"]
        {
            assert_eq!(number(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_no_text_is_told_where_it_begins() {
        for (bytes, told) in [
            (&b"\xff"[..], "expected value at line 1 column 1"),
            (b"{\"a\":\xff}", "expected value at line 1 column 6"),
            (b"[1\xff]", "expected `,` or `]` at line 1 column 3"),
            (b"\n{\"a\":1\xff", "expected `,` or `}` at line 2 column 7"),
            (b"\"a\xff\"", "invalid unicode code point at line 1 column 3"),
            (b"{,\xff", "key must be a string at line 1 column 2"),
        ] {
            assert_eq!(from_slice::<Value>(bytes).unwrap_err().to_string(), told);
        }
        assert!(check(b"{} \xff").is_err());
    }
}
