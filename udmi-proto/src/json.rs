//! JSON that is carried without being looked into, and how JSON is written.

pub(crate) mod write;

use alloc::borrow::{Cow, ToOwned as _};
use alloc::string::{String, ToString as _};
use core::fmt;

use serde::de::{DeserializeSeed as _, Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::model::place::Place;
use crate::model::read::{Path, Reading};

/// A JSON object as text, carried without being looked into.
#[derive(Clone)]
pub struct Json(alloc::boxed::Box<RawValue>);

impl Json {
    /// Takes a JSON object.
    ///
    /// # Errors
    /// [`JsonError`] if the text is no valid JSON or no object.
    pub fn object(text: &str) -> Result<Self, JsonError> {
        let raw: alloc::boxed::Box<RawValue> =
            serde_json::from_str(text.trim()).map_err(|error| JsonError(error.to_string()))?;
        if raw.get().starts_with('{') {
            Ok(Self(raw))
        } else {
            Err(JsonError("expected a JSON object".into()))
        }
    }

    pub(crate) fn from_raw(raw: &RawValue) -> Self {
        Self(raw.to_owned())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.get()
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
        let raw = RawValue::from_string(text).map_err(D::Error::custom)?;
        Ok(Self(raw))
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
    pub(crate) error: serde_json::Error,
}

/// Reads a text.
///
/// # Errors
/// What is wrong with it; some of it may have been read all the same.
pub(crate) fn read<'de>(text: &'de str, place: Place<'_, 'de>) -> Result<(), Unreadable> {
    let mut path = Path::default();
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let read = Reading { place, path: &mut path }.deserialize(&mut deserializer);
    read.and_then(|()| deserializer.end()).map_err(|error| Unreadable { path, error })
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
