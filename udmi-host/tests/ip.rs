//! The tables of a network made for the test, and those of this machine.

#![cfg(all(feature = "ip", target_os = "linux"))]

use std::collections::BTreeMap;
use std::process::Command;

use udmi_host::family::ip::{IpFamily, IpProvider, local_addresses};
use udmi_host::family::{FamilyProvider, Found, ProviderError, ScanRequest, Stop, Target, WriteError};
use udmi_proto::model::common::{Depth, Timestamp};

/// Set where the test runs in the network made for it.
const INSIDE: &str = "UDMI_TEST_INSIDE";

fn scan(family: IpFamily, addresses: &[&str]) -> Vec<Found> {
    let request = ScanRequest {
        family: family.as_str().into(),
        generation: Timestamp::EPOCH,
        depth: Depth::Entries,
        references: false,
        addresses: addresses.iter().map(|&address| address.into()).collect(),
        networks: Vec::new(),
        duration_seconds: 10,
    };
    let mut found = Vec::new();
    IpProvider::new(family).scan(&request, &mut |device| found.push(device), &Stop::new()).unwrap();
    found
}

fn found(family: IpFamily) -> Vec<String> {
    scan(family, &[]).into_iter().map(|found| found.address).collect()
}

fn families(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|&(family, address)| (family.into(), address.into())).collect()
}

/// A network namespace, which is gone with the value.
struct Namespace(String);

impl Namespace {
    /// Makes one; none where this is not allowed or the command is missing.
    fn new() -> Option<Self> {
        let name = format!("udmi-test-{}", std::process::id());
        let made = Command::new("ip").args(["netns", "add", &name]).output();
        match made {
            Ok(output) if output.status.success() => Some(Self(name)),
            Ok(_) | Err(_) => {
                eprintln!("left out: no network namespace can be made");
                None
            }
        }
    }

    fn ip(&self, arguments: &str) {
        let output = Command::new("ip").args(["-n", &self.0]).args(arguments.split(' ')).output().unwrap();
        assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.0]).output();
    }
}

#[test]
fn a_network_is_told_as_it_is() {
    let Some(namespace) = Namespace::new() else { return };
    for arguments in [
        "link set lo up",
        "link add near address 02:00:00:00:00:01 type veth peer name far address 02:00:00:00:00:02",
        "link set near up",
        "link set far up",
        "address add 192.0.2.2/24 dev near",
        "address add 192.0.2.3/24 dev near",
        "address add 2001:db8::2/64 dev near nodad",
        "address add 198.51.100.2/24 dev far",
        "route add default via 198.51.100.1 dev far metric 600",
        "route add default via 192.0.2.1 dev near metric 100",
        "neighbour add 192.0.2.1 lladdr 02:00:00:00:00:09 dev near nud permanent",
        "neighbour add 192.0.2.77 lladdr 02:00:00:00:00:77 dev near nud stale",
        "neighbour add 2001:db8::9 lladdr 02:00:00:00:00:09 dev near nud reachable",
        "neighbour add 192.0.2.66 dev near nud failed",
    ] {
        namespace.ip(arguments);
    }
    let inside = Command::new("ip")
        .args(["netns", "exec", &namespace.0])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "inside", "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&inside.stdout);
    assert!(
        inside.status.success() && told.contains("1 passed"),
        "{told}{}",
        String::from_utf8_lossy(&inside.stderr)
    );
}

/// What is asserted inside; it has nothing to say outside.
#[test]
fn inside() {
    if std::env::var_os(INSIDE).is_none() {
        return;
    }
    let own = [("ether", "02:00:00:00:00:01"), ("ipv4", "192.0.2.2"), ("ipv6", "2001:db8::2")];
    assert_eq!(local_addresses().unwrap(), families(&own));
    assert_eq!(found(IpFamily::Ipv4), ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.77", "198.51.100.2"]);
    let ether = found(IpFamily::Ether);
    for last in [1, 2, 9, 0x77] {
        assert!(ether.contains(&format!("02:00:00:00:00:{last:02x}")), "{ether:?}");
    }
    let router = scan(IpFamily::Ether, &["02:00:00:00:00:09"]);
    assert_eq!(router[0].families, families(&[("ipv4", "192.0.2.1"), ("ipv6", "2001:db8::9")]));
    let router = scan(IpFamily::Ipv6, &["2001:DB8::9"]);
    assert_eq!(router[0].families, families(&[("ether", "02:00:00:00:00:09")]));
}

#[test]
fn this_machine_finds_itself() {
    let own = local_addresses().unwrap();
    for family in IpFamily::ALL {
        if let Some(address) = own.get(family.as_str()) {
            assert!(found(family).contains(address), "{address}");
        }
    }
}

#[test]
fn there_are_no_points() {
    let provider = IpProvider::new(IpFamily::Ipv4);
    let (target, stop) = (Target::default(), Stop::new());
    assert!(matches!(provider.read(&target, &[], &stop), Err(ProviderError::Target(_))));
    let written = provider.write(&target, "x", None, &stop);
    assert!(matches!(written, Err(WriteError::Provider(ProviderError::Target(_)))));
}
