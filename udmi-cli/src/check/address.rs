//! Addresses and references in the form of their family (§6.6).

use udmi_host::site::Device;
use udmi_proto::family::{Family, Malformed, Part, check_point, modbus};
use udmi_proto::model::metadata::LocalnetFamily;

use super::Finding;

/// What is wrong with the addresses of a device and the references of its points.
pub(super) fn findings(device: &Device, finding: impl Fn(String, String) -> Finding) -> Vec<Finding> {
    let mut found = Vec::new();
    let localnet = device.metadata.localnet.as_ref();
    for (family, local) in localnet.into_iter().flat_map(|localnet| &localnet.families) {
        let problems = place_problems(family, local);
        found.extend(
            problems
                .map(|(member, problem)| finding(format!("/localnet/families/{family}/{member}"), problem)),
        );
    }
    let Some(target) = device.metadata.gateway.as_ref().and_then(|gateway| gateway.target.as_ref()) else {
        return found;
    };
    let Some(family) = target.family.as_deref() else { return found };
    let problems = place_problems(family, target);
    found.extend(problems.map(|(member, problem)| finding(format!("/gateway/target/{member}"), problem)));
    let local = localnet.and_then(|localnet| localnet.families.get(family));
    let unit = unit_of(family, target, local);
    let points = device.metadata.pointset.as_ref().map(|pointset| &pointset.points);
    for (name, point) in points.into_iter().flatten() {
        let reference = point.ref_.as_deref();
        let problem = reference.and_then(|reference| reference_problem(family, unit.as_deref(), reference));
        found.extend(problem.map(|problem| finding(format!("/pointset/points/{name}/ref"), problem)));
    }
    found
}

/// What is wrong with an address, its unit or network, or its further parameters, and with which member.
fn place_problems(family: &str, place: &LocalnetFamily) -> impl Iterator<Item = (&'static str, String)> {
    let known = Family::from_name(family);
    let (addr, unit, network) = (place.addr.as_deref(), place.unitid.as_deref(), place.network.as_deref());
    let target = known.and_then(|family| family.check_target(addr, unit, network).err()).map(|malformed| {
        match malformed.part {
            Part::Network => ("network", shown(malformed, network)),
            Part::Unit if unit.is_some() => ("unitid", shown(malformed, unit)),
            Part::Url
            | Part::Family
            | Part::Address
            | Part::Port
            | Part::Unit
            | Part::Reference
            | Part::Adjunct => ("addr", shown(malformed, addr)),
        }
    });
    let keys = place.adjunct.iter().flat_map(|adjunct| adjunct.keys().map(String::as_str));
    let adjunct = known.and_then(|family| family.check_adjunct(keys).err());
    let keys =
        place.adjunct.iter().flat_map(|adjunct| adjunct.keys().cloned()).collect::<Vec<_>>().join(", ");
    target.into_iter().chain(adjunct.map(|malformed| ("adjunct", shown(malformed, Some(&keys)))))
}

/// The unit behind the address, where target or address name one: references do not begin with it then (§6.6).
fn unit_of(family: &str, target: &LocalnetFamily, local: Option<&LocalnetFamily>) -> Option<String> {
    let unit = target.unitid.as_deref().or(local.and_then(|local| local.unitid.as_deref()));
    if family != Family::Modbus.as_str() {
        return unit.map(str::to_owned);
    }
    let address = target.addr.as_deref().or(local.and_then(|local| local.addr.as_deref()));
    modbus::Target::parse(address, unit, target.network.as_deref()).ok()?.unit.map(|unit| unit.to_string())
}

/// A full reference has to be one of its own family.
fn reference_problem(family: &str, unit: Option<&str>, reference: &str) -> Option<String> {
    let malformed = check_point(Family::from_name(family)?, unit, reference).err()?;
    Some(shown(malformed, Some(reference)))
}

fn shown(malformed: Malformed, found: Option<&str>) -> String {
    format!("expected {}, found {:?}", malformed.expected, found.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address_problem(family: &str, address: &str) -> Option<String> {
        let place = LocalnetFamily { addr: Some(address.to_owned()), ..LocalnetFamily::default() };
        place_problems(family, &place).map(|(_, problem)| problem).next()
    }

    fn members(family: &str, place: &LocalnetFamily) -> Vec<&'static str> {
        place_problems(family, place).map(|(member, _)| member).collect()
    }

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
            assert_eq!(reference_problem("bacnet", None, good), None, "{good}");
        }
        for bad in ["AV12.present_value", "av/12", "AV/012", "AV/12#", "A/1"] {
            assert!(reference_problem("bacnet", None, bad).is_some(), "{bad}");
        }
        assert!(reference_problem("ipv4", None, "x").is_some());
        assert_eq!(reference_problem("modbus", Some("2"), "4/30005?type=UINT32"), None);
        assert!(reference_problem("modbus", None, "4/30005").is_some());
        assert!(reference_problem("bacnet", None, "bacnet://x/AV/1").is_some());
        assert_eq!(reference_problem("somewhere", None, "anything"), None);
    }

    #[test]
    fn each_part_of_a_place_is_looked_at() {
        let text = |text: &str| Some(text.to_owned());
        let place =
            |addr, unitid, network| LocalnetFamily { addr, unitid, network, ..LocalnetFamily::default() };
        assert_eq!(members("bacnet", &place(text("7"), None, text("0"))), ["network"]);
        assert_eq!(members("modbus", &place(text("line"), text("256"), None)), ["unitid"]);
        assert_eq!(members("modbus", &place(text("line/256"), None, None)), ["addr"]);
        assert!(members("modbus", &place(text("line/2"), None, None)).is_empty());
        let mut odd = place(text("7"), None, None);
        let unit = |target: &LocalnetFamily, local: Option<&LocalnetFamily>| unit_of("modbus", target, local);
        assert_eq!(unit(&place(text("line/2"), None, None), None), text("2"));
        assert_eq!(unit(&place(None, None, None), Some(&place(text("2"), None, None))), text("2"));
        assert_eq!(unit(&place(text("line"), text("7"), None), None), text("7"));
        assert_eq!(unit(&place(text("line"), None, None), None), None);
        odd.adjunct = Some([("baud".to_owned(), "9600".to_owned())].into());
        assert_eq!(members("bacnet", &odd), ["adjunct"]);
    }
}
