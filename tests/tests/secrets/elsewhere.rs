//! Secrets beside those of an endpoint: in the URLs of blobs and their content, in custom blocks, in commands and in
//! what is no config at all.

use proptest::prelude::*;
use serde_json::{Value, json};
use udmi_proto::{Notice, Settings, Udmi};
use udmi_tests::data_url;
use udmi_tests::model::Model;
use udmi_tests::world::{Cut, Setup, Source, World};

use super::{assert_none_in, hexadecimal, streams};
use device_link::trace::{Header, replay};

/// Where a cloud, or somebody with other intentions, may put a secret.
#[derive(Clone, Copy, Debug)]
enum Place {
    UrlUser,
    UrlPath,
    UrlQuery,
    UrlUnreachable,
    UrlEscaped,
    Inline,
    InlineEscaped,
    InlineWrongHash,
    InlinePercent,
    InlineBroken,
    BlobMember,
    BlobText,
    Custom,
    CustomDeep,
    CustomUrl,
    Unread,
    Command,
    CommandUrl,
    CommandText,
    CommandBroken,
    CommandBytes,
    ConfigText,
    ConfigArray,
    ConfigBroken,
    ConfigBytes,
}

const PLACES: [Place; 25] = [
    Place::UrlUser,
    Place::UrlPath,
    Place::UrlQuery,
    Place::UrlUnreachable,
    Place::UrlEscaped,
    Place::Inline,
    Place::InlineEscaped,
    Place::InlineWrongHash,
    Place::InlinePercent,
    Place::InlineBroken,
    Place::BlobMember,
    Place::BlobText,
    Place::Custom,
    Place::CustomDeep,
    Place::CustomUrl,
    Place::Unread,
    Place::Command,
    Place::CommandUrl,
    Place::CommandText,
    Place::CommandBroken,
    Place::CommandBytes,
    Place::ConfigText,
    Place::ConfigArray,
    Place::ConfigBroken,
    Place::ConfigBytes,
];

/// What a blob holds that is fetched from a server.
const SOFTWARE: &[u8] = b"what nobody needs to hide";

/// Has the cloud send a secret. Each number makes a generation of its own.
fn plant(world: &mut World, place: Place, secret: &str, number: u32) {
    let escaped = |text: &str| text.chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect::<String>();
    let command = |payload: Value| payload.to_string().into_bytes();
    let blob = |url: String, content: &[u8]| {
        json!({ "url": url, "sha256": data_url::sha256(content), "phase": "final",
            "generation": format!("2026-03-01T10:{:02}:{:02}Z", number / 60 % 60, number % 60) })
    };
    let served = |world: &mut World, url: String| {
        world.staging.sources.insert(url.clone(), Source::new(SOFTWARE));
        blob(url, SOFTWARE)
    };
    let mut config = Model::air_handler().config();
    config["timestamp"] = world.timestamp().into();
    let blobs = |blob: Value| {
        let mut config = config.clone();
        config["blobset"] = json!({ "blobs": { "system": blob } });
        config.to_string().into_bytes()
    };
    let content = secret.as_bytes();
    let (topic, payload) = match place {
        Place::UrlUser => ("config", blobs(served(world, format!("https://u:{secret}@host/file")))),
        Place::UrlPath => ("config", blobs(served(world, format!("http://host/{secret}/file")))),
        Place::UrlQuery => ("config", blobs(served(world, format!("https://host/file?sig={secret}&b=c")))),
        Place::UrlUnreachable => ("config", blobs(blob(format!("https://host/?{secret}"), content))),
        Place::UrlEscaped => {
            let url = format!("https://host/?sig={secret}");
            let text = String::from_utf8(blobs(served(world, url.clone()))).unwrap();
            ("config", text.replace(&url, &escaped(&url)).into_bytes())
        }
        Place::Inline => ("config", blobs(blob(data_url::encode(content), content))),
        Place::InlineEscaped => {
            let url = data_url::encode(content);
            let text = String::from_utf8(blobs(blob(url.clone(), content))).unwrap();
            ("config", text.replace(&url, &escaped(&url)).into_bytes())
        }
        Place::InlineWrongHash => ("config", blobs(blob(data_url::encode(content), b"another"))),
        Place::InlinePercent => ("config", blobs(blob(format!("data:,{secret}"), content))),
        Place::InlineBroken => ("config", blobs(blob(format!("data:;base64,{secret}!"), content))),
        Place::BlobMember => {
            let mut blob = served(world, "https://host/file".into());
            blob["note"] = secret.into();
            ("config", blobs(blob))
        }
        Place::BlobText => ("config", blobs(secret.into())),
        Place::Custom | Place::CustomDeep | Place::CustomUrl | Place::Unread => {
            let name = if matches!(place, Place::Unread) { "unread" } else { "lab" };
            config[name] = match place {
                Place::CustomDeep => json!({ "wifi": [{ "API-Key": { "a": [secret] } }], "level": 27 }),
                Place::CustomUrl => {
                    json!({ "from": format!("ftp://u:{secret}@host/?{secret}"), "to": "here" })
                }
                _ => json!({ "password": secret, "level": 27 }),
            };
            ("config", config.to_string().into_bytes())
        }
        Place::Command => ("commands/lab", command(json!({ "user": "u", "auth_token": secret }))),
        Place::CommandUrl => ("commands/lab", command(json!({ "from": format!("https://host/?{secret}") }))),
        Place::CommandText => ("commands/lab", command(json!([secret]))),
        Place::CommandBroken => ("commands/lab", format!("{{\"password\":\"{secret}").into_bytes()),
        Place::CommandBytes => ("commands/lab", [b"\xff\xc3", content, b"\xe2\x82"].concat()),
        Place::ConfigText => ("config", command(json!(secret))),
        Place::ConfigArray => ("config", command(json!([{ "a": secret }]))),
        Place::ConfigBroken => ("config", format!("{{\"system\":{{\"note\":\"{secret}\"}},").into_bytes()),
        Place::ConfigBytes => ("config", [b"{\"a\":\"\xff", content, b"\"}"].concat()),
    };
    world.publish(topic, payload, topic == "config");
}

