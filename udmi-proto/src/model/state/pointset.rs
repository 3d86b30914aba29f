//! The pointset block of a state, and the alarmset block that mirrors it.

use alloc::string::String;

use device_link::Map;

use crate::model::common::{NAME, Timestamp, Version};
use crate::model::entry::Entry;

choice! {
    /// What became of a set value; absent means that none is in force.
    pub enum ValueState {
        /// The point is being set up.
        Initializing = "initializing",
        /// The set value is in force.
        Applied = "applied",
        /// The write is in progress.
        Updating = "updating",
        /// Something local overrides the set value.
        Overridden = "overridden",
        /// The set value cannot be used.
        Invalid = "invalid",
        /// The write failed.
        Failure = "failure",
    }
}

document! {
    /// The condition of the points (§4.2).
    pub struct Pointset in "state_pointset" {
        /// Added by the cloud when it splits a state; not written by devices.
        timestamp: Option<Timestamp>,
        /// Added by the cloud when it splits a state; not written by devices.
        version: Option<Version>,
        /// A mark of this state, at most 32 characters, for a later config to build upon.
        state_etag: Option<String> [max_length = 32],
        /// A condition of the block as a whole.
        status: Option<Entry>,
        /// The points, by name: exactly those of the config.
        points: Map<String, PointsetPoint> [required, keys = NAME],
        /// The version before a tool rewrote the state; not written by devices.
        upgraded_from: Option<String>,
    }
}

document! {
    /// The condition of one point.
    pub struct PointsetPoint in "state_pointset_point" {
        /// The units the device reports in, if they are not those of the config.
        units: Option<String>,
        /// What became of the set value.
        value_state: Option<ValueState>,
        /// A condition of the point.
        status: Option<Entry>,
    }
}

document! {
    /// The condition of the alarms; mirrors the pointset block (§4.9).
    pub struct Alarmset in "state_alarmset" {
        /// Added by the cloud when it splits a state; not written by devices.
        timestamp: Option<Timestamp>,
        /// Added by the cloud when it splits a state; not written by devices.
        version: Option<Version>,
        /// A mark of this state, at most 32 characters.
        state_etag: Option<String> [max_length = 32],
        /// A condition of the block as a whole.
        status: Option<Entry>,
        /// The alarms, by name.
        alarms: Map<String, AlarmsetAlarm> [required, keys = NAME],
        /// The version before a tool rewrote the state; not written by devices.
        upgraded_from: Option<String>,
    }
}

document! {
    /// The condition of one alarm.
    pub struct AlarmsetAlarm in "state_alarmset_alarm" {
        /// The units the device reports in.
        units: Option<String>,
        /// What became of the set value.
        value_state: Option<ValueState>,
        /// A condition of the alarm.
        status: Option<Entry>,
    }
}
