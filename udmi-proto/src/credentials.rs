//! What the device proves itself with: tokens that are signed and renewed (§1.8), and the rotation of its key.

mod rotation;

use alloc::format;
use alloc::string::String;
use core::time::Duration;

use device_link::{Cx, Down, SignRequest, UtcMillis};
use serde::Serialize;

use crate::device::DeviceCore;
use crate::redirect::{Authentication, Redirect, encode_url};
use crate::settings::TokenSettings;
use crate::udmi::{Timer, Udmi};

use rotation::Rotation;

/// §1.8: how far a token's issue is back-dated, for clocks that are not in step.
const BACK_DATED: u32 = 60;
/// §1.8: a token is renewed that long before it expires, but not in the first half of its time.
const RENEWED_BEFORE: u32 = 300;
/// The shortest life of a token, in seconds: half of it is back-dated.
const SHORTEST: u32 = 120;

#[derive(Serialize)]
struct Header {
    alg: &'static str,
    typ: &'static str,
}

#[derive(Serialize)]
struct Claims<'a> {
    iat: i64,
    exp: i64,
    aud: &'a str,
}

/// What is to be signed of a token that is used now (RFC 7515, section 5.1). A wall clock that is not set gives a
/// token from 1970: whether it will do is for the broker to say.
pub(crate) fn token(settings: &TokenSettings, now: UtcMillis) -> SignRequest {
    let header = Header { alg: settings.algorithm.name(), typ: "JWT" };
    let iat = now.0.div_euclid(1000).saturating_sub(i64::from(BACK_DATED)).max(0);
    let exp = iat.saturating_add(i64::from(lifetime(settings)));
    let claims = Claims { iat, exp, aud: &settings.audience };
    let input = format!("{}.{}", coded(&header), coded(&claims));
    SignRequest { algorithm: settings.algorithm, input }
}

fn coded(part: &impl Serialize) -> String {
    encode_url(&serde_json::to_vec(part).unwrap_or_default())
}

fn lifetime(settings: &TokenSettings) -> u32 {
    settings.lifetime_seconds.max(SHORTEST)
}

/// From a token's use to its renewal.
fn renewal(settings: &TokenSettings) -> Duration {
    let valid = lifetime(settings).saturating_sub(BACK_DATED);
    Duration::from_secs(u64::from((valid / 2).max(valid.saturating_sub(RENEWED_BEFORE))))
}

/// The life of the device's token and key.
#[derive(Debug)]
pub(crate) struct Credentials {
    pub(crate) rotation: Rotation,
}

impl Credentials {
    pub(crate) fn new() -> Self {
        Self { rotation: Rotation::new() }
    }

    /// The link is up: a token's time runs, and the broker has taken the key.
    pub(crate) fn on_up(&mut self, cx: &mut Cx<'_, Udmi>, own: &mut DeviceCore, redirect: &Redirect) {
        match &redirect.connection().authentication {
            Authentication::Token(settings) => cx.after(Timer::Token, renewal(settings)),
            Authentication::Password(_) | Authentication::None => cx.cancel(Timer::Token),
        }
        self.rotation.on_up(cx, own);
    }

    /// The link is down.
    pub(crate) fn on_down(&mut self, cx: &mut Cx<'_, Udmi>, own: &mut DeviceCore, why: &Down) {
        cx.cancel(Timer::Token);
        self.rotation.on_down(cx, own, why);
    }

    /// [`Timer::Token`]: a fresh token needs a fresh connection.
    pub(crate) fn on_timer(cx: &mut Cx<'_, Udmi>) {
        cx.refresh();
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use device_link::Algorithm;

    use super::*;

    fn settings(lifetime_seconds: u32) -> TokenSettings {
        TokenSettings {
            algorithm: Algorithm::Es256,
            audience: "proj\"ect".into(),
            username: "unused".into(),
            lifetime_seconds,
        }
    }

    /// §1.8, RFC 7515.
    #[test]
    fn a_token_names_its_algorithm_its_audience_and_a_time_that_began_a_minute_ago() {
        let request = token(&settings(3600), UtcMillis(1_772_359_200_999));
        let parts: Vec<_> = request.input.split('.').collect();
        assert_eq!(parts[0], encode_url(br#"{"alg":"ES256","typ":"JWT"}"#));
        let claims = br#"{"iat":1772359140,"exp":1772362740,"aud":"proj\"ect"}"#;
        assert_eq!(parts[1], encode_url(claims));
        assert_eq!((parts.len(), request.algorithm), (2, Algorithm::Es256));
    }

    #[test]
    fn a_clock_that_is_not_set_still_gives_a_token() {
        for now in [0, 30_000, -5, i64::MIN, i64::MAX] {
            assert!(!token(&settings(3600), UtcMillis(now)).input.is_empty());
        }
        let claims = br#"{"iat":0,"exp":3600,"aud":"proj\"ect"}"#;
        assert!(token(&settings(3600), UtcMillis(0)).input.ends_with(&encode_url(claims)));
    }

    #[test]
    fn a_token_is_renewed_five_minutes_before_it_expires_but_not_in_its_first_half() {
        for (lifetime, after) in [(3600, 3240), (660, 300), (360, 150), (120, 30), (0, 30)] {
            assert_eq!(renewal(&settings(lifetime)), Duration::from_secs(after), "{lifetime}");
        }
        assert!(renewal(&settings(u32::MAX)) > Duration::from_secs(3600));
    }
}
