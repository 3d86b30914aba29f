//! The endpoint in use, and the way to another one when the cloud orders it (§5.3, §5.4).
//!
//! An order runs through these phases: its state `apply` goes out and is acknowledged, some seconds pass in
//! silence, the link leaves, the new endpoint is tried, and its first config proves it. What fails leads back to
//! the endpoint that worked. Only what is proven is stored, so that whatever happens on the way, the next run
//! starts where the device was last reached.

mod base64;
mod connection;
mod home;
mod mask;
mod order;
pub(crate) mod scan;
mod way;

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;
use device_link::{Cx, Instant, Key, StoreId, Stored};

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

pub(crate) use base64::{encode, encode_url};
pub(crate) use connection::{Authentication, Connection, StoredConnection};
pub(crate) use mask::{config as mask_config, cover, put_text};
use order::Order;

const APPLY: Category = Category::BlobsetBlobApply;
/// How long to wait for the acknowledgement of `apply`, or for a link to tell it on.
const ANNOUNCE: Duration = Duration::from_secs(30);
/// The failed orders that are remembered at most.
const FAILED: usize = 8;

/// Where an order leads.
#[derive(Clone, Debug)]
struct Target {
    signature: String,
    generation: Option<Timestamp>,
    connection: Arc<Connection>,
}

#[derive(Clone, Debug)]
enum Phase {
    /// Nothing is under way.
    Steady,
    /// The cloud does not know yet that the device will leave.
    Announcing(Box<Target>),
    /// It knows; the other registry gets its config meanwhile.
    Settling(Box<Target>),
    /// The link is to end in order.
    Leaving(Box<Target>),
    /// The new endpoint is in use and not yet proven.
    Trying { target: Box<Target>, attempt: usize, until: Instant },
    /// It is proven, and waits to be safe in the store before the cloud is told.
    Storing { id: StoreId, entry: Box<state::BlobsetBlob> },
}

/// The endpoint in use and what is known of others. [`Udmi`] tells it of everything and asks it for
/// [`Redirect::connection`] and [`Redirect::holds_states`] after each call.
#[derive(Debug)]
pub(crate) struct Redirect {
    device_id: String,
    follows: bool,
    /// This connection and the others are mostly one and the same, so they are shared.
    configured: Arc<Connection>,
    /// In use.
    connection: Arc<Connection>,
    /// In use as soon as the link is down.
    next: Option<Arc<Connection>>,
    /// The last that has delivered a config, at first the one this run began with.
    working: Arc<Connection>,
    /// Of the order that led to the endpoint in use.
    current: Option<String>,
    stored: Option<Box<persisted::Endpoint>>,
    failed: Vec<Failed>,
    phase: Phase,
    /// The order whose end is shown.
    shown: Option<String>,
    /// Whether a config has come in this run.
    reached: bool,
    /// Where to look for the cloud after a start, in this order: the stored endpoint, the one before it, if that
    /// is stored too, and the configured one. They are never compared, since a trace knows only the masks of
    /// their passwords.
    homes: Vec<Arc<Connection>>,
    /// Which of them works, or is tried.
    home: usize,
    /// What could not be read at the start.
    unreadable: Vec<(&'static str, String)>,
}

impl Redirect {
    pub(crate) fn new(settings: &Settings) -> Self {
        let configured = Arc::new(Connection::of(settings));
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
                let connection = Arc::new(connection);
                self.phase = Phase::Announcing(Box::new(Target { signature, generation, connection }));
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
