//! The endpoint in use, and the way to another one when the cloud orders it (§5.3, §5.4).
//!
//! An order runs through these phases: its state `apply` goes out and is acknowledged, some seconds pass in
//! silence, the link leaves, the new endpoint is tried, and its first config proves it. What fails leads back to
//! the endpoint that worked. Only what is proven is stored, so that whatever happens on the way, the next run
//! starts where the device was last reached.

mod base64;
mod connection;
mod mask;
mod order;
mod scan;

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;
use device_link::{Cx, Down, Instant, Key, Secret, StoreId, Stored};

use crate::device::{DeviceCore, EndpointBlob};
use crate::model::category::{Category, Level};
use crate::model::common::{Phase as BlobPhase, Timestamp};
use crate::model::config::BlobsetBlob;
use crate::model::entry::Entry;
use crate::model::state;
use crate::persisted::{self, Failed};
use crate::port::Notice;
use crate::settings::Settings;
use crate::udmi::{Timer, Udmi};

pub(crate) use base64::encode_url;
pub(crate) use connection::{Authentication, Connection, StoredConnection};
pub(crate) use mask::config as mask_config;
use order::Order;

const APPLY: Category = Category::BlobsetBlobApply;
/// How long to wait for the acknowledgement of `apply`, or for a link to tell it on.
const ANNOUNCE: Duration = Duration::from_secs(30);
/// §5.3: from then on to leaving, so that the other registry has its config.
const SETTLE: Duration = Duration::from_secs(5);
/// §5.3: all attempts together, and one of them to be connected.
const ATTEMPTS: Duration = Duration::from_secs(15);
const ATTEMPT: Duration = Duration::from_secs(5);
/// §5.3: the pauses between attempts; there is one attempt more.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(2)];
/// After a start: how long an endpoint may be out of reach before another one is tried.
const FALLBACK: Duration = Duration::from_secs(300);
/// How long the end of a redirect waits for the store.
const STORE: Duration = Duration::from_secs(5);
/// How long a redirect waits for a run that is about to end.
const ENDING: Duration = Duration::from_secs(1);
/// The failed orders that are remembered at most.
const FAILED: usize = 8;

/// Where an order leads.
#[derive(Clone, Debug)]
struct Target {
    signature: String,
    generation: Option<Timestamp>,
    connection: Connection,
}

#[derive(Clone, Debug)]
enum Phase {
    /// Nothing is under way.
    Steady,
    /// The cloud does not know yet that the device will leave.
    Announcing(Target),
    /// It knows; the other registry gets its config meanwhile.
    Settling(Target),
    /// The link is to end in order.
    Leaving(Target),
    /// The new endpoint is in use and not yet proven.
    Trying { target: Target, attempt: usize, until: Instant },
    /// It is proven, and waits to be safe in the store before the cloud is told.
    Storing { id: StoreId, entry: state::BlobsetBlob },
}

/// The endpoint in use and what is known of others. [`Udmi`] tells it of everything and asks it for
/// [`Redirect::connection`] and [`Redirect::holds_states`] after each call.
#[derive(Debug)]
pub(crate) struct Redirect {
    device_id: String,
    follows: bool,
    configured: Connection,
    /// In use.
    connection: Connection,
    /// In use as soon as the link is down.
    next: Option<Connection>,
    /// The last that has delivered a config, at first the one this run began with.
    working: Connection,
    /// Of the order that led to the endpoint in use.
    current: Option<String>,
    stored: Option<persisted::Endpoint>,
    failed: Vec<Failed>,
    phase: Phase,
    /// The order whose end is shown.
    shown: Option<String>,
    /// Whether a config has come in this run.
    reached: bool,
    /// Where to look for the cloud after a start, in this order: the stored endpoint, the one before it, if that
    /// is stored too, and the configured one. They are never compared, since a trace knows only the masks of
    /// their passwords.
    homes: Vec<Connection>,
    /// Which of them works, or is tried.
    home: usize,
    /// What could not be read at the start.
    unreadable: Vec<(&'static str, String)>,
}

impl Redirect {
    pub(crate) fn new(settings: &Settings) -> Self {
        let configured = Connection::of(settings);
        Self {
            device_id: settings.device_id.clone(),
            follows: settings.options.redirects,
            connection: configured.clone(),
            next: None,
            working: configured.clone(),
            current: None,
            stored: None,
            failed: Vec::new(),
            phase: Phase::Steady,
            shown: None,
            reached: false,
            homes: Vec::new(),
            home: 0,
            unreadable: Vec::new(),
            configured,
        }
    }

