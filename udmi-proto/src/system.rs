//! The system block of one device: identity, last config, status, metrics, log messages (§3).

mod mode;
mod persisted;

use alloc::boxed::Box;
use alloc::string::String;
use core::time::Duration;

use device_link::{HookId, Instant, Set, Token, UtcMillis};
use serde::Serialize;

use crate::config::Block;
use crate::model::category::{Category, Level};
use crate::model::common::{Mode, Timestamp, Version};
use crate::model::config;
use crate::model::entry::Entry;
use crate::model::events;
use crate::port::{Hook, Outcome};
use crate::scope::{DeviceTimer, Scope};
use crate::settings::{Identity, Options};

pub(crate) use mode::Modes;
pub(crate) use persisted::{STORED_KEY, Start, read, start_after, start_of};

/// §3.1: the level in force when the block does not name one, and when there is no block (§11 item 5).
const DEFAULT_LEVEL: Level = Level::NOTICE;
const LEVEL_WITHOUT_BLOCK: Level = Level::INFO;
/// §3.1: seconds between metrics when the config does not say.
const DEFAULT_METRICS_SECONDS: i64 = 10;
/// The longest period UDMI knows, in seconds.
const LONGEST_SECONDS: i64 = 86_400;
/// After a change of the metrics period the first metrics come after at most this time (§3.3).
const FIRST_METRICS: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(crate) struct System {
    identity: Identity,
    start: Start,
    last_config: Timestamp,
    status: Option<Box<Entry>>,
    pub(crate) modes: Modes,
    metrics_period: Option<Duration>,
    metrics_due: Instant,
    metrics_hook: Option<HookId>,
    asks_metrics: bool,
    event_number: i64,
    /// Messages with log entries that have no receipt.
    unacknowledged_logs: Set<Token>,
}

impl System {
    pub(crate) fn new(identity: Identity, options: &Options) -> Self {
        Self {
            modes: Modes::new(options.lifecycle_hook),
            identity,
            start: start_of(UtcMillis(0), None),
            last_config: Timestamp::EPOCH,
            status: None,
            metrics_period: None,
            metrics_due: Instant(0),
            metrics_hook: None,
            asks_metrics: options.metrics_hook,
            event_number: 0,
            unacknowledged_logs: Set::new(),
        }
    }

    /// The run begins: until then its start is not known.
    pub(crate) fn begin(&mut self, start: Start) {
        self.start = start;
        self.modes.begin(start.last_start);
    }

    /// The run of the device ends while the process goes on, and the next begins.
    pub(crate) fn restart(&mut self, sc: &mut Scope<'_, '_>, start: Start) {
        self.halt(sc);
        self.begin(start);
    }

    /// Nothing of a config is in force any more.
    pub(crate) fn halt(&mut self, sc: &mut Scope<'_, '_>) {
        self.modes.halt(sc);
        self.metrics_period = None;
        sc.cancel(DeviceTimer::Metrics);
        self.forget_metrics_hook(sc);
        self.last_config = Timestamp::EPOCH;
        self.status = None;
        self.event_number = 0;
        self.unacknowledged_logs.clear();
        sc.logs.set_minimum(LEVEL_WITHOUT_BLOCK);
    }

    /// Tells this of the device from now on.
    pub(crate) fn set_identity(&mut self, identity: Identity) {
        self.identity = clean(identity);
    }

    /// Puts the block in force. From here on the new minimum level judges log entries (§3.6).
    pub(crate) fn on_config(&mut self, sc: &mut Scope<'_, '_>, block: Block<config::System>) {
        let block = match block {
            Block::Bad => return,
            Block::Absent => None,
            Block::Good(block) => Some(block),
        };
        let level = match &block {
            None => LEVEL_WITHOUT_BLOCK,
            Some(system) => system.min_loglevel.unwrap_or(DEFAULT_LEVEL).max(Level::DEBUG),
        };
        sc.logs.set_minimum(level);
        let seconds =
            block.as_ref().and_then(|system| system.metrics_rate_sec).unwrap_or(DEFAULT_METRICS_SECONDS);
        self.set_metrics_period(sc, seconds);
        let operation = block.and_then(|system| system.operation).unwrap_or_default();
        if operation.mode == Some(Mode::Unknown) {
            // §2.6: taken as absent. The status is for conditions, and this one would trip tests.
            sc.log(Category::device("config"), Level::WARNING, "system.operation.mode: unknown, ignored");
        }
        self.modes.on_config(operation);
    }

