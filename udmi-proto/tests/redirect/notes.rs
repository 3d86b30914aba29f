//! The notes of §5.3, and what they mean together with the rest of a device.

use device_link::wire::{ConnectCode, Qos};
use serde_json::json;
use udmi_proto::{Action, Algorithm, Command, Event, ExitReason, Json as Content, Limits, TokenSettings};

use super::support::PREFIX;
use super::*;

/// Makes the state differ from the last one.
fn touch(rig: &mut Rig, text: &str) {
    let content = Some(Content::object(&json!({ "text": text }).to_string()).unwrap());
    rig.command(Command::SetBlock { name: "own".into(), content });
}

fn send_event(rig: &mut Rig, text: &str) {
    let content = Content::object(&json!({ "text": text }).to_string()).unwrap();
    rig.command(Command::SendEvent { folder: "own".into(), content });
}

/// Texts of the application's events since the last look.
fn events(rig: &mut Rig) -> Vec<String> {
    let text = |sent: support::Sent| sent.payload["text"].as_str().unwrap().to_owned();
    rig.sent_on("events/own").into_iter().map(text).collect()
}

#[test]
fn no_state_goes_out_between_apply_and_the_first_config_elsewhere() {
    let mut rig = device();
    order(&mut rig, blob(&order::alternate(), G1));
    assert_eq!(last_shown(&mut rig), applying(G1));
    for step in 0..25 {
        touch(&mut rig, &format!("{step}"));
        rig.advance(200);
    }
    rig.advance(100);
    assert!(rig.states().is_empty());
    arrive(&mut rig, with_blob(blob(&order::alternate(), G1)));
    let state = rig.states().pop().unwrap();
    assert_eq!((shown(&state), &state["own"]["text"]), (done(G1), &json!("24")), "nothing is lost");
}

#[test]
fn an_order_taken_back_within_the_delay_is_not_followed() {
    let mut rig = device();
    order(&mut rig, blob(&order::alternate(), G1));
    rig.advance(3000);
    rig.config(json!({}));
    assert_eq!(rig.states().pop().unwrap().get("blobset"), None, "the silence is over");
    rig.advance(30_000);
    assert!(rig.opened.is_empty());
}

#[test]
fn a_newer_order_within_the_delay_starts_over() {
    let mut rig = device();
    order(&mut rig, blob(&order::alternate(), G1));
    rig.advance(3000);
    order(&mut rig, blob(&order::alternate(), G2));
    assert_eq!(last_shown(&mut rig), applying(G2));
    rig.advance(4900);
    assert!(rig.opened.is_empty());
    rig.advance(200);
    arrive(&mut rig, with_blob(blob(&order::alternate(), G2)));
    assert_eq!(last_shown(&mut rig), done(G2));
}

#[test]
fn a_link_lost_within_the_delay_changes_nothing() {
    let mut rig = device();
    order(&mut rig, blob(&order::alternate(), G1));
    rig.advance(1000);
    rig.disconnect();
    rig.connect();
    order(&mut rig, blob(&order::alternate(), G1));
    rig.advance(5000);
    assert_eq!(hosts(&rig), ["localhost", "alternate"]);
}

/// An old broker that goes down for good has said where to go.
#[test]
fn a_link_lost_before_apply_could_be_told_does_not_keep_the_device() {
    let mut rig = device();
    rig.acknowledge = false;
    order(&mut rig, blob(&order::alternate(), G1));
    rig.disconnect();
    while !hosts(&rig).contains(&"alternate".to_owned()) {
        rig.close(Closed::Refused);
        assert!(rig.now.at.0 < 120_000);
    }
    rig.acknowledge = true;
    while hosts(&rig).last().unwrap() != "alternate" {
        rig.dialed();
    }
    arrive(&mut rig, with_blob(blob(&order::alternate(), G1)));
    assert_eq!(last_shown(&mut rig), done(G1));
}