    /// The endpoint in use.
    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Whether states are to be held back: from the acknowledged `apply` to the first config elsewhere (§5.3).
    pub(crate) fn holds_states(&self) -> bool {
        self.next.is_some() || !matches!(self.phase, Phase::Steady | Phase::Announcing(_))
    }

    /// Whether an order is being carried out.
    pub(crate) fn is_under_way(&self) -> bool {
        self.next.is_some() || !matches!(self.phase, Phase::Steady)
    }

    /// Before anything else of a run: a stored endpoint takes precedence over the configured one (§5.4), unless
    /// redirects are switched off.
    pub(crate) fn load(&mut self, stored: &[Stored]) {
        match persisted::read_attempts(stored) {
            Ok(failed) => self.failed = failed.into_iter().take(FAILED).collect(),
            Err(reason) => self.unreadable.push((persisted::ATTEMPTS, reason)),
        }
        match persisted::read_endpoint(stored) {
            Ok(endpoint) => self.stored = endpoint,
            Err(reason) => self.unreadable.push((persisted::ENDPOINT, reason)),
        }
        let Some(stored) = self.stored.as_ref().filter(|_| self.follows) else { return };
        self.homes = [Some(&stored.connection), stored.previous.as_ref(), Some(&self.configured)]
            .into_iter()
            .flatten()
            .cloned()
            .collect();
        self.current = Some(stored.signature.clone());
        self.connection = stored.connection.clone();
        self.working = stored.connection.clone();
    }

    /// The run begins.
    pub(crate) fn on_start(&mut self, cx: &mut Cx<'_, Udmi>, own: &mut DeviceCore, stored: &[Stored]) {
        for (key, reason) in core::mem::take(&mut self.unreadable) {
            set_aside(cx, own, stored, key, reason);
        }
        if !self.homes.is_empty() {
            cx.after(Timer::Fallback, FALLBACK);
        }
    }

    /// A config came, and is in force already. Says what it orders of the endpoint.
    pub(crate) fn on_config(&mut self, cx: &mut Cx<'_, Udmi>, own: &mut DeviceCore, blob: EndpointBlob) {
        if self.next.is_some() {
            return; // too late: from an endpoint that is being left as failed
        }
        let blob = match blob {
            EndpointBlob::Unknown => return, // that proves and orders nothing
            EndpointBlob::Absent => None,
            // §11 item 47: one that is not complete yet is none.
            EndpointBlob::Present(blob) => Some(blob).filter(|blob| blob.phase == Some(BlobPhase::Final)),
        };
        self.finish(cx, own);
        self.prove(cx, own);
        match blob {
            None => self.forget(cx, own),
            Some(blob) => self.consider(cx, own, &blob),
        }
    }

    /// The endpoint in use has delivered a config: it works.
    fn prove(&mut self, cx: &mut Cx<'_, Udmi>, own: &mut DeviceCore) {
        if !core::mem::replace(&mut self.reached, true) {
            cx.cancel(Timer::Fallback);
            self.tell_fallback(cx, own);
        }
        if matches!(self.phase, Phase::Trying { .. }) {
            self.commit(cx, own);
        } else {
            self.working = self.connection.clone();
        }
    }

