//! Reading a config in two stages: a hard envelope, then each block by itself, so that one bad block spoils
//! no other (§3.6, §7.5).

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use crate::json::{self, Unreadable};
use crate::logs::clip;
use crate::model::common::Timestamp;
use crate::model::place::{Object, Place, Raw, Read};
use crate::pointset::Orders;

/// One block of a config as its machine gets it.
#[derive(Debug)]
pub(crate) enum Block<T> {
    /// The config has no such block.
    Absent,
    /// The block is there but cannot be used; the finding has been told already.
    Bad,
    /// The block.
    Good(T),
}

impl<'a, T: Read<'a> + Default> Block<T> {
    /// Reads a block. What is wrong with it goes to `findings`, with its path.
    pub(crate) fn read(name: &str, raw: Option<&'a str>, findings: &mut Vec<String>) -> Self {
        let Some(raw) = raw else { return Self::Absent };
        let mut block = T::default();
        match read_block(name, raw, block.place()) {
            Ok(()) => Self::Good(block),
            Err(finding) => {
                findings.push(finding);
                Self::Bad
            }
        }
    }
}

impl<'a> Block<Orders<'a>> {
    /// Reads the pointset block, which may have been read already.
    pub(crate) fn of_points(points: Points<'a>, findings: &mut Vec<String>) -> Self {
        match points {
            Points::Absent => Self::Absent,
            Points::Read(orders) => Self::Good(orders),
            Points::Unread(raw) => Self::read("pointset", Some(raw), findings),
        }
    }
}

impl<T> Block<T> {
    pub(crate) fn is_present(&self) -> bool {
        !matches!(self, Self::Absent)
    }
}

fn read_block<'a>(name: &str, raw: &'a str, place: Place<'_, 'a>) -> Result<(), String> {
    json::read(raw.as_bytes(), place).map_err(|Unreadable { path, error }| {
        let reason = without_position(&error.to_string());
        let separator = if path.is_empty() { "" } else { "." };
        let finding = format!("{name}{separator}{path}: {reason}");
        clipped(if name == SECRETIVE { without_value(&finding) } else { finding })
    })
}

/// The block whose values may be secret: an endpoint is among its blobs (§5.3).
const SECRETIVE: &str = "blobset";

/// serde tells what it found before what it expected.
fn without_value(finding: &str) -> String {
    match (finding.split_once(": "), finding.rsplit_once("expected ")) {
        (Some((path, _)), Some((_, expected))) => format!("{path}: expected {expected}"),
        (Some((path, _)), None) => format!("{path}: unexpected content"),
        (None, _) => SECRETIVE.to_string(),
    }
}

/// What is wrong with a config that is no object, without the value that stands in its place.
fn unquoted(error: &serde_json::Error, payload: &[u8]) -> String {
    let text = error.to_string();
    let Some((_, position)) = text.rsplit_once("expected an object") else { return text };
    match payload.trim_ascii_start() {
        // The reader has gone on to where the list may end.
        list @ [b'[', ..] => {
            let before = payload.get(..payload.len() - list.len()).unwrap_or_default();
            let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
            let column = before.iter().rev().take_while(|byte| **byte != b'\n').count();
            format!("expected a JSON object at line {line} column {column}")
        }
        _ => format!("expected a JSON object{position}"),
    }
}

/// The position counts from the start of the block and would mislead.
fn without_position(message: &str) -> String {
    message.split(" at line ").next().unwrap_or(message).to_string()
}

/// A config whose blocks are still unread.
#[derive(Debug, Default)]
pub(crate) struct Envelope<'a> {
    /// Its timestamp, fit to be echoed (§2.3).
    pub(crate) timestamp: Timestamp,
    /// The same in milliseconds.
    pub(crate) millis: i64,
    pub(crate) system: Option<&'a str>,
    pub(crate) gateway: Option<&'a str>,
    pub(crate) discovery: Option<&'a str>,
    pub(crate) localnet: Option<&'a str>,
    pub(crate) blobset: Option<&'a str>,
    pub(crate) pointset: Points<'a>,
    /// Members that are none of UDMI's; as many as a packet can hold, and only while the config is handled.
    pub(crate) others: Vec<(Cow<'a, str>, Raw<'a>)>,
}

/// The pointset block, by far the largest of a config.
#[derive(Debug, Default)]
pub(crate) enum Points<'a> {
    #[default]
    Absent,
    /// In passing, since it is good.
    Read(Orders<'a>),
    /// Something is wrong with it or with another part of the config.
    Unread(&'a str),
}

/// Members of a config that the core reads itself.
pub(crate) const MEMBERS: [&str; 8] =
    ["timestamp", "version", "system", "gateway", "discovery", "localnet", "blobset", "pointset"];

/// Why a config cannot be used at all.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Broken {
    pub(crate) message: String,
    pub(crate) detail: Option<String>,
}

/// A config as it has come.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Arrived<'a> {
    /// Whole.
    Whole(&'a [u8]),
    /// Larger than a message may be, and so not held.
    Oversized {
        /// Its bytes.
        bytes: usize,
        /// Those of a whole message.
        limit: usize,
    },
}

