//! Addresses, networks, references and full references by family, good and bad (§6.6, §11 items 32 to 36).

use udmi_proto::family::modbus::{self, ByteOrder, DataType, Function, WordOrder};
use udmi_proto::family::{Family, Malformed, Part, Url, bacnet, check_point, is_absolute};

/// A family, what it takes, what it refuses.
type Row = (Family, &'static [&'static str], &'static [&'static str]);

fn assert_table(rows: &[Row], check: impl Fn(Family, &str) -> Result<(), Malformed>) {
    for (family, good, bad) in rows {
        for text in *good {
            assert_eq!(check(*family, text), Ok(()), "{} {text:?}", family.as_str());
        }
        for text in *bad {
            assert!(check(*family, text).is_err(), "{} {text:?}", family.as_str());
        }
    }
}

const LONG_LABEL: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example.com";

#[test]
fn addresses() {
    assert_table(
        &[
            (Family::Vendor, &["4711", "x", "any thing: at/all"], &[""]),
            (Family::Iot, &["AHU-1", "77"], &[""]),
            (
                Family::Bacnet,
                &["1", "10", "582312", "4194302", "4194303"],
                &[
                    "",
                    "0",
                    "01293",
                    "-1",
                    "+1",
                    "x",
                    "0x9122",
                    "B87AC9",
                    "4194304",
                    "99999999999999999999",
                    " 1",
                ],
            ),
            (
                Family::Ether,
                &["02:00:5e:10:00:01", "aa:bb:cc:dd:ee:ff"],
                &[
                    "",
                    "02:00:5E:10:00:01",
                    "02-00-5e-10-00-01",
                    "02005e100001",
                    "02:00:5e:10:00",
                    "02:00:5e:10:00:01:02",
                    "02:00:5g:10:00:01",
                    "2:0:5e:10:0:1",
                ],
            ),
            (
                Family::Ipv4,
                &["192.0.2.17", "0.0.0.0", "255.255.255.255"],
                &[
                    "",
                    "192.0.2.256",
                    "192.0.2",
                    "192.0.2.1.1",
                    "192.0.2.a",
                    "192.0.02.1",
                    "2001:db8::1",
                    "1.2.3.4:80",
                ],
            ),
            (
                Family::Ipv6,
                &["2001:db8::8a2e:370:7334", "::1", "::", "fe80::1ff:fe23:4567:890a", "2001:db8:0:1:1:1:1:1"],
                &[
                    "",
                    "2001:DB8::1",
                    "2001:0db8::1",
                    "2001:db8:0:0::1",
                    "2001:db8::1::1",
                    "2001:db8::1:1:1:1:1",
                    "fe80::1%eth0",
                    "[::1]",
                    "192.0.2.1",
                ],
            ),
            (
                Family::Fqdn,
                &[
                    "example.com",
                    "sub.domain.co.uk",
                    "test-ing.com",
                    "ahu-7.lon.example.",
                    "xn--fsqu00a.com",
                    "7.example",
                ],
                &[
                    "",
                    ".",
                    "localhost",
                    "Example.com",
                    "-example.com",
                    "example-.com",
                    "example.-sub.com",
                    "example.com-",
                    "example..com",
                    "example.c",
                    "under_score.com",
                    "1.2.3.4",
                    "example.com..",
                    LONG_LABEL,
                ],
            ),
            (
                Family::Modbus,
                &[
                    "plc",
                    "modbus_rtu_1",
                    "my-host.com",
                    "Line.2",
                    "192.0.2.7",
                    "192.0.2.7:502",
                    "plc:0",
                    "addr-0a1b",
                ],
                &[
                    "",
                    "2",
                    "_x",
                    "a b",
                    "a@b",
                    "modbus_rtu_1/2",
                    "plc:",
                    "plc:65536",
                    "plc:0502",
                    "plc:502:1",
                    "192.0.2.256",
                    ":502",
                ],
            ),
        ],
        Family::check_address,
    );
}