/// A resolver or a peer that never answers.
#[test]
fn an_attempt_that_hangs_is_cut_off_after_five_seconds_and_all_end_within_fifteen() {
    let mut rig = device();
    leave(&mut rig, G1);
    let left = rig.opened[0].0;
    rig.advance(20_000);
    // The first dial comes a millisecond after the link has gone.
    let times: Vec<_> = rig.opened.iter().map(|(at, to)| (at - left, to.host.as_str())).collect();
    assert_eq!(times, [(0, "alternate"), (5999, "alternate"), (12_999, "alternate"), (15_000, "localhost")]);
}

/// `Limits` may be far more patient, or less.
#[test]
fn the_links_own_patience_does_not_stretch_the_attempts() {
    assert!(Limits::default().open_timeout.as_secs() > 5);
    let mut rig = device();
    for _ in 0..8 {
        rig.disconnect(); // the link's pauses have grown
    }
    rig.connect();
    rig.config(json!({}));
    rig.advance(3000);
    forget(&mut rig);
    leave(&mut rig, G1);
    let left = rig.now.at.0;
    fail(&mut rig, json!({}));
    assert!(rig.now.at.0 - left < 5000, "{}", rig.now.at.0 - left);
}

/// §9.6 `endpoint_connection_bad_alternate`: the local broker refuses a client it does not know.
#[test]
fn a_broker_that_refuses_the_device_is_left_again() {
    let mut rig = device();
    leave(&mut rig, G1);
    for _ in 0..3 {
        rig.refuse(ConnectCode::NotAuthorized);
    }
    rig.connect();
    rig.config(json!({}));
    let state = rig.states().pop().unwrap();
    assert_eq!(state.get("blobset"), None, "a near-empty config is a config");
    assert_eq!(hosts(&rig).last().unwrap(), "localhost");
}

#[test]
fn a_registry_that_has_no_config_for_the_device_is_left_again() {
    let mut rig = device();
    leave(&mut rig, G1);
    let left = rig.now.at.0;
    rig.prefix = ALTERNATE.into();
    rig.connect();
    rig.advance(16_000);
    assert_eq!(hosts(&rig), ["alternate", "localhost"]);
    assert!(rig.opened[1].0 + 1000 - left <= 15_100);
    rig.prefix = PREFIX.into();
    rig.connect();
    order(&mut rig, blob(&order::alternate(), G1));
    let shown = last_shown(&mut rig);
    assert_failed(&shown, G1);
    assert_eq!(shown["status"]["message"], "mqtt://alternate:1883: no config came");
}

/// §1.9: a negative time does not wait for a config.
#[test]
fn an_endpoint_may_say_that_no_config_is_to_be_waited_for() {
    let mut endpoint = order::alternate();
    endpoint["config_sync_sec"] = json!(-1);
    let mut rig = device();
    order(&mut rig, blob(&endpoint, G1));
    rig.advance(5100);
    rig.prefix = ALTERNATE.into();
    rig.connect();
    assert_eq!(last_shown(&mut rig), done(G1));
}

/// §9.6 `endpoint_connection_success_alternate`: a config that points back is followed on any connection.
#[test]
fn the_way_home_is_an_order_like_any_other() {
    let mut rig = device();
    leave(&mut rig, G1);
    arrive(&mut rig, with_blob(blob(&order::alternate(), G1)));
    rig.advance(3000);
    forget(&mut rig);
    order(&mut rig, blob(&main_endpoint(), G2));
    assert_eq!(last_shown(&mut rig), applying(G2));
    rig.advance(5100);
    assert_eq!(hosts(&rig), ["localhost"]);
    rig.prefix = PREFIX.into();
    rig.connect();
    order(&mut rig, blob(&main_endpoint(), G2));
    assert_eq!(last_shown(&mut rig), done(G2));
}

