//! What is kept of redirects from one run to the next (§5.4).

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::json;
use udmi_proto::Key;

use super::support::PREFIX;
use super::*;

type Store = BTreeMap<Key, Bytes>;

fn key(name: &str) -> Key {
    Key::new(name).unwrap()
}

/// What a device has stored that was redirected.
fn redirected() -> Store {
    let mut rig = device();
    leave(&mut rig, G1);
    arrive(&mut rig, with_blob(blob(&order::alternate(), G1)));
    rig.store
}

/// §9.6 `endpoint_redirect_and_restart`.
#[test]
fn a_stored_endpoint_takes_precedence_and_its_order_is_done_at_once() {
    let mut rig = Rig::with_store(settings(), redirected());
    assert_eq!(hosts(&rig), ["alternate"]);
    arrive(&mut rig, with_blob(blob(&order::alternate(), G1)));
    assert_eq!(rig.connects[0].2.as_deref(), Some("0123abcd"));
    assert_eq!(rig.subscribed, [format!("{ALTERNATE}/config"), format!("{ALTERNATE}/commands/#")]);
    assert_eq!(last_shown(&mut rig), done(G1));
    rig.advance(20_000);
    assert_eq!(hosts(&rig), ["alternate"], "no further attempt");
}

#[test]
fn a_device_that_follows_no_redirects_begins_at_the_configured_endpoint() {
    let mut settings = settings();
    settings.options.redirects = false;
    assert_eq!(hosts(&Rig::with_store(settings, redirected())), ["localhost"]);
}

/// §11 item 46, §9.6 `endpoint_failure_and_restart`.
#[test]
fn a_failed_order_is_not_tried_again_after_a_restart() {
    let mut rig = device();
    leave(&mut rig, G1);
    fail(&mut rig, with_blob(blob(&order::alternate(), G1)));
    let before = last_shown(&mut rig);
    let mut rig = Rig::with_store(settings(), rig.store);
    rig.connect();
    order(&mut rig, blob(&order::alternate(), G1));
    assert_eq!(last_shown(&mut rig), before);
    rig.advance(20_000);
    assert_eq!(hosts(&rig), ["localhost"]);
    rig.config(json!({}));
    assert_eq!(rig.store.get(&key("attempts")), None, "forgotten with its blob");
}

#[test]
fn at_most_eight_failed_orders_are_remembered() {
    let mut rig = device();
    for number in 10..30 {
        order(&mut rig, order::changed("sha256", json!(format!("{number}").repeat(32))));
        rig.advance(3000);
    }
    let stored: Json = serde_json::from_slice(&rig.store[&key("attempts")]).unwrap();
    assert_eq!(stored["failed"].as_array().unwrap().len(), 8);
}

/// Five minutes at the stored endpoint, five at the one before, and so on.
#[test]
fn a_stored_endpoint_out_of_reach_after_a_start_gives_way_to_the_others() {
    let mut rig = Rig::with_store(settings(), redirected());
    while hosts(&rig).last().unwrap() == "alternate" {
        rig.close(Closed::Refused);
        rig.dialed();
    }
    assert!(
        (300_000..301_000).contains(&rig.opened.last().unwrap().0),
        "the link's own pauses are cut short"
    );
    rig.prefix = PREFIX.into();
    rig.connect();
    rig.config(json!({}));
    let ends = ends(&mut rig);
    assert_eq!(ends[0].0, "localhost");
    assert!(ends[0].1.as_ref().unwrap().contains("out of reach"), "{ends:?}");
    // It was reached: whatever happens now, it is not left any more.
    rig.disconnect();
    rig.advance(700_000);
    assert_eq!(hosts(&rig).last().unwrap(), "localhost");
    let again = Rig::with_store(settings(), rig.store);
    assert_eq!(hosts(&again), ["alternate"], "the order still stands in the next run");
}

/// What is found out of reach by order is not where the next run begins.
#[test]
fn an_order_that_fails_from_the_fallback_makes_that_the_home() {
    let mut rig = Rig::with_store(settings(), redirected());
    while hosts(&rig).last().unwrap() != "localhost" {
        rig.close(Closed::Refused);
        rig.dialed();
    }
    rig.prefix = PREFIX.into();
    rig.connect();
    let same = || with_blob(blob(&order::alternate(), G1));
    rig.config(same());
    assert_eq!(last_shown(&mut rig), applying(G1));
    rig.advance(5100);
    assert_eq!(hosts(&rig).last().unwrap(), "alternate");
    fail(&mut rig, same());
    assert_failed(&last_shown(&mut rig), G1);
    assert_eq!(hosts(&Rig::with_store(settings(), rig.store)), ["localhost"]);
}