#[test]
fn networks() {
    assert_table(
        &[
            (Family::Vendor, &["east wing"], &[""]),
            (Family::Bacnet, &["1", "3242", "65534"], &["", "0", "01", "65535", "655351", "east"]),
            (Family::Ether, &["1", "1000", "4094"], &["", "0", "4095", "vlan1", "-1"]),
            (
                Family::Ipv4,
                &["10.0.0.0/8", "192.0.2.0/24", "8.8.8.8/32", "0.0.0.0/0"],
                &["", "10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/08", "256.0.0.0/8", "10.0.0.0/8/8"],
            ),
            (
                Family::Ipv6,
                &["2001:db8::/32", "::1/128", "::/0"],
                &["", "2001:db8::", "2001:db8::/129", "2001:DB8::/32"],
            ),
            (Family::Iot, &[], &["", "1"]),
            (Family::Fqdn, &[], &["", "example.com"]),
            (Family::Modbus, &[], &["", "modbus_rtu_1"]),
        ],
        Family::check_network,
    );
}

#[test]
fn references() {
    assert_table(
        &[
            (Family::Vendor, &["AV:1", "BV11.present_value", "bacnet://1234/BI:1", "a?b"], &[""]),
            (
                Family::Bacnet,
                &["AV/12#present_value", "AI/2", "DO/0", "MSV/4194303", "AI/2#something_else"],
                &[
                    "",
                    "AI",
                    "AI/",
                    "/1",
                    "AI/2#",
                    "AI/2#something-else",
                    "AI/2#Present",
                    "nope/2",
                    "A/2",
                    "TOOLS/2",
                    "AI/02",
                    "AI/-2",
                    "AI/x",
                    "AI2",
                    "AI:2",
                    "AI/4194304",
                    "AI/2/3",
                ],
            ),
            (
                Family::Modbus,
                &[
                    "1/3/40001",
                    "0/1/0",
                    "255/16/65535/2",
                    "1/3/40001/10",
                    "1/3/40001/10?type=INT16&border=MSB",
                    "2/4/30001?type=UINT32&worder=LWF",
                    "1/3/00101",
                    "1/3/40001?scale=0.1",
                    "1/3/40001?offset=-1.5",
                    "1/3/1?type=UINT32&worder=HWF&border=LSB&scale=10&offset=5",
                ],
                &[
                    "",
                    "1/3",
                    "1/3/",
                    "01/3/40001",
                    "256/3/40001",
                    "a/3/40001",
                    "1/b/40001",
                    "1/7/40001",
                    "1/3/c",
                    "1/3/65536",
                    "1/3/+1",
                    "1/3/40001/0",
                    "1/3/40001/10/extra",
                    "1/3/40001?",
                    "1/3/40001?foo=bar",
                    "1/3/40001?byte_order=MSB",
                    "1/3/40001?type",
                    "1/3/40001?type=int16",
                    "1/3/40001?border=LWF",
                    "1/3/40001?worder=MSB",
                    "1/3/40001?scale=1e3",
                    "1/3/40001?scale=.5",
                    "1/3/40001?scale=5.",
                    "1/3/40001?scale=NaN",
                    "1/3/40001?scale=",
                    "1/3/40001?scale=1&scale=2",
                    "1/3/40001?scale=1&",
                    "1/3/40001?scale=111111111111111111111111111111111",
                ],
            ),
            (Family::Iot, &[], &["", "x"]),
            (Family::Ether, &[], &["", "x"]),
            (Family::Ipv4, &[], &["", "x"]),
            (Family::Ipv6, &[], &["", "x"]),
            (Family::Fqdn, &[], &["", "x"]),
        ],
        Family::check_reference,
    );
}

