//! Commands of the cloud (§1.4, §11 item 26).

use serde_json::json;
use udmi_proto::{ExitReason, Hook, HookId, Lifecycle, Notice, Outcome};

use super::support::{Rig, settings};
use super::{configured, entries, pairs};

fn offered(rig: &mut Rig) -> HookId {
    let hooks = rig.hooks();
    let [(id, Hook::Command { .. })] = hooks[..] else { panic!("{hooks:?}") };
    id
}

fn with_hooks() -> Rig {
    let mut settings = settings();
    settings.options.command_hook = true;
    let mut rig = Rig::new(settings);
    rig.connect();
    rig.config(json!({}));
    rig.advance(3000);
    rig.forget();
    rig
}

#[test]
fn reboot_restart_shutdown_and_terminate_end_the_run_in_any_mode() {
    for (name, reason, mode) in [
        ("reboot", ExitReason::Restart, "restart"),
        ("restart", ExitReason::Restart, "restart"),
        ("shutdown", ExitReason::Shutdown, "shutdown"),
        ("terminate", ExitReason::Terminate, "terminate"),
    ] {
        let mut rig = configured(json!({}));
        rig.deliver(&format!("commands/{name}"), b"{}");
        assert_eq!(rig.state()["system"]["operation"]["mode"], mode);
        assert_eq!(rig.exit, Some(reason), "{name}");
    }
}

/// A retained command would be carried out again at every connection.
#[test]
fn a_retained_command_is_ignored_and_told() {
    let mut rig = with_hooks();
    for name in ["reboot", "restart", "shutdown", "terminate", "own"] {
        rig.deliver_retained(&format!("commands/{name}"), b"");
    }
    assert_eq!(entries(&mut rig), pairs(&[("device.command", 400); 5]));
    assert_eq!(rig.exit, None);
    assert!(rig.hooks().is_empty());
}

#[test]
fn a_command_too_large_for_a_message_is_told_and_not_offered() {
    let mut rig = with_hooks();
    rig.deliver("commands/own", &[b' '; 2 << 20]);
    assert_eq!(entries(&mut rig), pairs(&[("device.command", 500)]));
    assert!(rig.hooks().is_empty() && rig.is_connected());
}

#[test]
fn a_command_that_nobody_takes_care_of_is_told_as_unknown() {
    let mut rig = configured(json!({}));
    rig.deliver("commands/dance", b"{}");
    assert_eq!(entries(&mut rig), pairs(&[("device.command", 400)]));
    let mut rig = with_hooks();
    rig.deliver("commands/dance", b"{}");
    let id = offered(&mut rig);
    rig.answer(id, Outcome::Unhandled);
    assert_eq!(entries(&mut rig), pairs(&[("device.command", 200), ("device.command", 400)]));
}

#[test]
fn a_command_is_offered_with_name_and_payload_and_its_outcome_is_told() {
    let mut rig = with_hooks();
    rig.deliver("commands/open/door", b"{\"which\":\xff}");
    let hooks = rig.hooks();
    let [(id, Hook::Command { name, payload })] = &hooks[..] else { panic!("{hooks:?}") };
    assert_eq!((name.as_str(), payload.as_str()), ("open/door", "{\"which\":\u{fffd}}"));
    rig.answer(*id, Outcome::Done);
    assert_eq!(entries(&mut rig), pairs(&[("device.command", 200), ("device.command", 200)]));
    rig.deliver("commands/open/door", b"");
    let id = offered(&mut rig);
    rig.answer(id, Outcome::Failed { message: "stuck".into() });
    assert_eq!(entries(&mut rig), pairs(&[("device.command", 200), ("device.command", 500)]));
}

/// Sixteen commands may wait for the application; a cloud that sends more cannot use up the room that
/// writes and reads need.
#[test]
fn commands_that_are_never_answered_do_not_take_the_room_of_other_hooks() {
    let mut rig = with_hooks();
    for _ in 0..100 {
        rig.deliver("commands/dance", b"{}");
    }
    assert_eq!(rig.hooks().len(), 16);
    let levels: Vec<_> = entries(&mut rig).into_iter().map(|(_, level)| level).collect();
    assert_eq!(levels.iter().filter(|level| **level == 500).count(), 84);
}

/// §11 item 26: without commands a device works as before.
#[test]
fn a_refused_subscription_to_commands_is_tolerated() {
    let mut rig = Rig::new(settings());
    rig.refused = vec!["commands/#"];
    rig.connect();
    assert!(rig.notices().contains(&Notice::SubscriptionRefused { topic: "commands".into() }));
    rig.config(json!({}));
    assert_eq!(rig.state()["system"].get("status"), None);
    rig.advance(60_000);
    assert_eq!(rig.exit, None);
}

#[test]
fn a_refused_subscription_to_the_config_is_told_and_the_device_stays() {
    let mut rig = Rig::new(settings());
    rig.refused = vec!["/config"];
    rig.connect();
    assert!(rig.notices().contains(&Notice::SubscriptionRefused { topic: "config".into() }));
    assert!(entries(&mut rig).contains(&("device.subscription".to_owned(), 500)));
    rig.advance(10_000);
    assert_eq!(rig.states().len(), 1); // §11 item 62
}

/// A topic that is no command at all, though the filter matches it.
#[test]
fn a_message_on_the_bare_commands_topic_is_nothing() {
    let mut rig = with_hooks();
    rig.deliver("commands", b"{}");
    assert!(rig.hooks().is_empty());
    assert_eq!(entries(&mut rig), pairs(&[]));
}

#[test]
fn a_command_asks_the_application_before_it_ends_the_run() {
    let mut settings = settings();
    settings.options.lifecycle_hook = true;
    let mut rig = Rig::new(settings);
    rig.connect();
    rig.config(json!({}));
    rig.advance(3000);
    rig.deliver("commands/reboot", b"");
    rig.advance(2000);
    let hooks = rig.hooks();
    let [(id, Hook::Lifecycle { action: Lifecycle::Reboot })] = hooks[..] else { panic!("{hooks:?}") };
    assert_eq!(rig.exit, None);
    rig.answer(id, Outcome::Done);
    assert_eq!(rig.exit, Some(ExitReason::Restart));
}
