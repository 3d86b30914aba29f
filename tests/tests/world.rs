//! The simulated world itself: that it is the same each time, and that it can tell a device off.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::json;
use udmi_proto::{Command, Event, Json};
use udmi_tests::data_url;
use udmi_tests::model::Model;
use udmi_tests::world::{Cut, Setup, Source, World, merge};

fn setup() -> Setup {
    let mut setup = Model::air_handler().setup();
    setup.records = true;
    setup
}

/// A day in the life, with a bit of everything.
fn lived(mut setup: Setup) -> World {
    setup.weather.cut = Cut::Seeded(20);
    let mut world = World::new(setup);
    world.publish_config(&Model::air_handler().config());
    world.advance(10_000);
    world.drop_link();
    world.advance(30_000);
    world.step_wall(-5_000);
    world.crash(2_000);
    world.advance(60_000);
    world
}

fn refused(act: impl FnOnce(&mut World)) -> String {
    let mut world = World::new(setup());
    world.publish_config(&Model::air_handler().config());
    world.advance(10_000);
    let panic = catch_unwind(AssertUnwindSafe(|| act(&mut world))).expect_err("the world minds");
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

#[test]
fn equal_seeds_give_equal_lives_and_other_seeds_others() {
    let traces = |seed| lived(Setup { seed, ..setup() }).traces().concat();
    assert_eq!(traces(7), traces(7));
    assert_ne!(traces(7), traces(8));
}

#[test]
fn a_message_that_does_not_fit_its_schema_ends_the_run() {
    let text = refused(|world| {
        // A block of the application's own is nothing the schema of a state knows.
        let content = Some(Json::object(r#"{"mood":"good"}"#).unwrap());
        world.give(Event::Command(Command::SetBlock { name: "own".into(), content }));
        world.advance(10_000);
    });
    assert!(text.contains("does not fit its schema"), "{text}");
}

#[test]
fn a_store_that_was_under_way_is_lost_in_a_crash() {
    let mut world = World::new(Setup { store_ms: 500, ..setup() });
    world.publish_config(&Model::air_handler().config());
    world.advance(200); // the first state is out, its start is not stored
    world.crash(0);
    world.advance(10_000);
    assert_eq!(world.cloud.state_at("/system/operation/restart_count"), Some(&json!(1)));
    world.crash(0);
    world.advance(10_000);
    assert_eq!(world.cloud.state_at("/system/operation/restart_count"), Some(&json!(2)));
}

#[test]
fn a_half_open_connection_tells_neither_end() {
    let mut world = World::new(setup());
    world.publish_config(&Model::air_handler().config());
    world.advance(10_000);
    let heard = world.cloud.received.len();
    world.weather().is_silent = true;
    world.advance(30_000);
    assert!(world.is_linked(), "nobody has noticed yet");
    assert_eq!(world.cloud.received.len(), heard);
    world.advance(60_000);
    assert!(!world.notices().iter().all(|notice| !format!("{notice:?}").contains("PingTimeout")));
}

#[test]
fn the_cloud_writes_a_newer_start_back_and_leaves_the_timestamp() {
    let mut world = World::new(setup());
    world.cloud.writes_back = true;
    world.publish_config(&Model::air_handler().config());
    world.advance(10_000);
    assert_eq!(world.cloud.config["system"]["operation"]["last_start"], "2026-03-01T10:00:00Z");
    assert_eq!(world.cloud.config["timestamp"], Model::air_handler().metadata["timestamp"]);
}

#[test]
fn a_merge_patch_adds_replaces_and_removes() {
    let mut config = json!({ "a": { "b": 1, "c": 2 }, "d": [1] });
    merge(&mut config, &json!({ "a": { "b": null, "e": {} }, "d": 3 }));
    assert_eq!(config, json!({ "a": { "c": 2, "e": {} }, "d": 3 }));
}

/// The status of a blob that is fetched from there.
fn fetched(source: Source, limit: u64) -> serde_json::Value {
    let mut setup = setup();
    setup.settings.options.blob_limit = limit;
    let mut world = World::new(setup);
    let mut config = Model::air_handler().config();
    config["blobset"]["blobs"]["system"] = json!({
        "phase": "final", "url": "http://updates/module", "generation": "2026-03-01T10:00:00Z",
        "sha256": data_url::sha256(&source.content)
    });
    world.staging.sources.insert("http://updates/module".into(), source);
    world.publish_config(&config);
    world.advance(30_000);
    assert_eq!(world.staging.unreleased(), 0, "every staged file is released");
    world.cloud.state_at("/blobset/blobs/system").cloned().unwrap_or_default()
}

#[test]
fn a_source_may_be_slow_change_fail_or_be_too_large() {
    let module = r#"{"version":"v2","ballast":"0123456789"}"#;
    let source = || Source { piece: 5, ..Source::new(module) };
    for good in [
        source(),
        Source { pace_ms: 500, ..source() },
        Source { changes_at: Some(20), ..source() },
        Source { tells_size: false, ..source() },
    ] {
        let blob = fetched(good, 1000);
        assert_eq!((&blob["phase"], blob.get("status")), (&json!("final"), None));
    }
    let error = device_link::FetchError::Status(404);
    for (bad, limit, expected) in [
        (Source { fails_at: Some((10, error)), ..source() }, 1000, "404"),
        (source(), 20, "larger than allowed"),
        (Source { tells_size: false, ..source() }, 20, "larger than allowed"),
    ] {
        let blob = fetched(bad, limit);
        assert_eq!(blob["status"]["category"], "blobset.blob.fetch", "{blob}");
        assert!(blob["status"]["message"].as_str().unwrap().contains(expected), "{blob}");
    }
}