    /// §5.3, step 7.
    fn commit(&mut self, cx: &mut Cx<'_, Udmi>, own: &mut DeviceCore) {
        let Phase::Trying { target, .. } = core::mem::replace(&mut self.phase, Phase::Steady) else { return };
        cx.cancel(Timer::Redirect);
        let stored = persisted::Endpoint {
            connection: target.connection.clone(),
            signature: target.signature.clone(),
            generation: target.generation.clone(),
            previous: Some(self.working.clone()),
        };
        let pending = store(cx, persisted::ENDPOINT, Some(stored.to_bytes()));
        self.stored = Some(stored);
        self.home = 0;
        self.working = target.connection;
        own.log(cx, APPLY, Level::NOTICE, format!("endpoint {} is in use", self.working.endpoint));
        cx.notify(Notice::Redirected {
            endpoint: self.working.endpoint.clone(),
            generation: text(target.generation.as_ref()),
            failure: None,
        });
        self.current = Some(target.signature);
        self.shown = self.current.clone();
        let entry = entry(BlobPhase::Final, target.generation, None);
        match pending {
            None => own.show_endpoint(Some(entry)),
            Some(id) => {
                self.phase = Phase::Storing { id, entry };
                cx.after(Timer::Redirect, STORE);
            }
        }
    }

    /// A store was tried: with the endpoint safe, or not to be kept at all, the cloud may know.
    pub(crate) fn on_stored(&mut self, cx: &mut Cx<'_, Udmi>, own: &mut DeviceCore, stored: StoreId) {
        if matches!(self.phase, Phase::Storing { id, .. } if id == stored) {
            self.finish(cx, own);
        }
    }

    fn finish(&mut self, cx: &mut Cx<'_, Udmi>, own: &mut DeviceCore) {
        if let Phase::Storing { entry, .. } = &self.phase {
            own.show_endpoint(Some(entry.clone()));
            cx.cancel(Timer::Redirect);
            self.phase = Phase::Steady;
        }
    }

    /// §5.3, step 1: no order, nothing to remember. The endpoint stays.
    fn forget(&mut self, cx: &mut Cx<'_, Udmi>, own: &mut DeviceCore) {
        self.abort(cx, own);
        if !core::mem::take(&mut self.failed).is_empty() {
            store(cx, persisted::ATTEMPTS, None);
        }
        self.shown = None;
        own.show_endpoint(None);
    }

    /// An order that has not led anywhere yet is taken back.
    fn abort(&mut self, cx: &mut Cx<'_, Udmi>, own: &mut DeviceCore) {
        let target = match core::mem::replace(&mut self.phase, Phase::Steady) {
            Phase::Steady | Phase::Storing { .. } => return cx.cancel(Timer::Redirect),
            Phase::Announcing(target) | Phase::Settling(target) => {
                self.taken_back(cx, own);
                return drop(target);
            }
            // The link reconnects to where it was.
            Phase::Leaving(target) | Phase::Trying { target, .. } => target,
        };
        self.taken_back(cx, own);
        cx.notify(Notice::Redirected {
            endpoint: self.connection.endpoint.clone(),
            generation: text(target.generation.as_ref()),
            failure: Some("the order was taken back".into()),
        });
    }

    fn taken_back(&mut self, cx: &mut Cx<'_, Udmi>, own: &mut DeviceCore) {
        cx.cancel(Timer::Redirect);
        own.log(cx, APPLY, Level::NOTICE, "endpoint: the order was taken back");
    }

    /// §5.3, steps 2 to 5.
    fn consider(&mut self, cx: &mut Cx<'_, Udmi>, own: &mut DeviceCore, blob: &BlobsetBlob) {
        let order = Order::read(blob, &self.device_id, &self.configured);
        if self.target().is_some_and(|target| target.signature == order.signature) || self.is_storing(&order)
        {
            return;
        }
        self.abort(cx, own);
        if self.current.as_ref() == Some(&order.signature) {
            return self.show(own, order.generation, None, Some(order.signature));
        }
        if let Some(failed) = self.failed.iter().find(|failed| failed.signature == order.signature) {
            let entry = Entry::new(APPLY, failed.message.clone(), failed.timestamp.clone()).at(Level::ERROR);
            return self.show(own, order.generation, Some(entry), Some(order.signature));
        }
        let wanted = match order.wanted {
            _ if !self.follows => Err("redirects are switched off on this device".to_string()),
            wanted => wanted,
        };
        let (signature, generation) = (order.signature, order.generation);
        match wanted {
            Err(reason) => {
                cx.notify(Notice::Redirected {
                    endpoint: self.connection.endpoint.clone(),
                    generation: text(generation.as_ref()),
                    failure: Some(reason.clone()),
                });
                self.fail_order(cx, own, signature, generation, &reason);
            }
            Ok(connection) => {
                let text = format!("endpoint {} is ordered", connection.endpoint);
                own.log(cx, Category::BlobsetBlobReceive, Level::DEBUG, text);
                own.show_endpoint(Some(entry(BlobPhase::Apply, generation.clone(), None)));
                self.shown = None;
                self.phase = Phase::Announcing(Target { signature, generation, connection });
                cx.after(Timer::Redirect, ANNOUNCE);
            }
        }
    }

