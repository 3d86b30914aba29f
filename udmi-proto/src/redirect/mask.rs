//! Masking the secrets of a config, above all of the endpoint document in it, so that a trace shows none and still replays: the masked form is
//! as long as the original, its hash is right where the original's was, and it fails where the original fails.

use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use super::base64;
use super::order::{PREFIX, sha256};
use super::scan::{scan, unescaped};
use crate::config::{Broken, read};
use crate::data_url::decode_data_url;
use crate::json;
use crate::model::endpoint::Endpoint;
use crate::secrets;

/// Members whose content is secret, at any depth.
const SECRETS: [&str; 2] = ["password", "keyBytes"];
/// The member of a config whose content is an endpoint document, and what in it is never secret.
const BLOB: &str = "_iot_endpoint_config";
const OPEN: [&str; 2] = ["phase", "generation"];
/// Members of a config that should hold it.
const PLACES: [&[&str]; 2] = [&["blobset"], &["blobset", "blobs"]];

/// An endpoint document with a star for each byte of its secrets. One that cannot be read shows no text, and
/// nothing after the place where that is found.
pub(crate) fn document(document: &[u8]) -> Vec<u8> {
    let masked = covered(document, |path| {
        path.iter().any(|name| SECRETS.iter().any(|secret| name.eq_ignore_ascii_case(secret)))
    });
    let outcome = |document: &[u8]| {
        let read = json::from_slice::<Endpoint>(document);
        read.err().map(|error| (error.line(), error.column()))
    };
    let Some(place) = outcome(document) else { return masked };
    let all = covered(document, |_| true);
    let candidates =
        [ended(&all, place, 0), ended(&all, place, 1), ended(&masked, place, 0), ended(&masked, place, 1)];
    candidates.into_iter().find(|masked| outcome(masked) == Some(place)).unwrap_or(masked)
}

/// The URL of an endpoint document with its secrets masked. Of one that cannot be read nothing is shown but its
/// kind.
pub(crate) fn url(url: &str) -> String {
    if let Some(coded) = url.strip_prefix(PREFIX)
        && let Ok(plain) = base64::decode(coded)
    {
        let mut coded_again = base64::encode(&document(&plain));
        coded_again.truncate(coded.len()); // where the padding was left out
        return alloc::format!("{PREFIX}{coded_again}");
    }
    let shown = url.find([',', ':']).map_or(0, |kind| kind + 1);
    let shown = if url.starts_with(PREFIX) { PREFIX.len() } else { shown };
    let (kind, rest) = url.split_at(shown);
    alloc::format!("{kind}{}", "*".repeat(rest.len()))
}

/// A config with the secrets of its blobs and of its custom blocks masked, and the hashes over them made to fit; none
/// if it has none.
pub(crate) fn config(payload: &[u8]) -> Option<Vec<u8>> {
    let masked = match read(payload) {
        Err(broken) if broken.detail.is_some() => unreadable(payload, &broken),
        Ok(_) | Err(_) => readable(payload),
    };
    (masked != payload).then_some(masked)
}

/// Where a text of a blob stands, and the names on the way to it.
type Found = (Vec<String>, Range<usize>);

fn readable(payload: &[u8]) -> Vec<u8> {
    let (mut urls, mut hashes): (Vec<Found>, Vec<Found>) = (Vec::new(), Vec::new());
    let mut masked = payload.to_vec();
    scan(payload, |path, at| {
        match member_of_blob(path) {
            Some([name]) if name == "url" => urls.push((path.to_vec(), at)),
            Some([name]) if name == "sha256" => hashes.push((path.to_vec(), at)),
            Some([name]) if OPEN.contains(&name.as_str()) => {}
            Some([] | [_, ..]) => cover(payload, &mut masked, &at),
            // What stands where blobs should be found.
            None if PLACES.iter().any(|place| path == *place) => cover(payload, &mut masked, &at),
            None => secrets::custom(payload, &mut masked, path, &at),
        }
    });
    for (path, at) in urls {
        let (old, blob) = (unescaped(payload, &at), path.split_last().map(|(_, blob)| blob));
        let is_endpoint = path.iter().any(|name| name == BLOB);
        let new = if is_endpoint { url(&old) } else { secrets::url(&old) };
        if new == old {
            continue;
        }
        // Of members that are there twice, the last one counts.
        let hash = hashes.iter().rfind(|(path, _)| path.split_last().map(|(_, blob)| blob) == blob);
        if let (Some(old), Some(new)) = (content(&old, is_endpoint), content(&new, is_endpoint))
            && let Some((_, at)) =
                hash.filter(|(_, at)| unescaped(payload, at).eq_ignore_ascii_case(&sha256(&old)))
        {
            put_text(&mut masked, at, &sha256(&new));
        }
        put_text(&mut masked, &at, &new);
    }
    masked
}

