//! Field devices for the commands: which are simulated, and how the others are reached.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, ToSocketAddrs as _};
use std::sync::Arc;

use udmi_host::family::bacnet::{self, BacnetProvider, BacnetSettings};
use udmi_host::family::ip::{IpFamily, IpProvider};
use udmi_host::family::modbus::{ModbusProvider, ModbusSettings};
use udmi_host::family::{
    FamilyProvider, Found, PointError, ProviderError, ScanRequest, Stop, Target, WriteError,
};
use udmi_host::site::SiteModel;
use udmi_proto::family::Family;
use udmi_proto::model::discovery::DiscoveryRef;
use udmi_proto::{Map, Value};

use crate::output::Failure;

/// How field devices are reached.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct FieldArguments {
    /// The address and port to speak BACnet/IP on [default: all addresses, port 47808]
    #[arg(long, value_name = "ADDRESS[:PORT]", value_parser = bind, help_heading = HEADING)]
    bacnet_bind: Option<SocketAddrV4>,
    /// Where BACnet devices are looked for, in place of the local broadcast; may be repeated
    #[arg(long, value_name = "HOST[:PORT]", value_parser = bacnet_host, help_heading = HEADING)]
    bacnet_to: Vec<SocketAddrV4>,
    /// A broadcast device (BBMD) to look for BACnet devices through
    #[arg(long, value_name = "HOST[:PORT]", value_parser = bacnet_host, help_heading = HEADING)]
    bacnet_bbmd: Option<SocketAddrV4>,
    /// The number of the BACnet network around this machine, if the site model names it
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..65535), help_heading = HEADING)]
    bacnet_network: Option<u16>,
    /// The priority of what is written to BACnet devices, 1 to 16 (8 is that of a manual operator) [default: 16]
    #[arg(long, value_name = "PRIORITY", value_parser = clap::value_parser!(u8).range(1..=16), help_heading = HEADING)]
    bacnet_priority: Option<u8>,
    /// A host to look for Modbus units at, besides those of the site model; may be repeated
    #[arg(long, value_name = "HOST[:PORT]", help_heading = HEADING)]
    modbus_host: Vec<String>,
    /// What answers for a line that addresses name, such as modbus_rtu_1=10.0.0.7:502; may be repeated
    #[arg(long, value_name = "NAME=HOST[:PORT]", value_parser = line, help_heading = HEADING)]
    modbus_line: Vec<(String, String)>,
}

/// The heading of those flags.
const HEADING: &str = "Field devices";

impl FieldArguments {
    /// Who speaks a family; none if nobody does. What the site model says of Modbus devices is what a scan can tell of
    /// them.
    pub(crate) fn provider(
        &self,
        family: Family,
        site: Option<&SiteModel>,
    ) -> Result<Option<Arc<dyn FamilyProvider>>, Failure> {
        Ok(Some(match family {
            Family::Bacnet => Arc::new(BacnetProvider::new(self.bacnet())),
            Family::Modbus => Arc::new(ModbusProvider::new(self.modbus(site)?)),
            Family::Ether => Arc::new(IpProvider::new(IpFamily::Ether)),
            Family::Ipv4 => Arc::new(IpProvider::new(IpFamily::Ipv4)),
            Family::Ipv6 => Arc::new(IpProvider::new(IpFamily::Ipv6)),
            Family::Vendor | Family::Iot | Family::Fqdn => return Ok(None),
        }))
    }

    fn bacnet(&self) -> BacnetSettings {
        let defaults = BacnetSettings::default();
        let destinations = match self.bacnet_to.is_empty() {
            true => defaults.destinations.clone(),
            false => self.bacnet_to.clone(),
        };
        BacnetSettings {
            bind: self.bacnet_bind.unwrap_or(defaults.bind),
            destinations,
            broadcast_device: self.bacnet_bbmd,
            network: self.bacnet_network,
            priority: self.bacnet_priority.unwrap_or(defaults.priority),
            ..defaults
        }
    }

    fn modbus(&self, site: Option<&SiteModel>) -> Result<ModbusSettings, Failure> {
        let known = match site {
            Some(site) => known_units(site)?,
            None => Map::new(),
        };
        let lines = self.modbus_line.iter().cloned().collect();
        Ok(ModbusSettings { lines, hosts: self.modbus_host.clone(), known, ..ModbusSettings::default() })
    }
}