#[test]
fn full_references() {
    let good = [
        "vendor://4711/AV:1",
        "vendor:/east/4711/a/b/c",
        "iot://AHU-1",
        "bacnet://291842/AI/2#present_value",
        "bacnet://3/DO/0",
        "bacnet:/7/3/DO/0",
        "bacnet://3",
        "ether://02:00:5e:10:00:01",
        "ether:/12/02:00:5e:10:00:01",
        "ipv4://192.0.2.17",
        "ipv4://192.0.2.17:8080",
        "ipv6://[2001:db8::1]",
        "ipv6://[2001:db8::1]:8080",
        "fqdn://example.com",
        "fqdn://sub.domain.co.uk:443",
        "modbus://192.0.2.7:502/1/3/40001",
        "modbus://my-host.com/2/4/30001?type=UINT32&worder=LWF",
        "modbus://modbus_rtu_1/2/1/101?type=BOOLEAN",
    ];
    for text in good {
        let url = Url::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(url.to_string(), text);
    }
    let bad = [
        "",
        "bacnet",
        "bacnet:",
        "bacnet:/291842",
        "http://192.0.2.17:80",
        "ether:/02:00:5e:10:00:01",
        "ether://02-00-5e-10-00-01",
        "ether://02:00:5e:10:00:01:80",
        "bacnet://-82/AI/2",
        "bacnet://0/DO/2",
        "bacnet://29A821/AI/2",
        "bacnet://291842/AI#present_value",
        "bacnet://291842/",
        "bacnet://291842:47808/AI/2",
        "bacnet:/0/3/DO/0",
        "modbus://291842/AI/2#present_value",
        "modbus://network@192.0.2.7:502/1/3/40001",
        "modbus://192.0.2.7:502/1/3",
        "modbus:/line/plc/1/3/1",
        "ipv4://192.0.2.256:80",
        "ipv4://192.0.2.17:99999",
        "ipv4://192.0.2.17/x",
        "ipv6://2001:db8::1:8080",
        "ipv6://[2001:DB8::1]:8080",
        "ipv6://[::1]:99999",
        "ipv6://[::1]8",
        "ipv6://[::1",
        "fqdn://-example.com:80",
        "fqdn://example.com:99999",
        "fqdn:/network/example.com",
    ];
    for text in bad {
        assert!(Url::parse(text).is_err(), "{text}");
    }
}

#[test]
fn a_full_reference_is_taken_apart() {
    let url = Url::parse("bacnet:/7/582312/AV/12#present_value").unwrap();
    assert_eq!(
        (url.family, url.network.as_deref(), url.address.as_str()),
        (Family::Bacnet, Some("7"), "582312")
    );
    let reference = bacnet::Reference::parse(url.reference.as_deref().unwrap()).unwrap();
    assert_eq!(reference.object_type.as_str(), "AV");
    assert_eq!((reference.instance, reference.property.as_deref()), (12, Some("present_value")));
    let url = Url::parse("ipv6://[2001:db8::1]:8080").unwrap();
    assert_eq!((url.address.as_str(), url.port, url.reference), ("2001:db8::1", Some(8080), None));
}

#[test]
fn a_modbus_reference_is_taken_apart_and_written_again() {
    let text = "1/3/40001/2?border=LSB&worder=HWF&type=UINT32&scale=0.01&offset=-5";
    let reference = modbus::Reference::parse(text, None).unwrap();
    assert_eq!(
        (reference.unit, reference.function, reference.address),
        (1, Function::ReadHoldingRegisters, 40_001)
    );
    assert_eq!(reference.quantity.map(u16::from), Some(2));
    let parameters = reference.parameters;
    assert_eq!(parameters.byte_order, Some(ByteOrder::LeastSignificantFirst));
    assert_eq!(parameters.word_order, Some(WordOrder::HighWordFirst));
    assert_eq!(parameters.data_type, Some(DataType::Uint32));
    assert_eq!((parameters.scale, parameters.offset), (Some(0.01), Some(-5.0)));
    assert_eq!(reference.to_string(), text);
    for data_type in DataType::ALL {
        let text = format!("1/3/1?type={}", data_type.as_str());
        assert_eq!(modbus::Reference::parse(&text, None).unwrap().parameters.data_type, Some(data_type));
    }
    for code in 0..=255 {
        let known = [1, 2, 3, 4, 5, 6, 15, 16].contains(&code);
        assert_eq!(Function::from_code(code).map(Function::code), known.then_some(code));
        assert_eq!(modbus::Reference::parse(&format!("{code}/1"), Some(7)).is_ok(), known);
    }
}

#[test]
fn a_modbus_target_names_line_and_unit_in_any_of_its_forms() {
    let line = modbus::Address { host: "modbus_rtu_1".into(), port: None };
    let whole = modbus::Target { address: Some(line.clone()), unit: Some(2) };
    let parse = modbus::Target::parse;
    assert_eq!(parse(Some("modbus_rtu_1"), Some("2"), None), Ok(whole.clone()));
    assert_eq!(parse(Some("modbus_rtu_1/2"), None, None), Ok(whole.clone()));
    assert_eq!(parse(Some("2"), None, Some("modbus_rtu_1")), Ok(whole));
    assert_eq!(
        parse(Some("modbus_rtu_1"), None, None),
        Ok(modbus::Target { address: Some(line), unit: None })
    );
    assert_eq!(parse(Some("2"), None, None), Ok(modbus::Target { address: None, unit: Some(2) }));
    assert_eq!(parse(None, Some("2"), None), Ok(modbus::Target { address: None, unit: Some(2) }));
    for (address, unit, network, part) in [
        (Some("modbus_rtu_1/2"), Some("2"), None, Part::Address),
        (Some("modbus_rtu_1/256"), None, None, Part::Unit),
        (Some("modbus_rtu_1"), Some("02"), None, Part::Unit),
        (Some("256"), None, None, Part::Unit),
        (Some("modbus_rtu_1"), None, Some("line"), Part::Network),
        (Some(""), None, None, Part::Address),
    ] {
        assert_eq!(parse(address, unit, network).map_err(|error| error.part), Err(part), "{address:?}");
        assert!(Family::Modbus.check_target(address, unit, network).is_err());
    }
}

