//! Addresses and references in the form of their family (§6.6).

use std::net::{Ipv4Addr, Ipv6Addr};

use udmi_host::site::Device;

use super::Finding;

const BACNET_ADDRESS_MAX: u32 = 4_194_303;

/// What is wrong with the addresses of a device and the references of its points.
pub(super) fn findings(device: &Device, finding: impl Fn(String, String) -> Finding) -> Vec<Finding> {
    let mut found = Vec::new();
    let localnet = device.metadata.localnet.as_ref();
    for (family, local) in localnet.into_iter().flat_map(|localnet| &localnet.families) {
        let problem = local.addr.as_deref().and_then(|addr| address_problem(family, addr));
        found.extend(problem.map(|problem| finding(format!("/localnet/families/{family}/addr"), problem)));
    }
    let Some(target) = device.metadata.gateway.as_ref().and_then(|gateway| gateway.target.as_ref()) else {
        return found;
    };
    let Some(family) = target.family.as_deref() else { return found };
    let problem = target.addr.as_deref().and_then(|addr| address_problem(family, addr));
    found.extend(problem.map(|problem| finding("/gateway/target/addr".to_owned(), problem)));
    let points = device.metadata.pointset.as_ref().map(|pointset| &pointset.points);
    for (name, point) in points.into_iter().flatten() {
        // A reference with its own family says so.
        let reference = point.ref_.as_deref().filter(|reference| !reference.contains("://"));
        let problem = reference.and_then(|reference| reference_problem(family, reference));
        found.extend(problem.map(|problem| finding(format!("/pointset/points/{name}/ref"), problem)));
    }
    found
}

fn address_problem(family: &str, address: &str) -> Option<String> {
    let (is_good, expected) = match family {
        "bacnet" => (is_number(address, 1, BACNET_ADDRESS_MAX), "a number from 1 to 4194303"),
        "ether" => (is_ether(address), "six lower-case hexadecimal bytes with colons between"),
        "ipv4" => (address.parse::<Ipv4Addr>().is_ok(), "four numbers with dots between"),
        "ipv6" => (is_ipv6(address), "an IPv6 address in its shortest lower-case form"),
        _ => return None,
    };
    (!is_good).then(|| format!("expected {expected}, found {address:?}"))
}

fn reference_problem(family: &str, reference: &str) -> Option<String> {
    match family {
        "bacnet" if is_bacnet_reference(reference) => None,
        "bacnet" => {
            Some(format!("expected TYPE/NUMBER[#property] such as AV/12#present_value, found {reference:?}"))
        }
        "ether" | "ipv4" | "ipv6" | "iot" | "fqdn" => {
            Some(format!("points of family {family} have no reference"))
        }
        _ => None,
    }
}

/// A decimal number without leading zero.
fn is_number(text: &str, least: u32, most: u32) -> bool {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    plain && text.parse().is_ok_and(|number: u32| (least..=most).contains(&number))
}

fn is_ether(text: &str) -> bool {
    let is_byte =
        |part: &str| part.len() == 2 && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    text.split(':').count() == 6 && text.split(':').all(is_byte)
}

fn is_ipv6(text: &str) -> bool {
    text.parse::<Ipv6Addr>().is_ok_and(|address| address.to_string() == text)
}

/// `[A-Z]{2,4}/(0|[1-9][0-9]*)(#[_a-z]+)?`
fn is_bacnet_reference(text: &str) -> bool {
    let Some((kind, rest)) = text.split_once('/') else { return false };
    let (number, property) = rest.split_once('#').map_or((rest, None), |(number, name)| (number, Some(name)));
    let is_property =
        |name: &str| !name.is_empty() && name.bytes().all(|byte| byte == b'_' || byte.is_ascii_lowercase());
    (2..=4).contains(&kind.len())
        && kind.bytes().all(|byte| byte.is_ascii_uppercase())
        && is_number(number, 0, u32::MAX)
        && property.is_none_or(is_property)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_the_form_of_their_family() {
        let good = [
            ("bacnet", "4194303"),
            ("ether", "00:50:b6:ed:5f:77"),
            ("ipv4", "192.168.2.1"),
            ("ipv6", "fd00::1"),
            ("vendor", "anything at all"),
        ];
        for (family, address) in good {
            assert_eq!(address_problem(family, address), None, "{family} {address}");
        }
        let bad = [
            ("bacnet", "0"),
            ("bacnet", "012"),
            ("bacnet", "4194304"),
            ("ether", "00:50:B6:ED:5F:77"),
            ("ether", "00:50:b6:ed:5f"),
            ("ipv4", "192.168.2"),
            ("ipv6", "FD00::1"),
        ];
        for (family, address) in bad {
            assert!(address_problem(family, address).is_some(), "{family} {address}");
        }
    }

    #[test]
    fn references_have_the_form_of_their_family() {
        for good in ["AV/12#present_value", "BV/0", "MSV/7"] {
            assert_eq!(reference_problem("bacnet", good), None, "{good}");
        }
        for bad in ["AV12.present_value", "av/12", "AV/012", "AV/12#", "A/1"] {
            assert!(reference_problem("bacnet", bad).is_some(), "{bad}");
        }
        assert!(reference_problem("ipv4", "x").is_some());
    }
}
