//! Signed tokens (§1.8).

use serde_json::json;
use udmi_proto::{
    Action, Algorithm, Command, Down, Event, Json, Notice, Secret, Settings, SignError, SignId, SignRequest,
    TokenSettings, UtcMillis,
};

use super::support::{Rig, settings};

fn with_token() -> Settings {
    let token = TokenSettings {
        algorithm: Algorithm::Rs256,
        audience: "project".into(),
        username: "unused".into(),
        lifetime_seconds: 3600,
    };
    Settings { token: Some(token), ..settings() }
}

/// The signature wanted since the last look.
fn wanted(rig: &mut Rig) -> (SignId, SignRequest) {
    let effects = std::mem::take(&mut rig.effects);
    let [Action::Sign { id, request }] = &effects[..] else { panic!("{effects:?}") };
    (*id, request.clone())
}

/// The transport comes up, the host signs, the broker accepts.
fn connect(rig: &mut Rig) -> SignRequest {
    let conn = rig.dialed();
    rig.handle(Event::Opened { conn });
    let (id, request) = wanted(rig);
    rig.handle(Event::Signed { id, result: Ok(Secret::new("signature".into())) });
    rig.receive(&device_link::wire::Packet::ConnAck {
        session_present: false,
        code: device_link::wire::ConnectCode::Accepted,
    });
    request
}

#[test]
fn the_password_is_the_signed_token() {
    let mut rig = Rig::new(with_token());
    let request = connect(&mut rig);
    assert_eq!(request.algorithm, Algorithm::Rs256);
    let (client, username, password) = rig.connects[0].clone();
    assert_eq!(client, super::support::PREFIX);
    assert_eq!(username.as_deref(), Some("unused"));
    assert_eq!(password, Some(format!("{}.signature", request.input)));
}

#[test]
fn a_token_is_renewed_before_it_expires_and_nothing_is_lost() {
    let mut rig = Rig::new(with_token());
    let first = connect(&mut rig);
    rig.config(json!({}));
    rig.advance(3_239_000);
    assert_eq!(rig.opened.len(), 1);
    rig.forget();
    rig.acknowledge = false;
    let content = Json::object(r#"{"text":"kept"}"#).unwrap();
    rig.command(Command::SendEvent { folder: "own".into(), content });
    rig.advance(4000);
    assert_eq!(rig.opened.len(), 2, "five minutes before the end");
    rig.acknowledge = true;
    rig.forget();
    let second = connect(&mut rig);
    assert_ne!(first.input, second.input);
    assert_eq!(rig.sent_on("events/own").len(), 1, "what was not acknowledged is sent again");
    rig.config(json!({}));
    assert_eq!(rig.states().len(), 1);
    assert!(!rig.notices().iter().any(|notice| matches!(notice, Notice::OutboxFull { .. })));
    rig.advance(3_241_000);
    assert_eq!(rig.opened.len(), 3, "and so on");
}

/// A device without a clock of its own has to reach the cloud to learn the time.
#[test]
fn a_wall_clock_that_is_not_set_does_not_keep_the_device_from_connecting() {
    let mut rig = Rig::at(UtcMillis(0), with_token());
    connect(&mut rig);
    rig.config(json!({ "timestamp": "2026-03-01T10:00:00Z" }));
    rig.advance(3000);
    assert!(!rig.states().is_empty());
    rig.advance(3_240_000);
    assert_eq!(rig.opened.len(), 2, "renewed all the same");
}

#[test]
fn without_a_key_the_link_goes_down_with_the_reason_and_comes_back() {
    let mut rig = Rig::new(with_token());
    let conn = rig.dialed();
    rig.handle(Event::Opened { conn });
    let (id, _) = wanted(&mut rig);
    rig.handle(Event::Signed { id, result: Err(SignError::NoKey) });
    assert!(rig.notices().contains(&Notice::Disconnected { why: Down::Unsigned(SignError::NoKey) }));
    connect(&mut rig);
}

#[test]
fn a_device_without_token_never_reconnects_on_its_own() {
    let mut rig = Rig::new(settings());
    rig.connect();
    rig.config(json!({}));
    rig.advance(10_000_000);
    assert_eq!(rig.opened.len(), 1);
}
