//! What fuzzing has found, by name.

/// Octets that are no UTF-8 went unseen in members that nobody reads.
#[test]
fn regression_a_config_that_is_no_text_is_told_of_wherever_the_octets_stand() {
    for member in ["version", "unheard_of"] {
        let mut config = format!(r#"{{"timestamp":"2026-03-01T10:00:03Z","{member}":"1.5"#).into_bytes();
        config.extend_from_slice(b"\xfc\"}");
        udmi_fuzz::config::run(&config);
    }
}
