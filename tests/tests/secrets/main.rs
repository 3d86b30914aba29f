//! No secret is found in what a device shows of itself, wherever it was planted, and what it shows still replays.

mod elsewhere;

use device_link::trace::{Header, replay};
use device_link::transcript::Transcript;
use proptest::prelude::*;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use udmi_proto::{Credentials, Secret, Settings, Udmi};
use udmi_tests::model::Model;
use udmi_tests::world::{Cut, Setup, World};

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let mut bits = [0_u8; 4];
        bits[1..=group.len()].copy_from_slice(group);
        let bits = u32::from_be_bytes(bits);
        for place in 0..4 {
            let digit = usize::try_from(bits >> (18 - 6 * place) & 63).unwrap();
            text.push(if place > group.len() { '=' } else { char::from(ALPHABET[digit]) });
        }
    }
    text
}

/// A secret as it is, and what of its base64 does not depend on what stands around it, at any alignment.
fn needles(secret: &str) -> Vec<String> {
    let aligned = |shift: usize| {
        let padded = [&b"xx"[..shift], secret.as_bytes()].concat();
        let (from, to) = ((shift * 4).div_ceil(3), padded.len() * 8 / 6);
        base64(&padded)[from..to].to_owned()
    };
    [secret.to_owned(), aligned(0), aligned(1), aligned(2)].into()
}

