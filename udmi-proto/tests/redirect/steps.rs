//! The nine steps of §5.3, each by its number.

use serde_json::{Value as Json, json};
use udmi_proto::{Closed, Endpoint, Notice, Transport};

use super::support::{DISCONNECT, PREFIX};
use super::*;

#[test]
fn step_1_without_the_blob_the_entry_goes_and_the_order_is_forgotten() {
    let mut rig = device();
    leave(&mut rig, G1);
    fail(&mut rig, with_blob(blob(&order::alternate(), G1)));
    assert_failed(&last_shown(&mut rig), G1);
    rig.config(json!({}));
    assert_eq!(rig.state().get("blobset"), None);
    rig.advance(3000);
    forget(&mut rig);
    leave(&mut rig, G1);
    assert_eq!(last_shown(&mut rig), applying(G1), "the same order is a new one now");
}

/// §11 item 47.
#[test]
fn step_1_a_blob_that_is_not_final_is_none() {
    let mut rig = device();
    order(&mut rig, order::changed("phase", json!("apply")));
    assert_eq!(shown(&rig.state()), Json::Null);
    rig.advance(20_000);
    assert!(rig.opened.is_empty());
}

#[test]
fn step_2_the_same_order_again_changes_nothing() {
    let mut rig = device();
    let same = blob(&order::alternate(), G1);
    order(&mut rig, same.clone());
    rig.advance(4000);
    order(&mut rig, same.clone());
    rig.advance(1100);
    assert_eq!(hosts(&rig), ["alternate"], "the delay did not begin anew");
    fail(&mut rig, with_blob(same.clone()));
    let status = last_shown(&mut rig)["status"].clone();
    forget(&mut rig);
    for _ in 0..3 {
        order(&mut rig, same.clone());
        assert_eq!(shown(&rig.state())["status"], status);
    }
    rig.advance(20_000);
    assert!(rig.opened.is_empty(), "no second attempt");
}

/// §9.6 `endpoint_connection_retry`: the same content under another generation is another order.
#[test]
fn step_3_a_new_generation_is_a_new_order() {
    let mut rig = device();
    for generation in [G1, G2] {
        forget(&mut rig);
        leave(&mut rig, generation);
        assert_eq!(last_shown(&mut rig), applying(generation));
        fail(&mut rig, with_blob(blob(&order::alternate(), generation)));
        assert_failed(&last_shown(&mut rig), generation);
        rig.advance(3000);
    }
}

/// §9.6 `endpoint_connection_bad_hash`, §11 item 15.
#[test]
fn step_4_an_order_that_cannot_be_used_is_final_at_once_and_touches_no_connection() {
    let no_mqtt = blob(&json!({ "protocol": "pubsub", "hostname": "h", "client_id": "c" }), G1);
    for bad in [
        order::changed("sha256", json!("0".repeat(64))),
        order::changed("sha256", Json::Null),
        order::changed("url", Json::Null),
        order::changed("url", json!("https://alternate/endpoint.json")),
        order::changed("url", json!("data:application/json,{}")),
        order::changed("url", json!("data:application/json;base64,{}")),
        blob(&json!({}), G1),
        blob(&json!("no endpoint"), G1),
        no_mqtt,
    ] {
        let mut rig = device();
        order(&mut rig, bad.clone());
        let state = rig.states().pop().unwrap();
        assert_failed(&shown(&state), G1);
        assert_eq!(state["system"].get("status"), None, "{bad}");
        assert_eq!(ends(&mut rig).len(), 1);
        rig.advance(20_000);
        assert!(rig.opened.is_empty(), "{bad}");
        assert!(rig.sent_on(DISCONNECT).is_empty(), "{bad}");
    }
}

#[test]
fn step_4_an_order_without_generation_fails_too() {
    let mut rig = device();
    order(&mut rig, order::changed("generation", Json::Null));
    let shown = shown(&rig.state());
    assert_eq!((&shown["phase"], &shown["status"]["level"]), (&json!("final"), &json!(500)));
}

