//! The pointset block of the metadata, and the alarmset block that mirrors it.

use alloc::string::String;
use alloc::vec::Vec;

use device_link::Map;

use serde_json::Value;

use crate::model::common::{NAME, REFERENCE, TABLE_KEY};
use crate::model::discovery::DiscoveryRef;

choice! {
    /// The type of a point's values.
    pub enum ValueType {
        /// A text.
        String = "string",
        /// `true` or `false`.
        Boolean = "boolean",
        /// A number.
        Number = "number",
    }
}

choice! {
    /// What is expected to become of a set value.
    pub enum BaselineState {
        /// It is in force.
        Applied = "applied",
        /// It is being written.
        Updating = "updating",
        /// Something local overrides it.
        Overridden = "overridden",
        /// It cannot be used.
        Invalid = "invalid",
        /// The write fails.
        Failure = "failure",
    }
}

document! {
    /// The points of a device.
    pub struct Pointset in "model_pointset" {
        /// The points, by name, at most 150.
        points: Map<String, PointsetPoint> [required, keys = NAME, max_properties = 150],
        /// Whether the config leaves out the units.
        exclude_units_from_config: Option<bool>,
        /// Whether the config leaves out the points, so that the device chooses.
        exclude_points_from_config: Option<bool>,
        /// Least seconds between any two updates.
        sample_limit_sec: Option<u32> [minimum = 0, maximum = 86_400],
        /// Most seconds between two complete updates.
        sample_rate_sec: Option<u32> [minimum = 1, maximum = 86_400],
    }
}

document! {
    /// What a point is, and what may be expected of it.
    pub struct PointsetPoint in "model_pointset_point" {
        /// The units of its values.
        units: Option<String>,
        /// The units the device says it reports in.
        units_reported: Option<String>,
        /// The type of its values.
        kind as "type": Option<ValueType>,
        /// What it is for.
        description: Option<String>,
        /// Whether it can be written.
        writable: Option<bool>,
        /// The value it has in ordinary times, which tests write back.
        baseline_value: Option<Value>,
        /// How far a value may be from that one.
        baseline_tolerance: Option<f64>,
        /// What is expected to become of that value if it is written.
        baseline_state: Option<BaselineState>,
        /// The least value to be expected.
        range_min: Option<f64>,
        /// The greatest value to be expected.
        range_max: Option<f64>,
        /// Seconds after which an unchanged value is suspicious.
        unchanged_limit_sec: Option<i64>,
        /// A change of at least this much is reported at once.
        cov_increment: Option<f64>,
        /// Where the device finds the point locally.
        ref_ as "ref": Option<String>,
        /// Where more about the point is found.
        url: Option<String>,
        /// Further parameters.
        adjunct: Option<Map<String, String>> [keys = TABLE_KEY],
        /// Labels.
        tags: Option<Vec<String>> [unique_items, items_pattern = "^[a-z0-9]+$"],
        /// The arrangement the point is a part of, by local reference.
        structure: Option<Map<String, DiscoveryRef>> [keys = REFERENCE],
        /// The point of another device that this one is made from.
        expr: Option<String> [pattern = "^[-0-9a-zA-Z$]+:[a-z0-9_]+$"],
        /// Names of values.
        values: Option<Map<String, String>>,
        /// How the point is called in the building's ontology.
        translation: Option<BuildingTranslation>,
    }
}

document! {
    /// How a point is called in the building's ontology.
    pub struct BuildingTranslation in "building_translation" {
        /// Where its value is found.
        present_value: Option<String>,
        /// Where its units are found, and what they are.
        units: Option<TranslationUnits>,
        /// The units the device says it reports in.
        units_reported: Option<String>,
        /// Names of its states.
        states: Option<serde_json::Map<String, Value>>,
    }
}

document! {
    /// Where the units of a point are found.
    pub struct TranslationUnits [open] {
        /// The path to them.
        key: Option<String>,
    }
}

document! {
    /// The alarms of a device.
    pub struct Alarmset in "model_alarmset" {
        /// The alarms, by name, at most 150.
        alarms: Map<String, AlarmsetAlarm> [required, keys = NAME, max_properties = 150],
        /// Whether the config leaves out the units.
        exclude_units_from_config: Option<bool>,
        /// Whether the config leaves out the alarms.
        exclude_alarms_from_config: Option<bool>,
        /// Least seconds between any two updates.
        sample_limit_sec: Option<u32> [minimum = 0, maximum = 86_400],
        /// Most seconds between two complete updates.
        sample_rate_sec: Option<u32> [minimum = 1, maximum = 86_400],
    }
}

document! {
    /// What an alarm is, and what may be expected of it.
    pub struct AlarmsetAlarm in "model_alarmset_alarm" {
        /// The units of its values.
        units: Option<String>,
        /// The type of its values.
        kind as "type": Option<ValueType>,
        /// What it is for.
        description: Option<String>,
        /// Whether it can be written.
        writable: Option<bool>,
        /// The value it has in ordinary times.
        baseline_value: Option<Value>,
        /// How far a value may be from that one.
        baseline_tolerance: Option<f64>,
        /// What is expected to become of that value if it is written.
        baseline_state: Option<BaselineState>,
        /// The least value to be expected.
        range_min: Option<f64>,
        /// The greatest value to be expected.
        range_max: Option<f64>,
        /// Seconds after which an unchanged value is suspicious.
        unchanged_limit_sec: Option<i64>,
        /// A change of at least this much is reported at once.
        cov_increment: Option<f64>,
        /// Where the device finds the alarm locally.
        ref_ as "ref": Option<String>,
        /// Further parameters.
        adjunct: Option<Map<String, String>> [keys = TABLE_KEY],
        /// Labels.
        tags: Option<Vec<String>> [unique_items, items_pattern = "^[a-z0-9]+$"],
        /// The arrangement the alarm is a part of, by local reference.
        structure: Option<Map<String, DiscoveryRef>> [keys = REFERENCE],
    }
}