#[test]
fn a_point_fits_its_target_or_is_absolute() {
    for (family, unit, reference) in [
        (Family::Bacnet, None, "AV/12"),
        (Family::Bacnet, None, "bacnet://7/AV/12"),
        (Family::Modbus, None, "2/4/30005"),
        (Family::Modbus, Some("2"), "4/30005/2?type=UINT32"),
        (Family::Modbus, Some("2"), "modbus://line/2/4/30005"),
        (Family::Vendor, None, "AV:1"),
        (Family::Vendor, Some("x"), "anything"),
        (Family::Vendor, None, "knx://1.2.3/4"),
    ] {
        assert_eq!(check_point(family, unit, reference), Ok(()), "{reference}");
    }
    for (family, unit, reference) in [
        (Family::Bacnet, None, "ref-1a2b"),
        (Family::Bacnet, None, "bacnet://x/AV/12"),
        (Family::Bacnet, None, "knx://1.2.3/4"),
        (Family::Bacnet, Some("2"), "AV/12"),
        (Family::Modbus, None, "4/30005"),
        (Family::Modbus, Some("2"), "2/4/30005/1"),
        (Family::Modbus, Some("x"), "4/30005"),
        (Family::Ipv4, None, "x"),
    ] {
        assert!(check_point(family, unit, reference).is_err(), "{reference}");
    }
    assert!(is_absolute("bacnet://7/AV/12") && !is_absolute("AV/12"));
}

#[test]
fn targets_of_other_families_are_address_and_network() {
    assert_eq!(Family::Bacnet.check_target(Some("7"), None, Some("3")), Ok(()));
    assert_eq!(Family::Bacnet.check_target(None, None, None), Ok(()));
    let part = |result: Result<(), Malformed>| result.map_err(|error| error.part);
    assert_eq!(part(Family::Bacnet.check_target(Some("addr-0a1b"), None, None)), Err(Part::Address));
    assert_eq!(part(Family::Bacnet.check_target(Some("7"), None, Some("0"))), Err(Part::Network));
    assert_eq!(part(Family::Fqdn.check_target(Some("a.example"), None, Some("n"))), Err(Part::Network));
}

#[test]
fn adjunct_keys_are_those_of_the_family() {
    assert_eq!(Family::Ipv4.check_adjunct(["cidr", "bcast"]), Ok(()));
    let serial = ["protocol", "device", "baud", "parity", "data_bits", "stop_bits"];
    assert_eq!(Family::Modbus.check_adjunct(serial), Ok(()));
    for family in Family::ALL {
        assert_eq!(family.check_adjunct([]), Ok(()));
        assert!(family.check_adjunct(["colour"]).is_err(), "{}", family.as_str());
    }
    assert!(Family::Vendor.check_adjunct(["baud"]).is_err());
}

#[test]
fn names_of_families_are_told_from_others() {
    for family in Family::ALL {
        assert_eq!(Family::from_name(family.as_str()), Some(family));
    }
    for unknown in ["", "BACnet", "family-0a1b", "knx"] {
        assert_eq!(Family::from_name(unknown), None);
    }
}

#[test]
fn a_refusal_tells_what_was_expected() {
    let error = Family::Bacnet.check_address("addr-0a1b").unwrap_err();
    assert_eq!(error.to_string(), "address: expected a number from 1 to 4194303");
    let error = Url::parse("http://x").unwrap_err();
    assert_eq!(
        error.to_string(),
        "family: expected one of vendor, ipv4, ipv6, ether, iot, bacnet, modbus and fqdn"
    );
}
