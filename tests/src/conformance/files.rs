//! The scenarios, which are part of the program: who runs them need not have their files.

macro_rules! files {
    ($($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("../../conformance/", $name, ".json")))),+]
    };
}

/// Name and text of each, sorted by name.
pub(super) const FILES: &[(&str, &str)] = files![
    "bad_point_ref",
    "bad_target_address",
    "bad_target_family",
    "blob_update_idempotency",
    "blob_update_incompatible",
    "blob_update_invalid_hash",
    "blob_update_invalid_payload",
    "blob_update_oversize",
    "blob_update_success",
    "blob_update_unreachable_url",
    "broken_config",
    "config_logging",
    "device_config_acked",
    "endpoint_connection_bad_alternate",
    "endpoint_connection_bad_hash",
    "endpoint_connection_error",
    "endpoint_connection_retry",
    "endpoint_connection_success_alternate",
    "endpoint_connection_success_reconnect",
    "endpoint_failure_and_restart",
    "endpoint_redirect_and_restart",
    "enumerate_families",
    "enumerate_features",
    "enumerate_multi",
    "enumerate_nothing",
    "enumerate_pointset",
    "extra_config",
    "family_ether_addr",
    "family_ipv4_addr",
    "family_ipv6_addr",
    "gateway_attach_handling",
    "gateway_proxy_events",
    "gateway_proxy_state",
    "pointset_numeric_values",
    "pointset_publish",
    "pointset_publish_interval",
    "pointset_remove_point",
    "pointset_request_extraneous",
    "scan_network_single",
    "scan_periodic_now_enumerate",
    "scan_single_future",
    "scan_single_now",
    "scan_single_past",
    "scan_single_targeted",
    "state_make_model",
    "state_software",
    "system_last_update",
    "system_min_loglevel",
    "system_mode_restart",
    "too_much_state",
    "valid_serial_no",
    "writeback_failure",
    "writeback_invalid",
    "writeback_operation",
    "writeback_success",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::FILES;
    use crate::upstream::json_files;

    #[test]
    fn every_file_is_listed_in_order() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance");
        let paths = json_files(&folder).unwrap();
        let there: Vec<_> = paths.iter().map(|path| path.file_stem().unwrap().to_str().unwrap()).collect();
        let listed: Vec<_> = FILES.iter().map(|(name, _)| *name).collect();
        assert_eq!(listed, there);
        assert_eq!(listed.iter().collect::<BTreeSet<_>>().len(), listed.len());
    }
}
