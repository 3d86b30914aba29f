//! All that can happen to a device, in any order: time, bytes, answers, commands, crashes.

mod command;

use bytes::Bytes;
use device_link::wire::{ConnectCode, Packet, PacketId, Qos};
use udmi_proto::model::common::Timestamp;
use udmi_proto::{
    BlobOutcome, Closed, Event, FetchError, FetchEvent, FetchId, HookId, Map, NewKey, Outcome, Reading,
    Secret, SignError, Value,
};

use crate::bench::{Bench, Owed, hash};
use crate::choices::Choices;
use crate::settings;

/// The most operations of an input, so that each is over soon.
const OPS: usize = 200;

/// Members of configs. `NOW` and `SOON` become times, `MODULE` and `ENDPOINT` hashes.
const MEMBERS: [&str; 26] = [
    r#""system":{"min_loglevel":100,"metrics_rate_sec":5,"operation":{}}"#,
    r#""system":{"min_loglevel":300,"operation":{"mode":"active"}}"#,
    r#""system":{"operation":{"mode":"restart"}}"#,
    r#""system":{"operation":{"mode":"updating"}}"#,
    r#""system":{"operation":{"mode":"shutdown"}}"#,
    r#""system":{"operation":{"last_start":"SOON"}}"#,
    r#""system":[]"#,
    r#""pointset":{"sample_rate_sec":1,"points":{"setpoint":{"set_value":60},"alarm":{"ref":"BV/3"},"polled":{},"computed":{}}}"#,
    r#""pointset":{"sample_limit_sec":1,"sample_rate_sec":2,"points":{"setpoint":{"set_value":101},"polled":{"set_value":1}}}"#,
    r#""pointset":{"set_value_expiry":"SOON","state_etag":"x","points":{"setpoint":{"set_value":1},"stranger":{}}}"#,
    r#""pointset":{"points":{"alarm":{"ref":"no","cov_increment":0.5},"polled":{"set_value":[]}}}"#,
    r#""pointset":{"sample_rate_sec":-1}"#,
    r#""gateway":{"proxy_ids":["VAV-7","VAV-8"],"target":{"family":"vendor"}}"#,
    r#""gateway":{"proxy_ids":["VAV-7","NEW-1","NEW-2","NEW-3","AHU-1",""]}"#,
    r#""gateway":{"proxy_ids":[]}"#,
    r#""discovery":{"generation":"NOW","enumerations":{"points":"entries","features":"entries","families":"entries"}}"#,
    r#""discovery":{"families":{"vendor":{"generation":"SOON","scan_interval_sec":10,"scan_duration_sec":3}}}"#,
    r#""discovery":{"families":{"vendor":{"generation":"NOW","depth":"details"},"bacnet":{"passive_sec":5}}}"#,
    r#""localnet":{"families":{"ipv4":{},"ether":{}},"networks":{"line":{}}}"#,
    r#""blobset":{"blobs":{"system":{"phase":"final","url":"data:,module","sha256":"MODULE","generation":"NOW"}}}"#,
    r#""blobset":{"blobs":{"system":{"phase":"final","url":"https://host/m","sha256":"MODULE","generation":"2026-01-01T00:00:00Z"}}}"#,
    r#""blobset":{"blobs":{"_iot_endpoint_config":{"phase":"final","url":"data:,%7B%22protocol%22:%22mqtt%22,%22hostname%22:%22other%22,%22client_id%22:%22/r/ALT/d/AHU-1%22%7D","sha256":"ENDPOINT","generation":"NOW"}}}"#,
    r#""blobset":{}"#,
    r#""custom":{"password":"secret","x":[1]}"#,
    r#""unheard_of":{"a":[{}]}"#,
    r#""timestamp":1"#,
];
/// Topics under the device's prefix, and elsewhere.
const TOPICS: [&str; 9] = [
    "config",
    "commands/restart",
    "commands/rotate_key",
    "commands/beep",
    "commands/",
    "errors",
    "../VAV-7/config",
    "../VAV-7/errors",
    "../VAV-7/commands/beep",
];

/// The first octets choose a device; the others are what happens to it. In the end it is well again.
pub fn run(input: &[u8]) {
    let mut choices = Choices::new(input);
    let settings = settings::chosen(&mut choices);
    let limits = if choices.flag() { settings::narrow() } else { udmi_proto::Limits::default() };
    let records = !input.windows(6).any(|part| part == b"hunter");
    let mut bench = Bench::new(settings, limits, records);
    for _ in 0..OPS {
        if choices.is_empty() {
            break;
        }
        carry_out(&mut bench, &mut choices);
    }
    bench.recover();
    bench.finish_recording();
}