/// A stale config in the new registry points back: the device follows that as well, and is not stranded.
#[test]
fn the_first_config_elsewhere_may_be_an_order_itself() {
    let mut rig = device();
    leave(&mut rig, G1);
    arrive(&mut rig, with_blob(blob(&main_endpoint(), G2)));
    assert_eq!(last_shown(&mut rig), applying(G2));
    rig.advance(5100);
    assert_eq!(hosts(&rig), ["alternate", "localhost"]);
}

/// §9.6 `endpoint_connection_success_reconnect`.
#[test]
fn a_redirect_to_the_same_endpoint_runs_the_whole_cycle() {
    let mut rig = device();
    order(&mut rig, blob(&main_endpoint(), G1));
    assert_eq!(last_shown(&mut rig), applying(G1));
    rig.advance(5100);
    assert_eq!(hosts(&rig), ["localhost"]);
    rig.connect();
    order(&mut rig, blob(&main_endpoint(), G1));
    assert_eq!(last_shown(&mut rig), done(G1));
    rig.advance(3000);
    rig.config(json!({}));
    assert_eq!(rig.state().get("blobset"), None);
}

/// The endpoint stays when its blob goes.
#[test]
fn a_config_without_the_blob_leaves_the_device_where_it_is() {
    let mut rig = device();
    leave(&mut rig, G1);
    arrive(&mut rig, with_blob(blob(&order::alternate(), G1)));
    rig.advance(3000);
    rig.config(json!({}));
    assert_eq!(rig.state().get("blobset"), None);
    rig.disconnect();
    rig.dialed();
    assert_eq!(hosts(&rig), ["alternate", "alternate"]);
}

#[test]
fn events_of_the_way_are_told_where_it_ends() {
    for succeeds in [true, false] {
        let mut rig = device();
        order(&mut rig, blob(&order::alternate(), G1));
        send_event(&mut rig, "settling");
        assert_eq!(events(&mut rig), ["settling"], "events are harmless");
        rig.advance(5100);
        send_event(&mut rig, "trying");
        if succeeds {
            arrive(&mut rig, json!({}));
        } else {
            fail(&mut rig, json!({}));
        }
        assert_eq!(events(&mut rig), ["trying"]);
    }
}

#[test]
fn a_device_that_follows_no_redirects_says_so_and_stays() {
    let mut settings = settings();
    settings.options.redirects = false;
    let mut rig = Rig::new(settings);
    rig.connect();
    for _ in 0..2 {
        order(&mut rig, blob(&order::alternate(), G1));
        let shown = shown(&rig.state());
        assert_failed(&shown, G1);
        assert_eq!(shown["status"]["message"], "redirects are switched off on this device");
    }
    rig.advance(20_000);
    assert_eq!(hosts(&rig), ["localhost"]);
    assert!(!rig.store.keys().any(|key| key.as_str() == "attempts"));
}

/// A restart goes first; the next run finds the order in its config.
#[test]
fn a_run_that_ends_does_not_set_out() {
    let mut rig = device();
    order(&mut rig, blob(&order::alternate(), G1));
    rig.advance(1000);
    rig.command(Command::Stop { reason: ExitReason::Restart });
    rig.advance(10_000);
    assert_eq!(rig.exit, Some(ExitReason::Restart));
    assert!(rig.opened.is_empty());
}

/// A block that cannot be read neither proves nor orders anything.
#[test]
fn a_broken_blobset_keeps_what_was_ordered() {
    let mut rig = device();
    order(&mut rig, blob(&order::alternate(), G1));
    rig.advance(1000);
    rig.config(json!({ "blobset": 5 }));
    rig.advance(4200);
    assert_eq!(hosts(&rig), ["alternate"]);
}

#[test]
fn a_key_is_not_rotated_on_the_way() {
    let mut rig = device();
    order(&mut rig, blob(&order::alternate(), G1));
    rig.forget();
    rig.command(Command::RotateKey);
    assert!(rig.hooks().is_empty());
    let reason = "key rotation: a redirect is under way".into();
    assert!(rig.notices().contains(&Notice::CommandRefused { reason }));
}