fn setup(seed: u64, cut: Cut) -> Setup {
    let mut setup = Model::air_handler().setup();
    setup.settings.custom_blocks = vec!["lab".into()];
    setup.settings.options.command_hook = true;
    setup.settings.options.blobs = vec!["system".into()];
    setup.records = true;
    setup.seed = seed;
    setup.restart_ms = Some(1500);
    setup.weather.cut = cut;
    setup
}

/// All but what the application is told and asked, which is meant for it.
fn assert_shows_none(world: &World, secrets: &[String]) {
    let mut places: Vec<String> = world.traces().iter().flatten().cloned().collect();
    places.extend(world.traces().iter().flat_map(|trace| streams(trace)));
    places.extend(world.cloud.received.iter().map(|received| received.payload.to_string()));
    let told = world.notices().iter().filter(|notice| !matches!(notice, Notice::Block { .. }));
    places.push(format!("{:?} {:?}", told.collect::<Vec<_>>(), world.device()));
    assert_none_in(&places, secrets);
    for secret in secrets {
        let escaped: String = secret.chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect();
        let escaped = [escaped.clone(), hexadecimal(&escaped)];
        assert!(!places.iter().any(|place| escaped.iter().any(|escaped| place.contains(escaped))));
    }
}

fn assert_replays(world: &World, settings: &Settings) {
    for trace in world.traces() {
        let header: Header<Value> = Header::read(&trace[0]).unwrap();
        let outcome = replay(header.boot, Udmi::new(settings.clone()).unwrap(), &trace[1..]);
        assert_eq!(outcome.map(|count| count.lines), Ok(trace.len() - 1));
    }
}

#[test]
fn no_place_shows_what_is_planted_there_and_all_take_effect() {
    let setup = setup(3, Cut::Seeded(100));
    let settings = setup.settings.clone();
    let mut world = World::new(setup);
    world.publish_config(&Model::air_handler().config());
    world.advance(5_000);
    let mut secrets = Vec::new();
    for (number, place) in (1..).zip(PLACES) {
        let secret = format!("Planted{number:02}Secret");
        plant(&mut world, place, &secret, number);
        secrets.push(secret);
        world.advance(20_000);
    }
    // Five from servers, two from their own URL.
    let processed = |installed: &_| matches!(installed, udmi_tests::world::Installed::Processed { .. });
    assert_eq!(world.plant.installed.iter().filter(|installed| processed(installed)).count(), 7);
    let told = |secret: &str| {
        let in_block = |notice: &Notice| matches!(notice, Notice::Block { content: Some(content), .. } if content.as_str().contains(secret));
        world.notices().iter().any(in_block)
    };
    assert!(told(&secrets[12]) && told(&secrets[13]), "the application gets what was planted");
    assert_shows_none(&world, &secrets);
    assert_replays(&world, &settings);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(40) })]

    #[test]
    fn no_run_shows_what_was_planted_and_its_trace_replays(
        ops in prop::collection::vec(("[A-Za-z0-9]{10,20}", 0..PLACES.len(), 0..4u32, 0..20_000u64, 0..8u8), 1..10),
        seed in 0..1000u64,
        cut in prop_oneof![Just(Cut::Whole), (1..200usize).prop_map(Cut::Seeded)],
    ) {
        let setup = setup(seed, cut);
        let settings = setup.settings.clone();
        let mut world = World::new(setup);
        world.publish_config(&Model::air_handler().config());
        world.advance(5_000);
        let mut secrets = Vec::new();
        for (secret, place, number, pause, trouble) in ops {
            plant(&mut world, PLACES[place], &secret, number);
            secrets.push(secret);
            world.advance(pause);
            match trouble {
                0 => world.crash(1_000),
                1 => world.drop_link(),
                _ => {}
            }
        }
        world.advance(30_000);
        assert_shows_none(&world, &secrets);
        assert_replays(&world, &settings);
    }
}
