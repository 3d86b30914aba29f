//! The devices a gateway acts for (§6.7): who they are, and the way of what comes back to the one it belongs to.
//!
//! A proxied device is a device core like the gateway's own, in a scope of its own. Nothing here walks over all of
//! them but the beginning and the end of a connection, a config that names other devices, and the end of the run.

mod attach;
mod errors;
mod members;
mod places;
mod reach;
mod records;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;
use device_link::{
    Cx, ExitReason, HookId, Instant, Key, Map, Message, Receipt, Set, Stored, SubscribeRefused, Token,
    wire::Qos,
};

use crate::actor::{Claim, ProxyIx};
use crate::config::{Arrived, Block};
use crate::device::{CloudCommand, DeviceCore};
use crate::discovery::OWN_FAMILY;
use crate::model::category::{Category, Level};
use crate::model::config;
use crate::port::{Command, Found, Notice, Outcome};
use crate::redirect::set_aside;
use crate::scope::DeviceTimer;
use crate::settings::{GatewaySettings, Options, ProxyMode};
use crate::topics::Topics;
use crate::udmi::{Tag, Udmi};

use attach::{Attachments, Phase};
use errors::BrokerError;
use places::Places;
pub(crate) use reach::Reach;
use records::Records;

/// Whom a config tells the gateway to act for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ProxyIds {
    /// Nothing that could be read: what was in force stays so.
    Unknown,
    /// These devices.
    Named(Vec<String>),
}

impl ProxyIds {
    pub(crate) fn of(block: &Block<config::Gateway>) -> Self {
        match block {
            Block::Bad => Self::Unknown,
            Block::Absent => Self::Named(Vec::new()),
            Block::Good(gateway) => Self::Named(gateway.proxy_ids.clone().unwrap_or_default()),
        }
    }
}

/// What a gateway has to do with proxied devices at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GatewayLoad {
    /// Devices it knows or acts for.
    pub devices: usize,
    /// Devices it is to act for.
    pub wanted: usize,
    /// Devices it acts for at present.
    pub attached: usize,
    /// Hooks of theirs that are not answered.
    pub hooks: usize,
    /// Messages of theirs that are not acknowledged.
    pub receipts: usize,
}

/// What a receipt is about.
#[derive(Clone, Copy, Debug)]
enum Sent {
    /// Something a proxied device has published.
    By(ProxyIx),
    /// The attachment of a proxied device.
    Attach(ProxyIx),
}

/// All proxied devices of a gateway.
#[derive(Debug)]
pub(crate) struct Gateway {
    device_id: String,
    options: Options,
    mode: ProxyMode,
    maximum: usize,
    /// The gateway's own; those of the others follow from them.
    topics: Topics,
    proxies: Map<ProxyIx, Proxy>,
    by_id: Map<String, ProxyIx>,
    places: Places,
    known: usize,
    last: ProxyIx,
    attachments: Attachments,
    records: Records,
    /// A config has told whom to act for: what is sent for others meanwhile never goes out.
    told: bool,
    /// When devices that are gone sent their last state, for those that come back at once (§7.2). At most `maximum`.
    last_states: Map<String, Instant>,
    /// Answers and receipts that belong to a proxied device. Bounded by the link's own tables.
    hooks: Map<HookId, ProxyIx>,
    sent: Map<Token, Sent>,
    /// Devices that something has happened to since they were last settled.
    touched: Set<ProxyIx>,
    /// Devices whose run has come to its end.
    ended: Vec<(ProxyIx, ExitReason)>,
}

/// A device that is known, or that the gateway acts for, or both.
#[derive(Debug)]
struct Proxy {
    id: String,
    core: DeviceCore,
    /// The application knows of it.
    known: bool,
    phase: Phase,
    /// Attempts to attach it that have failed in a row.
    failures: u32,
}

