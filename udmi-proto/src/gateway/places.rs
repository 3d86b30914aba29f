//! Which device is at which address, for what a scan of the gateway finds.

use alloc::borrow::ToOwned as _;
use alloc::string::String;
use alloc::vec::Vec;

use crate::actor::ProxyIx;
use device_link::{Map, Set};

/// A family and an address in it.
type Place = (String, String);

/// The addresses of all devices, both ways. No larger than what is known of the devices.
#[derive(Debug, Default)]
pub(super) struct Places {
    devices: Map<Place, Set<ProxyIx>>,
    places: Map<ProxyIx, Vec<Place>>,
}

impl Places {
    /// The device is at these addresses and no others.
    pub(super) fn set<'a>(&mut self, ix: ProxyIx, addresses: impl Iterator<Item = (&'a String, &'a String)>) {
        self.remove(ix);
        let places: Vec<Place> =
            addresses.map(|(family, address)| (family.clone(), address.clone())).collect();
        for place in &places {
            self.devices.entry(place.clone()).or_default().insert(ix);
        }
        if !places.is_empty() {
            self.places.insert(ix, places);
        }
    }

    /// The device is gone.
    pub(super) fn remove(&mut self, ix: ProxyIx) {
        for place in self.places.remove(&ix).into_iter().flatten() {
            if let Some(devices) = self.devices.get_mut(&place) {
                devices.remove(&ix);
                if devices.is_empty() {
                    self.devices.remove(&place);
                }
            }
        }
    }

    /// The device at an address, if it is the only one: units of a line may well share one.
    pub(super) fn device_at(&self, family: &str, address: &str) -> Option<ProxyIx> {
        let devices = self.devices.get(&(family.to_owned(), address.to_owned()))?;
        devices.first().copied().filter(|_| devices.len() == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(pairs: &[(&str, &str)]) -> Map<String, String> {
        pairs.iter().map(|(family, address)| ((*family).to_owned(), (*address).to_owned())).collect()
    }

    #[test]
    fn a_device_is_found_by_each_of_its_addresses_while_it_has_them() {
        let mut places = Places::default();
        let (one, other) = (ProxyIx(1), ProxyIx(2));
        places.set(one, addresses(&[("bacnet", "7"), ("ipv4", "192.0.2.7")]).iter());
        places.set(other, addresses(&[("bacnet", "8"), ("vendor", "7")]).iter());
        assert_eq!(places.device_at("ipv4", "192.0.2.7"), Some(one));
        assert_eq!(places.device_at("vendor", "7"), Some(other));
        assert_eq!(places.device_at("vendor", "8"), None);
        places.set(one, addresses(&[("bacnet", "9")]).iter());
        assert_eq!((places.device_at("bacnet", "7"), places.device_at("bacnet", "9")), (None, Some(one)));
        places.remove(one);
        places.remove(other);
        assert!(places.devices.is_empty() && places.places.is_empty());
    }

    #[test]
    fn an_address_of_several_devices_tells_nobody_apart() {
        let mut places = Places::default();
        for ix in [ProxyIx(1), ProxyIx(2)] {
            places.set(ix, addresses(&[("modbus", "line")]).iter());
        }
        assert_eq!(places.device_at("modbus", "line"), None);
        places.remove(ProxyIx(1));
        assert_eq!(places.device_at("modbus", "line"), Some(ProxyIx(2)));
    }
}
