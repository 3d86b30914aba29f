//! The host's own addresses in place of those that a site model gives (§6.5).

use udmi_host::family::ip::{IpFamily, local_addresses};

use crate::output::Failure;
use udmi_proto::Map;

/// Reports the host's addresses in the families `ether`, `ipv4` and `ipv6` that the site model has.
pub(super) fn use_own(families: &mut Map<String, String>) -> Result<(), Failure> {
    let own = local_addresses()
        .map_err(|error| Failure::new(format!("cannot read this host's addresses: {error}")))?;
    replace(families, &own);
    Ok(())
}

/// A family in which the host has no address is left out, rather than told wrong.
fn replace(families: &mut Map<String, String>, own: &Map<String, String>) {
    for family in IpFamily::ALL.map(IpFamily::as_str) {
        if families.remove(family).is_some()
            && let Some(address) = own.get(family)
        {
            families.insert(family.to_owned(), address.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn families<const N: usize>(of: [(&str, &str); N]) -> Map<String, String> {
        of.map(|(family, address)| (family.to_owned(), address.to_owned())).into()
    }

    #[test]
    fn own_addresses_replace_those_of_the_model_and_add_no_family() {
        let mut model = families([("vendor", "7"), ("ipv4", "192.168.2.1"), ("ether", "00:50:b6:ed:5f:77")]);
        replace(&mut model, &families([("ipv4", "10.0.0.9"), ("ipv6", "fe80::1")]));
        assert_eq!(model, families([("vendor", "7"), ("ipv4", "10.0.0.9")]));
    }
}
