//! From a device that is wanted to one that is attached (§1.10): an empty message to `attach`, then the subscriptions,
//! each step begun when the one before is acknowledged. A window of devices is on the way at a time; each that is done
//! lets the next one in, so that thousands are attached as fast as the broker takes them.

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;
use device_link::{Cx, Map, Publish, Queue, Receipt, Set, Token, wire::Qos};

use super::{Gateway, Sent};
use crate::actor::ProxyIx;
use crate::device::DeviceCore;
use crate::logs::clip;
use crate::model::category::Category;
use crate::port::Notice;
use crate::udmi::{Timer, Udmi};

/// Devices that are being attached at a time.
const WINDOW: usize = 64;
/// The pause after the first attempt that fails (§1.10); it doubles with each that follows.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(120);
/// How long a device that failed before is attached without an error until it counts as good, if no config comes
/// earlier: the broker tells of errors when it likes.
const PROBATION: Duration = Duration::from_secs(10);

/// How long a broker may take to acknowledge the message to `attach`: one that never does must not hold up the others.
const PATIENCE: Duration = Duration::from_secs(60);

/// How far a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The gateway does not act for it.
    Unwanted,
    /// Waits for the link, the gateway's first config, or its turn.
    Waiting,
    /// The message to `attach` is not acknowledged yet.
    Announcing(Token),
    /// The subscription to its config is not answered yet.
    Subscribing,
    /// It is acted for.
    Attached,
    /// The last attempt failed; a timer starts the next.
    Failed,
    /// Its run has ended for good.
    Ended,
}

impl Phase {
    pub(super) fn is_wanted(self) -> bool {
        self != Self::Unwanted
    }

    fn is_under_way(self) -> bool {
        matches!(self, Self::Announcing(_) | Self::Subscribing)
    }
}

/// What is known of all attachments.
#[derive(Debug, Default)]
pub(super) struct Attachments {
    /// Whether devices may be attached on this connection.
    open: bool,
    /// Devices that wait for their turn.
    queue: Set<ProxyIx>,
    under_way: usize,
    /// Devices that cannot be attached, with the reason.
    failed: Map<ProxyIx, String>,
    /// How many of the config's devices are left out.
    left_out: usize,
    /// Whether the state may have to tell something else.
    changed: bool,
}

impl Attachments {
    /// So many devices of the config are left out; tells whether that is new.
    pub(super) fn leave_out(&mut self, count: usize) -> bool {
        let changed = core::mem::replace(&mut self.left_out, count) != count;
        self.changed |= changed;
        changed
    }
}

impl Gateway {
    /// Devices may be attached from now on: the gateway's own config has come, or has not in time.
    pub(crate) fn open(&mut self, cx: &mut Cx<'_, Udmi>) {
        if cx.is_up() {
            self.attachments.open = true;
            self.pump(cx);
        }
    }

    /// The link is gone: every device is attached anew on the next.
    pub(crate) fn on_down(&mut self, cx: &mut Cx<'_, Udmi>) {
        self.attachments.open = false;
        for ix in self.proxies.keys().copied().collect::<Vec<_>>() {
            self.detach(cx, ix, false);
            self.enqueue(cx, ix);
        }
    }

    /// Lets a device wait for its turn.
    pub(super) fn enqueue(&mut self, cx: &mut Cx<'_, Udmi>, ix: ProxyIx) {
        let Some(proxy) = self.proxies.get_mut(&ix) else { return };
        match proxy.phase {
            Phase::Waiting | Phase::Failed => {}
            Phase::Unwanted | Phase::Announcing(_) | Phase::Subscribing | Phase::Attached | Phase::Ended => {
                return;
            }
        }
        cx.cancel(Timer::Attach(ix));
        proxy.phase = Phase::Waiting;
        self.attachments.queue.insert(ix);
        self.pump(cx);
    }

