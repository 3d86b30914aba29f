//! A gateway and the devices it acts for, as a site model has them.

use udmi_proto::{GatewaySettings, ProxySettings, Settings};

use super::settings::settings;
use super::{Device, DeviceClass, SiteError, SiteModel};

impl SiteModel {
    /// What a gateway knows of the devices it acts for, and the faults of those that cannot be read, which are left
    /// out. None if the device is no gateway.
    #[must_use]
    pub fn gateway(&self, device: &Device) -> (Option<GatewaySettings>, Vec<SiteError>) {
        if device.class != DeviceClass::Gateway {
            return (None, Vec::new());
        }
        let (mut gateway, mut faults) = (GatewaySettings::default(), Vec::new());
        for id in &device.proxy_ids {
            match self.device(id) {
                Ok(proxied) => drop(gateway.proxies.insert(id.clone(), self.proxy(&proxied))),
                Err(fault) => faults.push(fault),
            }
        }
        (Some(gateway), faults)
    }

    /// What a gateway knows of one device: the same that a device knows of itself, wherever it connects.
    fn proxy(&self, device: &Device) -> ProxySettings {
        let nowhere = self.local_connection(device, None, "", 0);
        let Settings { identity, points, mut families, features, .. } = settings(device, &nowhere);
        // The address stands in the target or under `localnet` (§8.3).
        let target = device.metadata.gateway.as_ref().and_then(|gateway| gateway.target.as_ref());
        let target = target.and_then(|target| target.family.clone().zip(target.addr.clone()));
        if let Some((family, address)) = target {
            families.entry(family).or_insert(address);
        }
        ProxySettings { identity, points, families, features, custom_blocks: Vec::new() }
    }
}
