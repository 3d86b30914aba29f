//! What the device proves itself with: tokens that are signed and renewed (§1.8), and the rotation of its key.

use alloc::format;
use alloc::string::String;
use core::time::Duration;

use device_link::{Closed, Cx, Down, HookId, SignRequest, Stored, UtcMillis, wire::ConnectCode};
use serde::Serialize;

use crate::device::DeviceCore;
use crate::model::category::{Category, Level};
use crate::persisted::{self, Unproven};
use crate::port::{Hook, NewKey, Notice, Outcome};
use crate::redirect::{Authentication, Redirect, encode_url, set_aside, store};
use crate::settings::TokenSettings;
use crate::udmi::{Timer, Udmi};

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

/// How far the change of the device's key is.
#[derive(Clone, Debug)]
enum Rotation {
    /// Nothing is under way.
    Idle,
    /// The host makes a new pair. Whether the application has asked for it.
    Making { hook: HookId, asked: bool },
    /// The broker has not seen the new key yet.
    Proving(Unproven),
    /// The broker has refused it; the host puts the old pair back.
    Restoring { hook: HookId, unproven: Unproven },
}

/// The life of the device's token and key.
#[derive(Debug)]
pub(crate) struct Credentials {
    rotation: Rotation,
}

impl Credentials {
    pub(crate) fn new() -> Self {
        Self { rotation: Rotation::Idle }
    }

    /// The run begins. A key that was made in an earlier one has still to be taken by the broker.
    pub(crate) fn on_start(&mut self, cx: &mut Cx<'_, Udmi>, own: &mut DeviceCore, stored: &[Stored]) {
        match persisted::read_rotation(stored) {
            Ok(None) => {}
            Ok(Some(unproven)) => self.rotation = Rotation::Proving(unproven),
            Err(reason) => set_aside(cx, own, stored, persisted::ROTATION, reason),
        }
    }

    /// A new key pair is wanted; `asked` by the application, which is told if there will be none.
    pub(crate) fn rotate(
        &mut self,
        cx: &mut Cx<'_, Udmi>,
        own: &mut DeviceCore,
        redirect: &Redirect,
        asked: bool,
    ) {
        if !matches!(self.rotation, Rotation::Idle) {
            return refuse(cx, own, asked, "another key rotation is under way");
        }
        if redirect.is_under_way() {
            return refuse(cx, own, asked, "a redirect is under way");
        }
        match cx.invoke(Hook::RotateKey) {
            Ok(hook) => {
                log(cx, own, Level::NOTICE, "key rotation begins");
                self.rotation = Rotation::Making { hook, asked };
            }
            Err(full) => refuse(cx, own, asked, &format!("{full}")),
        }
    }

    /// Gives the outcome back if the hook is not one of its own.
    pub(crate) fn on_hook(
        &mut self,
        cx: &mut Cx<'_, Udmi>,
        own: &mut DeviceCore,
        redirect: &mut Redirect,
        id: HookId,
        outcome: Outcome,
    ) -> Option<Outcome> {
        match self.rotation.clone() {
            Rotation::Making { hook, asked } if hook == id => {
                self.made(cx, own, redirect, asked, outcome);
                None
            }
            Rotation::Restoring { hook, unproven } if hook == id => {
                self.rotation = Rotation::Idle;
                store(cx, persisted::ROTATION, None);
                restored(cx, own, redirect, unproven, outcome);
                None
            }
            Rotation::Idle | Rotation::Making { .. } | Rotation::Proving(_) | Rotation::Restoring { .. } => {
                Some(outcome)
            }
        }
    }

    fn made(
        &mut self,
        cx: &mut Cx<'_, Udmi>,
        own: &mut DeviceCore,
        redirect: &mut Redirect,
        asked: bool,
        outcome: Outcome,
    ) {
        self.rotation = Rotation::Idle;
        let NewKey { public_key, backup, password } = match outcome {
            Outcome::KeyMade(key) => key,
            Outcome::Failed { message } | Outcome::Invalid { message } => {
                return refuse(cx, own, asked, &message);
            }
            Outcome::Done
            | Outcome::Values { .. }
            | Outcome::Metrics(_)
            | Outcome::Blob(_)
            | Outcome::Unhandled => return refuse(cx, own, asked, "this device has no key to rotate"),
        };
        let before = redirect.change_password(cx, &password);
        log(cx, own, Level::NOTICE, &format!("a new key is in use, the old one is kept as {backup}"));
        cx.notify(Notice::KeyRotated { public_key, backup: backup.clone() });
        let unproven = Unproven { backup, before };
        store(cx, persisted::ROTATION, Some(unproven.to_bytes()));
        self.rotation = Rotation::Proving(unproven);
        connect_anew(cx);
    }