/// The references of the site's Modbus devices, by address. They begin with the unit, which may stand beside the
/// address.
fn known_units(site: &SiteModel) -> Result<Map<String, Map<String, DiscoveryRef>>, Failure> {
    let mut known: Map<String, Map<String, DiscoveryRef>> = Map::new();
    for id in site.device_list().map_err(Failure::usage)?.ids {
        let Ok(device) = site.device(&id) else { continue }; // told by `udmi check`
        let families = device.metadata.localnet.as_ref().map(|localnet| &localnet.families);
        let place = families.and_then(|families| families.get(Family::Modbus.as_str()));
        let Some((place, address)) = place.and_then(|place| Some((place, place.addr.clone()?))) else {
            continue;
        };
        let full = |(reference, offered): (String, DiscoveryRef)| match &place.unitid {
            Some(unit) => (format!("{unit}/{reference}"), offered),
            None => (reference, offered),
        };
        known.entry(address).or_default().extend(device.references().into_iter().map(full));
    }
    Ok(known)
}

/// Finds what the site model says there is. It reads the site model anew for each scan, so that nothing of it is kept.
#[derive(Debug)]
pub(crate) struct SimulatedFamily {
    pub(crate) site: SiteModel,
    pub(crate) family: Family,
}

impl FamilyProvider for SimulatedFamily {
    fn family(&self) -> &str {
        self.family.as_str()
    }

    fn scan(
        &self,
        request: &ScanRequest,
        found: &mut dyn FnMut(Found),
        stop: &Stop,
    ) -> Result<(), ProviderError> {
        let ScanRequest { addresses, networks, references, .. } = request;
        let all = self.site.found(self.family.as_str(), *references);
        let wanted = |each: &Found| {
            (addresses.is_empty() || addresses.contains(&each.address))
                && (networks.is_empty()
                    || each.network.as_ref().is_some_and(|network| networks.contains(network)))
        };
        for each in all.map_err(|error| ProviderError::Io(error.to_string()))?.filter(wanted) {
            if stop.is_set() {
                return Err(ProviderError::Stopped);
            }
            found(each);
        }
        Ok(())
    }

    fn read(
        &self,
        _: &Target,
        _: &[&str],
        _: &Stop,
    ) -> Result<Vec<Result<Value, PointError>>, ProviderError> {
        Err(no_points())
    }

    fn write(&self, _: &Target, _: &str, _: Option<&Value>, _: &Stop) -> Result<(), WriteError> {
        Err(no_points().into())
    }
}

fn no_points() -> ProviderError {
    ProviderError::Target("the points of a simulated plant have no references".to_owned())
}

fn bind(text: &str) -> Result<SocketAddrV4, String> {
    let with_port = |ip: Ipv4Addr| SocketAddrV4::new(ip, bacnet::PORT);
    text.parse().or_else(|_| text.parse().map(with_port)).map_err(|_| "expected ADDRESS[:PORT]".to_owned())
}

fn bacnet_host(text: &str) -> Result<SocketAddrV4, String> {
    if let Ok(address) = bind(text) {
        return Ok(address);
    }
    let named = match text.contains(':') {
        true => text.to_owned(),
        false => format!("{text}:{}", bacnet::PORT),
    };
    let addresses = named.to_socket_addrs().map_err(|error| error.to_string())?;
    let v4 = |address| match address {
        SocketAddr::V4(address) => Some(address),
        SocketAddr::V6(_) => None,
    };
    addresses.into_iter().find_map(v4).ok_or_else(|| "the host has no IPv4 address".to_owned())
}

fn line(text: &str) -> Result<(String, String), String> {
    let (name, host) = text.split_once('=').ok_or("expected NAME=HOST[:PORT]")?;
    if name.is_empty() || host.is_empty() {
        return Err("expected NAME=HOST[:PORT]".to_owned());
    }
    Ok((name.to_owned(), host.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_may_leave_their_port_out() {
        assert_eq!(bind("127.0.0.1").unwrap().to_string(), "127.0.0.1:47808");
        assert_eq!(bacnet_host("127.0.0.2:5000").unwrap().to_string(), "127.0.0.2:5000");
        assert!(bind("somewhere").is_err());
        assert_eq!(line("rtu_1=plc:1502").unwrap(), ("rtu_1".into(), "plc:1502".into()));
        assert!(line("rtu_1").is_err() && line("=plc").is_err());
    }
}
