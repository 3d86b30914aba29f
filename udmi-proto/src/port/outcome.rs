//! What an application answers.

use alloc::string::String;

use device_link::{Map, Secret};
use serde::{Deserialize, Deserializer, Serialize};

use crate::model::events::SystemMetrics;
use crate::model::value::Value;

/// An answer to a [`Hook`](super::Hook).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Outcome {
    /// It is done.
    Done,
    /// It could not be done; the text is shown to people.
    Failed {
        /// Why.
        message: String,
    },
    /// The value is refused.
    Invalid {
        /// Why.
        message: String,
    },
    /// Readings by point.
    Values {
        /// A value or why there is none.
        values: Map<String, Reading>,
    },
    /// The host's metrics.
    Metrics(SystemMetrics),
    /// How processing a blob has ended, where it is neither invalid nor failed, or whether it is activated.
    Blob(BlobOutcome),
    /// A new key pair was made, which is not in force yet.
    KeyMade(NewKey),
    /// Nobody takes care of it.
    Unhandled,
}

/// How processing a blob has ended ([`Hook::ProcessBlob`](super::Hook::ProcessBlob)), or whether it is activated ([`Hook::CheckActivation`](super::Hook::CheckActivation)).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BlobOutcome {
    /// It is staged and can be activated.
    Processed {
        /// Its version, which becomes the software version of its name.
        version: Option<String>,
    },
    /// Installing was called off.
    Aborted {
        /// Why.
        message: String,
    },
    /// Installing failed and was undone.
    RolledBack {
        /// Why.
        message: String,
    },
    /// It is in use.
    Activated,
    /// It is not in use.
    NotActivated,
}

/// A key pair the host has made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewKey {
    /// The public key as PEM (SubjectPublicKeyInfo).
    pub public_key: String,
    /// The name of the old pair's backup.
    pub backup: String,
    /// The password that is derived from the new key, where the broker wants one (§1.6).
    pub password: Secret<String>,
}

/// A point that was read, or could not be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Reading {
    /// Its value.
    Value(#[serde(deserialize_with = "reading")] Value),
    /// Why there is none.
    Failed(String),
}

/// A value as a trace has it: an application may well read NaN or an infinity, for which JSON has only `null`.
/// All of them are equally unusable, so that the run replays.
pub(super) fn reading<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(Value::Number(f64::NAN)))
}

pub(super) fn readings<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Map<String, Value>, D::Error> {
    let values = Map::<String, Option<Value>>::deserialize(deserializer)?;
    Ok(values.into_iter().map(|(name, value)| (name, value.unwrap_or(Value::Number(f64::NAN)))).collect())
}