/// What follows the name of a blob in a path, if it leads through one. The endpoint is looked for anywhere.
fn member_of_blob(path: &[String]) -> Option<&[String]> {
    if let Some(blob) = path.iter().position(|name| name == BLOB) {
        return path.get(blob + 1..);
    }
    match path {
        [blobset, blobs, _, rest @ ..] if blobset == "blobset" && blobs == "blobs" => Some(rest),
        _ => None,
    }
}

/// What a URL holds itself.
fn content(url: &str, is_endpoint: bool) -> Option<Vec<u8>> {
    if is_endpoint {
        return url.strip_prefix(PREFIX).and_then(|coded| base64::decode(coded).ok());
    }
    secrets::inline(url).and_then(|rest| decode_data_url(rest).ok())
}

/// A config that is refused as a whole for the same reason without any of its texts, if that can be.
fn unreadable(payload: &[u8], broken: &Broken) -> Vec<u8> {
    let all = covered(payload, |_| true);
    let error = json::check(payload).err();
    let place = error.map_or((usize::MAX, 0), |error| (error.line(), error.column()));
    let candidates = [ended(&all, place, 0), ended(&all, place, 1), all];
    let is_same = |masked: &Vec<u8>| read(masked).is_err_and(|found| found == *broken);
    candidates.into_iter().find(is_same).unwrap_or_else(|| readable(payload))
}

/// A JSON text with the values covered whose names are wanted.
fn covered(json: &[u8], is_wanted: impl Fn(&[String]) -> bool) -> Vec<u8> {
    let mut covered = json.to_vec();
    scan(json, |path, at| {
        if is_wanted(path) {
            cover(json, &mut covered, &at);
        }
    });
    covered
}

/// Puts stars in place of a text, and ones in place of a number's digits. What makes a text invalid stays, and
/// so do words, which are no secrets.
pub(crate) fn cover(json: &[u8], covered: &mut [u8], at: &Range<usize>) {
    let is_text = at.start.checked_sub(1).and_then(|quote| json.get(quote)) == Some(&b'"');
    let is_valid = is_text && (!unescaped(json, at).is_empty() || at.is_empty());
    let mut kept = 0_usize;
    for byte in covered.iter_mut().skip(at.start).take(at.len()) {
        match *byte {
            b'1'..=b'9' if !is_text => *byte = b'1',
            _ if !is_text => {}
            _ if is_valid => *byte = b'*',
            b'u' if kept == 1 => kept = 4,
            _ if kept > 0 => kept -= 1,
            b'\\' => kept = 1,
            b' '..=b'~' => *byte = b'*',
            _ => {}
        }
    }
}

/// A JSON text with stars in place of all that follows so many bytes after a place.
fn ended(json: &[u8], (line, column): (usize, usize), after: usize) -> Vec<u8> {
    let lines = json.split_inclusive(|byte| *byte == b'\n');
    let start: usize = lines.take(line.saturating_sub(1)).map(<[u8]>::len).sum();
    let mut ended = json.to_vec();
    ended.iter_mut().skip(start.saturating_add(column).saturating_add(after)).for_each(|byte| *byte = b'*');
    ended
}

/// Puts a text in place of one that is written no shorter. Where it is written longer, because of escapes, the
/// new one ends earlier, and spaces follow it.
pub(crate) fn put_text(json: &mut [u8], at: &Range<usize>, text: &str) {
    let quoted = serde_json::to_vec(text).unwrap_or_default();
    let end = quoted.len().saturating_sub(1);
    let padded = quoted.iter().skip(1).chain(core::iter::repeat(&b' '));
    debug_assert!(end <= at.len() + 1, "a text is written no shorter than serde_json does");
    for (byte, new) in json.iter_mut().skip(at.start).zip(padded).take(at.len() + 1) {
        *byte = *new;
    }
}

#[cfg(test)]
mod tests {
    use alloc::borrow::ToOwned as _;
    use alloc::string::ToString as _;

    use serde_json::{Value as Json, json};

