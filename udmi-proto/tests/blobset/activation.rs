//! What the next run makes of an update that was cut short in its second stage.

use serde_json::json;
use udmi_proto::{BlobOutcome, ExitReason, Hook, Notice, Outcome};

use super::{
    FIRST, Rig, SECOND, activating, asked, blob, checked, configure, fetch, look, processed, processing,
    shown, stored,
};

#[test]
fn an_update_that_was_stored_and_not_told_is_told_and_activated_by_the_next_run() {
    let (mut rig, hook, _) = processing();
    rig.acknowledge = false;
    rig.answer(hook, processed("v2"));
    let mut rig = stored(rig.store);
    let state = look(&mut rig, json!({ "system": blob(FIRST) }));
    assert_eq!(state["blobset"]["blobs"]["system"], json!({ "phase": "final", "generation": FIRST }));
    assert_eq!(state["system"]["software"]["system"], "v2");
    rig.advance(3000);
    let hooks = rig.hooks();
    let [(hook, Hook::ActivateBlob { .. })] = hooks[..] else { panic!("{hooks:?}") };
    rig.answer(hook, Outcome::Done);
    rig.advance(3000);
    assert_eq!(rig.exit, Some(ExitReason::Restart));
}

/// An activation that replaces the process cannot say that it is done: it must not be repeated for ever.
#[test]
fn an_activation_that_ends_the_run_is_begun_twice_at_most() {
    let (rig, _) = activating();
    let mut rig = stored(rig.store);
    let check = checked(&mut rig);
    rig.answer(check, Outcome::Unhandled);
    look(&mut rig, json!({ "system": blob(FIRST) }));
    rig.advance(3000);
    asked(&mut rig);
    let mut rig = stored(rig.store);
    let check = checked(&mut rig);
    rig.answer(check, Outcome::Unhandled);
    let state = look(&mut rig, json!({ "system": blob(FIRST) }));
    assert_eq!(state["system"]["software"]["system"], "v2");
    assert_eq!(state["blobset"]["blobs"]["system"]["phase"], "final");
    rig.advance(60_000);
    assert!(rig.hooks().is_empty());
    assert_eq!(rig.exit, None);
}

/// There is no way back from an activation: what the config wants meanwhile comes after it.
#[test]
fn a_newer_generation_during_an_activation_waits_for_its_end() {
    let (mut rig, hook) = activating();
    configure(&mut rig, json!({ "system": blob(SECOND) }));
    rig.advance(5000);
    assert!(rig.effects.iter().all(|action| !matches!(action, udmi_proto::Action::Fetch { .. })));
    rig.answer(hook, Outcome::Failed { message: "no".into() });
    rig.advance(1000);
    fetch(&mut rig);
    assert_eq!(shown(&mut rig), json!({ "phase": "apply", "generation": SECOND }));
}

#[test]
fn a_blob_that_leaves_the_config_during_its_activation_is_hidden_and_ends() {
    let (mut rig, hook) = activating();
    rig.config(json!({}));
    assert!(rig.state().get("blobset").is_none());
    rig.answer(hook, Outcome::Done);
    rig.advance(3000);
    assert_eq!(rig.exit, Some(ExitReason::Restart));
    let mut rig = stored(rig.store);
    rig.config(json!({}));
    let state = rig.state();
    assert!(state.get("blobset").is_none());
    assert_eq!(state["system"]["software"]["system"], "v2");
}

fn activated() -> Outcome {
    Outcome::Blob(BlobOutcome::Activated)
}

fn not_activated() -> Outcome {
    Outcome::Blob(BlobOutcome::NotActivated)
}

/// The run after one that ended while it activated its first blob, with the question about it.
fn interrupted() -> (Rig, udmi_proto::HookId) {
    let (rig, _) = activating();
    let mut rig = stored(rig.store);
    let check = checked(&mut rig);
    (rig, check)
}

#[test]
fn what_the_application_runs_already_has_ended_well_without_another_restart() {
    let (mut rig, check) = interrupted();
    rig.answer(check, activated());
    let finished = Notice::BlobFinished { name: "system".into(), generation: FIRST.into(), failure: None };
    assert!(rig.notices().contains(&finished));
    let state = look(&mut rig, json!({ "system": blob(FIRST) }));
    assert_eq!(state["blobset"]["blobs"]["system"], json!({ "phase": "final", "generation": FIRST }));
    assert_eq!(state["system"]["software"]["system"], "v2");
    rig.advance(60_000);
    assert_eq!((rig.hooks().len(), rig.exit), (0, None));
    let mut rig = stored(rig.store);
    assert!(rig.hooks().is_empty(), "it is asked once");
}

#[test]
fn an_activation_that_never_takes_effect_fails_after_the_fifth() {
    let (mut rig, mut check) = interrupted();
    for _ in 1..5 {
        rig.answer(check, not_activated());
        look(&mut rig, json!({ "system": blob(FIRST) }));
        rig.advance(3000);
        asked(&mut rig);
        rig = stored(rig.store);
        check = checked(&mut rig);
    }
    rig.answer(check, not_activated());
    let state = look(&mut rig, json!({ "system": blob(FIRST) }));
    let shown = &state["blobset"]["blobs"]["system"];
    assert_eq!(shown["phase"], "final");
    assert_eq!(shown["status"]["message"], "Blob system: it is not in use after 5 activations");
    assert_eq!(state["system"]["software"]["system"], "v1");
    rig.advance(60_000);
    assert_eq!((rig.hooks().len(), rig.exit), (0, None));
}

#[test]
fn an_application_that_does_not_answer_whether_it_is_activated_cannot_tell() {
    let (mut rig, check) = interrupted();
    look(&mut rig, json!({ "system": blob(FIRST) }));
    rig.advance(30_000);
    assert_eq!(rig.cancelled(), [check]);
    rig.advance(5_000);
    asked(&mut rig);
}

/// Whether there is a way back is not known before the application has told.
#[test]
fn a_config_without_the_blob_or_with_another_waits_for_the_answer() {
    let (mut rig, check) = interrupted();
    rig.config(json!({}));
    rig.answer(check, activated());
    let state = rig.state();
    assert_eq!((state.get("blobset"), &state["system"]["software"]["system"]), (None, &json!("v2")));

    let (mut rig, check) = interrupted();
    rig.config(json!({}));
    rig.answer(check, not_activated());
    let state = rig.state();
    assert_eq!((state.get("blobset"), &state["system"]["software"]["system"]), (None, &json!("v1")));
    rig.advance(60_000);
    assert!(rig.hooks().is_empty());

    let (mut rig, check) = interrupted();
    configure(&mut rig, json!({ "system": blob(SECOND) }));
    rig.advance(5_000);
    assert!(rig.effects.iter().all(|action| !matches!(action, udmi_proto::Action::Fetch { .. })));
    rig.answer(check, not_activated());
    rig.advance(1_000);
    fetch(&mut rig);
}

/// A device that was killed between an activation and its record, and finds the next order at once, showed the
/// version before the one it ran.
#[test]
fn regression_a_next_order_does_not_hide_the_version_of_an_activation_cut_short() {
    let (mut rig, check) = interrupted();
    configure(&mut rig, json!({ "system": blob(SECOND) }));
    rig.answer(check, activated());
    rig.advance(5_000);
    fetch(&mut rig);
    let state = rig.state();
    assert_eq!(state["system"]["software"]["system"], "v2");
    assert_eq!(
        state["blobset"]["blobs"]["system"],
        json!({ "phase": "apply", "generation": SECOND }),
        "the next one is on its way"
    );
}
