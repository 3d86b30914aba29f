//! Which units a scan finds.

use udmi_host::family::modbus::{ModbusProvider, ModbusSettings};
use udmi_host::family::{FamilyProvider, Found, ProviderError, ScanRequest, Stop};
use udmi_proto::model::common::{Depth, Timestamp};
use udmi_proto::model::discovery::DiscoveryRef;

use crate::peer::{Peer, SHORT, register, settings};
use udmi_proto::Map;

fn request(addresses: &[&str], references: bool) -> ScanRequest {
    ScanRequest {
        family: "modbus".into(),
        generation: Timestamp::EPOCH,
        depth: Depth::Details,
        references,
        addresses: addresses.iter().map(|&address| address.into()).collect(),
        networks: Vec::new(),
        duration_seconds: 60,
    }
}

fn scan(provider: &ModbusProvider, request: &ScanRequest) -> Result<Vec<Found>, ProviderError> {
    let mut found = Vec::new();
    provider.scan(request, &mut |device| found.push(device), &Stop::new())?;
    found.sort_by(|left, right| left.address.cmp(&right.address));
    Ok(found)
}

fn units(found: &Found) -> Vec<u64> {
    let ancillary = found.system.as_ref().unwrap().ancillary.as_ref().unwrap();
    ancillary.0["units"].as_array().unwrap().iter().filter_map(serde_json::Value::as_u64).collect()
}

/// Unit 1 answers, 3 refuses, 4 is not reached, 2 is silent.
fn gateway() -> Peer {
    Peer::answering(|_, unit, data| match (unit, data) {
        (1, [3, 0, 0, 0, 1]) => register(7),
        (1 | 3, _) => vec![0x83, 2],
        (4, _) => vec![0x83, 11],
        _ => Vec::new(),
    })
}

fn quick() -> ModbusSettings {
    ModbusSettings { probe_timeout: SHORT, units: (1..=4).collect(), ..settings() }
}

#[test]
fn units_that_answer_are_found_even_if_they_refuse() {
    let (one, other) = (gateway(), Peer::answering(|_, _, _| Vec::new()));
    let addresses = [one.address.to_string(), other.address.to_string()];
    let provider = ModbusProvider::new(ModbusSettings { hosts: addresses.to_vec(), ..quick() });
    for request in [request(&[], false), request(&[&addresses[0], &addresses[1]], false)] {
        let found = scan(&provider, &request).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].address.as_str(), units(&found[0])), (addresses[0].as_str(), vec![1, 3]));
        assert!(found[0].references.is_empty());
        assert_eq!(found[0].families, Map::from([("ipv4".to_owned(), "127.0.0.1".to_owned())]));
    }
    assert_eq!(one.accepted(), 1);
}

#[test]
fn what_is_known_of_a_host_is_told_and_its_faults_are() {
    let peer = gateway();
    let address = peer.address.to_string();
    let reference = |name: &str| DiscoveryRef { point: Some(name.into()), ..DiscoveryRef::default() };
    let known = Map::from([
        ("1/3/0".to_owned(), reference("there")),
        ("1/3/9".to_owned(), reference("not_there")),
        ("2/3/0".to_owned(), reference("silent")),
    ]);
    let known = Map::from([(address.clone(), known)]);
    let provider = ModbusProvider::new(ModbusSettings { known, units: vec![], ..quick() });
    let found = scan(&provider, &request(&[], true)).unwrap();
    assert_eq!(units(&found[0]), [1]);
    let references = &found[0].references;
    assert_eq!(references.keys().collect::<Vec<_>>(), ["1/3/0", "1/3/9"]);
    assert_eq!(references["1/3/0"].point.as_deref(), Some("there"));
    let ancillary = references["1/3/0"].ancillary.as_ref().unwrap();
    assert_eq!(ancillary.0["present_value"], 7);
    let status = references["1/3/9"].status.as_ref().unwrap();
    assert!(status.message.contains("illegal data address"), "{}", status.message);
    assert!(scan(&provider, &request(&[&address], false)).unwrap()[0].references.is_empty());
}

#[test]
fn a_scan_without_hosts_and_one_of_networks_find_nothing() {
    let provider = ModbusProvider::new(quick());
    assert!(matches!(scan(&provider, &request(&[], false)), Err(ProviderError::Target(_))));
    let peer = gateway();
    let mut request = request(&[&peer.address.to_string()], false);
    request.networks = vec!["1".into()];
    assert_eq!(scan(&provider, &request), Ok(vec![]));
    assert_eq!(peer.accepted(), 0);
}

#[test]
fn a_stopped_scan_tells_nothing_more() {
    let peer = gateway();
    let provider = ModbusProvider::new(quick());
    let stop = Stop::new();
    stop.set();
    let request = request(&[&peer.address.to_string()], false);
    let scanned = provider.scan(&request, &mut |device| panic!("{device:?}"), &stop);
    assert_eq!(scanned, Err(ProviderError::Stopped));
}

#[test]
fn time_that_is_up_ends_the_look_at_a_host() {
    let silent = Peer::answering(|_, unit, _| if unit == 1 { register(7) } else { Vec::new() });
    let provider = ModbusProvider::new(ModbusSettings { probe_timeout: SHORT, ..settings() });
    let request = ScanRequest { duration_seconds: 3, ..request(&[&silent.address.to_string()], false) };
    assert_eq!(scan(&provider, &request).unwrap().len(), 1);
}
