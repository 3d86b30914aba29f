//! A redirect and an update that are cut short by power failures at any point: the device always comes back, at an
//! endpoint that works and with one of two versions.

use proptest::prelude::*;
use serde_json::{Value, json};
use udmi_proto::{Closed, Credentials, Secret};
use udmi_tests::data_url;
use udmi_tests::model::Model;
use udmi_tests::sim::{replays, resolves};
use udmi_tests::world::{Answer, Installed, Opens, Registry, Setup, Source, World};

use super::always::cases;

const MAIN: &str = "/r/REG/d/AHU-1";
const OTHER: &str = "/r/ALT/d/AHU-1";
const NOBODY: &str = "/r/BOGUS_REGISTRY/d/AHU-1";
const PASSWORD: &str = "c0ffee42";
const URL: &str = "http://updates/module";
const MODULE: &str = r#"{"version":"v2","ballast":"0123456789012345678901234567890123456789"}"#;
/// Longer than a device looks for an endpoint after a start (§5.4), twice.
const LONG_MS: u64 = 900_000;

/// One trouble on the way.
#[derive(Clone, Debug)]
enum Trouble {
    /// The power fails; so many stores under way were safe before.
    Crash { dark_ms: u64, safe: usize },
    /// The link breaks.
    Drop,
    /// Nobody can connect for a while.
    Outage(u64),
}

fn crash() -> impl Strategy<Value = Trouble> {
    (0..4000u64, 0..4usize).prop_map(|(dark_ms, safe)| Trouble::Crash { dark_ms, safe })
}

/// Troubles, each after so many milliseconds.
fn crashes(within_ms: u64) -> impl Strategy<Value = Vec<(u64, Trouble)>> {
    prop::collection::vec((0..within_ms, crash()), 0..5)
}

fn troubles(within_ms: u64) -> impl Strategy<Value = Vec<(u64, Trouble)>> {
    let trouble = prop_oneof![
        3 => crash(),
        1 => Just(Trouble::Drop),
        1 => (0..20_000u64).prop_map(Trouble::Outage),
    ];
    prop::collection::vec((0..within_ms, trouble), 0..5)
}

fn suffer(world: &mut World, trouble: &Trouble) {
    match trouble {
        Trouble::Crash { dark_ms, safe } => world.crash_after_stores(*dark_ms, *safe),
        Trouble::Drop => world.drop_link(),
        Trouble::Outage(milliseconds) => {
            world.weather().opens = Opens::Fails(Closed::Refused);
            world.drop_link();
            world.advance(*milliseconds);
            world.weather().opens = Opens::Accepted;
        }
    }
}

fn setup(seed: u64, store_ms: u64) -> Setup {
    let mut model = Model::air_handler();
    let password = Secret::new(PASSWORD.to_owned());
    model.settings.credentials = Some(Credentials { username: MAIN.into(), password });
    model.settings.identity.software.insert("system".into(), "v1".into());
    let registry = |prefix: &str, password: Option<&str>| Registry {
        prefix: prefix.into(),
        password: password.map(str::to_owned),
    };
    let registries =
        vec![registry(MAIN, Some(PASSWORD)), registry(OTHER, Some(PASSWORD)), registry(NOBODY, None)];
    Setup { seed, store_ms, registries, restart_ms: Some(1500), records: true, ..model.setup() }
}

fn config(world: &World, name: &str, blob: &Value) -> Value {
    let mut config = Model::air_handler().config();
    config["timestamp"] = world.timestamp().into();
    config["blobset"] = json!({ "blobs": { name: blob } });
    config
}

fn order(world: &World, url: &str, content: &[u8]) -> Value {
    json!({
        "phase": "final", "url": url, "sha256": data_url::sha256(content), "generation": world.timestamp()
    })
}

/// A device that is up is ordered to a registry; the other one gets the same config a second later (§5.3).
fn redirected(setup: Setup, to: &str, troubles: &[(u64, Trouble)]) -> World {
    let mut world = World::new(setup);
    world.publish_config(&Model::air_handler().config());
    world.advance(5000);
    let document = json!({
        "protocol": "mqtt", "hostname": "broker", "port": 1883, "transport": "tcp", "client_id": to,
        "auth_provider": { "basic": { "username": to, "password": PASSWORD } }
    });
    let document = document.to_string();
    let blob = order(&world, &data_url::encode(document.as_bytes()), document.as_bytes());
    let config = config(&world, "_iot_endpoint_config", &blob);
    world.publish_config(&config);
    world.cloud.turn_to(OTHER);
    world.publish_config(&config);
    world.cloud.turn_to(MAIN);
    for (after, trouble) in troubles {
        world.advance(*after);
        suffer(&mut world, trouble);
    }
    world.advance(LONG_MS);
    world
}