/// One operation.
pub fn carry_out(bench: &mut Bench, choices: &mut Choices<'_>) {
    if bench.exit.is_some() {
        bench.restart();
    }
    match choices.below(20) {
        0 => bench.advance(u64::from(choices.octet()) * 16),
        1 => bench.advance(u64::from(choices.octet()) * 1000),
        2 => bench.live(u64::from(choices.octet()) * 20),
        3 => bench.live(u64::from(choices.octet()) * 2000),
        4 => bench.stall(u64::from(choices.number()) * 100),
        5 => bench.serve(),
        6 | 7 => bench.answer(choices.octet().into()),
        8 => answer_badly(bench, choices),
        9 | 10 => {
            let config = config(bench, choices);
            message(bench, choices, config.as_bytes());
        }
        11 => {
            let payload = choices.octets();
            message(bench, choices, payload);
        }
        12 => bench.receive(&Bytes::copy_from_slice(choices.octets())),
        13 => bench.send(&packet(choices)),
        14 => bench.disconnect(closed(choices)),
        15 => bench.restart(),
        16 | 17 => {
            let command = command::chosen(bench, choices);
            bench.handle(Event::Command(command));
        }
        18 => {
            let hours = i64::from(choices.octet()) - 128;
            bench.now.utc.0 += hours * 3_600_000 + 1;
        }
        _ => bench.stores = choices.flag(),
    }
}

fn message(bench: &mut Bench, choices: &mut Choices<'_>, payload: &[u8]) {
    let topic = choices.one(&TOPICS);
    let Some(own) = bench.config_topic.clone() else { return };
    let own = own.trim_end_matches("/config");
    let topic = match topic.strip_prefix("..") {
        Some(other) => format!("{}{other}", own.rsplit_once('/').map_or(own, |(registry, _)| registry)),
        None => format!("{own}/{topic}"),
    };
    bench.publish(&topic, payload, choices.flag());
}

