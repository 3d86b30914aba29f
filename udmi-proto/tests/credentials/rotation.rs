//! The rotation of the device's key, by command of the cloud and of the application.

use device_link::wire::ConnectCode;
use serde_json::json;
use udmi_proto::{Closed, Command, Credentials, Hook, HookId, NewKey, Notice, Outcome, Secret, Settings};

use super::support::{PREFIX, Rig, settings};

fn with_password(username: &str) -> Settings {
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

/// The key is made, and the device dials anew.
fn rotate(rig: &mut Rig) {
    rig.command(Command::RotateKey);
    let (id, hook) = asked(rig);
    assert_eq!(hook, Hook::RotateKey);
    rig.answer(id, new_key());
    rig.advance(10);
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
    assert_eq!(hook, Hook::RotateKey);
    rig.answer(id, new_key());
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

/// The device may lose its power before the broker has seen the new key.
#[test]
fn a_new_key_is_still_to_be_proven_after_a_restart() {
    let mut rig = device();
    rotate(&mut rig);
    let mut settings = with_password(PREFIX);
    settings.credentials.as_mut().unwrap().password = Secret::new("89abcdef".into());
    let store = rig.store;
    let mut rig = Rig::with_store(settings.clone(), store.clone());
    rig.refuse(ConnectCode::NotAuthorized);
    let (id, hook) = asked(&mut rig);
    assert!(matches!(hook, Hook::RestoreKey { .. }));
    rig.answer(id, Outcome::Done);
    rig.connect();
    assert_eq!(password(&rig), "01234567");
    assert!(!rig.store.keys().any(|key| key.as_str() == "rotation"));
    let mut rig = Rig::with_store(settings, store);
    rig.connect();
    assert!(!rig.store.keys().any(|key| key.as_str() == "rotation"), "taken");
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

/// The golden file of the format: `persisted/rotation.1.json`.
#[test]
fn a_rotation_of_every_version_is_read_and_today_s_is_written_alike() {
    let golden = include_bytes!("../persisted/rotation.1.json");
    let mut rig = device();
    rotate(&mut rig);
    let (key, written) = rig.store.iter().find(|(key, _)| key.as_str() == "rotation").unwrap();
    assert_eq!(written.as_ref(), golden.trim_ascii_end());
    let store = [(key.clone(), bytes::Bytes::from_static(golden))].into();
    let mut rig = Rig::with_store(with_password(PREFIX), store);
    rig.refuse(ConnectCode::NotAuthorized);
    assert!(matches!(asked(&mut rig).1, Hook::RestoreKey { .. }));
}
