//! What a peer may do to a device: nothing that panics, grows without bound or lasts.

use bytes::{Bytes, BytesMut};
use device_link::wire::{PacketId, Qos, encode_publish};
use proptest::prelude::*;
use serde_json::{Value, json};
use udmi_proto::{Closed, Down, Notice};
use udmi_tests::world::{Cut, World};

use super::always::{cases, last_config};
use super::operations::setup;

fn connected() -> World {
    let mut setup = setup(1);
    setup.records = false;
    let mut world = World::new(setup);
    let config = last_config().to_json(&world);
    world.publish_config(&config);
    world.advance(5000);
    assert!(world.cloud.state().is_some());
    world
}

/// A good config is acknowledged, and no status stays; within the time a reconnect may take.
fn assert_well(world: &mut World) {
    world.advance(1000);
    let config = last_config().to_json(world);
    world.publish_config(&config);
    let acknowledged = world.run_until(400_000, |world| {
        let state = world.cloud.state();
        let told = state.and_then(|state| state.pointer("/system/last_config"));
        told == Some(&config["timestamp"]) && state.is_some_and(|state| state["system"]["status"].is_null())
    });
    assert!(acknowledged, "{:?} is not {}", world.cloud.state(), config["timestamp"]);
}

fn level(world: &World) -> Option<&Value> {
    world.cloud.state_at("/system/status/level")
}

fn with_timestamp(world: &World, rest: &str) -> String {
    format!("{{\"timestamp\":\"{}\",{rest}}}", world.timestamp())
}

fn last_down(world: &World) -> Option<&Down> {
    let why = |notice: &'_ Notice| matches!(notice, Notice::Disconnected { .. });
    match world.notices().iter().rfind(|notice| why(notice)) {
        Some(Notice::Disconnected { why }) => Some(why),
        _ => None,
    }
}

/// Each block with a member that it knows.
const KNOWN: [(&str, &str); 6] = [
    ("system", "operation"),
    ("pointset", "points"),
    ("localnet", "families"),
    ("gateway", "proxy_ids"),
    ("discovery", "families"),
    ("blobset", "blobs"),
];

#[test]
fn a_hundred_thousand_levels_are_a_status_where_known_and_nothing_where_not() {
    let mut world = connected();
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = open.repeat(100_000) + "1" + &close.repeat(100_000);
        for (block, member) in KNOWN {
            for text in [format!("\"{block}\":[{deep}]"), format!("\"{block}\":{{\"{member}\":[{deep}]}}")] {
                world.publish("config", with_timestamp(&world, &text), true);
                world.advance(5000);
                assert_eq!(level(&world), Some(&json!(500)), "{block} {}", &text[..40]);
                assert_well(&mut world);
            }
        }
        for text in [format!("\"unknown\":{deep}"), format!("\"system\":{{\"unknown\":{deep}}}")] {
            world.publish("config", with_timestamp(&world, &text), true);
            world.advance(5000);
            assert_eq!(level(&world), None, "unknown members are ignored");
        }
        for whole in [deep.clone(), open.repeat(100_000)] {
            world.publish("config", whole, true);
            world.advance(5000);
            assert_eq!(level(&world), Some(&json!(500)));
            assert_well(&mut world);
        }
    }
}

#[test]
fn regression_ten_megabytes_that_are_kept_are_refused_as_a_config_and_the_link_stays() {
    let mut world = connected();
    let huge = with_timestamp(&world, &format!("\"x\":\"{}\"", "y".repeat(10 << 20)));
    world.publish("config", huge, true);
    world.advance(60_000);
    assert_eq!((last_down(&world), level(&world)), (None, Some(&json!(500))));
    let message = world.cloud.state().map(|state| state["system"]["status"]["message"].to_string());
    assert!(message.is_some_and(|message| message.contains("no more than 1048576")));
    assert_well(&mut world);
}

