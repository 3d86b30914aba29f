//! The state document, written straight from the blocks without a copy (§3.2, §7.1).

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::json::Json;
use crate::model::common::{ReservedBlob, Timestamp, VERSION};

use super::DeviceCore;

impl DeviceCore {
    /// The complete state as JSON.
    pub(super) fn render_state(&self) -> Option<Vec<u8>> {
        serde_json::to_vec(&State(self)).ok()
    }
}

struct State<'a>(&'a DeviceCore);

impl Serialize for State<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let device = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("timestamp", &Timestamp::from_millis(device.last_state.0))?;
        map.serialize_entry("version", VERSION)?;
        map.serialize_entry("system", &device.system.report())?;
        if let Some(localnet) = device.localnet.report() {
            map.serialize_entry("localnet", &localnet)?;
        }
        if let Some(pointset) = device.pointset.report() {
            map.serialize_entry("pointset", &pointset)?;
        }
        if let Some(discovery) = device.discovery.report() {
            map.serialize_entry("discovery", &discovery)?;
        }
        if let Some(gateway) = device.reach.report() {
            map.serialize_entry("gateway", &gateway)?;
        }
        if device.blobset.report().is_some() || device.endpoint.shown.is_some() {
            map.serialize_entry("blobset", &Blobset { blobs: Blobs(device) })?;
        }
        custom(&device.blocks, &mut map)?;
        map.end()
    }
}

/// `state.blobset`; the member is required (§5.2).
#[derive(Serialize)]
struct Blobset<'a> {
    blobs: Blobs<'a>,
}

struct Blobs<'a>(&'a DeviceCore);

impl Serialize for Blobs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some(endpoint) = &self.0.endpoint.shown {
            map.serialize_entry(ReservedBlob::IotEndpointConfig.as_str(), endpoint)?;
        }
        for (name, blob) in self.0.blobset.report().into_iter().flatten() {
            map.serialize_entry(name, &blob)?;
        }
        map.end()
    }
}

fn custom<M: SerializeMap>(blocks: &BTreeMap<String, Json>, map: &mut M) -> Result<(), M::Error> {
    for (name, content) in blocks {
        map.serialize_entry(name, content.raw())?;
    }
    Ok(())
}
