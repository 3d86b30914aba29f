//! What the next run makes of an update that was cut short in its second stage.

use serde_json::json;
use udmi_proto::{ExitReason, Hook, Outcome};

use super::{
    FIRST, SECOND, activating, asked, blob, configure, fetch, look, processed, processing, shown, stored,
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
    look(&mut rig, json!({ "system": blob(FIRST) }));
    rig.advance(3000);
    asked(&mut rig);
    let mut rig = stored(rig.store);
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
