//! The handshake, its pace, and what happens when it fails (§1.10).

use serde_json::json;
use udmi_proto::{Notice, Settings};

use crate::support::{PREFIX, Rig};
use crate::{acting_for, attached, attachments, connected, implicit, knowing, quiet};

/// The topics on which something was sent, in order.
fn topics(rig: &mut Rig) -> Vec<String> {
    rig.sent().into_iter().map(|sent| sent.topic).collect()
}

fn attach_error(device: &str) -> Vec<u8> {
    let error = json!({
        "error_type": "GATEWAY_ATTACHMENT_ERROR", "description": "no such device", "device_id": device,
        "mqtt_message_info": { "message_type": "ATTACH", "topic": format!("/devices/{device}/attach") },
    });
    error.to_string().into_bytes()
}

/// §1.10, steps 1 to 5.
#[test]
fn a_device_is_attached_after_the_first_config_and_publishes_after_its_own() {
    let mut rig = connected(knowing(&["AHU-22"]));
    rig.advance(1000);
    assert_eq!(topics(&mut rig), ["events/system"], "its own");
    rig.acknowledge = false;
    rig.config(acting_for(&["AHU-22"]));
    assert_eq!(topics(&mut rig), ["AHU-22/attach", "state"]);
    assert!(!rig.subscribed.iter().any(|filter| filter.contains("AHU-22")), "not before the PUBACK");
    rig.acknowledge = true;
    assert_eq!(rig.acknowledge_one(), "/r/REG/d/AHU-22/attach");
    let subscribed: Vec<_> = rig.subscribed.iter().filter(|filter| filter.contains("AHU-22")).collect();
    let expected = ["config", "errors", "commands/#"].map(|end| format!("/r/REG/d/AHU-22/{end}"));
    assert_eq!(subscribed, expected.iter().collect::<Vec<_>>());
    assert_eq!(attachments(&mut rig), ["+AHU-22"]);
    rig.forget();
    rig.config_of("AHU-22", quiet());
    assert_eq!(topics(&mut rig), ["AHU-22/state"]);
}

#[test]
fn without_a_first_config_devices_are_attached_when_the_wait_for_it_is_over() {
    let mut rig = connected(implicit(knowing(&["AHU-22"])));
    rig.advance(9_900);
    assert_eq!(attachments(&mut rig), Vec::<String>::new());
    rig.advance(200);
    assert_eq!(attachments(&mut rig), ["+AHU-22"]);
}

/// §1.10, step 7; §1.9: no state before the config of the new connection.
#[test]
fn after_a_reconnect_all_are_attached_again_and_their_states_wait_for_their_configs() {
    let devices = ["AHU-1", "AHU-22", "SNS-4"].map(|id| id.replace("AHU-1", "VAV-7"));
    let devices: Vec<_> = devices.iter().map(String::as_str).collect();
    let mut rig = attached(&devices);
    for device in &devices {
        rig.config_of(device, quiet());
    }
    rig.advance(5000);
    rig.forget();
    rig.disconnect();
    assert_eq!(attachments(&mut rig).len(), 3);
    rig.connect();
    assert!(!rig.subscriptions.iter().any(|filter| filter.contains("AHU-22")), "not before it is attached");
    rig.config(acting_for(&devices));
    assert_eq!(attachments(&mut rig).len(), 3);
    rig.advance(3000);
    assert!(!topics(&mut rig).contains(&"AHU-22/state".into()));
    rig.config_of("AHU-22", quiet());
    rig.advance(3000);
    let topics = topics(&mut rig);
    assert_eq!(topics.iter().filter(|topic| topic.ends_with("/state")).collect::<Vec<_>>(), ["AHU-22/state"]);
}

/// What was measured while there was no link is told where the device is attached again, not before.
#[test]
fn events_wait_until_their_device_is_attached() {
    let mut rig = attached(&["AHU-22"]);
    let mut config = quiet();
    config["pointset"] = json!({ "sample_rate_sec": 10, "points": { "setpoint": {} } });
    rig.config_of("AHU-22", config.clone());
    rig.command(crate::for_device(
        "AHU-22",
        udmi_proto::Command::SetPoint { point: "setpoint".into(), value: 7.into() },
    ));
    rig.advance(5000);
    rig.acknowledge = false;
    rig.advance(10_000);
    rig.disconnect();
    rig.advance(60_000);
    rig.forget();
    rig.acknowledge = true;
    rig.refused = vec!["AHU-22/config"];
    rig.connect();
    rig.config(acting_for(&["AHU-22"]));
    rig.advance(5000);
    assert_eq!(rig.sent_on("AHU-22/events/pointset"), vec![]);
    rig.refused.clear();
    rig.advance(10_000);
    let sent = rig.sent_on("AHU-22/events/pointset");
    let told = "one not acknowledged, six without a link, one before it is attached, one after";
    assert_eq!(sent.len(), 9, "{told}");
    assert!(sent.is_sorted_by_key(|sent| sent.payload["timestamp"].as_str().unwrap().to_owned()));
}

#[test]
fn a_window_of_devices_is_attached_at_a_time() {
    let devices: Vec<_> = (1..=200).map(|n| format!("AHU-{}", n + 100)).collect();
    let devices: Vec<_> = devices.iter().map(String::as_str).collect();
    let mut rig = connected(knowing(&devices));
    rig.acknowledge = false;
    rig.config(acting_for(&devices));
    let waiting =
        |rig: &Rig| rig.unacknowledged.iter().filter(|(_, topic)| topic.ends_with("attach")).count();
    assert_eq!(waiting(&rig), 64);
    let mut most = 0;
    while !rig.unacknowledged.is_empty() {
        rig.acknowledge_one();
        most = most.max(waiting(&rig));
    }
    assert!(most <= 64, "{most}");
    assert_eq!(rig.device.dialect().gateway_load().unwrap().attached, 200);
}