/// Where the device is: where its last state went, which it still stands by.
fn place(world: &mut World) -> (String, Value) {
    let before = world.watch.states().count();
    let registries = [MAIN, OTHER].map(str::to_owned);
    for registry in &registries {
        world.cloud.turn_to(registry);
        let mut config = world.cloud.config.clone();
        config["timestamp"] = world.timestamp().into();
        world.publish_config(&config);
    }
    world.advance(10_000);
    let answers: Vec<_> = world.watch.states().skip(before).collect();
    assert!(!answers.is_empty(), "nobody answers a config in either registry");
    let last = answers[answers.len() - 1];
    let blob = last.payload["blobset"]["blobs"]["_iot_endpoint_config"].clone();
    assert_eq!(blob["phase"], "final", "{blob}");
    (last.prefix.clone(), blob)
}

fn updated(setup: Setup, source: Source, troubles: &[(u64, Trouble)]) -> World {
    let content = source.content.clone();
    let mut world = World::new(setup);
    world.staging.sources.insert(URL.into(), source);
    world.publish_config(&Model::air_handler().config());
    world.advance(5000);
    let blob = order(&world, URL, &content);
    let config = config(&world, "system", &blob);
    world.publish_config(&config);
    let mut committed = None;
    for (after, trouble) in troubles {
        world.advance(*after);
        suffer(&mut world, trouble);
        check_committed(&world, &mut committed);
    }
    world.advance(LONG_MS);
    check_committed(&world, &mut committed);
    world.crash(1000);
    world.advance(60_000);
    check_committed(&world, &mut committed);
    assert!(committed.is_some(), "the update has come to an end");
    world
}

/// What was fetched and processed when the verdict was stored stays so for ever.
fn check_committed(world: &World, committed: &mut Option<(usize, usize)>) {
    let table: Option<Value> =
        world.stored("blobset").map(|table| serde_json::from_slice(table).expect("the table is JSON"));
    if table.is_some_and(|table| table["blobs"].get("system").is_some()) {
        let is_processed = |installed: &&Installed| matches!(installed, Installed::Processed { .. });
        let processed = world.plant.installed.iter().filter(is_processed).count();
        let now = (world.staging.begun, processed);
        assert_eq!(*committed.get_or_insert(now), now, "fetched or processed again after the verdict");
    }
}

/// Every state shows one of two versions, and never the new one before its blob is final.
fn check_versions(world: &World) {
    for state in world.watch.states() {
        let (version, blob) =
            (&state.payload["system"]["software"]["system"], &state.payload["blobset"]["blobs"]["system"]);
        assert!(version == "v1" || version == "v2", "{version}");
        let is_applied = blob["phase"] == "final" && blob.get("status").is_none();
        assert!(!is_applied || version == "v2", "{}", state.payload);
        assert!(is_applied || version == "v1", "{}", state.payload);
    }
}

fn activations(world: &World) -> usize {
    let is_activated = |installed: &&Installed| matches!(installed, Installed::Activated { .. });
    world.plant.installed.iter().filter(is_activated).count()
}

