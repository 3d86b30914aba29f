//! What a config may want of blobs: nothing, the same, something else, or nonsense (§5.1, §5.5 steps 1, 2, 6).

use bytes::Bytes;
use serde_json::{Value as Json, json};
use udmi_proto::{Command, FetchError, FetchEvent, Hook, Notice, Outcome};

use super::{
    FIRST, Rig, SECOND, activating, arrive, asked, blob, configure, connected, fetch, fetches, fetching,
    look, pairs, processed, processing, released, shown, steps, stored, tell, version,
};

/// §0.2 fact 6, §5.2, `system_last_update`.
#[test]
fn the_state_has_a_blobset_exactly_when_the_config_has_one() {
    let mut rig = connected();
    rig.config(json!({}));
    assert!(rig.state().get("blobset").is_none());
    assert_eq!(look(&mut rig, json!({}))["blobset"], json!({ "blobs": {} }));
    rig.config(json!({ "blobset": {} }));
    assert_eq!(rig.state()["blobset"], json!({ "blobs": {} }));
    rig.config(json!({}));
    assert!(rig.state().get("blobset").is_none());
}

/// §5.5 step 1.
#[test]
fn a_name_that_is_not_taken_is_skipped_with_one_entry() {
    let mut rig = connected();
    for _ in 0..3 {
        let state = look(&mut rig, json!({ "odd": blob(FIRST), "_iot_other": blob(FIRST) }));
        assert_eq!(state["blobset"], json!({ "blobs": {} }));
    }
    assert!(fetches(&mut rig).is_empty());
    let told = |notice: &Notice| matches!(notice, Notice::Logged(entry) if entry.message.contains("odd"));
    let notices = rig.notices();
    let told: Vec<_> = notices.iter().filter(|notice| told(notice)).collect();
    let [Notice::Logged(entry)] = told[..] else { panic!("{told:?}") };
    assert_eq!((entry.category.as_str(), entry.level.0), ("blobset.blob", 200));
}

/// §5.1: the device acts on `final` only.
#[test]
fn a_blob_that_the_cloud_still_works_on_is_left_alone() {
    let mut rig = connected();
    let mut apply = blob(FIRST);
    apply["phase"] = json!("apply");
    let state = look(&mut rig, json!({ "system": apply }));
    assert_eq!(state["blobset"], json!({ "blobs": {} }));
    rig.advance(5000);
    assert!(fetches(&mut rig).is_empty());
}

fn with(member: &str, value: Json) -> Json {
    let mut blob = blob(FIRST);
    blob[member] = value;
    blob
}

#[test]
fn a_blob_that_lacks_a_member_or_has_a_bad_one_fails_with_its_generation() {
    for (member, value) in [
        ("url", Json::Null),
        ("url", json!("")),
        ("sha256", Json::Null),
        ("sha256", json!("abc")),
        ("sha256", json!("g".repeat(64))),
        ("phase", Json::Null),
        ("phase", json!("soon")),
    ] {
        let mut rig = connected();
        configure(&mut rig, json!({ "system": with(member, value.clone()) }));
        assert_eq!(steps(&mut rig), pairs(&[("receive", 100), ("parse", 500)]), "{member} {value}");
        let state = rig.states().pop().unwrap();
        let blob = &state["blobset"]["blobs"]["system"];
        assert_eq!((&blob["phase"], &blob["generation"]), (&json!("final"), &json!(FIRST)));
        assert_eq!(blob["status"]["category"], "blobset.blob.parse");
        assert!(blob["status"]["message"].as_str().unwrap().contains(member));
        assert!(state["system"].get("status").is_none());
        // It is told once.
        look(&mut rig, json!({ "system": with(member, value) }));
        assert_eq!(steps(&mut rig), []);
    }
}

#[test]
fn a_blob_without_a_usable_generation_fails_without_one_and_is_told_once() {
    for generation in [Json::Null, json!("soon"), json!("")] {
        let mut rig = connected();
        configure(&mut rig, json!({ "system": with("generation", generation.clone()) }));
        assert_eq!(steps(&mut rig), pairs(&[("receive", 100), ("parse", 500)]));
        let state = look(&mut rig, json!({ "system": with("generation", generation) }));
        let blob = &state["blobset"]["blobs"]["system"];
        assert!(blob.get("generation").is_none() && blob["status"]["level"] == 500, "{blob}");
        assert_eq!(steps(&mut rig), []);
    }
}

/// A member of a wrong type makes the block unreadable, like that of any other block.
#[test]
fn a_blobset_that_cannot_be_read_changes_nothing_about_the_blobs() {
    let (mut rig, _) = fetching();
    rig.config(json!({ "blobset": { "blobs": { "system": { "url": 5 } } } }));
    let state = rig.state();
    assert_eq!(state["blobset"]["blobs"]["system"]["phase"], "apply");
    assert!(state["system"]["status"]["message"].as_str().unwrap().contains("blobset.blobs.system.url"));
    assert!(released(&mut rig).is_empty());
}