#[test]
fn as_much_as_a_packet_may_hold_is_taken() {
    let mut world = connected();
    world.weather().cut = Cut::Every(1400);
    let points: Vec<_> = (0..20_000).map(|number| format!("\"p{number}\":{{\"set_value\":1}}")).collect();
    let text = with_timestamp(&world, &format!("\"pointset\":{{\"points\":{{{}}}}}", points.join(",")));
    assert!(text.len() < 1 << 20 && text.len() > 400_000);
    world.publish("config", text, true);
    world.advance(20_000);
    let state = world.cloud.state().unwrap();
    let shown = state["pointset"]["points"].as_object().map(serde_json::Map::len);
    assert!(shown.is_some_and(|shown| shown <= 2000), "{shown:?} points");
    assert_well(&mut world);
}

#[test]
fn texts_that_are_no_config_give_a_status() {
    let mut world = connected();
    let stamp = world.timestamp();
    let texts: [&[u8]; 12] = [
        b"\xff\xfe\x00",
        b"{\"timestamp\":\"\xc3\x28\"}",
        b"null",
        b"\"config\"",
        b"[]",
        b"{}",
        b"{\"timestamp\":null}",
        b"{\"timestamp\":\"9999999-01-01T00:00:00Z\"}",
        b"{\"timestamp\":\"2026-03-01T10:00:00Z\"} {}",
        b"{\"timestamp\":\"2026-03-01T10:00:00Z\",}",
        b"\x00",
        b" ",
    ];
    let twice = format!("{{\"timestamp\":\"{stamp}\",\"system\":{{}},\"system\":{{}}}}");
    for text in texts.into_iter().chain([twice.as_bytes()]) {
        world.publish("config", text, true);
        world.advance(5000);
        assert_eq!(level(&world), Some(&json!(500)), "{:?}", String::from_utf8_lossy(text));
        assert_well(&mut world);
    }
}

#[test]
fn keys_that_are_there_twice_below_give_a_status_or_the_last_one_counts() {
    let mut world = connected();
    for rest in [
        r#""system":{"min_loglevel":100,"min_loglevel":200}"#,
        r#""pointset":{"points":{"filter_alarm":{},"filter_alarm":{"ref":"BV/3"}}}"#,
        r#""pointset":{"points":{"filter_alarm":{"ref":"BV/3","ref":"BV/3"}}}"#,
        r#""localnet":{"families":{"ipv4":{},"ipv4":{}}}"#,
    ] {
        world.publish("config", with_timestamp(&world, rest), true);
        world.advance(5000);
        assert!(world.cloud.state().is_some());
        assert_well(&mut world);
    }
}

#[test]
fn numbers_at_the_edge_are_taken_or_give_a_status() {
    let mut world = connected();
    for number in
        ["1e400", "-1e400", "1e-400", "99999999999999999999", "-0", "1E2", "9223372036854775807", "0.1e1"]
    {
        for rest in [
            format!("\"system\":{{\"min_loglevel\":{number}}}"),
            format!("\"system\":{{\"metrics_rate_sec\":{number}}}"),
            format!("\"pointset\":{{\"sample_rate_sec\":{number},\"sample_limit_sec\":{number}}}"),
            format!(
                "\"pointset\":{{\"points\":{{\"duct_pressure_setpoint\":{{\"set_value\":{number},\"cov_increment\":{number}}}}}}}"
            ),
        ] {
            world.publish("config", with_timestamp(&world, &rest), true);
            world.advance(5000);
            assert_well(&mut world);
        }
    }
}

#[test]
fn dates_at_the_edge_are_taken_or_give_a_status() {
    let mut world = connected();
    for date in [
        "0000-01-01T00:00:00Z",
        "9999-12-31T23:59:59.999999999Z",
        "-009999-01-01T00:00:00Z",
        "1970-01-01T00:00:00+23:59",
        "",
        "2026-02-30T00:00:00Z",
    ] {
        for rest in [
            format!(
                "\"pointset\":{{\"set_value_expiry\":\"{date}\",\"points\":{{\"duct_pressure_setpoint\":{{\"set_value\":60}}}}}}"
            ),
            format!("\"pointset\":{{\"points\":{{\"filter_alarm\":{{\"stop_time\":\"{date}\"}}}}}}"),
        ] {
            world.publish("config", with_timestamp(&world, &rest), true);
            world.advance(5000);
            assert_well(&mut world);
        }
        world.publish("config", format!("{{\"timestamp\":\"{date}\"}}"), true);
        world.advance(5000);
        assert_well(&mut world);
    }
}

