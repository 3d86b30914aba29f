//! Hosts and applications that do not answer, stores that do not keep, links that break.

use serde_json::json;
use udmi_proto::{ExitReason, Outcome, Settings};

use super::{
    FIRST, Rig, activating, arrive, asked, blob, configure, connected, fetch, fetching, look, processed,
    processing, released, shown, stored, taking, version,
};

#[test]
fn a_host_that_forgets_a_fetch_is_given_up_after_five_minutes() {
    let (mut rig, id) = fetching();
    rig.advance(290_000);
    assert_eq!(shown(&mut rig)["phase"], "apply");
    rig.advance(20_000);
    assert_eq!(shown_status(&mut rig), "blobset.blob.fetch");
    assert_eq!(released(&mut rig), [id]);
}

fn shown_status(rig: &mut Rig) -> String {
    let state = look(rig, json!({ "system": blob(FIRST) }));
    state["blobset"]["blobs"]["system"]["status"]["category"].as_str().expect("a status").to_owned()
}

#[test]
fn an_application_that_never_answers_is_given_up_after_ten_minutes() {
    let (mut rig, hook, id) = processing();
    rig.advance(590_000);
    assert!(rig.cancelled().is_empty());
    rig.advance(20_000);
    assert_eq!(rig.cancelled(), [hook]);
    assert_eq!(released(&mut rig), [id]);
    assert_eq!(shown_status(&mut rig), "blobset.blob.apply");
}

#[test]
fn an_activation_that_fails_or_is_never_answered_shows_and_takes_the_version_back() {
    for outcome in [Some(Outcome::Failed { message: "no".into() }), None] {
        let (mut rig, hook) = activating();
        match outcome {
            Some(outcome) => rig.answer(hook, outcome),
            None => rig.advance(125_000),
        }
        rig.advance(2000);
        assert_eq!(shown_status(&mut rig), "blobset.blob.apply");
        let mut next = stored(rig.store.clone());
        for rig in [&mut rig, &mut next] {
            let state = look(rig, json!({ "system": blob(FIRST) }));
            assert_eq!(state["system"]["software"]["system"], "v1");
            assert_eq!(state["blobset"]["blobs"]["system"]["status"]["level"], 500);
            assert_eq!(rig.exit, None);
        }
    }
}

/// A success that the next run would not know of would be repeated by each run for ever.
#[test]
fn a_success_that_cannot_be_stored_is_a_failure_and_nothing_restarts() {
    for answers in [true, false] {
        let (mut rig, hook, _) = processing();
        rig.stores = false;
        rig.store_answers = answers;
        rig.answer(hook, processed("v2"));
        rig.advance(35_000);
        assert_eq!(shown_status(&mut rig), "blobset.blob.apply");
        assert_eq!(version(&mut look_again(rig.store.clone())), "v1");
        rig.advance(60_000);
        assert_eq!(rig.exit, None);
    }
}

fn look_again(store: std::collections::BTreeMap<udmi_proto::Key, bytes::Bytes>) -> Rig {
    let mut rig = stored(store);
    configure(&mut rig, json!({}));
    rig
}

/// §7.1: the cloud knows before the device goes.
#[test]
fn nothing_is_activated_before_the_state_that_tells_it_is_acknowledged() {
    let (mut rig, hook, _) = processing();
    rig.acknowledge = false;
    rig.answer(hook, processed("v2"));
    rig.advance(20_000);
    assert!(rig.hooks().is_empty());
    // The link is lost with it, and the next one tells it again.
    rig.disconnect();
    rig.advance(500);
    rig.acknowledge = true;
    rig.forget();
    rig.connect();
    configure(&mut rig, json!({ "system": blob(FIRST) }));
    assert_eq!(rig.state()["blobset"]["blobs"]["system"]["phase"], "final");
    rig.advance(3000);
    let hook = asked(&mut rig);
    rig.answer(hook, Outcome::Unhandled);
    rig.advance(3000);
    assert_eq!(rig.exit, Some(ExitReason::Restart));
}

#[test]
fn a_blob_goes_on_while_there_is_no_link() {
    let (mut rig, id) = fetching();
    rig.disconnect();
    arrive(&mut rig, id);
    let hook = asked(&mut rig);
    rig.answer(hook, processed("v2"));
    rig.advance(10_000);
    assert!(rig.hooks().is_empty());
    rig.connect();
    configure(&mut rig, json!({ "system": blob(FIRST) }));
    rig.advance(5000);
    asked(&mut rig);
}

#[test]
fn a_device_that_sends_no_state_activates_all_the_same() {
    let settings =
        Settings { options: udmi_proto::Options { suppress_state: true, ..taking().options }, ..taking() };
    let mut rig = Rig::new(settings);
    rig.connect();
    configure(&mut rig, json!({ "system": blob(FIRST) }));
    rig.advance(600);
    let (id, _) = fetch(&mut rig);
    arrive(&mut rig, id);
    let hook = asked(&mut rig);
    rig.answer(hook, processed("v2"));
    rig.advance(5000);
    asked(&mut rig);
}

/// The host need not guess which of its staged files nobody wants any more.
#[test]
fn a_run_that_ends_lets_go_of_what_is_staged() {
    let (mut rig, hook, id) = processing();
    rig.command(udmi_proto::Command::Stop { reason: ExitReason::Shutdown });
    rig.advance(3000);
    assert_eq!(rig.exit, Some(ExitReason::Shutdown));
    assert_eq!(rig.cancelled(), [hook]);
    assert_eq!(released(&mut rig), [id]);
}

#[test]
fn a_stored_value_that_cannot_be_read_is_told_and_set_aside() {
    let key = |name: &str| udmi_proto::Key::new(name).unwrap();
    let mut rig = stored([(key("blobset"), bytes::Bytes::from_static(b"{}"))].into());
    assert_eq!(rig.store.get(&key("blobset_unreadable")).map(|value| &value[..]), Some(&b"{}"[..]));
    let told = |notice: &udmi_proto::Notice| matches!(notice, udmi_proto::Notice::StoredUnreadable { key, .. } if key == "blobset");
    assert!(rig.notices().iter().any(told));
    configure(&mut rig, json!({ "system": blob(FIRST) }));
    rig.advance(600);
    fetch(&mut rig);
}

/// A blob that fails leaves the others and the device alone.
#[test]
fn a_blob_beside_a_failing_one_is_installed() {
    let mut rig = connected();
    configure(&mut rig, json!({ "modem": { "phase": "final", "generation": FIRST }, "system": blob(FIRST) }));
    rig.advance(600);
    let (id, _) = fetch(&mut rig);
    arrive(&mut rig, id);
    let hook = asked(&mut rig);
    rig.answer(hook, processed("v2"));
    let state = rig.state();
    assert_eq!(state["blobset"]["blobs"]["modem"]["status"]["level"], 500);
    assert_eq!(state["blobset"]["blobs"]["system"], json!({ "phase": "final", "generation": FIRST }));
}