/// §5.5 step 2: also while it is under way.
#[test]
fn a_generation_under_way_is_not_begun_again() {
    let (mut rig, id) = fetching();
    for _ in 0..3 {
        look(&mut rig, json!({ "system": blob(FIRST) }));
    }
    assert!(rig.effects.is_empty());
    arrive(&mut rig, id);
    let hook = asked(&mut rig);
    look(&mut rig, json!({ "system": blob("2026-03-01T10:00:00.000Z") }));
    assert!(rig.hooks().is_empty() && rig.effects.is_empty());
    rig.answer(hook, processed("v2"));
    assert_eq!(version(&mut rig), "v2");
}

/// §5.5 step 2: also after a failure.
#[test]
fn a_failed_generation_is_not_tried_again_even_by_the_next_run() {
    let (mut rig, id) = fetching();
    tell(&mut rig, id, FetchEvent::Failed(FetchError::Status(500)));
    let status = shown(&mut rig)["status"].clone();
    for mut rig in [rig.store.clone()].map(stored).into_iter().chain([rig]) {
        let state = look(&mut rig, json!({ "system": blob(FIRST) }));
        assert_eq!(state["blobset"]["blobs"]["system"]["status"], status);
        rig.advance(5000);
        assert!(fetches(&mut rig).is_empty());
    }
}

#[test]
fn a_newer_generation_after_a_failure_is_tried() {
    let (mut rig, id) = fetching();
    tell(&mut rig, id, FetchEvent::Failed(FetchError::Status(500)));
    configure(&mut rig, json!({ "system": blob(SECOND) }));
    rig.advance(2000);
    fetch(&mut rig);
    assert_eq!(shown(&mut rig), json!({ "phase": "apply", "generation": SECOND }));
}

/// §5.5 step 6.
#[test]
fn a_blob_that_leaves_the_config_is_called_off_and_forgotten() {
    for cut in [json!({ "blobset": { "blobs": {} } }), json!({})] {
        let (mut rig, id) = fetching();
        rig.config(cut.clone());
        assert_eq!(released(&mut rig), [id]);
        assert_eq!(rig.state()["blobset"]["blobs"]["system"], Json::Null);

        let (mut rig, hook, id) = processing();
        rig.forget();
        rig.config(cut);
        assert_eq!(rig.cancelled(), [hook]);
        assert_eq!(released(&mut rig), [id]);
        let aborted = |notice: &Notice| matches!(notice, Notice::BlobFinished { failure: Some(_), .. });
        assert!(rig.notices().iter().any(aborted));
        rig.answer(hook, processed("v2"));
        assert_eq!(version(&mut rig), "v1");
    }
}

#[test]
fn a_blob_that_is_called_off_says_so_in_the_log() {
    let (mut rig, _) = fetching();
    steps(&mut rig);
    configure(&mut rig, json!({}));
    assert_eq!(steps(&mut rig), pairs(&[("abort", 300)]));
}

/// §5.4, parity trap: restored blobs that the config does not have go with their record; what was installed stays.
#[test]
fn a_restored_blob_that_the_config_lacks_is_dropped_with_its_record() {
    let (mut rig, hook) = activating();
    rig.answer(hook, Outcome::Done);
    let mut rig = stored(rig.store);
    rig.config(json!({}));
    let state = rig.state();
    assert!(state.get("blobset").is_none());
    assert_eq!(state["system"]["software"]["system"], "v2");
    let mut rig = stored(rig.store);
    configure(&mut rig, json!({ "system": blob(FIRST) }));
    rig.advance(1000);
    fetch(&mut rig);
    assert_eq!(version(&mut rig), "v2");
}

/// The application knows its version better than what was stored.
#[test]
fn a_version_that_the_application_tells_goes_before_an_installed_one() {
    let (mut rig, hook) = activating();
    rig.answer(hook, Outcome::Done);
    let mut rig = stored(rig.store);
    rig.command(Command::SetSoftware { module: "system".into(), version: Some("v3".into()) });
    let state = look(&mut rig, json!({ "system": blob(FIRST) }));
    assert_eq!(state["system"]["software"]["system"], "v3");
    assert_eq!(state["blobset"]["blobs"]["system"]["phase"], "final");
}

#[test]
fn a_newer_generation_takes_the_place_of_one_under_way() {
    let (mut rig, hook, id) = processing();
    rig.forget();
    configure(&mut rig, json!({ "system": blob(SECOND) }));
    rig.advance(600);
    assert_eq!(rig.cancelled(), [hook]);
    let (next, _) = fetch(&mut rig);
    assert_eq!(released(&mut rig), [id]);
    arrive(&mut rig, next);
    let hook = asked(&mut rig);
    rig.answer(hook, processed("v3"));
    assert_eq!(shown(&mut rig), json!({ "phase": "final", "generation": SECOND }));
}

