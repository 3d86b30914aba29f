//! Addresses, networks and references of all families, as a config or a site model may have them.

use udmi_proto::family::{Family, Url, bacnet, check_point, modbus};

/// Judges a text as whatever it may be. What is good reads back as it is written.
pub fn run(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
    for family in Family::ALL {
        let _ = family.check_address(first);
        let _ = family.check_network(first);
        let _ = family.check_adjunct([first]);
        let _ = check_point(family, Some(rest), first);
        let _ = check_point(family, None, first);
        let _ = family.check_target(Some(first), Some(rest), None);
        let _ = family.check_target(Some(first), None, Some(rest));
    }
    if let Ok(url) = Url::parse(first) {
        assert_eq!(Url::parse(&url.to_string()), Ok(url));
    }
    if let Ok(reference) = bacnet::Reference::parse(first) {
        assert_eq!(reference.to_string(), first);
    }
    if let Ok(address) = modbus::Address::parse(first) {
        assert_eq!(address.to_string(), first);
    }
    for unit in [None, Some(7)] {
        if let Ok(reference) = modbus::Reference::parse(first, unit) {
            assert_eq!(modbus::Reference::parse(&reference.to_string(), None), Ok(reference));
        }
    }
}