    /// The link is up: a token's time runs, and the broker has taken the key.
    pub(crate) fn on_up(&mut self, cx: &mut Cx<'_, Udmi>, own: &mut DeviceCore, redirect: &Redirect) {
        match &redirect.connection().authentication {
            Authentication::Token(settings) => cx.after(Timer::Token, renewal(settings)),
            Authentication::Password(_) | Authentication::None => cx.cancel(Timer::Token),
        }
        if matches!(self.rotation, Rotation::Proving(_)) {
            self.rotation = Rotation::Idle;
            store(cx, persisted::ROTATION, None);
            log(cx, own, Level::NOTICE, "the broker has taken the new key");
        }
    }

    /// The link is down. A broker that refuses the new key sees the old one again.
    pub(crate) fn on_down(&mut self, cx: &mut Cx<'_, Udmi>, own: &mut DeviceCore, why: &Down) {
        cx.cancel(Timer::Token);
        let Rotation::Proving(unproven) = &self.rotation else { return };
        if !is_refusal(why) {
            return;
        }
        let unproven = unproven.clone();
        match cx.invoke(Hook::RestoreKey { backup: unproven.backup.clone() }) {
            Ok(hook) => {
                log(cx, own, Level::ERROR, &format!("the new key is refused: {why}"));
                self.rotation = Rotation::Restoring { hook, unproven };
            }
            Err(full) => log(cx, own, Level::ERROR, &format!("the new key is refused: {why}; {full}")),
        }
    }

    /// [`Timer::Token`]: a fresh token needs a fresh connection.
    pub(crate) fn on_timer(cx: &mut Cx<'_, Udmi>) {
        cx.refresh();
    }
}

/// Whether the reason may lie in the key: the broker, TLS, or the signature.
fn is_refusal(why: &Down) -> bool {
    match why {
        Down::Refused(code) => match code {
            ConnectCode::BadUsernameOrPassword | ConnectCode::NotAuthorized => true,
            ConnectCode::Accepted
            | ConnectCode::UnacceptableProtocol
            | ConnectCode::IdentifierRejected
            | ConnectCode::ServerUnavailable => false,
        },
        Down::Closed(Closed::Tls(_)) | Down::Unsigned(_) => true,
        Down::Closed(Closed::Refused | Closed::Reset | Closed::Eof | Closed::Timeout | Closed::Resolve)
        | Down::OpenTimeout
        | Down::ConnAckTimeout
        | Down::SubAckTimeout
        | Down::PingTimeout
        | Down::Protocol(_)
        | Down::PacketTooLarge
        | Down::Unconnectable(_)
        | Down::Refresh => false,
    }
}

fn restored(
    cx: &mut Cx<'_, Udmi>,
    own: &mut DeviceCore,
    redirect: &mut Redirect,
    unproven: Unproven,
    outcome: Outcome,
) {
    let Unproven { backup, before } = unproven;
    match outcome {
        Outcome::Done => {
            if let Some(before) = before {
                redirect.change_password(cx, &before);
            }
            log(cx, own, Level::WARNING, &format!("the old key is back in use, from {backup}"));
            cx.notify(Notice::KeyRestored { backup });
            connect_anew(cx);
        }
        Outcome::Failed { message } | Outcome::Invalid { message } => {
            log(cx, own, Level::ERROR, &format!("the old key cannot be put back: {message}"));
        }
        Outcome::Values { .. }
        | Outcome::Metrics(_)
        | Outcome::Blob(_)
        | Outcome::KeyMade(_)
        | Outcome::Unhandled => log(cx, own, Level::ERROR, "the old key cannot be put back: nobody does"),
    }
}

fn connect_anew(cx: &mut Cx<'_, Udmi>) {
    if !cx.is_up() {
        cx.dial_after(Duration::ZERO);
    }
    cx.refresh();
}

fn refuse(cx: &mut Cx<'_, Udmi>, own: &mut DeviceCore, asked: bool, reason: &str) {
    let reason = format!("key rotation: {reason}");
    log(cx, own, Level::ERROR, &reason);
    if asked {
        cx.notify(Notice::CommandRefused { reason });
    }
}

fn log(cx: &mut Cx<'_, Udmi>, own: &mut DeviceCore, level: Level, text: &str) {
    own.log(cx, Category::device("key"), level, text);
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