    fn set_metrics_period(&mut self, sc: &mut Scope<'_, '_>, seconds: i64) {
        let period = u64::try_from(seconds.min(LONGEST_SECONDS)).ok().filter(|&seconds| seconds > 0);
        let period = period.map(Duration::from_secs);
        if period == self.metrics_period {
            return;
        }
        self.metrics_period = period;
        match period {
            None => {
                sc.cancel(DeviceTimer::Metrics);
                self.forget_metrics_hook(sc);
            }
            Some(period) => {
                self.metrics_due = sc.now().at + period.min(FIRST_METRICS);
                sc.at(DeviceTimer::Metrics, self.metrics_due);
            }
        }
    }

    /// Gives up waiting for metrics; tells whether they were awaited.
    fn forget_metrics_hook(&mut self, sc: &mut Scope<'_, '_>) -> bool {
        let Some(unanswered) = self.metrics_hook.take() else { return false };
        sc.cancel_hook(unanswered);
        true
    }

    pub(crate) fn set_last_config(&mut self, timestamp: Timestamp) {
        self.last_config = timestamp;
    }

    pub(crate) fn set_status(&mut self, status: Option<Entry>) {
        self.status = status.map(Box::new);
    }

    /// Adds, changes or removes a module's version; tells whether that changes the state.
    pub(crate) fn set_software(&mut self, module: String, version: Option<String>) -> bool {
        match version {
            Some(version) => self.identity.software.insert(module, version.clone()) != Some(version),
            None => self.identity.software.remove(&module).is_some(),
        }
    }

    /// Shows this version of a module; tells whether that changes the state.
    pub(crate) fn show_version(&mut self, module: &str, version: Option<&str>) -> bool {
        let shown = self.identity.software.get(module).map(String::as_str);
        shown != version
            && is_table_key(module)
            && self.set_software(module.into(), version.map(String::from))
    }

    /// Metrics are due: ask for them, or publish without.
    pub(crate) fn on_metrics_timer(&mut self, sc: &mut Scope<'_, '_>) {
        let Some(period) = self.metrics_period else { return };
        self.metrics_due = next_due(self.metrics_due, period, sc.now().at);
        sc.at(DeviceTimer::Metrics, self.metrics_due);
        let unanswered = self.forget_metrics_hook(sc);
        if !sc.is_up() {
            return; // nobody wants to know later how busy we were
        }
        if unanswered {
            self.publish_event(sc, None); // the event of the period before, which waited in vain
        }
        match self.asks_metrics.then(|| sc.invoke(Hook::Metrics)) {
            Some(Ok(id)) => self.metrics_hook = Some(id),
            Some(Err(_)) | None => self.publish_event(sc, None),
        }
    }

    /// Gives the outcome back if the hook is not one of its own.
    pub(crate) fn on_hook(
        &mut self,
        sc: &mut Scope<'_, '_>,
        id: HookId,
        outcome: Outcome,
    ) -> Option<Outcome> {
        if self.metrics_hook != Some(id) {
            return self.modes.on_hook(sc, id, outcome);
        }
        self.metrics_hook = None;
        if !sc.is_up() {
            return None;
        }
        let metrics = match outcome {
            Outcome::Metrics(metrics) => Some(finite(metrics)),
            Outcome::Done
            | Outcome::Failed { .. }
            | Outcome::Invalid { .. }
            | Outcome::Values { .. }
            | Outcome::Blob(_)
            | Outcome::KeyMade(_)
            | Outcome::Unhandled => None,
        };
        self.publish_event(sc, metrics);
        None
    }

    /// Publishes waiting log entries, in as many messages as they need.
    pub(crate) fn flush_logs(&mut self, sc: &mut Scope<'_, '_>) {
        // Without a link they wait in their own bounded queue.
        if sc.is_up() {
            self.flush_last_logs(sc);
        }
    }

    /// Publishes what waits even without a link: the run ends, and the link may keep it for the next.
    pub(crate) fn flush_last_logs(&mut self, sc: &mut Scope<'_, '_>) {
        while !sc.logs.is_empty() {
            self.publish_event(sc, None);
        }
    }

    /// The oldest and the newest message with log entries that has no receipt.
    pub(crate) fn unacknowledged_logs(&self) -> Option<(Token, Token)> {
        Some((*self.unacknowledged_logs.first()?, *self.unacknowledged_logs.last()?))
    }

