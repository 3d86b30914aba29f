//! How tools reach a site: `cloud_iot_config.json` of a site model.

use alloc::string::String;
use alloc::vec::Vec;

use super::common::IotProvider;
use super::endpoint::Endpoint;

document! {
    /// How tools reach a site.
    pub struct Execution in "configuration_execution" {
        /// The registry of the site's devices, without namespace and suffix.
        registry_id: Option<String>,
        /// The cloud region the registry is in.
        cloud_region: Option<String>,
        /// The name of the site.
        site_name: Option<String>,
        /// The topic for updates of the model.
        update_topic: Option<String>,
        /// The feed that tools listen to.
        feed_name: Option<String>,
        /// The cloud region of the reflector.
        reflect_region: Option<String>,
        /// The folder of the site model.
        site_model: Option<String>,
        /// The file this was read from.
        src_file: Option<String>,
        /// What is put after the registry's name.
        registry_suffix: Option<String>,
        /// Into how many parts work is divided.
        shard_count: Option<i64>,
        /// Which part this is, from 0.
        shard_index: Option<i64>,
        /// The device to work on.
        device_id: Option<String>,
        /// Through what the devices reach the cloud.
        iot_provider: Option<IotProvider>,
        /// Where the reflector is reached.
        reflector_endpoint: Option<Endpoint>,
        /// Where devices connect.
        device_endpoint: Option<Endpoint>,
        /// The cloud project.
        project_id: Option<String>,
        /// Who runs the tool.
        user_name: Option<String>,
        /// What is put before the registry's name.
        udmi_namespace: Option<String>,
        /// The host of a bridge between brokers.
        bridge_host: Option<String>,
        /// The file with the tool's key.
        key_file: Option<String>,
        /// The serial number of the device to work on.
        serial_no: Option<String>,
        /// How much the tool logs.
        log_level: Option<String>,
        /// The least mature features to test.
        min_stage: Option<String>,
        /// The version of the tool.
        udmi_version: Option<String>,
        /// The commit the tool was built from.
        udmi_commit: Option<String>,
        /// The branch or tag the tool was built from.
        udmi_ref: Option<String>,
        /// The version with the time the tool was built.
        udmi_timever: Option<String>,
        /// Whether tool and cloud must be of one version.
        enforce_version: Option<bool>,
        /// The folder of the tool.
        udmi_root: Option<String>,
        /// The version to bring the tool to.
        update_to: Option<String>,
        /// Another project, for tests of redirection.
        alt_project: Option<String>,
        /// Another registry, for tests of redirection.
        alt_registry: Option<String>,
        /// Whether unknown devices are kept from communicating.
        block_unknown: Option<bool>,
        /// The test sequences to run.
        sequences: Option<Vec<String>>,
    }
}