    /// Whether that order has just been proven.
    fn is_storing(&self, order: &Order) -> bool {
        matches!(self.phase, Phase::Storing { .. }) && self.current.as_ref() == Some(&order.signature)
    }

    fn target(&self) -> Option<&Target> {
        match &self.phase {
            Phase::Steady | Phase::Storing { .. } => None,
            Phase::Announcing(target)
            | Phase::Settling(target)
            | Phase::Leaving(target)
            | Phase::Trying { target, .. } => Some(target),
        }
    }

    /// Shows the end of an order, once.
    fn show(
        &mut self,
        own: &mut DeviceCore,
        generation: Option<Timestamp>,
        status: Option<Entry>,
        signature: Option<String>,
    ) {
        if signature.is_none() || self.shown != signature {
            self.shown = signature;
            own.show_endpoint(Some(entry(BlobPhase::Final, generation, status)));
        }
    }

    /// Remembers an order as failed and shows it so. One that is refused by an option is forgotten at the end
    /// of the run, since the option may be another one in the next.
    fn fail_order(
        &mut self,
        cx: &mut Cx<'_, Udmi>,
        own: &mut DeviceCore,
        signature: String,
        generation: Option<Timestamp>,
        reason: &str,
    ) {
        own.log(cx, APPLY, Level::ERROR, format!("endpoint: {reason}"));
        let status = own.entry(cx, APPLY, reason).at(Level::ERROR);
        if self.failed.len() >= FAILED {
            self.failed.remove(0);
        }
        let (message, timestamp) = (status.message.clone(), status.timestamp.clone());
        self.failed.push(Failed { signature: signature.clone(), message, timestamp });
        if self.follows {
            store(cx, persisted::ATTEMPTS, Some(persisted::attempts_to_bytes(&self.failed)));
        }
        self.show(own, generation, Some(status), Some(signature));
    }

    /// Everything one cause has changed is known: looks whether the cloud knows of `apply`.
    pub(crate) fn on_settled(&mut self, cx: &mut Cx<'_, Udmi>, own: &DeviceCore) {
        if let Phase::Announcing(target) = &self.phase
            && own.is_endpoint_known()
        {
            self.phase = Phase::Settling(target.clone());
            cx.after(Timer::Redirect, SETTLE);
        }
    }

    /// [`Timer::Redirect`].
    pub(crate) fn on_timer(&mut self, cx: &mut Cx<'_, Udmi>, own: &mut DeviceCore) {
        if own.is_ending() {
            return cx.after(Timer::Redirect, ENDING); // the application may still call the end off
        }
        match self.phase.clone() {
            Phase::Steady | Phase::Leaving(_) => {}
            Phase::Storing { .. } => self.finish(cx, own),
            Phase::Announcing(target) | Phase::Settling(target) => self.leave(cx, own, target),
            Phase::Trying { until, .. } if cx.now().at >= until => {
                let waited = if cx.is_up() { "no config came" } else { "no connection in time" };
                self.fail(cx, own, waited);
            }
            Phase::Trying { .. } => {
                self.attempt_failed(cx, own, "no connection in time");
                cx.refresh();
            }
        }
    }

