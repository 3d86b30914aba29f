//! The conformance suite's `blob_update_*` as far as the device's side goes (§9.6, table of software blobs).

use bytes::Bytes;
use serde_json::json;
use udmi_proto::{BlobOutcome, ExitReason, FetchError, FetchEvent, Hook, Notice, Outcome};

use super::{
    CONTENT, FIRST, activating, arrive, asked, blob, configure, connected, fetch, fetching, look, pairs,
    processed, processing, released, sha256, shown, steps, stored, tell,
};

/// `blob_update_success`.
#[test]
fn a_good_blob_is_received_fetched_verified_and_applied_in_that_order() {
    let (mut rig, hook, _) = processing();
    rig.answer(hook, processed("v2"));
    assert_eq!(steps(&mut rig), pairs(&[("receive", 100), ("fetch", 100), ("parse", 100), ("apply", 300)]));
}

/// `blob_update_success`: phase `apply`, then `final` without a status, and the version.
#[test]
fn a_good_blob_shows_apply_and_then_final_with_its_version() {
    let (mut rig, id) = fetching();
    let state = rig.state();
    let blob = &state["blobset"]["blobs"]["system"];
    assert_eq!(*blob, json!({ "phase": "apply", "generation": FIRST }));
    assert_eq!(state["system"]["software"]["system"], "v1");
    arrive(&mut rig, id);
    let hook = asked(&mut rig);
    rig.answer(hook, processed("v2"));
    let state = rig.state();
    let blob = &state["blobset"]["blobs"]["system"];
    assert_eq!(*blob, json!({ "phase": "final", "generation": FIRST }));
    assert_eq!(state["system"]["software"]["system"], "v2");
    assert!(state["system"].get("status").is_none());
}

#[test]
fn the_application_is_given_what_was_staged_and_verified() {
    let (mut rig, id) = fetching();
    arrive(&mut rig, id);
    let hooks = rig.hooks();
    let [(_, Hook::ProcessBlob { name, generation, staged, size, sha256: hash })] = &hooks[..] else {
        panic!("{hooks:?}")
    };
    assert_eq!((name.as_str(), generation.as_str(), *staged), ("system", FIRST, id));
    assert_eq!((*size, hash.as_str()), (CONTENT.len() as u64, sha256(CONTENT).as_str()));
}

/// `blob_update_success`, §5.6: restart after success, in the order of §5.5.
#[test]
fn a_good_blob_is_activated_after_a_second_of_rest_and_the_run_restarts() {
    let (mut rig, hook, id) = processing();
    rig.forget();
    rig.answer(hook, processed("v2"));
    assert_eq!(released(&mut rig), [id]);
    let mut waited = 0;
    let hooks = loop {
        let hooks = rig.hooks();
        if !hooks.is_empty() {
            break hooks;
        }
        rig.advance(10);
        waited += 10;
    };
    let sent = rig.sent();
    let at = |topic: &str| sent.iter().rfind(|sent| sent.topic == topic).expect("it is sent").at;
    let now = rig.now.at.0 - 1000;
    assert!(now >= at("events/system").max(at("state")) + 1000, "{waited} ms");
    assert!(waited < 5000, "{waited}");
    let [(id, Hook::ActivateBlob { name, version })] = &hooks[..] else { panic!("{hooks:?}") };
    assert_eq!((name.as_str(), version.as_deref()), ("system", Some("v2")));
    rig.answer(*id, Outcome::Done);
    rig.advance(2500);
    assert_eq!(rig.states().last().unwrap()["system"]["operation"]["mode"], "restart");
    assert_eq!(rig.exit, Some(ExitReason::Restart));
}

/// Runs a blob into a failure and compares what is logged and shown.
#[track_caller]
fn fails(rig: &mut super::Rig, logged: &[(&str, u64)], category: &str) {
    assert_eq!(steps(rig), pairs(logged));
    let state = rig.states().pop().expect("a state");
    let blob = &state["blobset"]["blobs"]["system"];
    assert_eq!(blob["phase"], "final");
    assert_eq!(blob["generation"], FIRST);
    assert_eq!(blob["status"]["level"], 500);
    assert_eq!(blob["status"]["category"], category);
    assert_eq!(state["system"]["software"]["system"], "v1");
    assert!(state["system"].get("status").is_none(), "the status of the system is for other troubles");
    rig.advance(60_000);
    assert_eq!(rig.exit, None);
    let failed = |notice: &Notice| matches!(notice, Notice::BlobFinished { failure: Some(_), .. });
    assert!(rig.notices().iter().any(failed));
}