/// A success that was not activated yet is taken back, and its version with it.
#[test]
fn an_update_that_waits_for_its_acknowledgement_can_still_be_called_off() {
    let (mut rig, hook, _) = processing();
    rig.acknowledge = false;
    rig.answer(hook, processed("v2"));
    assert_eq!(version(&mut rig), "v2");
    configure(&mut rig, json!({}));
    assert_eq!(version(&mut rig), "v1");
    rig.disconnect();
    rig.acknowledge = true;
    rig.connect();
    configure(&mut rig, json!({}));
    rig.advance(60_000);
    assert!(rig.hooks().is_empty());
    assert_eq!(rig.exit, None);
    let mut rig = stored(rig.store);
    configure(&mut rig, json!({ "system": blob(FIRST) }));
    rig.advance(600);
    fetch(&mut rig);
}

/// §7.3: heavy work waits for the end of a burst, but not for ever.
#[test]
fn a_burst_of_configs_begins_a_blob_once_and_only_the_last_one() {
    let mut rig = connected();
    for second in 0..10 {
        configure(&mut rig, json!({ "system": blob(&format!("2026-03-01T10:00:0{second}Z")) }));
        rig.advance(40);
    }
    rig.advance(500);
    fetch(&mut rig);
    assert_eq!(shown(&mut rig)["generation"], "2026-03-01T10:00:09Z");
    let mut rig = connected();
    for _ in 0..10 {
        configure(&mut rig, json!({ "system": blob(FIRST) }));
        rig.advance(100);
    }
    fetch(&mut rig);
}

/// As many at once as there is room for, the rest in their order.
#[test]
fn several_blobs_are_fetched_at_once_as_far_as_there_is_room() {
    let names = ["a", "b", "c", "d", "e", "f"];
    let mut settings = super::taking();
    settings.options.blobs = names.map(String::from).to_vec();
    let mut rig = Rig::new(settings);
    rig.connect();
    let blobs: serde_json::Map<_, _> = names.map(|name| (name.to_owned(), blob(FIRST))).into_iter().collect();
    configure(&mut rig, Json::Object(blobs));
    rig.advance(600);
    let mut begun = fetches(&mut rig);
    assert_eq!(begun.len(), 4);
    let (first, _) = begun.remove(0);
    tell(&mut rig, first, FetchEvent::Failed(FetchError::Timeout));
    let (fifth, _) = fetch(&mut rig);
    arrive(&mut rig, fifth);
    assert!(fetches(&mut rig).is_empty(), "its staged file still takes the room");
    let hooks = rig.hooks();
    let [(hook, Hook::ProcessBlob { name, .. })] = &hooks[..] else { panic!("{hooks:?}") };
    assert_eq!(name, "e");
    rig.answer(*hook, Outcome::Failed { message: "no".into() });
    fetch(&mut rig);
    let state = rig.state();
    let phase = |name: &str| state["blobset"]["blobs"][name]["phase"].clone();
    assert_eq!(names.map(phase), ["final", "apply", "apply", "apply", "final", "apply"]);
}

#[test]
fn progress_is_told_at_most_once_a_second() {
    let (mut rig, id) = fetching();
    rig.forget();
    tell(&mut rig, id, FetchEvent::Size(4_000_000));
    for _ in 0..400 {
        tell(&mut rig, id, FetchEvent::Chunk(Bytes::from_static(&[0; 10_000])));
        rig.advance(10);
    }
    let progress: Vec<_> = rig
        .notices()
        .into_iter()
        .filter_map(|notice| match notice {
            Notice::BlobProgress { received, total, rate, .. } => Some((received, total, rate)),
            _ => None,
        })
        .collect();
    let received: Vec<_> = progress.iter().map(|(received, _, _)| *received).collect();
    assert!((3..=4).contains(&received.len()), "{received:?}");
    assert!(received.windows(2).all(|pair| pair[1] - pair[0] == 1_000_000), "{received:?}");
    for (_, total, rate) in progress {
        assert_eq!(total, Some(4_000_000));
        assert!((900_000..=1_010_000).contains(&rate), "{rate}");
    }
}

#[test]
fn a_fetch_that_begins_anew_is_hashed_anew() {
    let (mut rig, id) = fetching();
    tell(&mut rig, id, FetchEvent::Chunk(Bytes::from_static(b"stale")));
    tell(&mut rig, id, FetchEvent::Restarted);
    arrive(&mut rig, id);
    let hook = asked(&mut rig);
    rig.answer(hook, processed("v2"));
    assert_eq!(version(&mut rig), "v2");
}
