//! What several documents share: timestamps, versions and choices.

use alloc::borrow::Cow;
use alloc::string::{String, ToString};
use core::fmt;

use serde::Serialize;

use crate::json::shown::Shown;

use super::describe::{Describe, Document, Field, Kind, Shape};
use super::moment;
use super::place::{Place, Read, Refusal, Scalar, leaf, text};
use super::read::readable;

/// The UDMI version this model speaks.
pub const VERSION: &str = "1.5.7";

/// The pattern of device ids.
pub const DEVICE_ID: &str = "^[A-Z]{2,6}-[1-9][0-9]*$";

/// The pattern of point, family and similar names.
pub const NAME: &str = "^[a-z][a-z0-9]*(_[a-z0-9]+)*$";

/// The pattern of blob names: as [`NAME`], with an underscore in front for those UDMI reserves.
pub const RESERVED_OR_NAME: &str = "^_?[a-z][a-z0-9]*(_[a-z0-9]+)*$";

/// The pattern of keys in free tables such as software versions.
pub const TABLE_KEY: &str = "^[a-z_]+$";

/// The pattern of references that discovery reports.
pub const REFERENCE: &str = "^[-_.:/a-zA-Z0-9]+$";

/// A date and time, kept as the text that was received, so that it can be echoed unchanged.
///
/// Reading accepts any text; [`Timestamp::millis`] tells whether it is a date. The default is the epoch.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Timestamp(Cow<'static, str>);

/// The text is not a date and time with an offset, in RFC 3339's form or close to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampError;

impl fmt::Display for TimestampError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("not an RFC 3339 date and time")
    }
}

impl core::error::Error for TimestampError {}

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(Cow::Borrowed("1970-01-01T00:00:00Z"));

    /// Writes milliseconds since the epoch with `Z`: as whole seconds if they are, else with three
    /// fraction digits. Times outside the years 0 to 9999 are brought to the nearest bound.
    ///
    /// ```
    /// use udmi_proto::model::common::Timestamp;
    ///
    /// assert_eq!(Timestamp::from_millis(0).as_str(), "1970-01-01T00:00:00Z");
    /// assert_eq!(Timestamp::from_millis(1_250).as_str(), "1970-01-01T00:00:01.250Z");
    /// assert_eq!(Timestamp::from("2026-03-01T10:00:00.5+0000".to_string()).millis(), Ok(1_772_359_200_500));
    /// ```
    #[must_use]
    pub fn from_millis(millis: i64) -> Self {
        const YEAR_0: i64 = -62_167_219_200_000;
        const YEAR_10000: i64 = 253_402_300_800_000;
        let within = millis.clamp(YEAR_0, YEAR_10000 - 1_000_000_000);
        Self(Cow::Owned(moment::written(within, millis.rem_euclid(1000) != 0)))
    }

    /// As [`Timestamp::from_millis`], with the fraction cut off.
    #[must_use]
    pub fn from_millis_whole_seconds(millis: i64) -> Self {
        Self::from_millis(millis.saturating_sub(millis.rem_euclid(1000)))
    }

    /// The text as received.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Milliseconds since the epoch; a finer fraction is cut off. Accepts none to nine fraction digits and
    /// `Z`, `+00:00`, `+0000` or another offset, and dates and times without dashes, colons or seconds (§C.4).
    ///
    /// # Errors
    ///
    /// [`TimestampError`] if the text is not such a date.
    pub fn millis(&self) -> Result<i64, TimestampError> {
        moment::read(&self.0).ok_or(TimestampError)
    }
}

impl Default for Timestamp {
    fn default() -> Self {
        Self::EPOCH
    }
}

