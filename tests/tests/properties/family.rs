//! Addresses and references of any form: none is too odd to be judged, and what is good reads back as it is written.

use proptest::prelude::*;
use udmi_proto::family::{Family, Url, bacnet, check_point, modbus};

/// Anything, and what looks like a reference of each family but for a detail.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        ".{0,40}",
        "[0-9]{0,8}",
        "[A-Z]{1,5}/[0-9]{0,8}(#[a-z_]{0,5})?",
        "[0-9]{1,3}/[0-9]{1,2}/[0-9]{1,6}(/[0-9]{1,5})?(\\?(type|scale|offset|border|worder|x)=[A-Z0-9.-]{0,7}){0,1}",
        "[a-z0-9]{1,5}(://|:/|:/[0-9]{1,5}/)[a-z0-9.:\\[\\]]{0,20}(/.{0,20})?",
        "[0-9a-f]{0,4}(:[0-9a-f]{0,4}){0,8}(/[0-9]{1,3})?",
        "[0-9]{1,3}(\\.[0-9]{1,3}){0,4}(/[0-9]{1,2}|:[0-9]{1,6})?",
        "[a-zA-Z0-9_-]{0,20}(\\.[a-z0-9-]{0,20}){0,4}\\.?",
    ]
}

fn family() -> impl Strategy<Value = Family> {
    prop::sample::select(Family::ALL.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_text_is_judged(
        family in family(),
        address in text(),
        unit in prop::option::of(text()),
        network in prop::option::of(text()),
    ) {
        let _ = family.check_network(&address);
        let _ = family.check_adjunct([address.as_str()]);
        let _ = check_point(family, unit.as_deref(), &address);
        let alone = family.check_address(&address);
        let target = family.check_target(Some(&address), unit.as_deref(), network.as_deref());
        if alone.is_err() && family != Family::Modbus {
            prop_assert_eq!(target, alone);
        }
    }

    #[test]
    fn what_is_good_reads_back(text in text()) {
        if let Ok(url) = Url::parse(&text) {
            prop_assert_eq!(Url::parse(&url.to_string()), Ok(url));
        }
        if let Ok(reference) = bacnet::Reference::parse(&text) {
            prop_assert_eq!(reference.to_string(), text.as_str());
        }
        if let Ok(address) = modbus::Address::parse(&text) {
            prop_assert_eq!(address.to_string(), text.as_str());
        }
        if let Ok(reference) = modbus::Reference::parse(&text, None) {
            prop_assert_eq!(modbus::Reference::parse(&reference.to_string(), None), Ok(reference));
        }
    }

    #[test]
    fn a_full_reference_of_good_parts_is_good(
        address in "[1-9][0-9]{0,5}",
        network in prop::option::of("[1-9][0-9]{0,3}"),
        reference in "[A-Z]{2,4}/[1-9][0-9]{0,5}(#[a-z_]{1,12})?",
    ) {
        let text = format!("bacnet:/{}/{address}/{reference}", network.as_deref().unwrap_or(""));
        let url = Url::parse(&text).unwrap();
        prop_assert_eq!((&url.address, &url.network, url.reference.as_deref()), (&address, &network, Some(reference.as_str())));
    }

    #[test]
    fn numbers_of_a_modbus_reference_are_what_they_say(scale in -1e6..1e6f64, offset in -1e6..1e6f64) {
        let text = format!("1/3/40001?scale={scale}&offset={offset}");
        if let Ok(reference) = modbus::Reference::parse(&text, None) {
            prop_assert_eq!((reference.parameters.scale, reference.parameters.offset), (Some(scale), Some(offset)));
        } else {
            prop_assert!(scale.to_string().len() > 32 || offset.to_string().len() > 32, "{}", text);
        }
    }
}