    use super::*;
    use crate::redirect::connection::Connection;
    use crate::redirect::order::Order;
    use crate::settings::Settings;

    const SECRET: &str = r#"hunter2"\"#;

    fn endpoint() -> String {
        let basic = json!({ "username": "u", "password": SECRET });
        let document = json!({ "hostname": "new??>", "client_id": "/r/ALT/d/AHU-1", "protocol": "mqtt",
            "auth_provider": { "basic": basic }, "keyBytes": SECRET });
        document.to_string()
    }

    fn config_with(document: &str) -> String {
        let url = alloc::format!("data:application/json;base64,{}", base64::encode(document.as_bytes()));
        let blob = json!({ "url": url, "sha256": sha256(document.as_bytes()), "phase": "final",
            "generation": "2026-03-01T10:00:00Z" });
        json!({ "blobset": { "blobs": { "_iot_endpoint_config": blob } } }).to_string()
    }

    fn order(config: &[u8]) -> Order {
        let config: Json = serde_json::from_slice(config).unwrap();
        let blob = config["blobset"]["blobs"]["_iot_endpoint_config"].clone();
        let endpoint =
            device_link::Endpoint { host: "h".into(), port: 1, transport: device_link::Transport::Tcp };
        let settings = Settings::new("AHU-1", endpoint, "c", "p/AHU-1");
        Order::read(&serde_json::from_value(blob).unwrap(), "AHU-1", &Connection::of(&settings))
    }

    fn shows_a_secret(bytes: &[u8]) -> bool {
        let url = String::from_utf8_lossy(bytes).into_owned().replace("\\/", "/");
        let coded = url.split(";base64,").nth(1).unwrap().split('"').next().unwrap().to_owned();
        String::from_utf8(base64::decode(&coded).unwrap()).unwrap().contains("hunter2")
    }

    #[test]
    fn a_masked_config_is_the_same_order_without_its_secrets() {
        let plain = config_with(&endpoint());
        for plain in [plain.replace('/', "\\/"), plain] {
            let masked = config(plain.as_bytes()).unwrap();
            assert_eq!(masked.len(), plain.len());
            assert!(shows_a_secret(plain.as_bytes()) && !shows_a_secret(&masked));
            let (before, after) = (order(plain.as_bytes()), order(&masked));
            assert!(before.wanted.is_ok() && after.wanted.is_ok(), "{after:?}");
            assert_eq!(before.signature, after.signature);
            assert_eq!(config(&masked).unwrap_or(masked.clone()), masked, "the mask of a mask");
        }
    }

    fn stays_alike(plain: &str, secret: &str) {
        let masked = config(plain.as_bytes()).unwrap_or_else(|| plain.as_bytes().to_vec());
        assert_eq!(masked.len(), plain.len());
        assert_eq!(config(&masked).unwrap_or(masked.clone()), masked, "the mask of a mask of {plain}");
        let text = String::from_utf8_lossy(&masked).into_owned();
        assert!(!text.contains(secret), "{plain}\n{text}");
        match (read(plain.as_bytes()), read(&masked)) {
            (Err(before), Err(after)) => assert_eq!(before, after),
            (before, after) => assert_eq!(before.is_ok(), after.is_ok(), "{plain}\n{text}"),
        }
        if serde_json::from_str::<Json>(plain).is_ok() {
            let (before, after) = (order(plain.as_bytes()), order(&masked));
            assert_eq!(before.signature, after.signature, "{plain}\n{text}");
            assert_eq!(before.wanted.err(), after.wanted.err());
        }
    }

    #[test]
    fn no_way_to_write_a_document_shows_its_secrets() {
        for document in [
            r#"{"auth_provider":{"basic":{"username":"u","pass\u0077ord":"hunter2"}}}"#,
            r#"{"hostname":"h","protocol":"mqtt","client_id":"c","auth_provider":{"basic":{"password":"hunter2","username":"u"}}}"#,
            r#"{"auth_provider":{"basic":{"password":"hunter2","username":oops}}}"#,
            r#"{"auth_provider":"hunter2"}"#,
            r#"{"keyBytes":["hunter2",{"a":"hunter2"}]}"#,
            r#"{"keyBytes":"hun\ter2","password":"#,
            "{\"password\":\n hunter2}",
            "hunter2",
        ] {
            let masked = super::document(document.as_bytes());
            assert_eq!(masked.len(), document.len());
            assert_eq!(super::document(&masked), masked, "{document}");
            // The first letter of a word is what makes it unreadable.
            assert!(!String::from_utf8_lossy(&masked).contains("unter2"), "{document}");
            stays_alike(&config_with(document), &base64::encode(document.as_bytes()));
        }
    }