impl From<String> for Timestamp {
    fn from(text: String) -> Self {
        Self(Cow::Owned(text))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

leaf! {
    Timestamp: "a string", |scalar| text(scalar).map(|text| Self(Cow::Owned(text.into_owned())));
    Version: "a version", version;
}

readable!(Timestamp, Version);

impl Field for Timestamp {
    const KIND: Kind = Kind::DateTime;
}

/// A UDMI version; the default is [`VERSION`].
///
/// Reading never fails on well-formed JSON, because no config may be refused for its version (§2.4): a
/// number becomes its text, anything else the empty text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Version(Cow<'static, str>);

impl Version {
    /// The text of the version.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Version {
    fn default() -> Self {
        Self(Cow::Borrowed(VERSION))
    }
}

impl From<String> for Version {
    fn from(text: String) -> Self {
        Self(Cow::Owned(text))
    }
}

impl Field for Version {
    const KIND: Kind = Kind::String;
}

fn version(scalar: Scalar<'_>) -> Result<Version, Refusal<'_>> {
    let text = match scalar {
        Scalar::Text(text) if text == VERSION => return Ok(Version::default()),
        Scalar::Text(text) => text.into_owned(),
        Scalar::Integer(number) => number.to_string(),
        Scalar::Natural(number) => number.to_string(),
        Scalar::Number(number) => Shown(number).to_string(),
        Scalar::Null | Scalar::Boolean(_) | Scalar::List | Scalar::Object => String::new(),
    };
    Ok(Version::from(text))
}

/// A value that is read and written like any other, but never shown by `Debug`.
#[derive(Clone, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Concealed<T>(pub T);

impl<T> fmt::Debug for Concealed<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("***")
    }
}

impl<'de, T: Read<'de>> Read<'de> for Concealed<T> {
    fn place(&mut self) -> Place<'_, 'de> {
        self.0.place()
    }
}

impl<T: Field> Field for Concealed<T> {
    const KIND: Kind = T::KIND;

    fn absent(&self) -> bool {
        self.0.absent()
    }
}

choice! {
    /// The operating mode of a device.
    pub enum Mode in "mode" {
        /// Just started, no mode ordered yet.
        Initial = "initial",
        /// Normal work.
        Active = "active",
        /// Busy with an update.
        Updating = "updating",
        /// About to start again.
        Restart = "restart",
        /// About to end, not to start again.
        Terminate = "terminate",
        /// About to switch off.
        Shutdown = "shutdown",
    }
}

choice! {
    /// How deep an enumeration or a scan goes, from the shallowest.
    pub enum Depth in "depth" {
        /// Only which kinds there are.
        Buckets = "buckets",
        /// One entry for each thing found.
        Entries = "entries",
        /// Entries with their details.
        Details = "details",
        /// Details with their parts.
        Parts = "parts",
        /// With the description of the system.
        System = "system",
        /// With all references.
        Refs = "refs",
    }
}

choice! {
    /// The service or product through which devices reach the cloud.
    pub enum IotProvider in "iot_provider" {
        /// Files on the same machine.
        Local = "local",
        /// Chosen at run time.
        Dynamic = "dynamic",
        /// Given by the environment.
        Implicit = "implicit",
        /// A publish and subscribe service.
        Pubsub = "pubsub",
        /// A plain MQTT broker.
        Mqtt = "mqtt",
        /// The building operating system's broker.
        Gbos = "gbos",
        /// The reflector of that broker, for tools.
        Gref = "gref",
        /// A key-value store.
        Etcd = "etcd",
        /// Any broker that takes signed tokens.
        Jwt = "jwt",
        /// ClearBlade's broker.
        Clearblade = "clearblade",
    }
}

choice! {
    /// What a request to the cloud model asks for, or how it was answered.
    pub enum Operation in "operation" {
        /// The request failed.
        Error = "ERROR",
        /// Make a new record.
        Create = "CREATE",
        /// Fetch a record.
        Read = "READ",
        /// The answer to a request.
        Reply = "REPLY",
        /// Replace a record.
        Update = "UPDATE",
        /// Remove a record.
        Delete = "DELETE",
        /// Change a part of a record.
        Modify = "MODIFY",
        /// Show what would be done.
        Preview = "PREVIEW",
        /// Tie a device to a gateway.
        Bind = "BIND",
        /// Untie a device from a gateway.
        Unbind = "UNBIND",
        /// The device is tied to a gateway.
        Bound = "BOUND",
        /// Let a device communicate.
        Allow = "ALLOW",
        /// Keep a device from communicating.
        Block = "BLOCK",
    }
}