    /// A message has its receipt.
    pub(crate) fn on_receipt(&mut self, token: Token) {
        self.unacknowledged_logs.remove(&token);
    }

    fn publish_event(&mut self, sc: &mut Scope<'_, '_>, metrics: Option<events::SystemMetrics>) {
        let (mut entries, dropped) = sc.logs.take();
        if dropped > 0 && sc.logs.takes(Level::WARNING) {
            let text = alloc::format!("{dropped} log entries were dropped");
            entries.push(sc.entry(Category::device("log"), text).at(Level::WARNING));
        }
        self.event_number = self.event_number.saturating_add(1);
        let has_entries = !entries.is_empty();
        let event = events::System {
            timestamp: sc.timestamp(),
            version: Version::default(),
            upgraded_from: None,
            last_config: Some(self.last_config.clone()),
            logentries: Some(entries),
            event_no: Some(self.event_number),
            metrics,
        };
        if let Ok(json) = serde_json::to_vec(&event) {
            let topic = &sc.topics.events_system;
            let token = sc.publish_event(topic, json);
            if has_entries {
                self.unacknowledged_logs.insert(token);
            }
        }
    }

    pub(crate) fn report(&self) -> Report<'_> {
        Report {
            last_config: &self.last_config,
            operation: ReportOperation {
                operational: true,
                mode: self.modes.mode().as_str(),
                last_start: Timestamp::from_millis(self.start.last_start.0),
                restart_count: self.start.restart_count,
            },
            serial_no: &self.identity.serial_no,
            hardware: ReportHardware {
                make: &self.identity.make,
                model: &self.identity.model,
                sku: self.identity.sku.as_deref(),
                rev: self.identity.rev.as_deref(),
            },
            software: &self.identity.software,
            params: Some(&self.identity.params).filter(|params| !params.is_empty()),
            status: self.status.as_deref(),
        }
    }
}

/// The next deadline of a drift-free period. Deadlines that a stall has swallowed are skipped.
pub(crate) fn next_due(last: Instant, period: Duration, now: Instant) -> Instant {
    let next = last + period;
    if next > now { next } else { now + period }
}

/// JSON knows no infinity and no NaN (§3.3): such a member is left out.
fn finite(mut metrics: events::SystemMetrics) -> events::SystemMetrics {
    for member in [
        &mut metrics.mem_total_mb,
        &mut metrics.mem_free_mb,
        &mut metrics.store_total_mb,
        &mut metrics.store_free_mb,
        &mut metrics.system_load,
    ] {
        *member = member.filter(|number| number.is_finite());
    }
    metrics
}

/// `state.system`, borrowed (§3.2).
#[derive(Serialize)]
pub(crate) struct Report<'a> {
    last_config: &'a Timestamp,
    operation: ReportOperation<'a>,
    serial_no: &'a str,
    hardware: ReportHardware<'a>,
    software: &'a device_link::Map<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    params: Option<&'a device_link::Map<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'a Entry>,
}

#[derive(Serialize)]
struct ReportOperation<'a> {
    operational: bool,
    mode: &'a str,
    last_start: Timestamp,
    restart_count: u64,
}

#[derive(Serialize)]
struct ReportHardware<'a> {
    make: &'a str,
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sku: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rev: Option<&'a str>,
}

/// Whether a module or parameter name is legal (`^[a-z_]+$`, §2.6).
pub(crate) fn is_table_key(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '_')
}

/// Removes what the schema would refuse, and puts placeholders where the required has no content (§3.2).
pub(crate) fn clean(mut identity: Identity) -> Identity {
    let placeholders = Identity::default();
    for (text, placeholder) in [
        (&mut identity.make, placeholders.make),
        (&mut identity.model, placeholders.model),
        (&mut identity.serial_no, placeholders.serial_no),
    ] {
        if text.is_empty() {
            *text = placeholder;
        }
    }
    identity.software.retain(|name, _| is_table_key(name));
    identity.params.retain(|name, _| is_table_key(name));
    identity
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_keeps_its_beat_and_skips_what_a_stall_swallowed() {
        let second = Duration::from_secs(1);
        assert_eq!(next_due(Instant(1000), second, Instant(1003)), Instant(2000));
        assert_eq!(next_due(Instant(1000), second, Instant(9500)), Instant(10_500));
    }
}
