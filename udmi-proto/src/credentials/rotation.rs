//! The rotation of the device's key, so that no crash leaves a key in force that nobody knows of.
//!
//! The host makes the new pair but does not use it; what is about to happen is stored; only then the host puts the
//! pair in force. Until the broker has taken it, each run begins with asking the host which of them it is.

use alloc::format;
use alloc::string::String;
use core::time::Duration;

use device_link::{Closed, Cx, Down, HookId, StoreId, Stored, wire::ConnectCode};

use crate::device::DeviceCore;
use crate::model::category::{Category, Level};
use crate::persisted::{self, Unproven};
use crate::port::{Hook, NewKey, Notice, Outcome};
use crate::redirect::{Redirect, set_aside, store};
use crate::udmi::{Timer, Udmi};

/// How long the host may take to make a key pair, to put one in force, or to put an old one back: an RSA key on a
/// slow machine takes minutes, and so may a blob that the host installs before it comes to the key.
const HOST_TIMEOUT: Duration = Duration::from_secs(300);
/// How long the store may take.
const STORE_TIMEOUT: Duration = Duration::from_secs(30);

/// How far the change of the device's key is.
#[derive(Clone, Debug)]
enum Phase {
    /// Nothing is under way.
    Idle,
    /// The host makes a new pair. Whether the application has asked for it.
    Making { hook: HookId, asked: bool },
    /// What is about to happen is being stored.
    Recording { id: StoreId, change: Unproven, asked: bool },
    /// The host puts the new pair in force.
    Adopting { hook: HookId, change: Unproven, asked: bool },
    /// An earlier run ended on the way: the host is asked for the new pair, and tells whether it has it.
    Resuming { hook: HookId, change: Unproven },
    /// The broker has not seen the new key yet.
    Proving(Unproven),
    /// The host puts the old pair back.
    Restoring { hook: HookId, change: Unproven },
    /// The host did not say whether it has: a refusal has it asked again, and so does the next run.
    Doubtful(Unproven),
}

/// The change of the device's key.
#[derive(Debug)]
pub(crate) struct Rotation {
    phase: Phase,
}

impl Rotation {
    pub(crate) fn new() -> Self {
        Self { phase: Phase::Idle }
    }

    /// The run begins. A key that was made in an earlier one may be in force, and has still to be taken by the broker.
    pub(crate) fn on_start(&mut self, cx: &mut Cx<'_, Udmi>, own: &mut DeviceCore, stored: &[Stored]) {
        let change = match persisted::read_rotation(stored) {
            Ok(None) => return,
            Ok(Some(change)) => change,
            Err(reason) => return set_aside(cx, own, stored, persisted::ROTATION, reason),
        };
        let asked = change.public_key.clone().map(|public_key| cx.invoke(Hook::UseKey { public_key }));
        self.phase = match asked {
            Some(Ok(hook)) => {
                cx.after(Timer::Rotation, HOST_TIMEOUT);
                Phase::Resuming { hook, change }
            }
            // One that was recorded in the first format was in force before.
            Some(Err(_)) | None => Phase::Proving(change),
        };
    }