/// §1.10, step 6; §6.7.
#[test]
fn an_attachment_error_shows_in_the_state_until_the_device_is_attached() {
    let mut rig = attached(&["AHU-22", "SNS-4"]);
    rig.forget();
    rig.deliver("errors", &attach_error("AHU-22"));
    assert_eq!(attachments(&mut rig), ["-AHU-22", "!AHU-22"]);
    let status = rig.state()["gateway"]["status"].clone();
    assert_eq!((&status["category"], &status["level"]), (&json!("gateway.setup.attach"), &json!(500)));
    let text = "AHU-22 cannot be attached: GATEWAY_ATTACHMENT_ERROR: no such device";
    assert_eq!(status["message"], text);
    let logged = rig.sent_on("events/system").iter().any(|sent| sent.payload.to_string().contains(text));
    assert!(logged);
    rig.advance(8000);
    assert_eq!(attachments(&mut rig), ["+AHU-22"], "10 s after the error");
    assert!(rig.states().is_empty(), "errors come late: nothing is proven yet");
    rig.config_of("AHU-22", quiet());
    assert_eq!(rig.state()["gateway"], json!({}));
}

#[test]
fn the_pauses_between_attempts_double_up_to_two_minutes() {
    let mut rig = connected(knowing(&["AHU-22"]));
    rig.refused = vec!["AHU-22/config"];
    rig.config(acting_for(&["AHU-22"]));
    rig.advance(600_000);
    let attempts: Vec<_> = rig.sent_on("AHU-22/attach").iter().map(|sent| sent.at / 1000).collect();
    let pauses: Vec<_> = attempts.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(pauses[..6], [10, 20, 40, 80, 120, 120]);
    rig.refused.clear();
    rig.advance(130_000);
    assert_eq!(rig.device.dialect().gateway_load().unwrap().attached, 1);
    assert_eq!(rig.state()["gateway"], json!({}), "ten seconds without an error");
}

#[test]
fn an_error_on_the_device_s_own_topic_is_one_of_that_device() {
    let mut rig = attached(&["AHU-22", "SNS-4"]);
    rig.forget();
    let error = json!({ "error_type": "GATEWAY_ATTACHMENT_ERROR", "description": "gone" });
    rig.deliver_to("SNS-4", "errors", error.to_string().as_bytes());
    assert_eq!(attachments(&mut rig), ["-SNS-4", "!SNS-4"]);
    rig.deliver("errors", b"{\"error_type\":\"OTHER\",\"description\":\"odd\",\"device_id\":\"AHU-22\"}");
    assert_eq!(attachments(&mut rig), Vec::<String>::new(), "not one of an attachment");
}

#[test]
fn refused_commands_and_errors_of_a_device_are_no_failure() {
    let mut rig = connected(knowing(&["AHU-22"]));
    rig.refused = vec!["AHU-22/commands/#", "AHU-22/errors"];
    rig.config(acting_for(&["AHU-22"]));
    let notices = rig.notices();
    let refused = |notice: &&Notice| matches!(notice, Notice::Proxied { notice, .. } if matches!(**notice, Notice::SubscriptionRefused { .. }));
    assert_eq!(notices.iter().filter(refused).count(), 2);
    assert_eq!(rig.device.dialect().gateway_load().unwrap().attached, 1);
}

#[test]
fn a_broker_that_does_not_acknowledge_holds_up_nobody_for_ever() {
    let devices: Vec<_> = (1..=70).map(|n| format!("AHU-{}", n + 100)).collect();
    let devices: Vec<_> = devices.iter().map(String::as_str).collect();
    let mut rig = connected(knowing(&devices));
    rig.acknowledge = false;
    rig.config(acting_for(&devices));
    rig.advance(59_000);
    assert_eq!(attachments(&mut rig), Vec::<String>::new());
    rig.acknowledge = true;
    rig.advance(2000);
    let (failed, attached): (Vec<_>, _) =
        attachments(&mut rig).into_iter().partition(|text| text.starts_with('!'));
    assert_eq!((failed.len(), attached.len()), (64, 6), "the others have their turn");
}

/// §11 item 27.
#[test]
fn a_device_is_detached_only_where_the_broker_allows_it() {
    for (prefix, expected) in [(PREFIX, 0), ("/devices/AHU-1", 1)] {
        let mut rig = Rig::new(Settings { topic_prefix: prefix.into(), ..knowing(&["AHU-22"]) });
        rig.prefix = prefix.into();
        rig.connect();
        rig.config(acting_for(&["AHU-22"]));
        rig.config(acting_for(&[]));
        assert_eq!(rig.sent_on("AHU-22/detach").len(), expected, "{prefix}");
    }
}

#[test]
fn a_link_that_breaks_while_devices_are_attached_leaves_nothing_half_done() {
    let devices: Vec<_> = (1..=100).map(|n| format!("AHU-{}", n + 100)).collect();
    let devices: Vec<_> = devices.iter().map(String::as_str).collect();
    let mut rig = connected(knowing(&devices));
    rig.acknowledge = false;
    rig.config(acting_for(&devices));
    for _ in 0..30 {
        rig.acknowledge_one();
    }
    rig.disconnect();
    rig.acknowledge = true;
    rig.connect();
    rig.config(acting_for(&devices));
    let load = rig.device.dialect().gateway_load().unwrap();
    assert_eq!((load.attached, load.receipts), (100, 0));
    assert_eq!(rig.device.load().subscriptions, 3 + 3 * 100);
    assert_eq!(rig.subscriptions.len(), 3 + 3 * 100);
}
