//! One UDMI device: its blocks, and the order in which they see a config and show themselves in a state.

mod announcement;
mod cloud;
mod command;
mod endpoint;
mod proxied;
mod state;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use device_link::{
    Cx, FetchEvent, FetchId, HookId, Lost, Map, Receipt, Set, Slot, StoreId, Stored, Token, UtcMillis,
    wire::Qos,
};

use crate::actor::Actor;
use crate::blobset::{self, Blobset};
use crate::config::{self as reading, Arrived, Block, Envelope};
use crate::discovery::Discovery;
use crate::gateway::{ProxyIds, Reach};
use crate::json::Json;
use crate::latch::StateLatch;
use crate::localnet::Localnet;
use crate::logs::Logs;
use crate::model::category::{Category, Level};
use crate::model::config as model;
use crate::persisted::ASIDE;
use crate::pointset::Pointset;
use crate::port::{Lifecycle, Notice, Outcome};
use crate::scope::{DeviceTimer, Scope};
use crate::settings::{Known, Options};
use crate::system::{self, System};
use crate::topics::Topics;
use crate::udmi::{Tag, Udmi};

pub(crate) use announcement::Announcement;
pub(crate) use cloud::CloudCommand;
pub(crate) use endpoint::EndpointBlob;
use endpoint::EndpointEntry;

const RECEIVE: Category = Category::SystemConfigReceive;
const PARSE: Category = Category::SystemConfigParse;
const APPLY: Category = Category::SystemConfigApply;
/// A device core. A direct device has one, a gateway one more for each proxied device.
#[derive(Debug)]
pub(crate) struct DeviceCore {
    actor: Actor,
    topics: Topics,
    /// At which configs are subscribed to.
    config_qos: Qos,
    slot: Slot,
    latch: StateLatch,
    logs: Logs,
    system: System,
    pointset: Pointset,
    localnet: Localnet,
    discovery: Discovery,
    reach: Reach,
    blobset: Blobset,
    /// State blocks of the application's own, by name.
    blocks: Map<String, Json>,
    custom_blocks: Vec<String>,
    command_hooks: Map<HookId, String>,
    command_hook: bool,
    suppress_state: bool,
    config_sync: Option<core::time::Duration>,
    last_state: UtcMillis,
    /// How large it was.
    state_bytes: usize,
    /// States without a receipt.
    states: Set<Token>,
    /// States are held back, whatever there is to tell.
    holds_states: bool,
    endpoint: EndpointEntry,
    told_full: bool,
    told_too_large: bool,
}

impl DeviceCore {
    pub(crate) fn new(actor: Actor, known: Known, options: &Options, topics: Topics, slot: Slot) -> Self {
        let capacity = if actor.is_own() { Logs::CAPACITY } else { Logs::PROXY_CAPACITY };
        let blobset = Blobset::new(options, &known.identity.software);
        Self {
            actor,
            topics,
            config_qos: Qos::AtLeastOnce,
            slot,
            latch: StateLatch::new(options.state_interval()),
            logs: Logs::new(capacity),
            system: System::new(system::clean(known.identity), options),
            pointset: Pointset::new(known.points, options),
            localnet: Localnet::new(known.families),
            discovery: Discovery::new(known.scans, known.features),
            reach: Reach::default(),
            blobset,
            blocks: Map::new(),
            custom_blocks: known.custom_blocks,
            command_hooks: Map::new(),
            command_hook: options.command_hook,
            suppress_state: options.suppress_state,
            config_sync: options.config_sync(),
            last_state: UtcMillis(0),
            state_bytes: 0,
            states: Set::new(),
            holds_states: false,
            endpoint: EndpointEntry::default(),
            told_full: false,
            told_too_large: false,
        }
    }