fn source(pace_ms: u64, tells_size: bool, changes_at: Option<usize>) -> Source {
    Source { tells_size, piece: 7, pace_ms, changes_at, ..Source::new(MODULE) }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_redirect_gets_there_however_often_the_power_fails(
        crashes in crashes(15_000), seed in any::<u64>(), store_ms in 1..3000u64,
    ) {
        let setup = setup(seed, store_ms);
        let settings = setup.settings.clone();
        let mut world = redirected(setup, OTHER, &crashes);
        prop_assert!(world.is_linked() || world.device().is_none());
        prop_assert_eq!(resolves(&mut world), Ok(()));
        let (registry, blob) = place(&mut world);
        prop_assert_eq!((registry.as_str(), blob.get("status")), (OTHER, None));
        prop_assert_eq!(replays(&world, &settings), Ok(()));
    }

    #[test]
    fn a_redirect_ends_there_or_is_told_as_failed_from_where_the_device_was(
        troubles in troubles(15_000), seed in any::<u64>(), store_ms in 1..3000u64,
    ) {
        let mut world = redirected(setup(seed, store_ms), OTHER, &troubles);
        prop_assert!(world.is_linked() || world.device().is_none());
        prop_assert_eq!(resolves(&mut world), Ok(()));
        let (registry, blob) = place(&mut world);
        let expected = if blob.get("status").is_some() { MAIN } else { OTHER };
        prop_assert_eq!(registry.as_str(), expected, "{}", blob);
    }

    #[test]
    fn a_redirect_to_nowhere_ends_where_it_began(
        troubles in troubles(15_000), seed in any::<u64>(), store_ms in 1..3000u64,
    ) {
        let mut world = redirected(setup(seed, store_ms), NOBODY, &troubles);
        prop_assert!(world.is_linked() || world.device().is_none());
        prop_assert_eq!(resolves(&mut world), Ok(()));
        let (registry, blob) = place(&mut world);
        prop_assert_eq!((registry.as_str(), &blob["status"]["level"]), (MAIN, &json!(500)));
    }

    #[test]
    fn a_registry_that_is_closed_behind_a_device_is_left_for_the_one_before(
        crashes in crashes(15_000), seed in any::<u64>(), store_ms in 1..3000u64, off_ms in 0..5000u64,
    ) {
        let mut world = redirected(setup(seed, store_ms), OTHER, &crashes);
        world.close_registry(OTHER);
        world.crash(off_ms);
        world.advance(LONG_MS);
        let states = world.watch.states().count();
        let config = Model::air_handler().config();
        world.publish_config(&config);
        world.advance(10_000);
        let answer = world.watch.states().nth(states).expect("the device answers where it was first");
        prop_assert_eq!(answer.prefix.as_str(), MAIN);
        prop_assert!(world.is_linked() || world.device().is_none());
    }

    #[test]
    fn an_update_ends_with_the_new_version_however_often_the_power_fails(
        crashes in crashes(8000), seed in any::<u64>(), store_ms in 1..2000u64,
        pace_ms in 1..300u64, plant_ms in 0..2000u64, tells_size in any::<bool>(),
        changes_at in prop::option::of(0..60usize),
    ) {
        let mut setup = setup(seed, store_ms);
        let settings = setup.settings.clone();
        setup.plant.blobs = Answer::Ok(plant_ms);
        let mut world = updated(setup, source(pace_ms, tells_size, changes_at), &crashes);
        prop_assert!(world.is_linked() || world.device().is_none());
        prop_assert_eq!(resolves(&mut world), Ok(()));
        check_versions(&world);
        let last = &world.watch.states().last().unwrap().payload;
        prop_assert_eq!(&last["system"]["software"]["system"], "v2");
        // The plant tells what it runs: it is never activated again, nor taken for activated when it is not.
        prop_assert_eq!(activations(&world), 1, "{:?}", world.plant.installed);
        prop_assert_eq!(replays(&world, &settings), Ok(()));
    }

    #[test]
    fn an_update_that_fails_leaves_the_old_version_and_is_never_tried_again(
        troubles in troubles(8000), seed in any::<u64>(), store_ms in 1..2000u64, how in 0..3usize,
        plant_ms in 0..2000u64,
    ) {
        let mut setup = setup(seed, store_ms);
        let mut source = source(50, true, None);
        match how {
            0 => setup.plant.blobs = Answer::Failed(plant_ms),
            1 => setup.plant.blobs = Answer::Invalid(plant_ms),
            _ => {
                let error = device_link::FetchError::Unreachable("reset".into());
                source.fails_at = Some((20, error));
            }
        }
        let mut world = updated(setup, source, &troubles);
        prop_assert!(world.is_linked() || world.device().is_none());
        prop_assert_eq!(resolves(&mut world), Ok(()));
        check_versions(&world);
        let last = &world.watch.states().last().unwrap().payload;
        prop_assert_eq!(&last["system"]["software"]["system"], "v1");
        prop_assert_eq!(&last["blobset"]["blobs"]["system"]["status"]["level"], 500);
        prop_assert_eq!(activations(&world), 0);
    }
}
