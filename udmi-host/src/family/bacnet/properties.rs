//! Properties of objects (clause 21), by the names that references use.

/// The property's value at present.
pub(super) const PRESENT_VALUE: u32 = 85;
pub(super) const ACTIVE_TEXT: u32 = 4;
pub(super) const APPLICATION_SOFTWARE_VERSION: u32 = 12;
pub(super) const DESCRIPTION: u32 = 28;
pub(super) const FIRMWARE_REVISION: u32 = 44;
pub(super) const INACTIVE_TEXT: u32 = 46;
pub(super) const LOCATION: u32 = 58;
pub(super) const MODEL_NAME: u32 = 70;
pub(super) const OBJECT_LIST: u32 = 76;
pub(super) const OBJECT_NAME: u32 = 77;
pub(super) const PRIORITY_ARRAY: u32 = 87;
pub(super) const STATE_TEXT: u32 = 110;
pub(super) const UNITS: u32 = 117;
pub(super) const VENDOR_NAME: u32 = 121;
pub(super) const SERIAL_NUMBER: u32 = 372;

/// The number of a property.
pub(super) fn number(name: &str) -> Option<u32> {
    PROPERTIES
        .binary_search_by_key(&name, |(name, _)| name)
        .ok()
        .and_then(|ix| PROPERTIES.get(ix))
        .map(|(_, number)| *number)
}

/// Those that hold something a point may be, in the order of their names.
const PROPERTIES: &[(&str, u32)] = &[
    ("acked_transitions", 0),
    ("action", 2),
    ("active_text", 4),
    ("actual_shed_level", 212),
    ("adjust_value", 176),
    ("alarm_value", 6),
    ("alarm_values", 7),
    ("application_software_version", 12),
    ("average_value", 125),
    ("bias", 14),
    ("bit_text", 343),
    ("change_of_state_count", 15),
    ("change_of_state_time", 16),
    ("controlled_variable_units", 20),
    ("controlled_variable_value", 21),
    ("count", 177),
    ("count_before_change", 178),
    ("count_change_time", 179),
    ("cov_increment", 22),
    ("current_command_priority", 431),
    ("database_revision", 155),
    ("deadband", 25),
    ("default_fade_time", 374),
    ("default_present_value", 492),
    ("default_ramp_rate", 375),
    ("deployed_profile_location", 484),
    ("derivative_constant", 26),
    ("derivative_constant_units", 27),
    ("description", 28),
    ("device_type", 31),
    ("door_status", 231),
    ("effective_period", 32),
    ("elapsed_active_time", 33),
    ("error_limit", 34),
    ("event_algorithm_inhibit", 354),
    ("event_detection_enable", 353),
    ("event_enable", 35),
    ("event_state", 36),
    ("exception_schedule", 38),
    ("expected_shed_level", 214),
    ("fault_high_limit", 388),
    ("fault_low_limit", 389),
    ("fault_values", 39),
    ("feedback_value", 40),
    ("file_size", 42),
    ("firmware_revision", 44),
    ("high_limit", 45),
    ("in_progress", 378),
    ("inactive_text", 46),
    ("input_reference", 181),
    ("instance_of", 48),
    ("instantaneous_power", 379),
    ("integral_constant", 49),
    ("integral_constant_units", 50),
    ("interface_value", 387),
    ("last_restart_reason", 196),
    ("lighting_command", 380),
    ("limit_enable", 52),
    ("local_date", 56),
    ("local_time", 57),
    ("location", 58),
    ("lock_status", 233),
    ("low_limit", 59),
    ("manipulated_variable_reference", 60),
    ("max_actual_value", 382),
    ("max_apdu_length_accepted", 62),
    ("max_pres_value", 65),
    ("maximum_output", 61),
    ("maximum_value", 135),
    ("maximum_value_timestamp", 149),
    ("member_of", 159),
    ("min_actual_value", 383),
    ("min_pres_value", 69),
    ("minimum_off_time", 66),
    ("minimum_on_time", 67),
    ("minimum_output", 68),
    ("minimum_value", 136),
    ("minimum_value_timestamp", 150),
    ("model_name", 70),
    ("network_number", 425),
    ("notification_class", 17),
    ("number_of_apdu_retries", 73),
    ("number_of_states", 74),
    ("object_identifier", 75),
    ("object_list", 76),
    ("object_name", 77),
    ("object_type", 79),
    ("occupancy_count", 290),
    ("operation_expected", 161),
    ("optional", 80),
    ("out_of_service", 81),
    ("output_units", 82),
    ("polarity", 84),
    ("power", 384),
    ("prescale", 185),
    ("present_value", 85),
    ("priority", 86),
    ("priority_array", 87),
    ("program_change", 90),
    ("program_state", 92),
    ("property_list", 371),
    ("proportional_constant", 93),
    ("proportional_constant_units", 94),
    ("protocol_revision", 139),
    ("protocol_version", 98),
    ("pulse_rate", 186),
    ("reason_for_halt", 100),
    ("record_count", 141),
    ("reliability", 103),
    ("reliability_evaluation_inhibit", 357),
    ("relinquish_default", 104),
    ("requested_shed_level", 218),
    ("resolution", 106),
    ("scale", 187),
    ("scale_factor", 188),
    ("schedule_default", 174),
    ("serial_number", 372),
    ("setpoint", 108),
    ("setpoint_reference", 109),
    ("shed_levels", 221),
    ("state_text", 110),
    ("status_flags", 111),
    ("system_status", 112),
    ("tags", 486),
    ("time_delay", 113),
    ("time_delay_normal", 356),
    ("time_of_active_time_reset", 114),
    ("time_of_state_count_reset", 115),
    ("timer_running", 397),
    ("timer_state", 398),
    ("total_record_count", 145),
    ("tracking_value", 164),
    ("units", 117),
    ("update_interval", 118),
    ("utc_offset", 119),
    ("value_before_change", 190),
    ("value_change_time", 192),
    ("value_set", 191),
    ("variance_value", 151),
    ("vendor_identifier", 120),
    ("vendor_name", 121),
    ("weekly_schedule", 123),
    ("window_interval", 147),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_are_found_by_name() {
        assert_eq!(number("present_value"), Some(PRESENT_VALUE));
        assert_eq!(number("out_of_service"), Some(81));
        assert_eq!(number("no_such_property"), None);
        assert!(PROPERTIES.iter().all(|(name, of)| number(name) == Some(*of)), "not in order");
    }
}