#[test]
fn step_5_apply_goes_out_on_the_old_connection_and_its_acknowledgement_is_awaited() {
    let mut rig = device();
    rig.acknowledge = false;
    order(&mut rig, blob(&order::alternate(), G1));
    assert_eq!(last_shown(&mut rig), applying(G1));
    rig.advance(25_000);
    assert!(rig.opened.is_empty());
    // A broker that acknowledges nothing is left in the end.
    rig.advance(8000);
    assert_eq!(hosts(&rig), ["alternate"]);
}

#[test]
fn step_6_the_device_leaves_in_order_and_connects_as_the_order_says() {
    let mut rig = device();
    order(&mut rig, blob(&order::alternate(), G1));
    rig.advance(4900);
    assert!(rig.opened.is_empty(), "five seconds for the other registry to get its config");
    rig.advance(200);
    assert_eq!(rig.sent_on(DISCONNECT).len(), 1);
    let alternate = Endpoint { host: "alternate".into(), port: 1883, transport: Transport::Tcp };
    assert_eq!(rig.opened.pop().map(|(_, to)| to), Some(alternate.clone()));
    assert!(rig.notices().contains(&Notice::Redirecting { to: alternate, generation: G1.into() }));
    rig.prefix = ALTERNATE.into();
    rig.connect();
    let own = || Some(ALTERNATE.to_owned());
    assert_eq!(rig.connects, [(ALTERNATE.into(), own(), Some("0123abcd".into()))]);
    assert_eq!(rig.subscribed, [format!("{ALTERNATE}/config"), format!("{ALTERNATE}/commands/#")]);
}

/// §9.6 `endpoint_connection_success_alternate`.
#[test]
fn step_7_the_first_config_there_proves_the_endpoint() {
    let mut rig = device();
    leave(&mut rig, G1);
    rig.prefix = ALTERNATE.into();
    rig.connect();
    rig.forget();
    rig.advance(1000);
    assert!(rig.states().is_empty(), "nothing is told before the config");
    assert!(!rig.store.keys().any(|key| key.as_str() == "endpoint"), "nor kept");
    rig.config(with_blob(blob(&order::alternate(), G1)));
    let state = rig.states().pop().unwrap();
    assert_eq!(shown(&state), done(G1));
    assert_eq!(state["system"].get("status"), None);
    assert!(rig.store.keys().any(|key| key.as_str() == "endpoint"));
    assert_eq!(ends(&mut rig), [("alternate".to_owned(), None)]);
    rig.advance(60_000);
    assert_eq!(hosts(&rig), ["alternate"], "there it stays");
}

/// §9.6 `endpoint_connection_error` and `endpoint_connection_bad_alternate`.
#[test]
fn step_8_after_three_attempts_the_device_is_back_and_tells_so() {
    let mut rig = device();
    leave(&mut rig, G1);
    let left = rig.now.at.0;
    for _ in 0..3 {
        rig.close(Closed::Resolve);
    }
    rig.connect();
    assert!(rig.now.at.0 - left <= 3500, "the pauses are 1 s and 2 s");
    assert_eq!(hosts(&rig), ["alternate", "alternate", "alternate", "localhost"]);
    assert_eq!(rig.connects.last().unwrap().0, PREFIX);
    assert_eq!(rig.subscribed, [format!("{PREFIX}/config"), format!("{PREFIX}/commands/#")]);
    rig.config(with_blob(blob(&order::alternate(), G1)));
    let state = rig.states().pop().unwrap();
    assert_failed(&shown(&state), G1);
    let message = shown(&state)["status"]["message"].as_str().unwrap().to_owned();
    assert_eq!(message, "mqtt://alternate:1883: host name not resolved");
    assert_eq!(state["system"].get("status"), None);
    assert_eq!(ends(&mut rig), [("localhost".to_owned(), Some("host name not resolved".to_owned()))]);
}

#[test]
fn step_9_an_old_endpoint_that_is_gone_too_is_tried_for_ever() {
    let mut rig = device();
    leave(&mut rig, G1);
    for _ in 0..40 {
        rig.close(Closed::Refused);
    }
    assert!(hosts(&rig).iter().skip(3).all(|host| host == "localhost"));
    rig.connect();
    rig.config(with_blob(blob(&order::alternate(), G1)));
    assert_failed(&last_shown(&mut rig), G1);
}
