//! The devices behind a gateway, and what a scan of the site finds.

use std::collections::BTreeSet;

use udmi_proto::model::discovery::{Ancillary, DiscoveryRef, DiscoverySystem};
use udmi_proto::model::metadata::{LocalnetFamily, PointsetPoint, ValueType};
use udmi_proto::{Found, GatewaySettings, Map, ProxySettings};

use super::settings::{families, features, identity, points};
use super::{Device, SiteError, SiteModel};

/// What a site model says of the devices behind a gateway.
#[derive(Clone, Debug, Default)]
pub struct Behind {
    /// What the gateway is to know of them: of those it lists, and of those that name it (§8.4).
    pub settings: GatewaySettings,
    /// Devices that cannot be read, or that list and name another gateway than each other.
    pub warnings: Vec<SiteError>,
}

impl SiteModel {
    /// Reads the devices behind a gateway, in the order of their ids, and shows each: nothing else of them is kept.
    /// Faults of single devices are warnings.
    ///
    /// # Errors
    /// The folder of devices cannot be read.
    pub fn behind(&self, gateway: &Device, mut each: impl FnMut(&Device)) -> Result<Behind, SiteError> {
        let mut behind = Behind::default();
        let mut ids: BTreeSet<_> = gateway.proxy_ids.iter().cloned().collect();
        ids.extend(self.proxies_of(&gateway.id, &mut Vec::new())?);
        for id in ids {
            match self.device(&id) {
                Ok(device) => {
                    if device.gateway_id.as_deref() != Some(&gateway.id) {
                        let named = device.gateway_id.as_deref().unwrap_or("none");
                        let problem = format!("{} lists the device, whose gateway_id is {named}", gateway.id);
                        behind.warnings.push(device.root().problem(problem));
                    }
                    each(&device);
                    behind.settings.proxies.insert(id, device.proxy_settings());
                }
                Err(error) => behind.warnings.push(error),
            }
        }
        behind.settings.maximum = behind.settings.maximum.max(behind.settings.proxies.len());
        Ok(behind)
    }

    /// What a scan of the family finds, if it finds what the site model says: every device with an address in it, the
    /// one that scans among them (§6.4). Devices are read one after the other, as they are asked for; those that cannot
    /// be read are left out.
    ///
    /// # Errors
    /// The folder of devices cannot be read.
    pub fn found(&self, family: &str, references: bool) -> Result<impl Iterator<Item = Found>, SiteError> {
        let ids = self.device_list()?.ids;
        Ok(ids.into_iter().filter_map(move |id| self.device(&id).ok()?.found(family, references)))
    }
}

impl Device {
    /// What a gateway is to know of the device.
    pub fn proxy_settings(&self) -> ProxySettings {
        ProxySettings {
            identity: identity(self),
            points: points(&self.metadata),
            families: families(&self.metadata),
            features: features(&self.metadata),
            custom_blocks: Vec::new(),
        }
    }

    /// The device as a scan of the family finds it; none if it has no address there.
    pub fn found(&self, family: &str, references: bool) -> Option<Found> {
        let LocalnetFamily { addr, network, .. } = self.metadata.localnet.as_ref()?.families.get(family)?;
        let ancillary = Ancillary([("name".to_owned(), self.id.clone().into())].into_iter().collect());
        Some(Found {
            address: addr.clone()?,
            network: network.clone(),
            references: if references { self.references() } else { Map::new() },
            system: Some(DiscoverySystem { ancillary: Some(ancillary), ..DiscoverySystem::default() }),
            ..Found::default()
        })
    }

    /// What the device offers, by local reference.
    pub fn references(&self) -> Map<String, DiscoveryRef> {
        let points = self.metadata.pointset.iter().flat_map(|pointset| &pointset.points);
        let offered = |(name, point): (&String, &PointsetPoint)| {
            let reference = point.ref_.clone()?;
            let described = DiscoveryRef {
                point: Some(name.clone()),
                units: point.units.clone(),
                kind: point.kind.and_then(type_name),
                writable: point.writable,
                description: point.description.clone(),
                ..DiscoveryRef::default()
            };
            Some((reference, described))
        };
        points.filter_map(offered).collect()
    }
}

fn type_name(kind: ValueType) -> Option<String> {
    match kind {
        ValueType::Boolean => Some("boolean".to_owned()),
        ValueType::Number => Some("number".to_owned()),
        ValueType::String => Some("string".to_owned()),
        ValueType::Unknown => None,
    }
}