    fn pump(&mut self, cx: &mut Cx<'_, Udmi>) {
        while self.attachments.open && self.attachments.under_way < WINDOW {
            let Some(ix) = self.attachments.queue.pop_first() else { return };
            self.announce(cx, ix);
        }
    }

    fn announce(&mut self, cx: &mut Cx<'_, Udmi>, ix: ProxyIx) {
        let Some(proxy) = self.proxies.get_mut(&ix) else { return };
        let Ok(topic) = proxy.core.attach_topic() else { return };
        let token = cx.publish(Publish {
            topic,
            payload: Bytes::new(),
            qos: Qos::AtLeastOnce,
            retain: false,
            queue: Queue::Drop,
        });
        self.sent.insert(token, Sent::Attach(ix));
        proxy.phase = Phase::Announcing(token);
        self.attachments.under_way += 1;
        cx.after(Timer::Attach(ix), PATIENCE);
    }

    pub(super) fn on_attach_receipt(
        &mut self,
        cx: &mut Cx<'_, Udmi>,
        own: &mut DeviceCore,
        ix: ProxyIx,
        token: Token,
        receipt: Receipt,
    ) {
        let Some(proxy) = self.proxies.get_mut(&ix) else { return };
        if proxy.phase != Phase::Announcing(token) {
            return;
        }
        match receipt {
            Receipt::Acked | Receipt::Sent => {
                proxy.phase = Phase::Subscribing;
                let commands = self.options.commands;
                self.with(cx, ix, |core, cx| core.subscribe(cx, commands));
            }
            Receipt::Lost(_) if cx.is_up() => self.fail(cx, own, ix, "the message to attach it was lost"),
            Receipt::Lost(_) => {} // the link has gone, and all that with it
        }
    }

    /// The subscription to a device's config is in force.
    pub(super) fn subscribed(&mut self, cx: &mut Cx<'_, Udmi>, ix: ProxyIx) {
        let Some(proxy) = self.proxies.get_mut(&ix) else { return };
        if proxy.phase != Phase::Subscribing {
            return;
        }
        proxy.phase = Phase::Attached;
        proxy.core.set_attached(true);
        cx.notify(Notice::ProxyAttached { device: proxy.id.clone() });
        if proxy.failures > 0 {
            cx.after(Timer::Attach(ix), PROBATION);
        } else {
            cx.cancel(Timer::Attach(ix));
        }
        self.attachments.under_way = self.attachments.under_way.saturating_sub(1);
        self.with(cx, ix, |core, cx| core.on_up(cx));
        cx.open_gate(ix.gate());
        self.pump(cx);
    }

    pub(super) fn is_attached(&self, ix: ProxyIx) -> bool {
        self.proxies.get(&ix).is_some_and(|proxy| proxy.phase == Phase::Attached)
    }

    /// [`Timer::Attach`].
    pub(crate) fn on_attach_timer(&mut self, cx: &mut Cx<'_, Udmi>, own: &mut DeviceCore, ix: ProxyIx) {
        match self.proxies.get(&ix).map(|proxy| proxy.phase) {
            Some(Phase::Announcing(_) | Phase::Subscribing) => {
                self.fail(cx, own, ix, "the broker does not answer");
            }
            Some(Phase::Attached) => self.confirm(cx, ix),
            Some(Phase::Failed) => self.enqueue(cx, ix),
            Some(Phase::Unwanted | Phase::Waiting | Phase::Ended) | None => {}
        }
    }

    /// A device that failed before is attached for good.
    pub(super) fn confirm(&mut self, cx: &mut Cx<'_, Udmi>, ix: ProxyIx) {
        let Some(proxy) = self.proxies.get_mut(&ix).filter(|proxy| proxy.failures > 0) else { return };
        proxy.failures = 0;
        cx.cancel(Timer::Attach(ix));
        self.attachments.changed |= self.attachments.failed.remove(&ix).is_some();
    }