impl Gateway {
    pub(crate) fn new(settings: GatewaySettings, device_id: &str, options: &Options, topics: Topics) -> Self {
        let GatewaySettings { proxies, mode, maximum } = settings;
        let options = Options {
            // The proxied devices share the gateway's switches but for what concerns the machine.
            blobs: Vec::new(),
            lifecycle_hook: false,
            metrics_hook: false,
            ..options.clone()
        };
        let mut gateway = Self {
            device_id: device_id.into(),
            options,
            mode,
            maximum,
            topics,
            proxies: Map::new(),
            by_id: Map::new(),
            places: Places::default(),
            known: 0,
            last: ProxyIx(0),
            attachments: Attachments::default(),
            records: Records::default(),
            told: false,
            last_states: Map::new(),
            hooks: Map::new(),
            sent: Map::new(),
            touched: Set::new(),
            ended: Vec::new(),
        };
        for (id, proxy) in proxies {
            gateway.create(id, proxy.into(), true);
        }
        gateway
    }

    /// The run begins.
    pub(crate) fn on_start(&mut self, cx: &mut Cx<'_, Udmi>, own: &mut DeviceCore, stored: &[Stored]) {
        match Records::read(stored) {
            Ok(records) => self.records = records,
            Err(reason) => set_aside(cx, own, stored, records::STORED_KEY, reason),
        }
        self.subscribe_errors(cx);
        if self.mode == ProxyMode::Implicit {
            for ix in self.proxies.keys().copied().collect::<Vec<_>>() {
                self.want(cx, ix);
            }
        }
    }

    /// A message on the gateway's own `config`: from now on devices can be attached (§1.10).
    pub(crate) fn on_config(&mut self, cx: &mut Cx<'_, Udmi>, own: &mut DeviceCore, ids: ProxyIds) {
        match (self.mode, ids) {
            (ProxyMode::Explicit, ProxyIds::Named(ids)) => self.follow(cx, own, ids),
            (ProxyMode::Explicit, ProxyIds::Unknown) | (ProxyMode::Implicit, _) => {}
        }
        self.open(cx);
    }

    /// `Timer::Proxies`: the starts are stored. Without room they are with the next start.
    pub(crate) fn store(&self, cx: &mut Cx<'_, Udmi>) {
        if let Ok(key) = Key::new(records::STORED_KEY) {
            let _ = cx.store(&key, Some(self.records.to_bytes()));
        }
    }

    /// A command of the application for a device.
    pub(crate) fn on_command(&mut self, cx: &mut Cx<'_, Udmi>, id: &str, command: Command) {
        match self.by_id.get(id).copied() {
            Some(ix) => {
                self.with(cx, ix, |core, cx| core.on_command(cx, command));
            }
            None => unknown(cx, id),
        }
    }

    pub(crate) fn on_device_timer(&mut self, cx: &mut Cx<'_, Udmi>, ix: ProxyIx, timer: DeviceTimer) {
        self.with(cx, ix, |core, cx| core.on_timer(cx, timer));
    }

    /// Gives the outcome back if the hook is none of a proxied device's.
    pub(crate) fn on_hook(&mut self, cx: &mut Cx<'_, Udmi>, id: HookId, outcome: Outcome) -> Option<Outcome> {
        let Some(ix) = self.hooks.remove(&id) else { return Some(outcome) };
        self.with(cx, ix, |core, cx| core.on_hook(cx, id, outcome));
        None
    }

    /// Tells whether the receipt was one of a proxied device's.
    pub(crate) fn on_receipt(
        &mut self,
        cx: &mut Cx<'_, Udmi>,
        own: &mut DeviceCore,
        token: Token,
        receipt: Receipt,
    ) -> bool {
        match self.sent.remove(&token) {
            None => return false,
            Some(Sent::By(ix)) => {
                self.with(cx, ix, |core, cx| core.on_receipt(cx, token, receipt));
            }
            Some(Sent::Attach(ix)) => self.on_attach_receipt(cx, own, ix, token, receipt),
        }
        true
    }

    /// A config of a proxied device. Where it is to connect is not its own business.
    pub(crate) fn on_proxy_config(&mut self, cx: &mut Cx<'_, Udmi>, ix: ProxyIx, config: Arrived<'_>) {
        // The broker may send it before it answers the subscription.
        self.subscribed(cx, ix);
        if self.is_attached(ix) {
            self.confirm(cx, ix);
            self.with(cx, ix, |core, cx| core.on_config(cx, config));
        }
    }

