//! One list of checks against our broker, and against mosquitto where there is one.

mod checks;
mod client;
mod sites;

use checks::{CHECKS, Check, Site};
use std::net::SocketAddr;

/// Where mosquitto 2.0 answers otherwise: the check, its answer, and why ours stays as it is.
/// `docs/broker.md` has the same list.
const DIFFERENCES: &[(&str, &str, &str)] = &[
    (
        "level 5 is refused with code 1",
        "type 2, code 0",
        "mosquitto speaks MQTT 5 as well; ours speaks 3.1.1 only",
    ),
    (
        "dup with qos 0 is closed",
        "PingResp",
        "mosquitto overlooks it; [MQTT-3.3.1-2] forbids it, and our wire module refuses it",
    ),
    (
        "a server's packet is closed",
        "PingResp",
        "mosquitto takes a PINGRESP from a client; ours takes no packet that only a server sends",
    ),
    (
        "a forbidden filter is refused",
        "granted AtMostOnce",
        "mosquitto grants any filter and checks each delivery; ours refuses the filter, so the client learns of it",
    ),
];

#[test]
fn our_broker_answers_as_mqtt_3_1_1_says() {
    let server = sites::ours();
    let wrong = probe(server.address(), |(_, _, expected)| expected);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn mosquitto_answers_the_same_but_for_the_listed_differences() {
    let Some(mosquitto) = sites::Mosquitto::start() else {
        println!("left out: the comparison with mosquitto, which is not installed");
        return;
    };
    let wrong = probe(mosquitto.address, |(name, _, expected)| {
        let difference = DIFFERENCES.iter().find(|(check, _, _)| *check == name);
        difference.map_or(expected, |(_, theirs, _)| theirs)
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_difference_is_one_and_is_documented() {
    let page = include_str!("../../../docs/broker.md");
    for (check, theirs, reason) in DIFFERENCES {
        let (_, _, ours) = CHECKS.iter().find(|(name, _, _)| name == check).expect("the check exists");
        assert_ne!(ours, theirs, "{check}");
        assert!(page.contains(check) && page.contains(reason), "docs/broker.md lacks: {check}: {reason}");
    }
}

/// Runs all checks at once, each with names of its own, and returns those that saw something else.
fn probe(address: SocketAddr, expected: impl Fn(Check) -> &'static str) -> Vec<String> {
    std::thread::scope(|scope| {
        let running: Vec<_> = CHECKS
            .iter()
            .enumerate()
            .map(|(number, &(name, check, _))| {
                let site = Site { address, name: format!("probe{number}") };
                std::thread::Builder::new()
                    .name(name.into())
                    .spawn_scoped(scope, move || check(&site))
                    .unwrap()
            })
            .collect();
        let seen =
            running.into_iter().map(|check| check.join().unwrap_or_else(|_| "a panic, see above".into()));
        CHECKS
            .iter()
            .zip(seen)
            .filter_map(|(&check, seen)| {
                let wanted = expected(check);
                (seen != wanted).then(|| format!("{}: saw {seen:?}, not {wanted:?}", check.0))
            })
            .collect()
    })
}
