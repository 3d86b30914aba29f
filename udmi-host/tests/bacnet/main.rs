//! BACnet/IP devices: found, read, written and released; simulated by another implementation, and by peers that
//! answer late, twice, wrongly or not at all.
#![cfg(feature = "bacnet")]

mod broadcast;
mod fake;
mod hostile;
mod python;
mod simulated;
mod threads;

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use udmi_host::family::bacnet::{BacnetProvider, BacnetSettings};
use udmi_host::family::{FamilyProvider, Found, ProviderError, ScanRequest, Stop, Target};
use udmi_proto::model::common::{Depth, Timestamp};

/// A gateway that asks these addresses.
fn gateway(destinations: Vec<SocketAddrV4>) -> BacnetProvider {
    BacnetProvider::new(settings(destinations))
}

fn settings(destinations: Vec<SocketAddrV4>) -> BacnetSettings {
    BacnetSettings {
        bind: SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0),
        destinations,
        ..BacnetSettings::default()
    }
}

fn device(instance: u32) -> Target {
    Target { family: "bacnet".into(), addr: Some(instance.to_string()), ..Target::default() }
}

fn scan_for(depth: Depth, seconds: u32, addresses: &[&str]) -> ScanRequest {
    ScanRequest {
        family: "bacnet".into(),
        generation: Timestamp::EPOCH,
        depth,
        references: depth >= Depth::Details,
        addresses: addresses.iter().map(|address| (*address).into()).collect(),
        networks: Vec::new(),
        duration_seconds: seconds,
    }
}

/// All that a scan finds, by address.
fn scan(gateway: &BacnetProvider, request: &ScanRequest) -> Result<Vec<Found>, ProviderError> {
    let mut all = Vec::new();
    gateway.scan(request, &mut |found| all.push(found), &Stop::new())?;
    all.sort_by(|left, right| left.address.cmp(&right.address));
    Ok(all)
}

/// Longer than anything should take on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(30);
