//! What traces do not show of commands, of custom blocks and of blobs: members whose name says that they are secret,
//! what a URL holds beside its host, and the content of data URLs. Each is masked in its place, and nothing the core
//! does depends on it.

use alloc::borrow::ToOwned as _;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use device_link::mask_url;

use crate::config::MEMBERS;
use crate::data_url::{decode_data_url, is_base64};
use crate::json::{self, Json};
use crate::port::{Hook, Notice};
use crate::redirect::scan::{scan, unescaped};
use crate::redirect::{cover, encode, put_text};

/// Parts of names of secret members, in small letters and without what divides words.
const SECRET: [&str; 13] = [
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "private",
    "credential",
    "keydata",
    "keybytes",
    "apikey",
    "accesskey",
    "authorization",
];

/// Covers a value of a config if it belongs to a custom block and is secret.
pub(crate) fn custom(json: &[u8], masked: &mut [u8], path: &[String], at: &Range<usize>) {
    if path.first().is_some_and(|block| !MEMBERS.contains(&block.as_str())) {
        value(json, masked, path.iter().map(String::as_str), at);
    }
}

/// The payload of a command with its secrets masked; none if it has none. What is no JSON document with names is
/// masked as a whole.
pub(crate) fn command(payload: &[u8]) -> Option<Vec<u8>> {
    let masked = match core::str::from_utf8(payload) {
        Ok(text) if !text.contains(char::REPLACEMENT_CHARACTER) => {
            if json::check(payload).is_ok() {
                document(payload, "")
            } else {
                alloc::vec![b'*'; payload.len()]
            }
        }
        // The application gets a text in which more or fewer bytes stand for what is no UTF-8.
        Ok(_) | Err(_) => payload.iter().map(|byte| if byte.is_ascii() { b'*' } else { *byte }).collect(),
    };
    (masked != payload).then_some(masked)
}

/// A hook whose secrets are masked, if it has some. The hash of a blob tells the content of a short one.
pub(crate) fn hook(hook: &Hook) -> Option<Hook> {
    match hook {
        Hook::Command { name, payload } => {
            let payload = String::from_utf8(command(payload.as_bytes())?).ok()?;
            Some(Hook::Command { name: name.clone(), payload })
        }
        Hook::ProcessBlob { name, generation, staged, size, sha256 } => Some(Hook::ProcessBlob {
            name: name.clone(),
            generation: generation.clone(),
            staged: *staged,
            size: *size,
            sha256: "*".repeat(sha256.len()),
        }),
        Hook::Proxied { device, target, hook: asked } => {
            let asked = alloc::boxed::Box::new(self::hook(asked)?);
            Some(Hook::Proxied { device: device.clone(), target: target.clone(), hook: asked })
        }
        Hook::WritePoint { .. }
        | Hook::Scan { .. }
        | Hook::ReleasePoint { .. }
        | Hook::ReadPoints { .. }
        | Hook::Metrics
        | Hook::Lifecycle { .. }
        | Hook::ActivateBlob { .. }
        | Hook::CheckActivation { .. }
        | Hook::MakeKey
        | Hook::UseKey { .. }
        | Hook::RestoreKey { .. } => None,
    }
}

/// A custom block whose secrets are masked, if it has some.
pub(crate) fn notice(notice: &Notice) -> Option<Notice> {
    if let Notice::Proxied { device, notice: told } = notice {
        let told = alloc::boxed::Box::new(self::notice(told)?);
        return Some(Notice::Proxied { device: device.clone(), notice: told });
    }
    let Notice::Block { name, content: Some(content) } = notice else { return None };
    let masked = String::from_utf8(document(content.as_str().as_bytes(), name)).ok()?;
    json::check(masked.as_bytes()).ok()?;
    let content = Json::from_raw(masked.trim());
    Some(Notice::Block { name: name.clone(), content: Some(content) })
}

/// The URL of a blob with its secrets masked, written no longer than before.
pub(crate) fn url(url: &str) -> String {
    let Some(rest) = inline(url) else { return mask_url(url) };
    let scheme = url.split_at(url.len() - rest.len()).0;
    let Some((kind, content)) = rest.split_once(',') else {
        return alloc::format!("{scheme}{}", "*".repeat(rest.len()));
    };
    let masked = match decode_data_url(rest) {
        Ok(content) => {
            let stars = "*".repeat(content.len());
            if is_base64(kind) { encode(stars.as_bytes()).trim_end_matches('=').to_owned() } else { stars }
        }
        Err(_) => "*".repeat(content.len()),
    };
    alloc::format!("{scheme}{kind},{masked}")
}

/// What follows `data:`, where the URL is its content.
pub(crate) fn inline(url: &str) -> Option<&str> {
    let (scheme, rest) = url.split_once(':')?;
    scheme.eq_ignore_ascii_case("data").then_some(rest)
}

/// A JSON document of that name with its secrets masked.
fn document(json: &[u8], name: &str) -> Vec<u8> {
    let mut masked = json.to_vec();
    scan(json, |path, at| {
        value(json, &mut masked, core::iter::once(name).chain(path.iter().map(String::as_str)), &at);
    });
    masked
}