    /// Runs one block with its scope.
    fn with<R>(
        &mut self,
        cx: &mut Cx<'_, Udmi>,
        run: impl FnOnce(&mut Blocks<'_>, &mut Scope<'_, '_>) -> R,
    ) -> R {
        let mut scope = Scope {
            cx,
            actor: &mut self.actor,
            topics: &self.topics,
            latch: &mut self.latch,
            logs: &mut self.logs,
        };
        let mut blocks = Blocks {
            system: &mut self.system,
            pointset: &mut self.pointset,
            localnet: &mut self.localnet,
            discovery: &mut self.discovery,
            reach: &mut self.reach,
            blobset: &mut self.blobset,
        };
        run(&mut blocks, &mut scope)
    }

    /// The run begins: counts it, keeps the count, and asks for configs.
    pub(crate) fn on_start(&mut self, cx: &mut Cx<'_, Udmi>, stored: &[Stored]) {
        let (before, unreadable) = match system::read(stored) {
            Ok(before) => (before, None),
            Err(reason) => (None, Some(reason)),
        };
        // Before anything is stored over it.
        if let Some(reason) = unreadable {
            self.set_aside(cx, stored, system::STORED_KEY, reason);
        }
        if let Err(reason) = self.blobset.begin(stored) {
            self.set_aside(cx, stored, blobset::STORED_KEY, reason);
        }
        self.with(cx, |blocks, sc| blocks.blobset.resume(sc));
        let start = system::start_of(cx.now().utc, before);
        self.system.begin(start);
        self.discovery.begin(start.last_start);
        if let Ok(key) = device_link::Key::new(system::STORED_KEY) {
            // Nothing much is pending at birth, so there is room.
            let _ = cx.store(&key, Some(start.to_bytes()));
        }
        self.subscribe_config(cx);
        self.log_start(cx, start);
    }

    /// Keeps a stored value that cannot be read for people to look at, and tells.
    fn set_aside(&mut self, cx: &mut Cx<'_, Udmi>, stored: &[Stored], key: &str, reason: String) {
        let value = stored.iter().find(|value| value.key.as_str() == key).map(|value| value.value.clone());
        if let Ok(aside) = device_link::Key::new(&format!("{key}{ASIDE}")) {
            // Without room it is lost, as it is without a store.
            let _ = cx.store(&aside, value);
        }
        let text = format!("stored value {key} is unreadable: {reason}");
        self.log(cx, Category::device("store"), Level::WARNING, text);
        self.notify(cx, Notice::StoredUnreadable { key: key.into(), reason });
    }

    pub(crate) fn log(
        &mut self,
        cx: &mut Cx<'_, Udmi>,
        category: Category,
        level: Level,
        text: impl Into<String>,
    ) {
        self.with(cx, |_, sc| sc.log(category, level, text));
    }

    fn subscribe_config(&self, cx: &mut Cx<'_, Udmi>) {
        cx.subscribe(&self.topics.config, self.config_qos, self.actor.config_tag());
    }

    fn notify(&self, cx: &mut Cx<'_, Udmi>, notice: Notice) {
        cx.notify(self.actor.notice(notice));
    }

    fn is_up(&self, cx: &Cx<'_, Udmi>) -> bool {
        cx.is_up() && self.actor.is_attached()
    }

    pub(crate) fn subscribe_commands(&mut self, cx: &mut Cx<'_, Udmi>) {
        cx.subscribe(&self.topics.commands, Qos::AtLeastOnce, self.actor.commands_tag());
    }

    /// Without commands a device works as before (§11 item 26); without configs it waits for better times.
    pub(crate) fn on_subscription_refused(&mut self, cx: &mut Cx<'_, Udmi>, tag: Tag) {
        let (topic, level) = match tag {
            Tag::Config | Tag::ProxyConfig(_) => ("config", Level::ERROR),
            Tag::Commands | Tag::ProxyCommands(_) => ("commands", Level::INFO),
            Tag::Errors | Tag::ProxyErrors(_) => ("errors", Level::INFO),
        };
        self.notify(cx, Notice::SubscriptionRefused { topic: topic.into() });
        self.log(cx, Category::device("subscription"), level, format!("subscription to {topic} refused"));
    }

    /// A store was tried, maybe one of the device's own.
    pub(crate) fn on_stored(&mut self, cx: &mut Cx<'_, Udmi>, id: StoreId, ok: bool) {
        if !ok {
            self.log(cx, Category::device("store"), Level::ERROR, "a value could not be stored");
        }
        self.with(cx, |blocks, sc| blocks.blobset.on_stored(sc, id, ok));
    }

    /// Something has happened to a fetch.
    pub(crate) fn on_fetched(&mut self, cx: &mut Cx<'_, Udmi>, id: FetchId, event: FetchEvent) {
        self.with(cx, |blocks, sc| blocks.blobset.on_fetched(sc, id, event));
    }

    pub(crate) fn on_up(&mut self, cx: &mut Cx<'_, Udmi>) {
        self.told_full = false;
        self.told_too_large = false;
        match self.config_sync {
            Some(wait) => cx.after(self.actor.timer(DeviceTimer::ConfigSync), wait),
            None => self.latch.sync(),
        }
        self.with(cx, |_, sc| {
            if !sc.logs.is_empty() {
                sc.after(DeviceTimer::LogFlush, Logs::FLUSH_AFTER);
            }
        });
    }

    pub(crate) fn on_down(&mut self, cx: &mut Cx<'_, Udmi>) {
        self.latch.unsync();
        self.endpoint.announcement.on_down();
        self.blobset.on_down();
        cx.retract(self.slot);
        self.with(cx, |_, sc| sc.cancel(DeviceTimer::ConfigSync));
    }

    /// One message on `config`, in the order of §3.6. Tells what it says of more than the device itself.
    pub(crate) fn on_config(&mut self, cx: &mut Cx<'_, Udmi>, config: Arrived<'_>) -> Facts {
        self.with(cx, |_, sc| sc.cancel(DeviceTimer::ConfigSync));
        let read = config.read();
        if let Some(Ok(envelope)) = &read {
            self.logs.saw_config(cx.now(), envelope.millis);
        }
        self.log(cx, RECEIVE, RECEIVE.level(), "config received");
        let facts = match read {
            None => Facts::UNKNOWN, // §2.6: an empty payload is no config, and nothing is broken
            Some(Err(broken)) => {
                self.with(cx, |blocks, sc| refuse(blocks, sc, broken));
                Facts::UNKNOWN
            }
            Some(Ok(envelope)) => self.apply(cx, envelope),
        };
        // The first config of a connection lets states go out, a later one wants an answer.
        self.latch.sync();
        self.latch.touch();
        facts
    }

    fn apply(&mut self, cx: &mut Cx<'_, Udmi>, mut envelope: Envelope<'_>) -> Facts {
        let facts = self.with(cx, |blocks, sc| {
            // Still judged by the old minimum level.
            sc.log(PARSE, PARSE.level(), "config parsed");
            put_in_force(blocks, sc, &mut envelope)
        });
        self.offer_custom_blocks(cx, &envelope);
        self.with(cx, |blocks, sc| {
            blocks.discovery.after_config(sc, blocks.pointset, blocks.localnet);
            blocks.system.modes.after_config(sc);
        });
        facts
    }

    fn offer_custom_blocks(&mut self, cx: &mut Cx<'_, Udmi>, envelope: &Envelope<'_>) {
        for name in &self.custom_blocks {
            let found = envelope.others.iter().find(|(member, _)| member == name);
            let content = found.and_then(|(_, raw)| raw.present()).map(Json::from_raw);
            cx.notify(self.actor.notice(Notice::Block { name: name.clone(), content }));
        }
    }

    pub(crate) fn on_timer(&mut self, cx: &mut Cx<'_, Udmi>, timer: DeviceTimer) {
        match timer {
            DeviceTimer::ConfigSync => self.latch.sync(), // §11 item 62
            // At once, so that events that are due as well come after it (§4.8).
            DeviceTimer::State => self.publish_owed_state(cx),
            DeviceTimer::Mode => self.with(cx, |blocks, sc| blocks.system.modes.on_settled_timer(sc)),
            DeviceTimer::Lifecycle => self.with(cx, |blocks, sc| blocks.system.modes.on_hook_timeout(sc)),
            DeviceTimer::LogFlush => self.with(cx, |blocks, sc| blocks.system.flush_logs(sc)),
            DeviceTimer::Metrics => self.with(cx, |blocks, sc| blocks.system.on_metrics_timer(sc)),
            DeviceTimer::Blob => self.with(cx, |blocks, sc| blocks.blobset.on_timer(sc)),
            DeviceTimer::Scan | DeviceTimer::ScanEnd => {
                self.with(cx, |blocks, sc| blocks.discovery.on_timer(sc));
            }
            DeviceTimer::Read => self.with(cx, |blocks, sc| {
                let late = blocks.pointset.late_read();
                late.iter().for_each(|outcome| blocks.reach.on_read(sc, outcome));
                blocks.pointset.on_timer(sc, timer);
            }),
            DeviceTimer::Sample | DeviceTimer::Limit | DeviceTimer::Write | DeviceTimer::Expiry => {
                self.with(cx, |blocks, sc| blocks.pointset.on_timer(sc, timer));
            }
        }
    }

    pub(crate) fn on_hook(&mut self, cx: &mut Cx<'_, Udmi>, id: HookId, outcome: Outcome) {
        let rest = self.with(cx, |blocks, sc| {
            if blocks.pointset.awaits(id) {
                blocks.reach.on_read(sc, &outcome);
            }
            let rest = blocks.pointset.on_hook(sc, id, outcome)?;
            let rest = blocks.blobset.on_hook(sc, id, rest)?;
            let rest = blocks.discovery.on_hook(sc, id, rest)?;
            blocks.system.on_hook(sc, id, rest)
        });
        if let Some(outcome) = rest {
            self.on_command_hook(cx, id, outcome);
        }
    }

    /// Messages that were lost here are told once for a connection, so that telling cannot feed itself.
    pub(crate) fn on_receipt(&mut self, cx: &mut Cx<'_, Udmi>, token: Token, receipt: Receipt) {
        if self.states.remove(&token) {
            self.endpoint.announcement.on_receipt(token, receipt);
            self.blobset.on_state_receipt(token, receipt);
        }
        self.system.on_receipt(token);
        self.discovery.on_receipt(token);
        let (told, level, text) = match receipt {
            Receipt::Lost(Lost::Full) => {
                (&mut self.told_full, Level::WARNING, "the outbox is full, the oldest events are lost")
            }
            Receipt::Lost(Lost::TooLarge) => {
                (&mut self.told_too_large, Level::ERROR, "a message over the packet limit is lost")
            }
            Receipt::Sent
            | Receipt::Acked
            | Receipt::Lost(Lost::Offline | Lost::Superseded | Lost::Ended) => return,
        };
        if core::mem::replace(told, true) {
            return;
        }
        if receipt == Receipt::Lost(Lost::Full) {
            let lost = cx.lost_to_full_outbox();
            self.notify(cx, Notice::OutboxFull { lost });
        }
        self.log(cx, Category::device("outbox"), level, text);
    }

    /// Ends the run in order.
    pub(crate) fn stop(&mut self, cx: &mut Cx<'_, Udmi>, action: Lifecycle, ask: bool) {
        self.with(cx, |blocks, sc| blocks.system.modes.end(sc, action, ask));
    }

    /// The last call of each round: publishes the state that is owed, or plans it.
    pub(crate) fn on_settled(&mut self, cx: &mut Cx<'_, Udmi>) {
        self.settle_blobs(cx);
        self.with(cx, |blocks, sc| blocks.discovery.on_settled(sc));
        self.publish_owed_state(cx);
        let state_is_out = self.latch.due().is_none() || self.holds_states || !self.is_up(cx);
        self.with(cx, |blocks, sc| {
            if blocks.system.modes.is_announcing() && state_is_out {
                blocks.system.flush_logs(sc);
                blocks.system.modes.announced(sc);
            }
            if blocks.system.modes.is_due() {
                blocks.system.flush_last_logs(sc);
                blocks.blobset.leave(sc);
                blocks.system.modes.exit(sc);
            }
        });
    }

    /// Shows the versions that blobs brought, and goes on with blobs that wait for the cloud to know.
    fn settle_blobs(&mut self, cx: &mut Cx<'_, Udmi>) {
        self.with(cx, |blocks, sc| {
            for (name, version) in blocks.blobset.versions() {
                if blocks.system.show_version(name, version) {
                    sc.touch();
                }
            }
            if !blocks.blobset.is_telling() {
                return;
            }
            blocks.blobset.on_settled(sc, blocks.system.unacknowledged_logs());
            if blocks.blobset.wants_logs_out() && sc.is_up() {
                blocks.system.flush_logs(sc);
                let newest = blocks.system.unacknowledged_logs().map(|(_, newest)| newest);
                blocks.blobset.on_logs_sent(sc, newest);
            }
            if blocks.blobset.takes_restart() {
                blocks.system.modes.end(sc, Lifecycle::Restart, false);
            }
        });
    }
}

/// What a config says of more than the device itself.
#[derive(Debug)]
pub(crate) struct Facts {
    /// Where the device is to connect.
    pub(crate) endpoint: EndpointBlob,
    /// Whom it is to act for.
    pub(crate) proxy_ids: ProxyIds,
}

impl Facts {
    const UNKNOWN: Self = Self { endpoint: EndpointBlob::Unknown, proxy_ids: ProxyIds::Unknown };
}

/// The blocks of a device, apart from what every scope needs.
pub(crate) struct Blocks<'a> {
    system: &'a mut System,
    pointset: &'a mut Pointset,
    localnet: &'a mut Localnet,
    discovery: &'a mut Discovery,
    reach: &'a mut Reach,
    blobset: &'a mut Blobset,
}