    /// A device cannot be attached, or is not any more. It is tried again after a while.
    pub(super) fn fail(&mut self, cx: &mut Cx<'_, Udmi>, own: &mut DeviceCore, ix: ProxyIx, reason: &str) {
        let Some(phase) = self.proxies.get(&ix).map(|proxy| proxy.phase) else { return };
        if !phase.is_under_way() && phase != Phase::Attached {
            return;
        }
        self.detach(cx, ix, false);
        let Some(proxy) = self.proxies.get_mut(&ix) else { return };
        proxy.phase = Phase::Failed;
        let doubled = FIRST_PAUSE.saturating_mul(1 << proxy.failures.min(4));
        proxy.failures = proxy.failures.saturating_add(1);
        cx.after(Timer::Attach(ix), doubled.min(LONGEST_PAUSE));
        let mut reason = reason.to_string();
        clip(&mut reason);
        let text = format!("{} cannot be attached: {reason}", proxy.id);
        cx.notify(Notice::ProxyRefused { device: proxy.id.clone(), reason });
        if self.attachments.failed.insert(ix, text.clone()).as_ref() != Some(&text) {
            self.attachments.changed = true;
            own.log(cx, Category::GatewaySetupAttach, Category::GatewaySetupAttach.level(), text);
        }
        self.pump(cx);
    }

    /// Ends what there is of an attachment, wherever it is; `told` tells the broker where that is allowed.
    pub(super) fn detach(&mut self, cx: &mut Cx<'_, Udmi>, ix: ProxyIx, told: bool) {
        let Some(proxy) = self.proxies.get_mut(&ix) else { return };
        let phase = proxy.phase;
        if phase.is_wanted() && phase != Phase::Ended {
            proxy.phase = Phase::Waiting;
        }
        self.attachments.queue.remove(&ix);
        cx.cancel(Timer::Attach(ix));
        if phase.is_under_way() {
            self.attachments.under_way = self.attachments.under_way.saturating_sub(1);
        }
        if matches!(phase, Phase::Subscribing | Phase::Attached) {
            self.with(cx, ix, |core, cx| core.unsubscribe(cx));
        }
        if phase == Phase::Attached {
            cx.close_gate(ix.gate());
            self.with(cx, ix, |core, cx| {
                core.set_attached(false);
                core.on_down(cx);
            });
            let Some(proxy) = self.proxies.get(&ix) else { return };
            cx.notify(Notice::ProxyDetached { device: proxy.id.clone() });
            if let Some(topic) = proxy.core.detach_topic().filter(|_| told && cx.is_up()) {
                cx.publish(Publish {
                    topic,
                    payload: Bytes::new(),
                    qos: Qos::AtLeastOnce,
                    retain: false,
                    queue: Queue::Drop,
                });
            }
        }
        if told {
            self.attachments.changed |= self.attachments.failed.remove(&ix).is_some();
            self.pump(cx);
        }
    }

    /// Asks for the config of an attached device again: the broker sends what it has kept.
    pub(super) fn resubscribe(&mut self, cx: &mut Cx<'_, Udmi>, ix: ProxyIx) {
        if self.is_attached(ix) {
            let commands = self.options.commands;
            self.with(cx, ix, |core, cx| {
                core.subscribe(cx, commands);
                core.on_up(cx);
            });
        }
    }

    /// Shows in the gateway's own state what is wrong, until all are attached.
    pub(super) fn tell(&mut self, cx: &mut Cx<'_, Udmi>, own: &mut DeviceCore) {
        if !core::mem::take(&mut self.attachments.changed) {
            return;
        }
        let Attachments { failed, left_out, .. } = &self.attachments;
        let text = match (failed.first_key_value(), failed.len(), left_out) {
            (None, _, 0) => None,
            (None, _, left_out) => Some(format!("{left_out} of the proxy_ids are left out")),
            (Some((_, text)), 1, _) => Some(text.clone()),
            (Some((_, text)), count, _) => Some(format!("{text} (and {} others)", count - 1)),
        };
        let entry = text.map(|text| own.entry(cx, Category::GatewaySetupAttach, &text));
        own.show_attachments(entry);
    }
}