impl<'a> Arrived<'a> {
    /// Reads the envelope; none of an empty payload, which is no config, and breaks nothing (§2.6).
    pub(crate) fn read(self) -> Option<Result<Envelope<'a>, Broken>> {
        match self {
            Self::Whole([]) => None,
            Self::Whole(payload) => Some(read(payload)),
            Self::Oversized { bytes, limit } => Some(Err(broken(&format!(
                "it has {bytes} bytes, and a message may have no more than {limit}"
            )))),
        }
    }
}

/// Reads the envelope: valid JSON, an object, with a timestamp (§11 item 20).
pub(crate) fn read(payload: &[u8]) -> Result<Envelope<'_>, Broken> {
    let members = match read_members(payload, true) {
        Ok(members) => members,
        Err(_) => read_members(payload, false).map_err(|error| {
            let reason = unquoted(&error, payload);
            let message = format!("config is no valid JSON object: {}", without_position(&reason));
            Broken { message, detail: Some(clipped(reason)) }
        })?,
    };
    let Some(raw) = members.timestamp.present() else {
        return Err(broken("timestamp: expected a date and time, found nothing"));
    };
    let Ok(timestamp) = json::from_slice::<Timestamp>(raw.as_bytes()) else {
        return Err(broken("timestamp: expected a date and time as a text"));
    };
    let Ok(millis) = timestamp.millis() else {
        return Err(broken("timestamp: expected a date and time by RFC 3339"));
    };
    Ok(Envelope {
        timestamp: echoable(timestamp, millis),
        millis,
        system: members.system.present(),
        gateway: members.gateway.present(),
        discovery: members.discovery.present(),
        localnet: members.localnet.present(),
        blobset: members.blobset.present(),
        pointset: match (members.points, members.pointset.present()) {
            (Some(orders), _) => Points::Read(orders),
            (None, Some(raw)) => Points::Unread(raw),
            (None, None) => Points::Absent,
        },
        others: members.others,
    })
}

/// Reads the envelope and, if it is wanted, the pointset block in the same pass, so that what is wrong with it fails the
/// whole.
fn read_members(payload: &[u8], reads_points: bool) -> Result<Members<'_>, serde_json::Error> {
    let mut members = Members { reads_points, ..Members::default() };
    let read = json::read(payload, Place::Object(&mut members)).map_err(|unreadable| unreadable.error);
    read.map(|()| members)
}

fn clipped(mut text: String) -> String {
    clip(&mut text);
    text
}

fn broken(message: &str) -> Broken {
    Broken { message: format!("config cannot be used: {message}"), detail: None }
}

/// The text as it came where tools will accept it back, else the same moment in the usual form.
pub(crate) fn echoable(timestamp: Timestamp, millis: i64) -> Timestamp {
    let text = timestamp.as_str().as_bytes();
    let usual = text.get(10) == Some(&b'T') && text.last() == Some(&b'Z') && text.len() <= 30;
    if usual { timestamp } else { Timestamp::from_millis(millis) }
}

#[derive(Debug, Default)]
struct Members<'a> {
    /// The pointset block as well.
    reads_points: bool,
    timestamp: Raw<'a>,
    system: Raw<'a>,
    gateway: Raw<'a>,
    discovery: Raw<'a>,
    localnet: Raw<'a>,
    blobset: Raw<'a>,
    pointset: Raw<'a>,
    points: Option<Orders<'a>>,
    others: Vec<(Cow<'a, str>, Raw<'a>)>,
}

impl<'de> Object<'de> for Members<'de> {
    fn member(&mut self, name: &Cow<'de, str>) -> Place<'_, 'de> {
        let slot = match name.as_ref() {
            "timestamp" => &mut self.timestamp,
            "system" => &mut self.system,
            "gateway" => &mut self.gateway,
            "discovery" => &mut self.discovery,
            "localnet" => &mut self.localnet,
            "blobset" => &mut self.blobset,
            "pointset" if self.points.is_some() => return twice(name),
            "pointset" if self.reads_points => return self.points.place(),
            "pointset" => &mut self.pointset,
            "version" => return Place::Nowhere,
            _ => {
                self.others.push((name.clone(), Raw::default()));
                return self.others.last_mut().map_or(Place::Nowhere, |(_, raw)| raw.place());
            }
        };
        if slot.present().is_some() { twice(name) } else { slot.place() }
    }
}