/// `blob_update_invalid_hash`.
#[test]
fn a_wrong_hash_is_a_parse_error() {
    let mut rig = connected();
    let mut wrong = blob(FIRST);
    wrong["sha256"] = json!("0".repeat(64));
    configure(&mut rig, json!({ "system": wrong }));
    rig.advance(600);
    let (id, _) = fetch(&mut rig);
    arrive(&mut rig, id);
    assert_eq!(released(&mut rig), [id]);
    assert!(rig.hooks().is_empty());
    let logged = [("receive", 100), ("fetch", 100), ("parse", 100), ("parse", 500)];
    fails(&mut rig, &logged, "blobset.blob.parse");
}

/// `blob_update_unreachable_url`, and whatever else a fetch may die of.
#[test]
fn a_fetch_that_fails_is_a_fetch_error() {
    for error in [
        FetchError::Unreachable("connection refused".into()),
        FetchError::Url("scheme not allowed".into()),
        FetchError::Status(404),
        FetchError::Timeout,
        FetchError::Storage("disk full".into()),
    ] {
        let (mut rig, id) = fetching();
        tell(&mut rig, id, FetchEvent::Failed(error));
        fails(&mut rig, &[("receive", 100), ("fetch", 100), ("fetch", 500)], "blobset.blob.fetch");
    }
}

/// `blob_update_oversize`: the host says so, the size says so, or the bytes do.
#[test]
fn a_blob_over_the_limit_is_a_fetch_error() {
    for event in [
        FetchEvent::Failed(FetchError::TooLarge),
        FetchEvent::Size((16 << 20) + 1),
        FetchEvent::Chunk(Bytes::from(vec![0; (16 << 20) + 1])),
    ] {
        let (mut rig, id) = fetching();
        let host_knows = matches!(event, FetchEvent::Failed(_));
        tell(&mut rig, id, event);
        assert_eq!(released(&mut rig).len(), usize::from(!host_knows));
        fails(&mut rig, &[("receive", 100), ("fetch", 100), ("fetch", 500)], "blobset.blob.fetch");
    }
}

/// `blob_update_invalid_payload`, `blob_update_incompatible`.
#[test]
fn content_that_the_application_refuses_is_a_parse_error() {
    let (mut rig, hook, id) = processing();
    rig.answer(hook, Outcome::Invalid { message: "not for this device".into() });
    assert_eq!(released(&mut rig), [id]);
    let logged = [("receive", 100), ("fetch", 100), ("parse", 100), ("apply", 300), ("parse", 500)];
    fails(&mut rig, &logged, "blobset.blob.parse");
}

/// §5.5 step 5c.
#[test]
fn an_installation_that_fails_is_called_off_or_is_undone_says_which() {
    let message = || String::from("no");
    for (outcome, step, level) in [
        (Outcome::Failed { message: message() }, "apply", 500),
        (Outcome::Unhandled, "apply", 500),
        (Outcome::Blob(BlobOutcome::Aborted { message: message() }), "abort", 300),
        (Outcome::Blob(BlobOutcome::RolledBack { message: message() }), "rollback", 300),
    ] {
        let (mut rig, hook, id) = processing();
        rig.answer(hook, outcome);
        assert_eq!(released(&mut rig), [id]);
        let logged = [("receive", 100), ("fetch", 100), ("parse", 100), ("apply", 300), (step, level)];
        fails(&mut rig, &logged, &format!("blobset.blob.{step}"));
    }
}

/// `blob_update_idempotency`: neither the run that applied it nor the next does anything about the kept config.
#[test]
fn the_same_generation_is_neither_fetched_nor_logged_again() {
    let (mut rig, hook) = activating();
    rig.answer(hook, Outcome::Done);
    rig.advance(3000);
    assert_eq!(rig.exit, Some(ExitReason::Restart));
    let mut rig = stored(rig.store);
    let state = look(&mut rig, json!({ "system": blob(FIRST) }));
    assert_eq!(state["blobset"]["blobs"]["system"], json!({ "phase": "final", "generation": FIRST }));
    assert_eq!(state["system"]["software"]["system"], "v2");
    for _ in 0..3 {
        look(&mut rig, json!({ "system": blob(FIRST) }));
    }
    assert_eq!(steps(&mut rig), []);
    assert!(rig.hooks().is_empty() && rig.effects.is_empty());
    rig.advance(60_000);
    assert_eq!(rig.exit, None);
}

/// §5.4: no log entry of the first run is sent by the second.
#[test]
fn the_logs_of_an_update_are_all_out_before_the_restart() {
    let (mut rig, hook) = activating();
    rig.answer(hook, Outcome::Done);
    assert_eq!(steps(&mut rig).len(), 4);
    let mut rig = stored(rig.store);
    configure(&mut rig, json!({ "system": blob(FIRST) }));
    assert_eq!(steps(&mut rig), []);
    assert_eq!(shown(&mut rig_again(rig))["phase"], "final");
}

fn rig_again(mut rig: super::Rig) -> super::Rig {
    configure(&mut rig, json!({ "system": blob(FIRST) }));
    rig
}