    pub(crate) fn on_proxy_command(&mut self, cx: &mut Cx<'_, Udmi>, ix: ProxyIx, message: Message<'_>) {
        if !self.is_attached(ix) {
            return;
        }
        let Message { topic, payload, retain, .. } = message;
        self.with(cx, ix, |core, cx| match core.on_cloud_command(cx, topic, payload, retain) {
            CloudCommand::Handled => {}
            CloudCommand::RotateKey => {
                let text = "a proxied device has no key to rotate";
                core.log(cx, Category::device("command"), Level::WARNING, text);
            }
        });
    }

    pub(crate) fn on_oversized_command(
        &mut self,
        cx: &mut Cx<'_, Udmi>,
        ix: ProxyIx,
        topic: &str,
        bytes: usize,
    ) {
        if self.is_attached(ix) {
            self.with(cx, ix, |core, cx| core.on_oversized_command(cx, topic, bytes));
        }
    }

    /// An error of the broker, on the gateway's topic or on that of a device.
    pub(crate) fn on_error(
        &mut self,
        cx: &mut Cx<'_, Udmi>,
        own: &mut DeviceCore,
        of: Option<ProxyIx>,
        payload: &Bytes,
    ) {
        let error = BrokerError::read(payload);
        let named = error.device.as_ref().and_then(|id| self.by_id.get(id).copied());
        let about = of.or(named).filter(|ix| self.proxies.contains_key(ix));
        match about {
            Some(ix) if error.of_attachment => self.fail(cx, own, ix, &error.text),
            Some(ix) => {
                let (category, text) = (Category::device("broker"), error.text);
                self.with(cx, ix, |core, cx| core.log(cx, category, Level::ERROR, text));
            }
            None => own.log(cx, Category::device("broker"), Level::ERROR, error.text),
        }
    }

    pub(crate) fn on_subscribed(
        &mut self,
        cx: &mut Cx<'_, Udmi>,
        own: &mut DeviceCore,
        ix: ProxyIx,
        answer: Result<(), SubscribeRefused>,
    ) {
        match answer {
            Ok(()) => self.subscribed(cx, ix),
            Err(SubscribeRefused::ByBroker) => {
                self.fail(cx, own, ix, "the broker refuses the subscription to its config");
            }
            Err(SubscribeRefused::Full) => {
                self.fail(cx, own, ix, "too many subscriptions are held");
            }
        }
    }

    /// The broker refuses what a device can do without.
    pub(crate) fn on_refused(&mut self, cx: &mut Cx<'_, Udmi>, ix: ProxyIx, tag: Tag) {
        self.with(cx, ix, |core, cx| core.on_subscription_refused(cx, tag));
    }

    /// Goes by topics beside these. The link is down, or the devices are attached anew.
    pub(crate) fn use_topics(&mut self, cx: &mut Cx<'_, Udmi>, topics: Topics) {
        if topics.prefix() == self.topics.prefix() {
            return;
        }
        cx.unsubscribe(&self.topics.errors);
        let before = core::mem::replace(&mut self.topics, topics);
        let is_one = |id: &str| self.by_id.contains_key(id);
        cx.rename_topics(|topic| before.moved(topic, &self.topics, is_one));
        self.subscribe_errors(cx);
        for ix in self.proxies.keys().copied().collect::<Vec<_>>() {
            self.detach(cx, ix, false);
            let Some(proxy) = self.proxies.get_mut(&ix) else { continue };
            let Ok(topics) = self.topics.sibling(&proxy.id) else { continue };
            proxy.core.rename(topics);
            self.enqueue(cx, ix);
        }
    }

    fn subscribe_errors(&self, cx: &mut Cx<'_, Udmi>) {
        cx.subscribe(&self.topics.errors, Qos::AtMostOnce, Tag::Errors);
    }

    /// The last call of each round, for those devices that something has happened to.
    pub(crate) fn on_settled(&mut self, cx: &mut Cx<'_, Udmi>, own: &mut DeviceCore) {
        for ix in core::mem::take(&mut self.touched) {
            self.with(cx, ix, |core, cx| core.on_settled(cx));
            self.drop_messages_of_unwanted(cx, ix);
        }
        for (ix, reason) in core::mem::take(&mut self.ended) {
            self.on_end(cx, ix, reason);
        }
        // What was settled, and what the restart of a device has changed, which is told with the next round.
        self.touched.clear();
        self.tell(cx, own);
    }