#[test]
fn an_endpoint_that_is_up_without_a_config_is_not_left() {
    let mut rig = Rig::with_store(settings(), redirected());
    rig.prefix = ALTERNATE.into();
    rig.connect();
    rig.advance(1_000_000);
    assert_eq!(hosts(&rig), ["alternate"]);
}

#[test]
fn what_cannot_be_read_is_told_and_set_aside() {
    for name in ["endpoint", "attempts", "rotation"] {
        for value in [&b"junk"[..], b"{\"version\":99}"] {
            let store = Store::from([(key(name), Bytes::copy_from_slice(value))]);
            let mut rig = Rig::with_store(settings(), store);
            assert_eq!(hosts(&rig), ["localhost"]);
            let told =
                |notice: &Notice| matches!(notice, Notice::StoredUnreadable { key, .. } if key == name);
            assert!(rig.notices().iter().any(told));
            assert_eq!(rig.store[&key(&format!("{name}_unreadable"))], value);
        }
    }
}

/// Wherever a run is cut off, the next one begins at an endpoint that has worked.
#[test]
fn a_crash_at_any_moment_boots_into_an_endpoint_that_has_worked() {
    for succeeds in [true, false] {
        let mut moments = Vec::new();
        let mut rig = device();
        let mut proven = vec!["localhost"];
        moments.push((rig.store.clone(), proven.clone()));
        order(&mut rig, blob(&order::alternate(), G1));
        for _ in 0..52 {
            rig.advance(100);
            moments.push((rig.store.clone(), proven.clone()));
        }
        if succeeds {
            arrive(&mut rig, with_blob(blob(&order::alternate(), G1)));
            proven.push("alternate");
        } else {
            for _ in 0..3 {
                rig.close(Closed::Refused);
                moments.push((rig.store.clone(), proven.clone()));
            }
            rig.connect();
        }
        moments.push((rig.store.clone(), proven.clone()));
        for (store, proven) in moments {
            let hosts = hosts(&Rig::with_store(settings(), store));
            assert!(proven.contains(&hosts[0].as_str()), "{hosts:?}");
        }
    }
}

/// Nothing is known to be kept until the store says so, and a redirect does not depend on it.
#[test]
fn a_store_that_keeps_nothing_changes_nothing_in_this_run() {
    let mut rig = Rig::without_store(settings());
    rig.connect();
    rig.config(json!({}));
    rig.advance(3000);
    forget(&mut rig);
    leave(&mut rig, G1);
    arrive(&mut rig, with_blob(blob(&order::alternate(), G1)));
    assert_eq!(last_shown(&mut rig), done(G1));
}

/// A golden file for each format that was ever written: `persisted/<key>.<version>.json`.
#[test]
fn values_of_every_version_are_read_and_today_s_are_written_alike() {
    let endpoint = include_bytes!("../persisted/endpoint.1.json");
    let attempts = include_bytes!("../persisted/attempts.1.json");
    let store = Store::from([
        (key("endpoint"), Bytes::from_static(endpoint)),
        (key("attempts"), Bytes::from_static(attempts)),
    ]);
    let mut rig = Rig::with_store(settings(), store);
    assert_eq!(hosts(&rig), ["alternate"]);
    arrive(&mut rig, with_blob(blob(&order::alternate(), G1)));
    assert_eq!(last_shown(&mut rig), done(G1));
    order(&mut rig, blob(&order::alternate(), G2));
    assert_failed(&shown(&rig.state()), G2);

    assert_eq!(redirected()[&key("endpoint")].as_ref(), endpoint.trim_ascii_end());
    let mut rig = device();
    leave(&mut rig, G2);
    fail(&mut rig, with_blob(blob(&order::alternate(), G2)));
    assert_eq!(rig.store[&key("attempts")].as_ref(), attempts.trim_ascii_end());
}

/// A power cut in between must not leave the cloud with a `final` that the next run knows nothing of.
#[test]
fn the_cloud_hears_of_the_end_only_once_the_endpoint_is_safe() {
    let mut rig = device();
    leave(&mut rig, G1);
    rig.forget();
    rig.store_answers = false;
    arrive(&mut rig, with_blob(blob(&order::alternate(), G1)));
    rig.advance(4900);
    assert!(rig.states().is_empty());
    // A store that never answers does not silence the device for ever.
    rig.advance(200);
    assert_eq!(last_shown(&mut rig), done(G1));
}
