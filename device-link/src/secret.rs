//! Values that must never be seen in a trace, a log or a debug print.

use alloc::string::String;
use core::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What stands in place of a secret wherever one would be shown.
pub const MASK: &str = "***";

/// A URL as it may be shown: its scheme, its host and port, and how its path is divided. The rest may be a secret: a
/// user name and a password, a signed query, or a path that nobody can guess. The content of a data URL shows
/// as [`MASK`], what is not hierarchical otherwise shows its scheme only.
///
/// But for data URLs the shown URL has as many bytes, and in any case it shows as itself.
///
/// ```
/// use device_link::mask_url;
/// assert_eq!(mask_url("https://u:pw@host:81/a/bc?sig=x"), "https://****@host:81/*/**?*****");
/// assert_eq!(mask_url("data:text/plain;base64,eA=="), "data:text/plain;base64,***");
/// ```
#[must_use]
pub fn mask_url(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once(':') else { return stars(url) };
    if scheme.eq_ignore_ascii_case("data") {
        let kind = rest.split_once(',').map_or_else(String::new, |(kind, _)| alloc::format!("{kind},"));
        return alloc::format!("{scheme}:{kind}{MASK}");
    }
    let Some(rest) = rest.strip_prefix("//") else { return alloc::format!("{scheme}:{}", stars(rest)) };
    let authority = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(authority);
    let (user, host) = authority.rsplit_once('@').map_or(("", authority), |(user, host)| (user, host));
    let at = if user.len() < authority.len() - host.len() { "@" } else { "" };
    alloc::format!("{scheme}://{}{at}{host}{}", stars(user), stars(path))
}

/// A star for each byte but those that divide a URL.
fn stars(text: &str) -> String {
    text.bytes().map(|byte| if b"/?#".contains(&byte) { char::from(byte) } else { '*' }).collect()
}

/// A value without `Debug` and masked when serialised. A masked trace still replays, because the
/// mask is all that the core ever showed of it.
///
/// ```
/// use device_link::Secret;
/// let password = Secret::new(String::from("hunter2"));
/// assert_eq!(format!("{password:?}"), "***");
/// assert_eq!(password.expose(), "hunter2");
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Wraps `value`.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself, for the one place that needs it.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl<T> Serialize for Secret<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(MASK)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Secret<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self)
    }
}
