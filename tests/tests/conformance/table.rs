//! What the scenarios say of themselves, against the table of the specification (§9.4).

use udmi_proto::model::common::Stage;
use udmi_tests::conformance::Scenario;
use udmi_tests::model::Model;

/// Name, bucket, stage, seconds of the body, score, capabilities, and whether it is for devices without state.
#[rustfmt::skip]
const TABLE: &[(&str, &str, Stage, u64, u32, usize, bool)] = &[
    ("bad_point_ref", "gateway", Stage::Preview, 120, 10, 0, false),
    ("bad_target_address", "gateway", Stage::Preview, 120, 10, 0, false),
    ("bad_target_family", "gateway", Stage::Preview, 120, 10, 0, false),
    ("blob_update_idempotency", "system.software.updates", Stage::Preview, 120, 10, 0, false),
    ("blob_update_incompatible", "system.software.updates", Stage::Preview, 120, 10, 0, false),
    ("blob_update_invalid_hash", "system.software.updates", Stage::Preview, 120, 10, 0, false),
    ("blob_update_invalid_payload", "system.software.updates", Stage::Preview, 120, 10, 0, false),
    ("blob_update_oversize", "system.software.updates", Stage::Preview, 120, 10, 0, false),
    ("blob_update_success", "system.software.updates", Stage::Preview, 120, 10, 0, false),
    ("blob_update_unreachable_url", "system.software.updates", Stage::Preview, 120, 10, 0, false),
    ("broken_config", "system", Stage::Stable, 180, 8, 2, false),
    ("config_logging", "system", Stage::Stable, 120, 10, 0, false),
    ("device_config_acked", "system", Stage::Stable, 180, 10, 0, false),
    ("endpoint_connection_bad_alternate", "endpoint.config", Stage::Preview, 120, 10, 0, false),
    ("endpoint_connection_bad_hash", "endpoint.config", Stage::Preview, 120, 10, 0, false),
    ("endpoint_connection_error", "endpoint.config", Stage::Preview, 120, 10, 0, false),
    ("endpoint_connection_retry", "endpoint.config", Stage::Preview, 120, 10, 0, false),
    ("endpoint_connection_success_alternate", "endpoint.config", Stage::Preview, 120, 10, 0, false),
    ("endpoint_connection_success_reconnect", "endpoint.config", Stage::Preview, 120, 10, 0, false),
    ("endpoint_failure_and_restart", "endpoint.config", Stage::Preview, 120, 10, 0, false),
    ("endpoint_redirect_and_restart", "endpoint.config", Stage::Preview, 180, 10, 0, false),
    ("enumerate_families", "enumeration.families", Stage::Preview, 300, 10, 0, false),
    ("enumerate_features", "enumeration.features", Stage::Preview, 120, 10, 0, false),
    ("enumerate_multi", "enumeration", Stage::Preview, 300, 10, 0, false),
    ("enumerate_nothing", "enumeration", Stage::Preview, 120, 10, 0, false),
    ("enumerate_pointset", "enumeration.pointset", Stage::Preview, 120, 10, 0, false),
    ("extra_config", "system", Stage::Stable, 120, 10, 0, false),
    ("family_ether_addr", "system", Stage::Preview, 120, 10, 0, false),
    ("family_ipv4_addr", "system", Stage::Preview, 120, 10, 0, false),
    ("family_ipv6_addr", "system", Stage::Preview, 120, 10, 0, false),
    ("gateway_attach_handling", "gateway", Stage::Alpha, 120, 10, 0, false),
    ("gateway_proxy_events", "gateway", Stage::Beta, 120, 10, 0, true),
    ("gateway_proxy_state", "gateway", Stage::Preview, 120, 10, 0, true),
    ("pointset_numeric_values", "pointset", Stage::Stable, 120, 10, 0, true),
    ("pointset_publish", "pointset", Stage::Stable, 120, 10, 0, true),
    ("pointset_publish_interval", "pointset", Stage::Stable, 180, 10, 0, true),
    ("pointset_remove_point", "pointset", Stage::Stable, 180, 10, 0, false),
    ("pointset_request_extraneous", "pointset", Stage::Stable, 120, 10, 0, false),
    ("scan_network_single", "discovery.scan", Stage::Alpha, 300, 10, 0, false),
    ("scan_periodic_now_enumerate", "discovery.scan", Stage::Preview, 120, 10, 0, false),
    ("scan_single_future", "discovery.scan", Stage::Preview, 120, 10, 0, false),
    ("scan_single_now", "discovery.scan", Stage::Preview, 300, 10, 0, false),
    ("scan_single_past", "discovery.scan", Stage::Preview, 120, 10, 0, false),
    ("scan_single_targeted", "discovery.scan", Stage::Alpha, 300, 10, 0, false),
    ("state_make_model", "system", Stage::Stable, 120, 10, 0, false),
    ("state_software", "system", Stage::Stable, 120, 10, 0, false),
    ("system_last_update", "system", Stage::Stable, 120, 10, 1, false),
    ("system_min_loglevel", "system", Stage::Alpha, 120, 10, 0, true),
    ("system_mode_restart", "system.mode", Stage::Preview, 300, 10, 0, false),
    ("too_much_state", "system", Stage::Alpha, 180, 10, 0, false),
    ("valid_serial_no", "system", Stage::Stable, 120, 10, 0, false),
    ("writeback_failure", "writeback", Stage::Alpha, 120, 10, 0, false),
    ("writeback_invalid", "writeback", Stage::Alpha, 120, 10, 0, false),
    ("writeback_operation", "writeback", Stage::Alpha, 120, 10, 0, false),
    ("writeback_success", "writeback", Stage::Alpha, 120, 10, 0, false),
];

#[test]
fn each_scenario_stands_in_the_table_as_it_is() {
    let model = Model::air_handler();
    let told: Vec<_> = Scenario::names().map(|name| Scenario::load(name, &model)).collect();
    let told: Vec<_> = told
        .iter()
        .map(|scenario| {
            let capabilities = scenario.capabilities().len();
            let Scenario { sequence, bucket, stage, limit_s, score, without_state, .. } = scenario;
            (sequence.as_str(), bucket.as_str(), *stage, *limit_s, *score, capabilities, *without_state)
        })
        .collect();
    assert_eq!(told, TABLE);
}
