//! Which devices there are: those the application knows, and those the config names (§6.7, §11 item 29).

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use device_link::{Cx, Instant, Set};

use super::attach::Phase;
use super::{Gateway, Proxy, refuse, start_of, unknown};
use crate::actor::{Actor, ProxyIx};
use crate::device::DeviceCore;
use crate::model::category::{Category, Level};
use crate::settings::{Known, ProxyMode, ProxySettings, is_device_id};
use crate::udmi::{Timer, Udmi};

/// How long starts of devices are gathered before they are stored.
const STORE_AFTER: core::time::Duration = core::time::Duration::from_secs(1);

impl Gateway {
    /// Acts for these devices and no others.
    pub(super) fn follow(&mut self, cx: &mut Cx<'_, Udmi>, own: &mut DeviceCore, ids: Vec<String>) {
        let named = ids.len();
        let mut ids: Set<_> =
            ids.into_iter().filter(|id| is_device_id(id) && *id != self.device_id).collect();
        while ids.len() > self.maximum {
            ids.pop_last();
        }
        let is_dropped = |proxy: &Proxy| proxy.phase.is_wanted() && !ids.contains(&proxy.id);
        let dropped = self.proxies.iter().filter(|(_, proxy)| is_dropped(proxy));
        for ix in dropped.map(|(ix, _)| *ix).collect::<Vec<_>>() {
            self.drop_wanted(cx, ix);
        }
        if !core::mem::replace(&mut self.told, true) {
            let unwanted = self.proxies.iter().filter(|(_, proxy)| !ids.contains(&proxy.id));
            self.touched.extend(unwanted.map(|(ix, _)| *ix));
        }
        let left_out = named.saturating_sub(ids.len());
        for id in ids {
            let ix = match self.by_id.get(&id) {
                Some(ix) => *ix,
                None => match self.create(id, Known::default(), false) {
                    Some(ix) => ix,
                    None => continue,
                },
            };
            if self.proxies.get(&ix).is_some_and(|proxy| !proxy.phase.is_wanted()) {
                self.want(cx, ix);
            }
        }
        if self.attachments.leave_out(left_out) && left_out > 0 {
            let text = format!(
                "{left_out} of {named} proxy_ids are no ids, name the gateway, are there twice, or too many"
            );
            own.log(cx, Category::GatewaySetupAttach, Level::WARNING, text);
        }
    }

    /// Makes a device that is not acted for yet.
    pub(super) fn create(&mut self, id: String, known: Known, is_known: bool) -> Option<ProxyIx> {
        let topics = self.topics.sibling(&id).ok()?;
        let ix = ProxyIx(self.last.0.checked_add(1)?);
        self.last = ix;
        let mut core =
            DeviceCore::new(Actor::proxied(ix, id.clone()), known, &self.options, topics, ix.slot());
        if let Some(addresses) = core.moved() {
            self.places.set(ix, addresses);
        }
        if let Some(last) = self.last_states.remove(&id) {
            core.keep_last_state(last);
        }
        self.by_id.insert(id.clone(), ix);
        self.known += usize::from(is_known);
        self.proxies.insert(ix, Proxy { id, core, known: is_known, phase: Phase::Unwanted, failures: 0 });
        Some(ix)
    }

    /// A run of a device begins, and it is to be attached.
    pub(super) fn want(&mut self, cx: &mut Cx<'_, Udmi>, ix: ProxyIx) {
        self.begin(cx, ix);
        if let Some(proxy) = self.proxies.get_mut(&ix) {
            proxy.phase = Phase::Waiting;
        }
        self.enqueue(cx, ix);
    }

    pub(super) fn begin(&mut self, cx: &mut Cx<'_, Udmi>, ix: ProxyIx) {
        let Some(proxy) = self.proxies.get(&ix) else { return };
        let is_there = |id: &str| self.by_id.contains_key(id);
        let start = self.records.count(&proxy.id, cx.now().utc, self.maximum, is_there);
        if !cx.is_armed(Timer::Proxies) {
            cx.after(Timer::Proxies, STORE_AFTER);
        }
        self.with(cx, ix, |core, cx| core.begin(cx, start));
    }

    /// The gateway does not act for a device any more. Nothing of it is left behind, unless the application knows it.
    fn drop_wanted(&mut self, cx: &mut Cx<'_, Udmi>, ix: ProxyIx) {
        self.detach(cx, ix, true);
        self.with(cx, ix, |core, cx| core.halt(cx, true));
        cx.discard(ix.gate());
        let Some(proxy) = self.proxies.get_mut(&ix) else { return };
        proxy.phase = Phase::Unwanted;
        proxy.failures = 0;
        if !proxy.known {
            self.forget(ix, cx.now().at);
        }
    }

    /// Nothing is left of a device that was halted.
    fn forget(&mut self, ix: ProxyIx, now: Instant) {
        if let Some(proxy) = self.proxies.remove(&ix) {
            self.by_id.remove(&proxy.id);
            self.keep_last_state(proxy, now);
        }
        self.places.remove(ix);
        self.touched.remove(&ix);
        self.hooks.retain(|_, owner| *owner != ix);
    }

    fn keep_last_state(&mut self, proxy: Proxy, now: Instant) {
        let Some(last) = proxy.core.last_state() else { return };
        if self.last_states.len() >= self.maximum {
            let interval = self.options.state_interval();
            self.last_states.retain(|_, last| *last + interval > now);
        }
        if self.last_states.len() < self.maximum {
            self.last_states.insert(proxy.id, last);
        }
    }

    /// What the application knows of a device.
    pub(crate) fn add(&mut self, cx: &mut Cx<'_, Udmi>, id: String, proxy: ProxySettings) {
        let there = self.by_id.get(&id).copied();
        let is_known = there.and_then(|ix| self.proxies.get(&ix)).is_some_and(|proxy| proxy.known);
        if !is_device_id(&id) || id == self.device_id {
            return refuse(cx, format!("device {}: no id of a proxied device", start_of(&id)));
        }
        if !is_known && self.known >= self.maximum {
            return refuse(cx, format!("device {id}: {} are known already", self.known));
        }
        match there {
            None => {
                let made = self.create(id, proxy.into(), true);
                if let Some(ix) = made.filter(|_| self.mode == ProxyMode::Implicit) {
                    self.want(cx, ix);
                }
            }
            Some(ix) => {
                self.with(cx, ix, |core, cx| core.learn(cx, proxy.into()));
                self.set_known(ix, true);
            }
        }
    }

    /// The application knows nothing of a device any more.
    pub(crate) fn remove(&mut self, cx: &mut Cx<'_, Udmi>, id: &str) {
        let there = self.by_id.get(id).copied();
        let known = there.filter(|ix| self.proxies.get(ix).is_some_and(|proxy| proxy.known));
        let Some(ix) = known else { return unknown(cx, id) };
        self.set_known(ix, false);
        let is_wanted = self.proxies.get(&ix).is_some_and(|proxy| proxy.phase.is_wanted());
        if is_wanted && self.mode == ProxyMode::Explicit {
            self.with(cx, ix, |core, cx| core.learn(cx, Known::default()));
        } else {
            self.drop_wanted(cx, ix);
        }
    }

    fn set_known(&mut self, ix: ProxyIx, known: bool) {
        if let Some(proxy) = self.proxies.get_mut(&ix).filter(|proxy| proxy.known != known) {
            proxy.known = known;
            self.known = if known { self.known + 1 } else { self.known.saturating_sub(1) };
        }
    }
}