    /// §5.3, step 6.
    fn leave(&mut self, cx: &mut Cx<'_, Udmi>, own: &mut DeviceCore, target: Target) {
        own.log(cx, APPLY, Level::NOTICE, format!("endpoint: leaving for {}", target.connection.endpoint));
        let (to, generation) = (target.connection.endpoint.clone(), text(target.generation.as_ref()));
        cx.notify(Notice::Redirecting { to, generation });
        self.phase = Phase::Leaving(target.clone());
        if !cx.is_up() {
            self.enter(cx, target);
        }
        cx.refresh();
    }

    /// The link is down: the next attempt goes to the new endpoint.
    fn enter(&mut self, cx: &mut Cx<'_, Udmi>, target: Target) {
        let now = cx.now().at;
        self.connection = target.connection.clone();
        self.phase = Phase::Trying { target, attempt: 0, until: now + ATTEMPTS };
        cx.dial_after(Duration::ZERO);
        cx.after(Timer::Redirect, ATTEMPT);
    }

    /// The link is up.
    pub(crate) fn on_up(&mut self, cx: &mut Cx<'_, Udmi>, own: &mut DeviceCore) {
        let Phase::Trying { until, .. } = &mut self.phase else { return };
        match u64::try_from(self.connection.config_sync_seconds) {
            Err(_) => self.commit(cx, own), // §1.9: no config is waited for
            Ok(seconds) => {
                if seconds > 0 {
                    *until = (*until).min(cx.now().at + Duration::from_secs(seconds));
                }
                cx.at(Timer::Redirect, *until);
            }
        }
    }

    /// The link is down.
    pub(crate) fn on_down(&mut self, cx: &mut Cx<'_, Udmi>, own: &mut DeviceCore, why: &Down) {
        if let Some(next) = self.next.take() {
            self.connection = next;
            return cx.dial_after(Duration::ZERO);
        }
        match &self.phase {
            Phase::Steady | Phase::Announcing(_) | Phase::Settling(_) | Phase::Storing { .. } => {}
            Phase::Leaving(target) => {
                let target = target.clone();
                self.enter(cx, target);
            }
            Phase::Trying { .. } if *why == Down::Refresh => {} // given up by ourselves
            Phase::Trying { .. } => self.attempt_failed(cx, own, &why.to_string()),
        }
    }

    /// One more attempt, unless there were enough.
    fn attempt_failed(&mut self, cx: &mut Cx<'_, Udmi>, own: &mut DeviceCore, reason: &str) {
        let now = cx.now().at;
        let Phase::Trying { attempt, until, .. } = &mut self.phase else { return };
        match PAUSES.get(*attempt) {
            Some(pause) if now + *pause < *until => {
                *attempt += 1;
                cx.dial_after(*pause);
                cx.at(Timer::Redirect, (now + *pause + ATTEMPT).min(*until));
            }
            Some(_) | None => self.fail(cx, own, reason),
        }
    }

    /// §5.3, step 8: back to the endpoint that works, and told there.
    fn fail(&mut self, cx: &mut Cx<'_, Udmi>, own: &mut DeviceCore, reason: &str) {
        let Phase::Trying { target, .. } = core::mem::replace(&mut self.phase, Phase::Steady) else { return };
        cx.cancel(Timer::Redirect);
        let Target { signature, generation, connection } = target;
        cx.notify(Notice::Redirected {
            endpoint: self.working.endpoint.clone(),
            generation: text(generation.as_ref()),
            failure: Some(reason.into()),
        });
        let reason = format!("{}: {reason}", connection.endpoint);
        self.fail_order(cx, own, signature, generation, &reason);
        self.keep_working(cx);
        self.go(cx, self.working.clone());
    }

    /// What is stored is where the next run begins: no other than what works.
    fn keep_working(&mut self, cx: &mut Cx<'_, Udmi>) {
        let Some(stored) = &mut self.stored else { return };
        if self.home == 0 {
            return;
        }
        if self.home + 1 == self.homes.len() {
            self.stored = None;
            store(cx, persisted::ENDPOINT, None);
            return;
        }
        stored.connection = self.working.clone();
        stored.signature = String::new();
        stored.generation = None;
        store(cx, persisted::ENDPOINT, Some(stored.to_bytes()));
    }