/// §1.8: a document that names no way to prove oneself leaves a device with a token at its token, made for the
/// project of its new client id.
#[test]
fn a_device_with_a_token_goes_on_with_one_for_the_new_project() {
    let audience = "old".into();
    let token = TokenSettings {
        algorithm: Algorithm::Es256,
        audience,
        username: "unused".into(),
        lifetime_seconds: 3600,
    };
    let mut rig = Rig::new(udmi_proto::Settings { token: Some(token), ..settings() });
    let mut signed = Vec::new();
    let mut sign = |rig: &mut Rig| {
        let conn = rig.dialed();
        rig.handle(Event::Opened { conn });
        for effect in std::mem::take(&mut rig.effects) {
            let Action::Sign { id, request } = effect else { panic!("{effect:?}") };
            signed.push(request);
            rig.handle(Event::Signed { id, result: Ok(udmi_proto::Secret::new("s".into())) });
        }
        rig.receive(&device_link::wire::Packet::ConnAck {
            session_present: false,
            code: ConnectCode::Accepted,
        });
    };
    sign(&mut rig);
    rig.config(json!({}));
    rig.advance(3000);
    let client = "projects/new/locations/L/registries/R/devices/AHU-1";
    order(&mut rig, blob(&json!({ "protocol": "mqtt", "hostname": "alternate", "client_id": client }), G1));
    rig.advance(5100);
    rig.prefix = "/devices/AHU-1".into();
    sign(&mut rig);
    order(&mut rig, json!({ "phase": "apply" }));
    assert_eq!(rig.connects.last().unwrap().0, client);
    assert_eq!(rig.subscribed.last().unwrap(), "/devices/AHU-1/commands/#");
    let audience = |request: &udmi_proto::SignRequest| {
        let claims = request.input.split('.').nth(1).unwrap();
        let coded = |name: &str| {
            // Each of three places a text may take among groups of three bytes.
            (0..3).any(|shift| {
                let text = format!("{}\"aud\":\"{name}\"}}", " ".repeat(shift));
                let end = order::base64(text.as_bytes());
                claims.ends_with(end.trim_end_matches('=').get(4..).unwrap())
            })
        };
        ["old", "new"].into_iter().find(|name| coded(name))
    };
    let audiences: Vec<_> = signed.iter().map(audience).collect();
    assert_eq!(audiences, [Some("old"), Some("new")]);
}

/// §1.1: `noConfigAck` holds at its endpoint alone, over a restart as well.
#[test]
fn configs_come_without_acknowledgement_where_the_endpoint_wants_it() {
    let at = |rig: &Rig, registry: &str| rig.qos[&format!("{registry}/config")];
    let mut rig = device();
    assert_eq!(at(&rig, PREFIX), Qos::AtLeastOnce);
    let mut endpoint = order::alternate();
    endpoint["noConfigAck"] = json!(true);
    order(&mut rig, blob(&endpoint, G1));
    rig.advance(5100);
    arrive(&mut rig, with_blob(blob(&endpoint, G1)));
    assert_eq!(at(&rig, ALTERNATE), Qos::AtMostOnce);
    assert_eq!(rig.qos[&format!("{ALTERNATE}/commands/#")], Qos::AtLeastOnce);

    let mut rig = Rig::with_store(settings(), rig.store);
    arrive(&mut rig, with_blob(blob(&endpoint, G1)));
    assert_eq!(at(&rig, ALTERNATE), Qos::AtMostOnce);
    rig.advance(3000);
    order(&mut rig, blob(&main_endpoint(), G2));
    rig.advance(5100);
    rig.prefix = PREFIX.into();
    rig.connect();
    assert_eq!(at(&rig, PREFIX), Qos::AtLeastOnce);

    let mut settings = settings();
    settings.options.no_config_ack = true;
    let mut rig = Rig::new(settings);
    rig.connect();
    assert_eq!(at(&rig, PREFIX), Qos::AtMostOnce);
}