fn config(bench: &Bench, choices: &mut Choices<'_>) -> String {
    let mut config = format!(r#"{{"timestamp":"{}""#, bench.timestamp());
    for _ in 0..=choices.below(3) {
        config.push(',');
        config.push_str(choices.one(&MEMBERS));
    }
    config.push('}');
    let endpoint = br#"{"protocol":"mqtt","hostname":"other","client_id":"/r/ALT/d/AHU-1"}"#;
    let soon = Timestamp::from_millis_whole_seconds(bench.now.utc.0 + 5000);
    config
        .replace("NOW", &bench.timestamp())
        .replace("SOON", soon.as_str())
        .replace("ENDPOINT", &hash(endpoint))
        .replace("MODULE", &hash(b"module"))
}

fn closed(choices: &mut Choices<'_>) -> Closed {
    match choices.below(6) {
        0 => Closed::Refused,
        1 => Closed::Reset,
        2 => Closed::Eof,
        3 => Closed::Timeout,
        4 => Closed::Resolve,
        _ => Closed::Tls("untrusted".into()),
    }
}

/// Any packet, be it one that no broker sends.
fn packet(choices: &mut Choices<'_>) -> Packet {
    let id = PacketId::new(choices.number() & 0xf).unwrap_or(PacketId::FIRST);
    match choices.below(12) {
        0 => Packet::ConnAck { session_present: choices.flag(), code: code(choices) },
        1 => Packet::PubAck(id),
        2 => Packet::PubRec(id),
        3 => Packet::PubRel(id),
        4 => Packet::PubComp(id),
        5 => Packet::SubAck { id, codes: vec![choices.flag().then_some(Qos::AtLeastOnce)] },
        6 => Packet::UnsubAck(id),
        7 => Packet::PingResp,
        8 => Packet::PingReq,
        9 => Packet::Disconnect,
        _ => Packet::Publish(device_link::wire::Publish {
            topic: format!("{}/config", settings::PREFIX),
            payload: Bytes::copy_from_slice(choices.octets()),
            qos: Qos::ExactlyOnce,
            retain: false,
            dup: choices.flag(),
            id: Some(id),
        }),
    }
}

fn code(choices: &mut Choices<'_>) -> ConnectCode {
    choices.one(&[
        ConnectCode::Accepted,
        ConnectCode::UnacceptableProtocol,
        ConnectCode::IdentifierRejected,
        ConnectCode::ServerUnavailable,
        ConnectCode::BadUsernameOrPassword,
        ConnectCode::NotAuthorized,
    ])
}

/// Answers something that the device waits for as it does not hope, or leaves it without an answer.
fn answer_badly(bench: &mut Bench, choices: &mut Choices<'_>) {
    if bench.owed.is_empty() {
        return;
    }
    let place = choices.below(bench.owed.len());
    match bench.owed.remove(place) {
        Owed::Open(conn) => bench.handle(Event::Closed { conn, why: closed(choices) }),
        Owed::Packet(_, Packet::ConnAck { .. }) => {
            bench.send(&Packet::ConnAck { session_present: false, code: code(choices) });
        }
        Owed::Packet(_, Packet::SubAck { id, .. }) => bench.send(&Packet::SubAck { id, codes: vec![None] }),
        Owed::Packet(..) => {}
        Owed::Store(id, ..) => bench.handle(Event::Stored { id, ok: false }),
        Owed::Sign(id) => {
            let error = match choices.below(3) {
                0 => SignError::NoKey,
                1 => SignError::WrongKind,
                _ => SignError::Failed("no".into()),
            };
            bench.handle(Event::Signed { id, result: Err(error) });
        }
        Owed::Fetch(id, _) => fetched(bench, id, choices),
        Owed::Hook(id, _) => hook_done(bench, id, choices),
    }
}

/// What comes of a fetch, up to its end.
fn fetched(bench: &mut Bench, id: FetchId, choices: &mut Choices<'_>) {
    for _ in 0..4 {
        let event = match choices.below(7) {
            0 => FetchEvent::Size(choices.number().into()),
            1 | 2 => FetchEvent::Chunk(Bytes::copy_from_slice(choices.octets())),
            3 => FetchEvent::Chunk(Bytes::from_static(b"module")),
            4 => FetchEvent::Restarted,
            5 => FetchEvent::Done,
            _ => FetchEvent::Failed(match choices.below(6) {
                0 => FetchError::Url("no URL".into()),
                1 => FetchError::Unreachable("gone".into()),
                2 => FetchError::Status(choices.number()),
                3 => FetchError::TooLarge,
                4 => FetchError::Timeout,
                _ => FetchError::Storage("full".into()),
            }),
        };
        let ends = matches!(event, FetchEvent::Done | FetchEvent::Failed(_));
        bench.handle(Event::Fetched { id, event });
        if ends {
            return;
        }
    }
    bench.handle(Event::Fetched { id, event: FetchEvent::Failed(FetchError::Timeout) });
}

/// Any answer to any hook, perhaps twice.
fn hook_done(bench: &mut Bench, id: HookId, choices: &mut Choices<'_>) {
    let outcome = match choices.below(11) {
        0 => Outcome::Done,
        1 => Outcome::Failed { message: choices.text() },
        2 => Outcome::Invalid { message: choices.text() },
        3 => Outcome::Unhandled,
        4 => Outcome::Blob(BlobOutcome::Processed { version: choices.flag().then(|| choices.text()) }),
        5 => Outcome::Blob(BlobOutcome::Aborted { message: choices.text() }),
        6 => Outcome::Blob(BlobOutcome::RolledBack { message: String::new() }),
        7 => Outcome::Blob(BlobOutcome::Activated),
        8 => Outcome::Blob(BlobOutcome::NotActivated),
        9 => Outcome::KeyMade(NewKey {
            public_key: choices.text(),
            backup: choices.text(),
            password: Secret::new("password".into()),
        }),
        _ => {
            let mut values = Map::new();
            for point in settings::POINTS {
                match choices.below(4) {
                    0 => {}
                    1 => drop(values.insert(point.to_owned(), Reading::Failed(choices.text()))),
                    _ => drop(values.insert(point.to_owned(), Reading::Value(value(choices)))),
                }
            }
            Outcome::Values { values }
        }
    };
    bench.handle(Event::HookDone { id, outcome: outcome.clone() });
    if choices.flag() {
        bench.handle(Event::HookDone { id, outcome });
    }
}

/// The value of a point.
fn value(choices: &mut Choices<'_>) -> Value {
    match choices.below(6) {
        0 => Value::Boolean(choices.flag()),
        1 => Value::Integer(i64::from(choices.number()) - 100),
        2 => Value::Number(f64::from(choices.number()) / 8.0),
        3 => Value::Text(choices.text()),
        4 => Value::Number(choices.one(&[f64::NAN, f64::INFINITY, -0.0, f64::MAX, f64::MIN_POSITIVE])),
        _ => Value::Integer(choices.one(&[i64::MIN, i64::MAX, 0, 60])),
    }
}