#[test]
fn a_topic_of_65535_bytes_is_a_command_nobody_knows() {
    let mut world = connected();
    let prefix = "/r/REG/d/AHU-1/commands/";
    let name = "x".repeat(65_535 - prefix.len());
    world.publish(&format!("commands/{name}"), "{}", false);
    world.advance(5000);
    assert_well(&mut world);
}

#[test]
fn a_storm_of_commands_stays_within_the_bounds() {
    let mut world = connected();
    world.plant.others = udmi_tests::world::Answer::ByHand;
    for number in 0..2000 {
        world.publish(&format!("commands/storm_{number}"), "{}", false);
    }
    world.advance(60_000); // the world watches the number of open hooks
    assert!(world.open_hooks() <= 256);
    assert_well(&mut world);
}

#[test]
fn a_storm_of_configs_ends_in_the_last_one() {
    let mut world = connected();
    for _ in 0..1000 {
        let config = last_config().to_json(&world);
        world.publish_config(&config);
    }
    world.advance(10_000);
    assert!(world.watch.states().count() < 10);
    assert_well(&mut world);
}

/// Bytes of the first exchange, in either direction, at each of which a connection is lost.
const FIRST_BYTES: usize = 300;

#[test]
fn a_connection_lost_at_any_byte_is_recovered_from() {
    for (up, after) in [true, false].into_iter().flat_map(|up| (0..FIRST_BYTES).map(move |after| (up, after)))
    {
        let mut setup = setup(1);
        setup.records = false;
        let weather = &mut setup.weather;
        let place = if up { &mut weather.breaks_up_after } else { &mut weather.breaks_down_after };
        *place = Some(after);
        let mut world = World::new(setup);
        let config = last_config().to_json(&world);
        world.publish_config(&config);
        world.advance(10_000);
        assert_eq!(last_down(&world), Some(&Down::Closed(Closed::Reset)), "up {up}, {after} bytes");
        assert_well(&mut world);
        let written = world.cloud.state_at("/pointset/points/duct_pressure_setpoint/value_state");
        assert_eq!(written, Some(&json!("applied")), "up {up}, {after} bytes");
    }
}

#[test]
fn messages_nobody_asked_for_close_nothing_and_change_nothing() {
    let mut world = connected();
    for topic in ["/r/REG/d/AHU-2/config", "state", "/r/REG/d/AHU-1/errors", "/r/REG/d/AHU-1/config/extra"] {
        let mut bytes = BytesMut::new();
        encode_publish(topic, b"{}", Qos::AtLeastOnce, false, false, PacketId::new(900), &mut bytes).unwrap();
        world.inject(bytes.freeze());
        world.advance(3000);
        assert_eq!(level(&world), None, "{topic}");
    }
    assert_well(&mut world);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_from_the_broker_are_survived(
        pieces in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..200), 0..3000u64), 1..6),
    ) {
        let mut world = connected();
        for (bytes, pause) in pieces {
            world.inject(Bytes::from(bytes));
            world.advance(pause);
        }
        assert_well(&mut world);
    }

    #[test]
    fn a_packet_with_any_bytes_changed_is_survived(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut world = connected();
        let config = last_config().to_json(&world).to_string();
        let mut bytes = BytesMut::new();
        let (topic, id) = ("/r/REG/d/AHU-1/config", PacketId::new(77));
        encode_publish(topic, config.as_bytes(), Qos::AtLeastOnce, false, false, id, &mut bytes).unwrap();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let cut = cut.index(bytes.len());
        world.inject(bytes.split_to(cut).freeze());
        world.inject(bytes.freeze());
        assert_well(&mut world);
    }

    #[test]
    fn any_text_as_a_config_is_survived(text in "\\PC{0,80}", raw in prop::collection::vec(any::<u8>(), 0..80)) {
        let mut world = connected();
        world.publish("config", text, true);
        world.publish("config", &raw, true);
        world.publish("commands/some", &raw, false);
        assert_well(&mut world);
    }
}