choice! {
    /// How mature a feature is.
    pub enum Stage in "stage" {
        /// Switched off.
        Disabled = "disabled",
        /// First trials.
        Alpha = "alpha",
        /// For early users.
        Preview = "preview",
        /// Nearly done.
        Beta = "beta",
        /// Done.
        Stable = "stable",
    }
}

choice! {
    /// How far the handling of a blob is.
    pub enum Phase in "phase" {
        /// Being applied.
        Apply = "apply",
        /// Done: in a config the content is complete, in a state the handling has ended.
        Final = "final",
    }
}

choice! {
    /// The blob names that UDMI reserves.
    pub enum ReservedBlob in "blobsets" {
        /// Where the device is to connect.
        IotEndpointConfig = "_iot_endpoint_config",
    }
}

/// The shelf of choices that other documents point to.
#[derive(Clone, Copy, Debug)]
pub struct Common;

impl Describe for Common {
    const DOCUMENT: &'static Document = &Document {
        name: Some("common"),
        doc: "Choices that other documents point to.",
        shape: Shape::Definitions(&[
            Mode::CHOICE,
            Depth::CHOICE,
            IotProvider::CHOICE,
            Operation::CHOICE,
            Stage::CHOICE,
            Phase::CHOICE,
            ReservedBlob::CHOICE,
        ]),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(text: &str) -> Result<i64, TimestampError> {
        Timestamp::from(text.to_string()).millis()
    }

    #[test]
    fn offsets_and_fractions_of_all_lengths_are_read() {
        for text in ["1970-01-01T00:00:01Z", "1970-01-01T00:00:01+00:00", "1970-01-01T00:00:01+0000"] {
            assert_eq!(millis(text), Ok(1_000), "{text}");
        }
        for digits in 1..=9 {
            let text = alloc::format!("1970-01-01T00:00:01.{}Z", "123456789".split_at(digits).0);
            assert_eq!(millis(&text).map(|millis| millis / 100), Ok(11), "{text}");
        }
        assert_eq!(millis("1970-01-01T02:00:00+02:00"), Ok(0));
        assert_eq!(millis("1969-12-31T23:59:59.9999Z"), Ok(-1));
    }

    #[test]
    fn the_last_second_of_the_year_9999_is_read() {
        assert_eq!(millis("9999-12-31T23:59:59Z"), Ok(253_402_300_799_000));
        for days in (-700_000..2_900_000).step_by(997) {
            let written = Timestamp::from_millis(days * 86_400_000 + 5);
            assert_eq!(written.millis(), Ok(days * 86_400_000 + 5), "{written}");
        }
    }

    #[test]
    fn what_is_not_a_date_is_refused() {
        for text in ["", "soon", "2026-03-01", "2026-03-01T10:00:00", "2026-13-01T10:00:00Z", "1772359200"] {
            assert_eq!(millis(text), Err(TimestampError), "{text}");
        }
    }

    #[test]
    fn any_number_of_milliseconds_can_be_written_and_read() {
        for number in [0, 1, 999, 1_000, -1, 1_772_359_200_123, i64::MIN, i64::MAX] {
            let written = Timestamp::from_millis(number);
            let read = written.millis().unwrap();
            if number.unsigned_abs() < 1 << 52 {
                assert_eq!(read, number);
            }
        }
        assert_eq!(Timestamp::from_millis_whole_seconds(1_999).as_str(), "1970-01-01T00:00:01Z");
    }

    #[test]
    fn a_version_of_any_type_is_read() {
        for (text, version) in
            [("\"git-1\"", "git-1"), ("1", "1"), ("1.5", "1.5"), ("[{}]", ""), ("{\"a\":[1]}", "")]
        {
            assert_eq!(serde_json::from_str::<Version>(text).unwrap().as_str(), version);
        }
    }

    #[test]
    fn an_unknown_choice_is_tolerated_and_a_known_one_reads_back() {
        assert_eq!(serde_json::from_str::<Mode>("\"dreaming\"").unwrap(), Mode::Unknown);
        assert_eq!(serde_json::to_string(&Mode::Restart).unwrap(), "\"restart\"");
        assert!(Depth::Entries < Depth::Details);
    }
}
