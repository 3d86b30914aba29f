//! The way to another endpoint: announced, settled, left, tried, proven, or back again (§5.3, steps 5 to 9).

use alloc::boxed::Box;
use alloc::format;
use alloc::string::ToString as _;
use alloc::sync::Arc;
use core::time::Duration;

use device_link::{Cx, Down, StoreId};

use super::connection::Connection;
use super::{APPLY, Phase, Redirect, Target, entry, store, text};
use crate::device::DeviceCore;
use crate::model::category::Level;
use crate::model::common::Phase as BlobPhase;
use crate::persisted;
use crate::port::Notice;
use crate::udmi::{Timer, Udmi};

/// §5.3: from the acknowledgement to leaving, so that the other registry has its config.
const SETTLE: Duration = Duration::from_secs(5);
/// §5.3: all attempts together, and one of them to be connected.
const ATTEMPTS: Duration = Duration::from_secs(15);
const ATTEMPT: Duration = Duration::from_secs(5);
/// §5.3: the pauses between attempts; there is one attempt more.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(2)];
/// How long the end of a redirect waits for the store.
const STORE: Duration = Duration::from_secs(5);
/// How long a redirect waits for a run that is about to end.
const ENDING: Duration = Duration::from_secs(1);

impl Redirect {
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
    fn leave(&mut self, cx: &mut Cx<'_, Udmi>, own: &mut DeviceCore, target: Box<Target>) {
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
    fn enter(&mut self, cx: &mut Cx<'_, Udmi>, target: Box<Target>) {
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
        let Target { signature, generation, connection } = *target;
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

    /// §5.3, step 7.
    pub(super) fn commit(&mut self, cx: &mut Cx<'_, Udmi>, own: &mut DeviceCore) {
        let Phase::Trying { target, .. } = core::mem::replace(&mut self.phase, Phase::Steady) else { return };
        cx.cancel(Timer::Redirect);
        let Target { signature, generation, connection } = *target;
        let stored = persisted::Endpoint {
            connection: connection.clone(),
            signature: signature.clone(),
            generation: generation.clone(),
            previous: Some(self.working.clone()),
        };
        let pending = store(cx, persisted::ENDPOINT, Some(stored.to_bytes()));
        self.stored = Some(Box::new(stored));
        self.home = 0;
        self.working = connection;
        own.log(cx, APPLY, Level::NOTICE, format!("endpoint {} is in use", self.working.endpoint));
        cx.notify(Notice::Redirected {
            endpoint: self.working.endpoint.clone(),
            generation: text(generation.as_ref()),
            failure: None,
        });
        self.current = Some(signature);
        self.shown = self.current.clone();
        let entry = entry(BlobPhase::Final, generation, None);
        match pending {
            None => own.show_endpoint(Some(entry)),
            Some(id) => {
                self.phase = Phase::Storing { id, entry: Box::new(entry) };
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

    pub(super) fn finish(&mut self, cx: &mut Cx<'_, Udmi>, own: &mut DeviceCore) {
        if let Phase::Storing { entry, .. } = &self.phase {
            own.show_endpoint(Some((**entry).clone()));
            cx.cancel(Timer::Redirect);
            self.phase = Phase::Steady;
        }
    }

    /// Connects elsewhere, now.
    pub(super) fn go(&mut self, cx: &mut Cx<'_, Udmi>, connection: Arc<Connection>) {
        if cx.is_up() {
            self.next = Some(connection);
        } else {
            self.connection = connection;
            cx.dial_after(Duration::ZERO);
        }
        cx.refresh();
    }
}