    /// What the application has told of a device that is not acted for would wait for ever.
    fn drop_messages_of_unwanted(&mut self, cx: &mut Cx<'_, Udmi>, ix: ProxyIx) {
        match self.proxies.get(&ix).map(|proxy| proxy.phase) {
            Some(Phase::Unwanted) if !self.told => {}
            Some(Phase::Unwanted | Phase::Ended) => cx.discard(ix.gate()),
            Some(
                Phase::Waiting | Phase::Announcing(_) | Phase::Subscribing | Phase::Attached | Phase::Failed,
            )
            | None => {}
        }
    }

    /// The run of a device is over: its logic starts again, alone, or it is not acted for any more in this run of the
    /// gateway (§6.7).
    fn on_end(&mut self, cx: &mut Cx<'_, Udmi>, ix: ProxyIx, reason: ExitReason) {
        match reason {
            ExitReason::Restart => {
                self.with(cx, ix, |core, cx| core.halt(cx, false));
                self.begin(cx, ix);
                self.resubscribe(cx, ix);
            }
            ExitReason::Terminate | ExitReason::Shutdown => {
                self.detach(cx, ix, true);
                self.with(cx, ix, |core, cx| core.halt(cx, true));
                if let Some(proxy) = self.proxies.get_mut(&ix) {
                    proxy.phase = Phase::Ended;
                }
            }
        }
    }

    /// The run of the gateway is about to end: what the devices have logged goes out.
    pub(crate) fn flush(&mut self, cx: &mut Cx<'_, Udmi>) {
        for ix in self.proxies.keys().copied().collect::<Vec<_>>() {
            self.with(cx, ix, |core, cx| core.on_timer(cx, DeviceTimer::LogFlush));
        }
    }

    /// Tells of a device that a scan of the gateway has found who it is, if it is one of the gateway's.
    pub(crate) fn recognise(&self, family: &str, found: &mut Found) {
        let device = self.places.device_at(family, &found.address).and_then(|ix| self.proxies.get(&ix));
        if let Some(device) = device {
            found.families.entry(OWN_FAMILY.into()).or_insert_with(|| device.id.clone());
        }
    }

    /// What there is at present.
    pub(crate) fn load(&self) -> GatewayLoad {
        let phase =
            |wanted: fn(Phase) -> bool| self.proxies.values().filter(|proxy| wanted(proxy.phase)).count();
        GatewayLoad {
            devices: self.proxies.len(),
            wanted: phase(Phase::is_wanted),
            attached: phase(|phase| phase == Phase::Attached),
            hooks: self.hooks.len(),
            receipts: self.sent.len(),
        }
    }

    /// Runs one device, and notes what it is owed.
    fn with<R>(
        &mut self,
        cx: &mut Cx<'_, Udmi>,
        ix: ProxyIx,
        run: impl FnOnce(&mut DeviceCore, &mut Cx<'_, Udmi>) -> R,
    ) -> Option<R> {
        let proxy = self.proxies.get_mut(&ix)?;
        let result = run(&mut proxy.core, cx);
        self.note(ix);
        Some(result)
    }

    /// Notes what a device is owed that something has happened to.
    #[inline(never)]
    fn note(&mut self, ix: ProxyIx) {
        let Some(proxy) = self.proxies.get_mut(&ix) else { return };
        self.touched.insert(ix);
        if let Some(addresses) = proxy.core.moved() {
            self.places.set(ix, addresses);
        }
        for claim in proxy.core.claims() {
            match claim {
                Claim::Hook(id) => {
                    self.hooks.insert(id, ix);
                }
                Claim::Cancelled(id) => {
                    self.hooks.remove(&id);
                }
                Claim::Publish(token) => {
                    self.sent.insert(token, Sent::By(ix));
                }
                Claim::End(reason) => self.ended.push((ix, reason)),
            }
        }
    }
}

fn unknown(cx: &mut Cx<'_, Udmi>, id: &str) {
    refuse(cx, format!("device {}: the gateway does not act for it", start_of(id)));
}

fn refuse(cx: &mut Cx<'_, Udmi>, reason: String) {
    cx.notify(Notice::CommandRefused { reason });
}

/// As much of an id as a message may hold.
fn start_of(id: &str) -> &str {
    id.char_indices().nth(64).and_then(|(end, _)| id.get(..end)).unwrap_or(id)
}
