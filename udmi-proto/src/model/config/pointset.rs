//! The pointset block of a config, and the alarmset block that mirrors it.

use alloc::string::String;

use device_link::Map;

use crate::model::common::{NAME, Timestamp, Version};
use crate::model::value::SetValue;

document! {
    /// Which points the device is to report, how often, and what to write to them (§4.1).
    pub struct Pointset in "config_pointset" {
        /// Of no meaning to a device here.
        timestamp: Option<Timestamp>,
        /// Of no meaning to a device here.
        version: Option<Version>,
        /// The mark of the state that this config builds upon, at most 32 characters; a device that has
        /// moved on since does not apply the set values.
        state_etag: Option<String> [max_length = 32],
        /// When all set values lapse.
        set_value_expiry: Option<Timestamp>,
        /// Least seconds between any two updates.
        sample_limit_sec: Option<i64> [minimum = 0, maximum = 86_400],
        /// Most seconds between two complete updates.
        sample_rate_sec: Option<i64> [minimum = 1, maximum = 86_400, default = 300],
        /// The points, by name; without it the device chooses.
        points: Option<Map<String, PointsetPoint>> [keys = NAME],
    }
}

document! {
    /// What the cloud orders of one point.
    pub struct PointsetPoint in "config_pointset_point" {
        /// Where the device finds the point locally, such as a register.
        ref_ as "ref": Option<String>,
        /// The units the device is to report in.
        units: Option<String>,
        /// The value to write; absence leaves the point to itself.
        set_value: Option<SetValue>,
        /// When a gradual write ends.
        stop_time: Option<Timestamp>,
        /// A change of at least this much, in the point's units, is reported at once.
        cov_increment: Option<f64> [minimum = 0],
    }
}

document! {
    /// Which alarms the device is to report; mirrors the pointset block and is not acted upon (§4.9).
    pub struct Alarmset in "config_alarmset" {
        /// Of no meaning to a device here.
        timestamp: Option<Timestamp>,
        /// Of no meaning to a device here.
        version: Option<Version>,
        /// The mark of the state that this config builds upon, at most 32 characters.
        state_etag: Option<String> [max_length = 32],
        /// When all set values lapse.
        set_value_expiry: Option<Timestamp>,
        /// Least seconds between any two updates.
        sample_limit_sec: Option<i64> [minimum = 0, maximum = 86_400],
        /// Most seconds between two complete updates.
        sample_rate_sec: Option<i64> [minimum = 1, maximum = 86_400, default = 300],
        /// The alarms, by name.
        alarms: Option<Map<String, AlarmsetAlarm>> [keys = NAME],
    }
}

document! {
    /// What the cloud orders of one alarm.
    pub struct AlarmsetAlarm in "config_alarmset_alarm" {
        /// Where the device finds the alarm locally.
        ref_ as "ref": Option<String>,
        /// The units the device is to report in.
        units: Option<String>,
        /// The value to write.
        set_value: Option<SetValue>,
        /// When a gradual write ends.
        stop_time: Option<Timestamp>,
        /// A change of at least this much is reported at once.
        cov_increment: Option<f64> [minimum = 0],
    }
}
