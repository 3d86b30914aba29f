//! The rotation of the device's key, by command of the cloud and of the application.

use device_link::wire::ConnectCode;
use serde_json::json;
use udmi_proto::{Closed, Command, Credentials, Hook, HookId, NewKey, Notice, Outcome, Secret, Settings};

use super::support::{PREFIX, Rig, settings};

pub(super) fn with_password(username: &str) -> Settings {
    let credentials = Credentials { username: username.into(), password: Secret::new("01234567".into()) };
    Settings { credentials: Some(credentials), ..settings() }
}

/// A connected device whose password is derived from its key (§1.6).
fn device() -> Rig {
    started(with_password(PREFIX))
}

fn started(settings: Settings) -> Rig {
    let mut rig = Rig::new(settings);
    rig.connect();
    rig.config(json!({}));
    rig.advance(3000);
    rig.forget();
    rig
}

fn new_key() -> Outcome {
    Outcome::KeyMade(NewKey {
        public_key: "-----BEGIN PUBLIC KEY-----".into(),
        backup: "rsa_private.2026-03-01".into(),
        password: Secret::new("89abcdef".into()),
    })
}

fn asked(rig: &mut Rig) -> (HookId, Hook) {
    let mut hooks = rig.hooks();
    assert_eq!(hooks.len(), 1, "{hooks:?}");
    hooks.remove(0)
}

/// The key is made, recorded and put in force, and the device dials anew.
fn rotate(rig: &mut Rig) {
    let id = using(rig);
    rig.answer(id, Outcome::Done);
    rig.advance(10);
}

/// The key is made and recorded; the host is asked to put it in force.
fn using(rig: &mut Rig) -> HookId {
    rig.command(Command::RotateKey);
    let (id, hook) = asked(rig);
    assert_eq!(hook, Hook::MakeKey);
    assert!(!is_recorded(rig));
    rig.answer(id, new_key());
    asked_to_use(rig)
}

fn asked_to_use(rig: &mut Rig) -> HookId {
    let (id, hook) = asked(rig);
    assert_eq!(hook, Hook::UseKey { public_key: "-----BEGIN PUBLIC KEY-----".into() });
    assert!(is_recorded(rig));
    id
}

fn is_recorded(rig: &Rig) -> bool {
    rig.store.keys().any(|key| key.as_str() == "rotation")
}

fn is_refused(rig: &mut Rig, reason: &str) -> bool {
    let reason = format!("key rotation: {reason}");
    rig.notices().contains(&Notice::CommandRefused { reason })
}

fn password(rig: &Rig) -> &str {
    rig.connects.last().unwrap().2.as_deref().unwrap()
}

#[test]
fn a_new_key_is_told_and_used_from_the_next_connection_on() {
    let mut rig = device();
    assert_eq!(password(&rig), "01234567");
    rotate(&mut rig);
    let told = Notice::KeyRotated {
        public_key: "-----BEGIN PUBLIC KEY-----".into(),
        backup: "rsa_private.2026-03-01".into(),
    };
    assert!(rig.notices().contains(&told));
    assert_eq!(rig.opened.len(), 2);
    rig.connect();
    assert_eq!(password(&rig), "89abcdef");
    assert!(rig.logs().iter().any(|(category, text)| category == "device.key" && text.contains("taken")));
}

#[test]
fn the_cloud_rotates_the_key_by_command() {
    let mut rig = device();
    rig.deliver("commands/rotate_key", b"{}");
    let (id, hook) = asked(&mut rig);
    assert_eq!(hook, Hook::MakeKey);
    rig.answer(id, new_key());
    let id = asked_to_use(&mut rig);
    rig.answer(id, Outcome::Done);
    rig.connect();
    assert_eq!(password(&rig), "89abcdef");
    rig.deliver_retained("commands/rotate_key", b"{}");
    assert!(rig.hooks().is_empty(), "a retained command would rotate at every connection");
}

/// §1.6: the broker's password is that of the key only under the client id as user name.
#[test]
fn a_password_of_another_origin_stays() {
    let mut rig = started(with_password("somebody"));
    rotate(&mut rig);
    rig.connect();
    assert_eq!(password(&rig), "01234567");
}

#[test]
fn a_new_key_that_the_broker_refuses_gives_way_to_the_old_one() {
    for code in [ConnectCode::BadUsernameOrPassword, ConnectCode::NotAuthorized] {
        let mut rig = device();
        rotate(&mut rig);
        rig.refuse(code);
        assert_eq!(password(&rig), "89abcdef");
        let (id, hook) = asked(&mut rig);
        assert_eq!(hook, Hook::RestoreKey { backup: "rsa_private.2026-03-01".into() });
        rig.answer(id, Outcome::Done);
        rig.advance(10);
        rig.connect();
        assert_eq!(password(&rig), "01234567");
        let restored = Notice::KeyRestored { backup: "rsa_private.2026-03-01".into() };
        assert!(rig.notices().contains(&restored));
        assert!(
            rig.logs().iter().any(|(category, text)| category == "device.key" && text.contains("refused"))
        );
    }
}