/// §7.5, first row: nothing changes but the status.
fn refuse(blocks: &mut Blocks<'_>, sc: &mut Scope<'_, '_>, broken: reading::Broken) {
    let mut entry = sc.entry(PARSE, broken.message).at(Level::ERROR);
    entry.detail = broken.detail;
    sc.log_entry(entry.clone());
    sc.notify(Notice::ConfigRejected { reason: entry.message.clone() });
    blocks.system.set_status(Some(entry));
}

fn put_in_force(blocks: &mut Blocks<'_>, sc: &mut Scope<'_, '_>, envelope: &mut Envelope<'_>) -> Facts {
    let mut findings = Vec::new();
    let system = Block::read("system", envelope.system, &mut findings);
    blocks.system.on_config(sc, system);
    blocks.localnet.on_config(Block::read("localnet", envelope.localnet, &mut findings));
    // Ahead of its turn: what is written to a proxied device has to know how it is reached.
    let gateway = Block::<model::Gateway>::read("gateway", envelope.gateway, &mut findings);
    let proxy_ids = ProxyIds::of(&gateway);
    blocks.reach.on_config(sc, gateway, blocks.localnet);
    let pointset = Block::of_points(core::mem::take(&mut envelope.pointset), &mut findings);
    blocks.pointset.on_config(sc, pointset, Some(envelope.millis));
    let mut blobset = Block::<model::Blobset>::read("blobset", envelope.blobset, &mut findings);
    let discovery = Block::read("discovery", envelope.discovery, &mut findings);
    blocks.discovery.on_config(sc, discovery, &mut findings);
    let endpoint = EndpointBlob::take(&mut blobset);
    blocks.blobset.on_config(sc, blobset);
    blocks.system.set_last_config(envelope.timestamp.clone());
    blocks.system.set_status(None);
    for finding in &findings {
        let entry = sc.entry(PARSE, finding.clone()).at(Level::ERROR);
        sc.log_entry(entry.clone());
        blocks.system.set_status(Some(entry));
    }
    sc.log(APPLY, APPLY.level(), "config applied");
    sc.notify(Notice::ConfigApplied {
        timestamp: envelope.timestamp.as_str().into(),
        finding: findings.into_iter().next(),
    });
    Facts { endpoint, proxy_ids }
}
