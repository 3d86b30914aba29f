//! The tables of a network made for the test, and those of this machine.

#![cfg(all(feature = "ip", target_os = "linux"))]

use std::process::Command;
use udmi_proto::Map;

use udmi_host::family::ip::{IpFamily, IpProvider, local_addresses};
use udmi_host::family::{FamilyProvider, Found, ProviderError, ScanRequest, Stop, Target, WriteError};
use udmi_proto::model::common::{Depth, Timestamp};

/// Set where the test runs in the network made for it.
const INSIDE: &str = "UDMI_TEST_INSIDE";

fn scan(family: IpFamily, addresses: &[&str]) -> Vec<Found> {
    scan_by(IpProvider::silent(family), addresses)
}

fn scan_by(provider: IpProvider, addresses: &[&str]) -> Vec<Found> {
    let mut found = Vec::new();
    let request = request(provider.family(), addresses);
    provider.scan(&request, &mut |device| found.push(device), &Stop::new()).unwrap();
    found
}

fn request(family: &str, addresses: &[&str]) -> ScanRequest {
    ScanRequest {
        family: family.into(),
        generation: Timestamp::EPOCH,
        depth: Depth::Entries,
        references: false,
        addresses: addresses.iter().map(|&address| address.into()).collect(),
        networks: Vec::new(),
        duration_seconds: 10,
    }
}

fn found(family: IpFamily) -> Vec<String> {
    scan(family, &[]).into_iter().map(|found| found.address).collect()
}

fn families(pairs: &[(&str, &str)]) -> Map<String, String> {
    pairs.iter().map(|&(family, address)| (family.into(), address.into())).collect()
}

/// A network namespace, which is gone with the value.
struct Namespace(String);

impl Namespace {
    /// Makes one; none where this is not allowed or the command is missing.
    fn new(name: &str) -> Option<Self> {
        let name = format!("udmi-{}-{name}", std::process::id());
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

    /// Runs another test of this program inside.
    fn run(&self, test: &str) {
        let inside = Command::new("ip")
            .args(["netns", "exec", &self.0])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture"])
            .env(INSIDE, test)
            .output()
            .unwrap();
        let (told, errors) =
            (String::from_utf8_lossy(&inside.stdout), String::from_utf8_lossy(&inside.stderr));
        assert!(inside.status.success() && told.contains("1 passed"), "{told}{errors}");
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.0]).output();
    }
}

/// Whether that test runs inside; it has nothing to say outside.
fn is_inside(test: &str) -> bool {
    std::env::var(INSIDE).is_ok_and(|inside| inside == test)
}

#[test]
fn a_network_is_told_as_it_is() {
    let Some(namespace) = Namespace::new("tables") else { return };
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
    namespace.run("inside_the_tables");
}

#[test]
fn inside_the_tables() {
    if !is_inside("inside_the_tables") {
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

/// Two hosts on one network that have not heard of each other.
#[test]
fn hosts_that_nobody_has_heard_of_are_found_by_asking() {
    let Some(here) = Namespace::new("here") else { return };
    let Some(there) = Namespace::new("there") else { return };
    here.ip(&format!("link add near type veth peer name far address 02:00:00:00:00:02 netns {}", there.0));
    for (namespace, device, number) in [(&here, "near", 1), (&there, "far", 2)] {
        namespace.ip(&format!("address add 192.0.2.{number}/24 dev {device}"));
        namespace.ip(&format!("address add 2001:db8::{number}/64 dev {device} nodad"));
        namespace.ip(&format!("link set {device} up"));
    }
    there.ip("address add 192.0.2.200/24 dev far");
    here.run("inside_with_a_neighbour");
}

#[test]
fn inside_with_a_neighbour() {
    if !is_inside("inside_with_a_neighbour") {
        return;
    }
    assert_eq!(found(IpFamily::Ipv4), ["192.0.2.1"]);
    let by_asking = |family, addresses: &[&str]| {
        let mut found = scan_by(IpProvider::new(family), addresses);
        found.sort_by(|left, right| left.address.cmp(&right.address));
        found.into_iter().map(|found| found.address).collect::<Vec<_>>()
    };
    assert_eq!(by_asking(IpFamily::Ipv4, &["192.0.2.200", "192.0.2.201"]), ["192.0.2.200"]);
    assert_eq!(by_asking(IpFamily::Ipv6, &["2001:db8::2"]), ["2001:db8::2"]);
    assert_eq!(by_asking(IpFamily::Ipv4, &[]), ["192.0.2.1", "192.0.2.2", "192.0.2.200"]);
    assert!(by_asking(IpFamily::Ether, &[]).contains(&"02:00:00:00:00:02".to_owned()));
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
fn a_stopped_scan_tells_nothing_and_does_not_wait() {
    let request = request(IpFamily::Ipv4.as_str(), &[]);
    let stop = Stop::new();
    stop.set();
    let scanned = IpProvider::new(IpFamily::Ipv4).scan(&request, &mut |found| panic!("{found:?}"), &stop);
    assert!(matches!(scanned, Err(ProviderError::Stopped)), "{scanned:?}");
}

#[test]
fn there_are_no_points() {
    let provider = IpProvider::new(IpFamily::Ipv4);
    let (target, stop) = (Target::default(), Stop::new());
    assert!(matches!(provider.read(&target, &[], &stop), Err(ProviderError::Target(_))));
    let written = provider.write(&target, "x", None, &stop);
    assert!(matches!(written, Err(WriteError::Provider(ProviderError::Target(_)))));
}