fn twice<'a, 'de>(name: &str) -> Place<'a, 'de> {
    Place::Refused(format!("member {name} is there twice"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::config;

    fn message(payload: &[u8]) -> String {
        read(payload).unwrap_err().message
    }

    #[test]
    fn a_timestamp_is_the_only_hard_requirement() {
        assert!(read(br#"{"timestamp":"2026-03-01T10:00:00Z"}"#).is_ok());
        assert!(message(b"{}").contains("timestamp: expected a date and time, found nothing"));
        assert!(message(br#"{"timestamp":1}"#).contains("as a text"));
        assert!(message(br#"{"timestamp":"yesterday"}"#).contains("RFC 3339"));
    }

    #[test]
    fn what_is_no_json_object_is_broken() {
        for payload in [&b"{ broken by"[..], b"[]", b"null", b"7", b"\xff\xfe", b"{} x", b"\"config\""] {
            assert!(message(payload).starts_with("config is no valid JSON object"), "{payload:?}");
        }
    }

    #[test]
    fn what_is_no_object_is_told_at_its_beginning_if_it_is_a_list_and_at_its_end_if_it_is_not() {
        for (payload, place) in [
            ("[]", "line 1 column 0"),
            ("\n [1,", "line 2 column 1"),
            ("null", "line 1 column 4"),
            ("\"a\"", "line 1 column 3"),
        ] {
            let expected = format!("expected a JSON object at {place}");
            assert_eq!(read(payload.as_bytes()).unwrap_err().detail, Some(expected), "{payload}");
        }
    }

    #[test]
    fn a_finding_quotes_no_value_of_a_block_that_may_hold_secrets() {
        for (text, expected) in [
            (r#""hunter2""#, "blobset: expected "),
            (
                r#"{"blobs":{"_iot_endpoint_config":"hunter2"}}"#,
                "blobset.blobs._iot_endpoint_config: expected ",
            ),
            (
                r#"{"blobs":{"_iot_endpoint_config":{"url":["hunter2"]}}}"#,
                "blobset.blobs._iot_endpoint_config.url",
            ),
        ] {
            let mut findings = Vec::new();
            assert!(matches!(
                Block::<config::Blobset>::read("blobset", Some(text), &mut findings),
                Block::Bad
            ));
            assert!(findings[0].starts_with(expected) && !findings[0].contains("hunter2"), "{findings:?}");
        }
    }

    #[test]
    fn deep_nesting_is_skipped_where_it_is_unknown_and_a_finding_where_it_is_known() {
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        let text =
            format!(r#"{{"timestamp":"2026-03-01T10:00:00Z","x":{deep},"system":{{"operation":{deep}}}}}"#);
        let envelope = read(text.as_bytes()).unwrap();
        let mut findings = Vec::new();
        let block = Block::<config::System>::read("system", envelope.system, &mut findings);
        assert!(matches!(block, Block::Bad));
        assert_eq!(findings.len(), 1);
    }

    #[test]
    fn a_finding_names_the_path_and_what_was_expected() {
        let text = br#"{"timestamp":"2026-03-01T10:00:00Z","pointset":{"points":{"a":{"ref":5}}}}"#;
        let envelope = read(text).unwrap();
        let mut findings = Vec::new();
        Block::of_points(envelope.pointset, &mut findings);
        assert_eq!(findings, ["pointset.points.a.ref: invalid type: integer `5`, expected a string"]);
    }

    #[test]
    fn a_config_is_read_at_once_unless_something_is_wrong_with_its_points_or_its_envelope() {
        let is_read = |member: &[u8]| {
            let mut payload = br#"{"timestamp":"2026-03-01T10:00:00Z","#.to_vec();
            payload.extend_from_slice(member);
            payload.push(b'}');
            match read(&payload) {
                Ok(Envelope { pointset: Points::Read(_), .. }) => "at once",
                Ok(Envelope { pointset: Points::Unread(_), .. }) => "later",
                Ok(Envelope { pointset: Points::Absent, .. }) => "absent",
                Err(_) => "broken",
            }
        };
        assert_eq!(is_read(br#""pointset":{"points":{"a":{}}}"#), "at once");
        assert_eq!(is_read(br#""system":5,"pointset":{}"#), "at once");
        assert_eq!(is_read(br#""pointset":null"#), "absent");
        assert_eq!(is_read(br#""pointset":{"points":{"a":5}}"#), "later");
        assert_eq!(is_read(br#""pointset":[]"#), "later");
        assert_eq!(is_read(br#""pointset":{"points":{"a":5}"#), "broken");
        assert_eq!(is_read(br#""pointset":{},"pointset":{}"#), "broken");
        assert_eq!(is_read(br#""pointset":null,"pointset":{}"#), "at once");
        assert_eq!(is_read(b"\"pointset\":{\"other\":\"\xff\"}"), "broken");
        assert_eq!(is_read(b"\"other\":\"\xff\",\"pointset\":{}"), "broken");
    }

    #[test]
    fn an_unusual_timestamp_is_echoed_in_the_usual_form() {
        let read = |text: &str| {
            let payload = format!(r#"{{"timestamp":"{text}"}}"#);
            read(payload.as_bytes()).unwrap().timestamp.as_str().to_string()
        };
        assert_eq!(read("2026-03-01T10:00:00.123456Z"), "2026-03-01T10:00:00.123456Z");
        assert_eq!(read("2026-03-01T11:00:00+01:00"), "2026-03-01T10:00:00Z");
    }

    #[test]
    fn a_member_that_is_there_twice_is_refused() {
        let text = br#"{"timestamp":"2026-03-01T10:00:00Z","system":{},"system":{}}"#;
        assert!(message(text).contains("member system is there twice"));
    }
}