    #[test]
    fn no_way_to_write_a_url_shows_its_content() {
        let good = config_with(&endpoint());
        let content = good.split("base64,").nth(1).unwrap().split('"').next().unwrap();
        for url in [
            "DATA:application/json;base64,hunter2",
            "data:application/json;charset=utf-8;base64,hunter2",
            "data:application/json;base64,hunter2hunter2!",
            "data:application/json,%7B%22password%22:%22hunter2%22%7D",
            "mqtts://user:hunter2@host",
            "hunter2",
            "data:application/json;base64",
        ] {
            let config = good.replace(&alloc::format!("data:application/json;base64,{content}"), url);
            assert!(config.contains(url));
            stays_alike(&config, "hunter2");
            let escaped: String = url.chars().map(|c| alloc::format!("\\u{:04x}", u32::from(c))).collect();
            stays_alike(&config.replace(url, &escaped), &escaped);
        }
        let escaped: String = content.chars().map(|c| alloc::format!("\\u{:04x}", u32::from(c))).collect();
        stays_alike(&good.replace(content, &escaped), &escaped);
        stays_alike(&good.replace(content, content.trim_end_matches('=')), content);
    }

    #[test]
    fn misplaced_secrets_and_unreadable_configs_show_nothing_either() {
        let timestamp = r#""timestamp":"2026-03-01T10:00:00Z""#;
        let blob = |blob: &str| {
            alloc::format!(r#"{{{timestamp},"blobset":{{"blobs":{{"_iot_endpoint_config":{blob}}}}}}}"#)
        };
        stays_alike(&blob(r#"{"password":"hunter2","phase":"final"}"#), "hunter2");
        stays_alike(
            &blob(r#"{"url":{"password":"hunter2"},"phase":"final"}"#)
                .replace("{\"password\":\"hunter2\"}", "null"),
            "hunter2",
        );
        let misplaced = blob(r#""hunter2""#);
        for misplaced in [
            misplaced.replace("{\"_iot_endpoint_config\":\"hunter2\"}", "\"hunter2\""),
            alloc::format!(r#"{{{timestamp},"blobset":"hunter2"}}"#),
            misplaced,
        ] {
            let masked = config(misplaced.as_bytes()).unwrap();
            assert!(!String::from_utf8_lossy(&masked).contains("hunter2"), "{misplaced}");
            assert!(read(&masked).is_ok());
        }
        for broken in [
            blob(r#"{"url":"hunter2"#),
            blob(r#"{"url":"hunter2"}}}}}}"#),
            blob(r#"{"url":"hun\qter2 hunter2"}"#),
            blob(r#"{"url":"hunter2",}"#),
            blob("{\"url\":\n\"hunter2\",\n oops \"hunter2\"}"),
            blob(r#"{"phase" "url":"hunter2"}"#),
        ] {
            stays_alike(&broken, "hunter2");
            for end in 0..broken.len() {
                stays_alike(&broken[..end], "hunter2");
            }
        }
    }

    /// A hash that was wrong stays wrong.
    #[test]
    fn a_masked_order_fails_as_the_original_does() {
        let wrong = config_with(&endpoint()).replace(&sha256(endpoint().as_bytes()), &"0".repeat(64));
        let masked = config(wrong.as_bytes()).unwrap();
        assert!(!shows_a_secret(&masked));
        assert_eq!(order(&masked), order(wrong.as_bytes()));
        assert!(order(&masked).wanted.is_err());
    }

    #[test]
    fn a_config_without_secrets_is_left_alone() {
        for plain in ["", "{}", &config_with("{}"), &config_with("{\"password\":")] {
            assert_eq!(config(plain.as_bytes()), None, "{plain}");
        }
    }

    #[test]
    fn an_order_is_told_apart_by_content_and_generation() {
        let first = order(config_with(&endpoint()).as_bytes());
        let later = config_with(&endpoint()).replace("10:00:00Z", "10:00:01Z");
        let other = config_with(&endpoint().replace("ALT", "REG"));
        assert_ne!(first.signature, order(later.as_bytes()).signature);
        assert_ne!(first.signature, order(other.as_bytes()).signature);
        assert_eq!(first.signature, order(config_with(&endpoint()).as_bytes()).signature);
    }
}