    /// A new key pair is wanted; `asked` by the application, which is told if there will be none.
    pub(crate) fn begin(
        &mut self,
        cx: &mut Cx<'_, Udmi>,
        own: &mut DeviceCore,
        redirect: &Redirect,
        asked: bool,
    ) {
        if !matches!(self.phase, Phase::Idle) {
            return refuse(cx, own, asked, "another key rotation is under way");
        }
        if redirect.is_under_way() {
            return refuse(cx, own, asked, "a redirect is under way");
        }
        match cx.invoke(Hook::MakeKey) {
            Ok(hook) => {
                log(cx, own, Level::NOTICE, "key rotation begins");
                cx.after(Timer::Rotation, HOST_TIMEOUT);
                self.phase = Phase::Making { hook, asked };
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
        let hook = match &self.phase {
            Phase::Making { hook, .. }
            | Phase::Adopting { hook, .. }
            | Phase::Resuming { hook, .. }
            | Phase::Restoring { hook, .. } => *hook,
            Phase::Idle | Phase::Recording { .. } | Phase::Proving(_) | Phase::Doubtful(_) => {
                return Some(outcome);
            }
        };
        if hook != id {
            return Some(outcome);
        }
        cx.cancel(Timer::Rotation);
        match core::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Making { asked, .. } => self.made(cx, own, redirect, asked, outcome),
            Phase::Adopting { change, asked, .. } => self.adopted(cx, own, redirect, change, asked, outcome),
            Phase::Resuming { change, .. } => self.resumed(cx, own, redirect, change, outcome),
            Phase::Restoring { change, .. } => {
                store(cx, persisted::ROTATION, None);
                restored(cx, own, redirect, change, outcome);
            }
            Phase::Idle | Phase::Recording { .. } | Phase::Proving(_) | Phase::Doubtful(_) => {}
        }
        None
    }

    /// The pair is there and not in use. From its record on, every run knows what may have become of it.
    fn made(
        &mut self,
        cx: &mut Cx<'_, Udmi>,
        own: &mut DeviceCore,
        redirect: &Redirect,
        asked: bool,
        outcome: Outcome,
    ) {
        let Outcome::KeyMade(NewKey { public_key, backup, password }) = outcome else {
            return refuse(cx, own, asked, &reason(outcome, "this device has no key to rotate"));
        };
        if redirect.is_under_way() {
            return refuse(cx, own, asked, "a redirect is under way");
        }
        let before = redirect.derived_password();
        let after = before.is_some().then_some(password);
        let change = Unproven { public_key: Some(public_key), backup, before, after };
        match store(cx, persisted::ROTATION, Some(change.to_bytes())) {
            Some(id) => {
                cx.after(Timer::Rotation, STORE_TIMEOUT);
                self.phase = Phase::Recording { id, change, asked };
            }
            None => refuse(cx, own, asked, "it could not be recorded"),
        }
    }

    /// A store was tried.
    pub(crate) fn on_stored(&mut self, cx: &mut Cx<'_, Udmi>, own: &mut DeviceCore, id: StoreId, ok: bool) {
        let (change, asked) = match &self.phase {
            Phase::Recording { id: awaited, change, asked } if *awaited == id => (change.clone(), *asked),
            Phase::Recording { .. }
            | Phase::Idle
            | Phase::Making { .. }
            | Phase::Adopting { .. }
            | Phase::Resuming { .. }
            | Phase::Proving(_)
            | Phase::Restoring { .. }
            | Phase::Doubtful(_) => return,
        };
        cx.cancel(Timer::Rotation);
        if !ok {
            return self.call_off(cx, own, asked, "it could not be recorded");
        }
        let public_key = change.public_key.clone().unwrap_or_default();
        match cx.invoke(Hook::UseKey { public_key }) {
            Ok(hook) => {
                cx.after(Timer::Rotation, HOST_TIMEOUT);
                self.phase = Phase::Adopting { hook, change, asked };
            }
            Err(full) => self.call_off(cx, own, asked, &format!("{full}")),
        }
    }

    /// The old pair is in force still.
    fn call_off(&mut self, cx: &mut Cx<'_, Udmi>, own: &mut DeviceCore, asked: bool, reason: &str) {
        self.phase = Phase::Idle;
        store(cx, persisted::ROTATION, None);
        refuse(cx, own, asked, reason);
    }

    fn adopted(
        &mut self,
        cx: &mut Cx<'_, Udmi>,
        own: &mut DeviceCore,
        redirect: &mut Redirect,
        change: Unproven,
        asked: bool,
        outcome: Outcome,
    ) {
        if !matches!(outcome, Outcome::Done) {
            return self.call_off(cx, own, asked, &reason(outcome, "this device has no key to rotate"));
        }
        let backup = &change.backup;
        log(cx, own, Level::NOTICE, &format!("a new key is in use, the old one is kept as {backup}"));
        self.prove(cx, redirect, change);
        connect_anew(cx);
    }

    fn resumed(
        &mut self,
        cx: &mut Cx<'_, Udmi>,
        own: &mut DeviceCore,
        redirect: &mut Redirect,
        change: Unproven,
        outcome: Outcome,
    ) {
        if matches!(outcome, Outcome::Done) {
            let backup = &change.backup;
            let text = format!("a new key is in use since an earlier run, the old one is kept as {backup}");
            log(cx, own, Level::NOTICE, &text);
            self.prove(cx, redirect, change);
            return connect_anew(cx);
        }
        if matches!(outcome, Outcome::Unhandled) {
            log(cx, own, Level::WARNING, "whether a new key is in use is not known");
            self.phase = Phase::Proving(change);
            return;
        }
        // The connection may have been stored with the password of the new key.
        if let Some(before) = &change.before {
            redirect.change_password(cx, before);
        }
        store(cx, persisted::ROTATION, None);
        let reason = reason(outcome, "it has no such key");
        let text = format!("the key rotation of an earlier run has left the old key in use: {reason}");
        log(cx, own, Level::WARNING, &text);
    }

    /// The new key is in force, and everybody is told.
    fn prove(&mut self, cx: &mut Cx<'_, Udmi>, redirect: &mut Redirect, change: Unproven) {
        if let Some(after) = &change.after {
            redirect.change_password(cx, after);
        }
        let public_key = change.public_key.clone().unwrap_or_default();
        cx.notify(Notice::KeyRotated { public_key, backup: change.backup.clone() });
        self.phase = Phase::Proving(change);
    }

    /// The broker has taken the key.
    pub(crate) fn on_up(&mut self, cx: &mut Cx<'_, Udmi>, own: &mut DeviceCore) {
        if matches!(self.phase, Phase::Proving(_)) {
            self.phase = Phase::Idle;
            store(cx, persisted::ROTATION, None);
            log(cx, own, Level::NOTICE, "the broker has taken the new key");
        }
    }

    /// The link is down. A broker that refuses the new key sees the old one again.
    pub(crate) fn on_down(&mut self, cx: &mut Cx<'_, Udmi>, own: &mut DeviceCore, why: &Down) {
        let (Phase::Proving(change) | Phase::Doubtful(change)) = &self.phase else { return };
        if is_refusal(why) {
            let change = change.clone();
            log(cx, own, Level::ERROR, &format!("the new key is refused: {why}"));
            self.restore(cx, own, change);
        }
    }

    fn restore(&mut self, cx: &mut Cx<'_, Udmi>, own: &mut DeviceCore, change: Unproven) {
        match cx.invoke(Hook::RestoreKey { backup: change.backup.clone() }) {
            Ok(hook) => {
                cx.after(Timer::Rotation, HOST_TIMEOUT);
                self.phase = Phase::Restoring { hook, change };
            }
            Err(full) => {
                log(cx, own, Level::ERROR, &format!("the old key cannot be put back: {full}"));
                self.phase = Phase::Doubtful(change);
            }
        }
    }

    /// [`Timer::Rotation`]: the host or the store does not answer. What it says later is not heard.
    pub(crate) fn on_timer(&mut self, cx: &mut Cx<'_, Udmi>, own: &mut DeviceCore) {
        match self.phase.clone() {
            Phase::Idle | Phase::Proving(_) | Phase::Doubtful(_) => {}
            Phase::Making { hook, asked } => {
                cx.cancel_hook(hook);
                self.phase = Phase::Idle;
                refuse(cx, own, asked, "no key was made in time");
            }
            Phase::Recording { asked, .. } => self.call_off(cx, own, asked, "it was not recorded in time"),
            // It may be in force, now or later: the old one is put back after it.
            Phase::Adopting { hook, change, asked } => {
                cx.cancel_hook(hook);
                refuse(cx, own, asked, "the new key was not put in use in time");
                self.restore(cx, own, change);
            }
            Phase::Resuming { hook, change } => {
                cx.cancel_hook(hook);
                log(cx, own, Level::WARNING, "whether a new key is in use was not told in time");
                self.phase = Phase::Doubtful(change);
            }
            Phase::Restoring { hook, change } => {
                cx.cancel_hook(hook);
                log(cx, own, Level::ERROR, "the old key was not put back in time");
                self.phase = Phase::Doubtful(change);
            }
        }
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
        Down::Closed(
            Closed::Refused
            | Closed::Reset
            | Closed::Eof
            | Closed::Timeout
            | Closed::Resolve
            | Closed::Host(_),
        )
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
    change: Unproven,
    outcome: Outcome,
) {
    let Unproven { backup, before, .. } = change;
    if !matches!(outcome, Outcome::Done) {
        let reason = reason(outcome, "nobody does");
        return log(cx, own, Level::ERROR, &format!("the old key cannot be put back: {reason}"));
    }
    if let Some(before) = before {
        redirect.change_password(cx, &before);
    }
    log(cx, own, Level::WARNING, &format!("the old key is back in use, from {backup}"));
    cx.notify(Notice::KeyRestored { backup });
    connect_anew(cx);
}

/// Why something was not done, as the host says it.
fn reason(outcome: Outcome, otherwise: &str) -> String {
    match outcome {
        Outcome::Failed { message } | Outcome::Invalid { message } => message,
        Outcome::Done
        | Outcome::Values { .. }
        | Outcome::Metrics(_)
        | Outcome::Blob(_)
        | Outcome::KeyMade(_)
        | Outcome::Unhandled => otherwise.into(),
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