    /// Connects elsewhere, now.
    fn go(&mut self, cx: &mut Cx<'_, Udmi>, connection: Connection) {
        if cx.is_up() {
            self.next = Some(connection);
        } else {
            self.connection = connection;
            cx.dial_after(Duration::ZERO);
        }
        cx.refresh();
    }

    /// [`Timer::Fallback`]: nothing was heard of the cloud since the start.
    pub(crate) fn on_fallback(&mut self, cx: &mut Cx<'_, Udmi>, own: &mut DeviceCore) {
        if self.reached {
            return;
        }
        cx.after(Timer::Fallback, FALLBACK);
        if cx.is_up() {
            return; // reachable, only silent
        }
        self.home = (self.home + 1).checked_rem(self.homes.len()).unwrap_or(0);
        let Some(connection) = self.homes.get(self.home).cloned() else { return };
        let text = format!("{} is out of reach, trying {}", self.connection.endpoint, connection.endpoint);
        own.log(cx, Category::device("endpoint"), Level::WARNING, text);
        self.current = self.stored.as_ref().filter(|_| self.home == 0).map(|stored| stored.signature.clone());
        self.go(cx, connection);
    }

    fn tell_fallback(&self, cx: &mut Cx<'_, Udmi>, own: &mut DeviceCore) {
        let Some(stored) = self.stored.as_ref().filter(|_| self.home > 0) else { return };
        let reason = format!("{} was out of reach after the start", stored.connection.endpoint);
        own.log(cx, Category::device("endpoint"), Level::WARNING, reason.clone());
        cx.notify(Notice::Redirected {
            endpoint: self.connection.endpoint.clone(),
            generation: text(stored.generation.as_ref()),
            failure: Some(reason),
        });
    }

    /// Puts `new` in place of the password that is derived from the device's key, wherever it is used; gives the
    /// one before back, if there was one.
    pub(crate) fn change_password(
        &mut self,
        cx: &mut Cx<'_, Udmi>,
        new: &Secret<String>,
    ) -> Option<Secret<String>> {
        let mut before = None;
        for connection in [&mut self.connection, &mut self.working, &mut self.configured]
            .into_iter()
            .chain(&mut self.homes)
            .chain(&mut self.next)
        {
            before = before.or(connection.change_password(new));
        }
        if let Some(stored) = &mut self.stored {
            let connections = [&mut stored.connection].into_iter().chain(&mut stored.previous);
            let changed = connections.filter_map(|connection| connection.change_password(new)).count();
            if changed > 0 {
                store(cx, persisted::ENDPOINT, Some(stored.to_bytes()));
            }
        }
        before
    }
}

fn entry(phase: BlobPhase, generation: Option<Timestamp>, status: Option<Entry>) -> state::BlobsetBlob {
    state::BlobsetBlob { phase, status, generation }
}

fn text(generation: Option<&Timestamp>) -> String {
    generation.map(|generation| generation.as_str().into()).unwrap_or_default()
}

/// A stored value cannot be read: it is told, and kept under another key, where nothing overwrites it.
pub(crate) fn set_aside(
    cx: &mut Cx<'_, Udmi>,
    own: &mut DeviceCore,
    stored: &[Stored],
    key: &str,
    reason: String,
) {
    if let Some(value) = persisted::find(stored, key) {
        store(cx, &format!("{key}{}", persisted::ASIDE), Some(value.clone()));
    }
    let text = format!("stored value {key} is unreadable: {reason}");
    own.log(cx, Category::device("store"), Level::WARNING, text);
    cx.notify(Notice::StoredUnreadable { key: key.into(), reason });
}

/// A store that finds no room is as one that fails: the next run begins elsewhere, and can still be sent here.
pub(crate) fn store(cx: &mut Cx<'_, Udmi>, key: &str, value: Option<Bytes>) -> Option<StoreId> {
    cx.store(&Key::new(key).ok()?, value).ok()
}