fn hexadecimal(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// How a cloud, or somebody with other intentions, may write an endpoint.
#[derive(Clone, Copy, Debug)]
enum Writing {
    Proper,
    WithoutPadding,
    EscapedSlashes,
    EscapedThroughout,
    EscapedName,
    WrongHash,
    UpperCaseHash,
    WithoutHost,
    NoJson,
    NoBase64,
    Percent,
    AsUser,
    CutShort,
    Misplaced,
}

const WRITINGS: [Writing; 14] = [
    Writing::Proper,
    Writing::WithoutPadding,
    Writing::EscapedSlashes,
    Writing::EscapedThroughout,
    Writing::EscapedName,
    Writing::WrongHash,
    Writing::UpperCaseHash,
    Writing::WithoutHost,
    Writing::NoJson,
    Writing::NoBase64,
    Writing::Percent,
    Writing::AsUser,
    Writing::CutShort,
    Writing::Misplaced,
];

fn document(user: &str, secret: &str, client_id: &str, writing: Writing) -> String {
    let basic = json!({ "username": user, "password": secret });
    let mut document = json!({ "protocol": "mqtt", "hostname": "broker", "port": 8883, "client_id": client_id,
        "topic_prefix": client_id, "auth_provider": { "basic": basic }, "keyBytes": secret });
    match writing {
        Writing::WithoutHost => drop(document.as_object_mut().unwrap().remove("hostname")),
        Writing::NoJson => return format!("{{\"auth_provider\": {{ \"basic\": {{ \"password\": {secret}"),
        Writing::EscapedName => return document.to_string().replace("password", "pass\\u0077ord"),
        _ => {}
    }
    document.to_string()
}

/// The text of a config that orders the endpoint.
fn config(world: &World, account: &Credentials, generation: u32, writing: Writing) -> String {
    let mut config = Model::air_handler().config();
    let client_id = Model::air_handler().settings.client_id;
    let secret = account.password.expose().as_str();
    let document = document(&account.username, secret, &client_id, writing);
    let mut hash: String =
        Sha256::digest(document.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    let mut url = format!("data:application/json;base64,{}", base64(document.as_bytes()));
    match writing {
        Writing::WrongHash => hash = "0".repeat(64),
        Writing::UpperCaseHash => hash = hash.to_uppercase(),
        Writing::WithoutPadding => url = url.trim_end_matches('=').to_owned(),
        Writing::NoBase64 => url.push('!'),
        Writing::Percent => url = format!("data:application/json,%7B%22password%22:%22{secret}%22%7D"),
        Writing::AsUser => url = format!("mqtts://u:{secret}@elsewhere"),
        _ => {}
    }
    let generation = format!("2026-03-01T10:{:02}:{:02}Z", generation / 60 % 60, generation % 60);
    config["timestamp"] = world.timestamp().into();
    config["blobset"] = json!({ "blobs": { "_iot_endpoint_config": {
        "url": url, "sha256": hash, "phase": "final", "generation": generation } } });
    if matches!(writing, Writing::Misplaced) {
        config["blobset"]["blobs"]["_iot_endpoint_config"]["password"] = secret.into();
    }
    let text = config.to_string();
    match writing {
        Writing::EscapedSlashes => text.replace('/', "\\/"),
        Writing::EscapedThroughout => {
            text.replace(&url, &url.chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect::<String>())
        }
        Writing::CutShort => text[..text.find("base64,").unwrap() + url.len() - 40].to_owned(),
        _ => text,
    }
}

fn account(username: &str, password: &str) -> Credentials {
    Credentials { username: username.into(), password: Secret::new(password.into()) }
}

/// A device with a password of its own, and a broker that knows further ones.
fn setup(seed: u64, cut: Cut, accounts: &[Credentials]) -> Setup {
    let mut setup = Model::air_handler().setup();
    setup.settings.credentials = Some(account("own", "OwnSecret0wn"));
    setup.accounts = accounts.to_vec();
    setup.records = true;
    setup.seed = seed;
    setup.restart_ms = Some(1500);
    setup.weather.cut = cut;
    setup
}

/// All bytes that a trace shows of one direction, since a secret may be cut in two by its lines.
fn streams(trace: &[String]) -> Vec<String> {
    let [mut inbound, mut outbound] = [String::new(), String::new()];
    for line in &trace[1..] {
        let line: Value = serde_json::from_str(line).unwrap();
        inbound.push_str(line.pointer("/event/Received/bytes").and_then(Value::as_str).unwrap_or_default());
        for action in line["actions"].as_array().unwrap() {
            outbound.push_str(action.pointer("/Send/bytes").and_then(Value::as_str).unwrap_or_default());
        }
    }
    vec![inbound, outbound]
}

/// Looks for secrets in traces, in states and all else that is published, in notices, and in the device itself.
fn assert_shows_none(world: &World, secrets: &[String]) {
    let mut places: Vec<String> = world.traces().iter().flatten().cloned().collect();
    places.extend(world.traces().iter().flat_map(|trace| streams(trace)));
    places.extend(world.cloud.received.iter().map(|received| received.payload.to_string()));
    places.push(format!("{:?} {:?}", world.notices(), world.device()));
    assert_none_in(&places, secrets);
}

fn assert_none_in(places: &[String], secrets: &[String]) {
    for needle in secrets.iter().flat_map(|secret| needles(secret)) {
        let hexadecimal = hexadecimal(&needle);
        for place in places {
            assert!(!place.contains(&needle), "{needle} in {place}");
            assert!(!place.contains(&hexadecimal), "{needle} in hexadecimal in {place}");
        }
    }
}

/// A replay knows no password, neither the settings' own nor one that came later.
fn assert_replays(world: &World, settings: &Settings) {
    let mut unknowing = settings.clone();
    unknowing.credentials = Some(account("own", "another"));
    for trace in world.traces() {
        let header: Header<Value> = Header::read(&trace[0]).unwrap();
        let dialect = Udmi::new(unknowing.clone()).unwrap();
        let outcome = replay(header.boot, dialect, &trace[1..]);
        assert_eq!(outcome.map(|count| count.lines), Ok(trace.len() - 1));
    }
}

#[test]
fn a_device_that_is_redirected_and_restarted_shows_the_mask_of_its_password() {
    let planted = account("u", "Planted5ecret");
    let setup = setup(7, Cut::Whole, std::slice::from_ref(&planted));
    let settings = setup.settings.clone();
    let mut world = World::new(setup);
    let own = Model::air_handler().config();
    world.publish_config(&own);
    world.advance(10_000);
    let text = config(&world, &planted, 1, Writing::Proper);
    world.publish("config", text, true);
    world.advance(60_000);
    world.crash(1_000);
    world.advance(60_000);
    let [first, second] = world.traces() else { panic!("two runs") };
    let text = Transcript::of_trace(&first.join("\n"), 1000).unwrap();
    assert!(text.contains("> open #") && text.contains("mqtts://broker:8883"), "{text}");
    assert!(text.contains("\"password\":\"***\""), "stored behind a mask: {text}");
    let text = Transcript::of_trace(&second.join("\n"), 1000).unwrap();
    assert!(text.contains("mqtts://broker:8883"), "what was stored is used: {text}");
    assert_shows_none(&world, &["Planted5ecret".into(), "OwnSecret0wn".into()]);
    assert_replays(&world, &settings);
}

#[derive(Clone, Debug)]
enum Op {
    Order { secret: String, writing: usize, generation: u32 },
    Config,
    Advance(u64),
    Lose,
    Crash,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => ("[A-Za-z0-9]{10,20}", 0..WRITINGS.len(), 0..4u32)
            .prop_map(|(secret, writing, generation)| Op::Order { secret, writing, generation }),
        1 => Just(Op::Config),
        4 => (0..40_000u64).prop_map(Op::Advance),
        1 => Just(Op::Lose),
        1 => Just(Op::Crash),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(40) })]

    #[test]
    fn no_run_shows_a_planted_secret_and_its_trace_replays(
        ops in prop::collection::vec(op(), 1..12),
        seed in 0..1000u64,
        cut in prop_oneof![Just(Cut::Whole), (1..200usize).prop_map(Cut::Seeded)],
    ) {
        let of_order = |op: &Op| if let Op::Order { secret, writing, .. } = op {
            Some(account(&format!("user{writing}"), secret))
        } else {
            None
        };
        let accounts: Vec<_> = ops.iter().filter_map(of_order).collect();
        let setup = setup(seed, cut, &accounts);
        let settings = setup.settings.clone();
        let mut world = World::new(setup);
        let mut secrets = vec!["OwnSecret0wn".to_owned()];
        world.publish_config(&Model::air_handler().config());
        world.advance(5_000);
        for op in ops {
            match op {
                Op::Order { secret, writing, generation } => {
                    let account = account(&format!("user{writing}"), &secret);
                    let text = config(&world, &account, generation, WRITINGS[writing]);
                    secrets.push(secret);
                    world.publish("config", text, true);
                }
                Op::Config => world.publish_config(&Model::air_handler().config()),
                Op::Advance(milliseconds) => world.advance(milliseconds),
                Op::Lose => world.drop_link(),
                Op::Crash => world.crash(1_000),
            }
        }
        world.advance(30_000);
        assert_shows_none(&world, &secrets);
        assert_replays(&world, &settings);
    }
}