/// With mutual TLS it is the handshake that fails.
#[test]
fn a_new_key_that_tls_refuses_gives_way_too_and_a_lost_network_does_not_restore() {
    let mut rig = device();
    rotate(&mut rig);
    rig.close(Closed::Resolve);
    rig.close(Closed::Refused);
    assert!(rig.hooks().is_empty());
    rig.close(Closed::Tls("certificate unknown".into()));
    assert!(matches!(asked(&mut rig).1, Hook::RestoreKey { .. }));
}

#[test]
fn a_key_that_was_taken_once_is_not_given_up_later() {
    let mut rig = device();
    rotate(&mut rig);
    rig.connect();
    rig.disconnect();
    rig.refuse(ConnectCode::NotAuthorized);
    assert!(rig.hooks().is_empty());
}

#[test]
fn a_host_that_cannot_make_a_key_changes_nothing() {
    for outcome in [Outcome::Unhandled, Outcome::Failed { message: "no room".into() }, Outcome::Done] {
        let mut rig = device();
        rig.command(Command::RotateKey);
        let (id, _) = asked(&mut rig);
        rig.answer(id, outcome);
        let refused = |notice: &Notice| matches!(notice, Notice::CommandRefused { .. });
        assert!(rig.notices().iter().any(refused));
        rig.advance(10_000);
        assert_eq!(rig.opened.len(), 1);
    }
}

/// A run that finds the record of another, with the password of the key that is in force.
fn later(rig: Rig, password: &str) -> (Rig, HookId) {
    let mut settings = with_password(PREFIX);
    settings.credentials.as_mut().unwrap().password = Secret::new(password.into());
    let mut rig = Rig::with_store(settings, rig.store);
    let id = asked_to_use(&mut rig);
    (rig, id)
}

/// The device may lose its power before the broker has seen the new key.
#[test]
fn a_new_key_is_still_to_be_proven_after_a_restart() {
    let mut rig = device();
    rotate(&mut rig);
    let (mut rig, id) = later(rig, "89abcdef");
    rig.answer(id, Outcome::Done);
    let told = |notice: &Notice| matches!(notice, Notice::KeyRotated { .. });
    assert!(rig.notices().iter().any(told), "it may never have been told");
    rig.refuse(ConnectCode::NotAuthorized);
    let (id, hook) = asked(&mut rig);
    assert!(matches!(hook, Hook::RestoreKey { .. }));
    rig.answer(id, Outcome::Done);
    rig.connect();
    assert_eq!(password(&rig), "01234567");
    assert!(!is_recorded(&rig));

    let mut rig = device();
    rotate(&mut rig);
    let (mut rig, id) = later(rig, "89abcdef");
    rig.answer(id, Outcome::Done);
    rig.connect();
    assert!(!is_recorded(&rig), "taken");
}

#[test]
fn a_key_that_was_not_put_in_force_before_a_restart_is_forgotten() {
    let mut rig = device();
    using(&mut rig);
    let (mut rig, id) = later(rig, "01234567");
    rig.answer(id, Outcome::Failed { message: "no such key".into() });
    assert!(!is_recorded(&rig));
    rig.refuse(ConnectCode::NotAuthorized);
    assert!(rig.hooks().is_empty(), "there is nothing to restore");
    rig.connect();
    assert_eq!(password(&rig), "01234567");
}

/// The host does not tell which key is in force: the old one is put back as soon as the broker refuses.
#[test]
fn a_host_that_cannot_tell_after_a_restart_restores_when_it_is_refused() {
    for answers in [true, false] {
        let mut rig = device();
        rotate(&mut rig);
        let (mut rig, id) = later(rig, "89abcdef");
        if answers {
            rig.answer(id, Outcome::Unhandled);
        } else {
            rig.advance(300_000);
            assert_eq!(rig.cancelled(), [id]);
        }
        rig.refuse(ConnectCode::NotAuthorized);
        assert!(matches!(asked(&mut rig).1, Hook::RestoreKey { .. }));
    }
}

#[test]
fn nothing_changes_if_what_is_about_to_happen_cannot_be_recorded() {
    let mut rig = Rig::without_store(with_password(PREFIX));
    rig.connect();
    rig.command(Command::RotateKey);
    let (id, _) = asked(&mut rig);
    rig.answer(id, new_key());
    assert!(is_refused(&mut rig, "it could not be recorded"));
    assert!(rig.hooks().is_empty());

    let mut rig = device();
    rig.store_answers = false;
    rig.command(Command::RotateKey);
    let (id, _) = asked(&mut rig);
    rig.answer(id, new_key());
    rig.advance(30_000);
    assert!(is_refused(&mut rig, "it was not recorded in time"));
    assert!(rig.hooks().is_empty() && !is_recorded(&rig));
}