/// Covers a value that is secret by the names on the way to it, or since it has none, and masks a URL.
fn value<'a>(
    json: &[u8],
    masked: &mut [u8],
    mut names: impl Iterator<Item = &'a str> + Clone,
    at: &Range<usize>,
) {
    if names.clone().all(str::is_empty) || names.any(is_secret) {
        return cover(json, masked, at);
    }
    let text = unescaped(json, at);
    if text.contains("://") || inline(&text).is_some() {
        put_text(masked, at, &url(&text));
    }
}

fn is_secret(name: &str) -> bool {
    let plain = name.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase);
    let plain: String = plain.collect();
    SECRET.iter().any(|part| plain.contains(part))
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;
    use alloc::vec::Vec;

    use super::*;

    fn masked(payload: &[u8]) -> Vec<u8> {
        let masked = command(payload).unwrap_or_else(|| payload.to_vec());
        assert_eq!(masked.len(), payload.len());
        assert_eq!(command(&masked).unwrap_or(masked.clone()), masked, "the mask of a mask");
        let hook = |payload: &[u8]| Hook::Command {
            name: "x".into(),
            payload: String::from_utf8_lossy(payload).into_owned(),
        };
        let shown = |hook: Hook| super::hook(&hook).unwrap_or(hook);
        assert_eq!(shown(hook(payload)), hook(&masked), "what the application is asked shows the same");
        masked
    }

    #[test]
    fn a_command_shows_what_no_name_says_to_be_secret() {
        for (payload, expected) in [
            (r#"{"a":"b","n":27}"#, r#"{"a":"b","n":27}"#),
            (r#"{"user_Password":"hunter2"}"#, r#"{"user_Password":"*******"}"#),
            (r#"{"API-key":["hunter2",{"pin":907}],"b":1}"#, r#"{"API-key":["*******",{"pin":101}],"b":1}"#),
            (r#"{"pass\u0077ord":"hun\ter2"}"#, r#"{"pass\u0077ord":"********"}"#),
            (r#"{"from":"https://u:p@h/a?b"}"#, r#"{"from":"https://***@h/*?*"}"#),
            (r#"{"from":"data:,hunter2"}"#, r#"{"from":"data:,*******"}"#),
            (r#""hunter2""#, r#""*******""#),
            (r#"["hunter2",27]"#, r#"["*******",11]"#),
            ("hunter2", "*******"),
            (r#"{"password":"hunter2"#, "********************"),
            ("", ""),
        ] {
            assert_eq!(String::from_utf8(masked(payload.as_bytes())).unwrap(), expected);
        }
        for unusual in [
            &b"hunter2\xff{"[..],
            "hunter2 \u{fffd} \u{e9}".as_bytes(),
            "h\u{e9}".as_bytes(),
            b"\"\xc3\"\x80",
        ] {
            assert!(!String::from_utf8_lossy(&masked(unusual)).contains("hunter2"));
        }
        assert_eq!(masked(r#"{"from":"data:,a%20b"}"#.as_bytes()), br#"{"from":"data:,***"  }"#);
    }

    #[test]
    fn a_custom_block_shows_in_a_notice_as_in_the_config() {
        for content in [
            r#"{"password":"hunter2","at":"http://h/?hunter2"}"#,
            r#""hunter2""#,
            r#"[{"token":27}, "data:;base64,aHVu dGVyMg==" ]"#,
            r#""data:,%68unter2""#,
        ] {
            for name in ["lab", "tokens"] {
                let config = alloc::format!(r#"{{"timestamp":"2026-03-01T10:00:00Z","{name}":{content}}}"#);
                let shown = crate::redirect::mask_config(config.as_bytes()).unwrap_or(config.into_bytes());
                let shown = crate::config::read(&shown).unwrap().others[0].1.0.unwrap().to_string();
                let content = Some(Json::from_raw(content));
                let told = notice(&Notice::Block { name: name.into(), content });
                let Some(Notice::Block { content: Some(told), .. }) = told else { panic!("no notice") };
                assert_eq!(told.as_str(), shown);
                assert!(!shown.contains("hunter2") || content_is_open(&shown), "{shown}");
            }
        }
    }

    /// A text without a name of its own is shown.
    fn content_is_open(shown: &str) -> bool {
        shown == r#""hunter2""#
    }

    #[test]
    fn the_url_of_a_blob_keeps_its_host_and_the_length_of_its_content() {
        for (plain, masked) in [
            (
                "https://user:hunter2@host:444/a/b?sig=hunter2#c",
                "https://************@host:444/*/*?***********#*",
            ),
            ("data:text/plain;base64,aHVudGVyMg==", "data:text/plain;base64,KioqKioqKg"),
            ("DATA:;base64,aHVu dGVyMg%3D%3D", "DATA:;base64,KioqKioqKg"),
            ("data:,hunt%65r2", "data:,*******"),
            ("data:;base64,hunter2!", "data:;base64,********"),
            ("data:hunter2", "data:*******"),
            ("hunter2", "*******"),
            ("file:///etc/hunter2", "file:///***/*******"),
        ] {
            assert_eq!(url(plain), masked);
            assert_eq!(url(masked), masked, "the mask of a mask");
        }
    }
}