#[test]
fn a_key_that_is_not_put_in_force_changes_nothing() {
    let mut rig = device();
    let id = using(&mut rig);
    rig.answer(id, Outcome::Failed { message: "the disc is full".into() });
    assert!(is_refused(&mut rig, "the disc is full"));
    assert!(!is_recorded(&rig));
    rig.advance(10_000);
    assert_eq!(rig.opened.len(), 1);
}

#[test]
fn a_host_that_does_not_make_a_key_in_time_is_not_heard_later() {
    let mut rig = device();
    rig.command(Command::RotateKey);
    let (id, _) = asked(&mut rig);
    rig.advance(300_000);
    assert_eq!(rig.cancelled(), [id]);
    assert!(is_refused(&mut rig, "no key was made in time"));
    rig.answer(id, new_key());
    assert!(rig.hooks().is_empty() && !is_recorded(&rig), "what was made is not used");
    rotate(&mut rig);
}

/// What the host did not answer it may have done, or may still do.
#[test]
fn a_key_that_is_not_put_in_force_in_time_gives_way_to_the_old_one() {
    let mut rig = device();
    let id = using(&mut rig);
    rig.advance(300_000);
    assert_eq!(rig.cancelled(), [id]);
    assert!(is_refused(&mut rig, "the new key was not put in use in time"));
    let (restore, hook) = asked(&mut rig);
    assert_eq!(hook, Hook::RestoreKey { backup: "rsa_private.2026-03-01".into() });
    rig.answer(id, Outcome::Done);
    assert!(is_recorded(&rig), "as long as it is not known");
    rig.answer(restore, Outcome::Done);
    assert!(!is_recorded(&rig));
    rig.connect();
    assert_eq!(password(&rig), "01234567");
}

#[test]
fn an_old_key_that_is_not_put_back_in_time_is_asked_for_again() {
    let mut rig = device();
    rotate(&mut rig);
    rig.refuse(ConnectCode::NotAuthorized);
    let (id, _) = asked(&mut rig);
    rig.advance(300_000);
    assert_eq!(rig.cancelled(), [id]);
    assert!(is_recorded(&rig));
    rig.refuse(ConnectCode::NotAuthorized);
    let (id, hook) = asked(&mut rig);
    assert!(matches!(hook, Hook::RestoreKey { .. }));
    rig.answer(id, Outcome::Done);
    rig.connect();
    assert_eq!(password(&rig), "01234567");
}

#[test]
fn an_old_key_that_cannot_be_put_back_is_told_and_the_device_tries_on() {
    let mut rig = device();
    rotate(&mut rig);
    rig.refuse(ConnectCode::NotAuthorized);
    let (id, _) = asked(&mut rig);
    rig.answer(id, Outcome::Failed { message: "gone".into() });
    rig.connect();
    assert_eq!(password(&rig), "89abcdef");
    assert!(rig.logs().iter().any(|(_, text)| text == "the old key cannot be put back: gone"));
}

#[test]
fn one_rotation_at_a_time() {
    let mut rig = device();
    rig.command(Command::RotateKey);
    rig.command(Command::RotateKey);
    assert_eq!(rig.hooks().len(), 1);
    let refused = "key rotation: another key rotation is under way".into();
    assert!(rig.notices().contains(&Notice::CommandRefused { reason: refused }));
}

#[test]
fn no_secret_is_told() {
    let mut rig = device();
    rotate(&mut rig);
    rig.connect();
    rig.advance(3000);
    let told = format!("{:?} {:?}", rig.notices(), rig.sent());
    assert!(!told.contains("89abcdef") && !told.contains("01234567"), "{told}");
}

/// The golden files of the format: `persisted/rotation.*.json`.
#[test]
fn a_rotation_of_every_version_is_read_and_today_s_is_written_alike() {
    let golden = [
        &include_bytes!("../persisted/rotation.1.json")[..],
        &include_bytes!("../persisted/rotation.2.json")[..],
    ];
    let mut rig = device();
    rotate(&mut rig);
    let (key, written) = rig.store.iter().find(|(key, _)| key.as_str() == "rotation").unwrap();
    assert_eq!(written.as_ref(), golden[1].trim_ascii_end());
    for (version, golden) in (1..).zip(golden) {
        let store = [(key.clone(), bytes::Bytes::from_static(golden))].into();
        let mut rig = Rig::with_store(with_password(PREFIX), store);
        if version > 1 {
            let id = asked_to_use(&mut rig);
            rig.answer(id, Outcome::Done);
        }
        rig.refuse(ConnectCode::NotAuthorized);
        assert!(matches!(asked(&mut rig).1, Hook::RestoreKey { .. }));
    }
}
