//! The tester: what the sequencer does between the steps of a sequence. It edits the blocks of a config, sends
//! them one by one as UDMIS would, and follows the device's states and logs.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::blobs::Prefixes;
use super::discovery::{self, Target};
use super::expect;
use super::{Halt, Progress, Scenario, fail, shown};
use crate::model::Model;
use crate::world::{Received, World, merge};

/// The blocks that are sent one by one, each as a whole config (§7.3).
const BLOCKS: [&str; 6] = ["system", "pointset", "gateway", "localnet", "blobset", "discovery"];
/// Milliseconds between the configs of a burst.
const BURST_MS: u64 = 60;
/// Seconds a device has to come into step with a config.
const SYNC_S: u64 = 60;
/// Milliseconds between two updates.
const SPACING_MS: u64 = 2000;
/// Milliseconds from the last state to the next config.
const HOLD_OFF_MS: i64 = 1000;
/// Milliseconds between two looks at what has come.
pub(super) const POLL_MS: u64 = 1000;

/// The tester.
#[derive(Debug)]
pub struct Tester {
    /// The world it tests in.
    pub world: World,
    pub(super) metadata: Value,
    pub(super) facet: String,
    /// What there is to find in the facet's family.
    pub(super) around: BTreeMap<String, Target>,
    /// The device in each registry.
    pub(super) prefixes: Prefixes,
    /// The configs of the other devices of its gateway, by what their topics begin with.
    neighbours: BTreeMap<String, Value>,
    /// What they have sent.
    pub(super) foreign: Vec<Received>,
    has_state: bool,
    start: Value,
    /// The config as wanted.
    pub(super) wanted: Value,
    /// The blocks as sent last.
    pub(super) sent: Value,
    pub(super) stored: Value,
    read: usize,
    pub(super) state: Option<Value>,
    pub(super) states_seen: usize,
    pub(super) events: Vec<Received>,
    logs: Vec<Value>,
    issued_utc: i64,
    applied_at: u64,
    pub(super) memory: BTreeMap<String, Value>,
    /// States in the registry not in use, since the last switch.
    pub(super) strays: usize,
    pub(super) generation: String,
    validates: Option<String>,
    may_change: Vec<String>,
    findings: Vec<String>,
    abort: Option<String>,
    body_end: u64,
}

impl Tester {
    pub(super) fn new(mut world: World, model: &Model, scenario: &Scenario) -> Self {
        world.cloud.turn_to(&model.prefix());
        let neighbours = model.others.iter();
        let neighbours = neighbours.map(|(id, metadata)| (model.prefix_of(id), Model::config_of(metadata)));
        let mut start = model.config();
        start["system"]["min_loglevel"] = scenario.level.into();
        start["system"]["testing"]["sequence_name"] = scenario.sequence.clone().into();
        Self {
            world,
            metadata: model.metadata.clone(),
            facet: model.facet.clone(),
            around: discovery::targets(model),
            prefixes: Prefixes::of(model),
            neighbours: neighbours.collect(),
            foreign: Vec::new(),
            has_state: !model.settings.options.suppress_state,
            wanted: start.clone(),
            start,
            sent: json!({}),
            stored: json!({}),
            read: 0,
            state: None,
            states_seen: 0,
            events: Vec::new(),
            logs: Vec::new(),
            issued_utc: 0,
            applied_at: 0,
            memory: BTreeMap::new(),
            strays: 0,
            generation: String::new(),
            validates: None,
            may_change: scenario.may_change.clone(),
            findings: Vec::new(),
            abort: None,
            body_end: u64::MAX,
        }
    }

    pub(super) fn into_findings(self) -> Vec<String> {
        self.findings
    }

    pub(super) fn run(&mut self, scenario: &Scenario) -> Progress {
        self.set_up(scenario)?;
        self.body_end = self.world.now().at.0 + scenario.limit_s * 1000;
        for (number, step) in scenario.steps.iter().enumerate() {
            let place = |halt| match halt {
                Halt::Fail(text) => Halt::Fail(format!("step {}: {text}", number + 1)),
                Halt::Skip(reason) => Halt::Skip(reason),
            };
            self.step(step).map_err(place)?;
        }
        self.healthy("at the end")
    }

    /// A first config with an old timestamp as of a registrar, then the one the sequence begins with.
    fn set_up(&mut self, scenario: &Scenario) -> Progress {
        self.world.cloud.writes_back = true;
        for (prefix, config) in std::mem::take(&mut self.neighbours) {
            self.world.turned_to(&prefix, |world| world.publish_config(&config));
        }
        let mut registered = self.start.clone();
        registered["timestamp"] = self.metadata["timestamp"].clone();
        self.world.publish_config(&registered);
        self.world.advance(8000);
        self.collect();
        if self.has_state {
            self.wait(SYNC_S, "a first state", |tester| tester.state.is_some())?;
        }
        self.stored = self.world.cloud.config.clone();
        self.point_home();
        self.reset_in_steps()?;
        self.healthy("before it begins")?;
        self.logs.clear();
        self.events.clear();
        self.states_seen = 0;
        self.validates.clone_from(&scenario.validates);
        Ok(())
    }

    fn healthy(&mut self, when: &str) -> Progress {
        let level = self.state_at("/system/status/level").and_then(Value::as_i64);
        match level {
            Some(level) if level >= 400 => fail(format!("the system's status is {level} {when}")),
            Some(_) | None => Ok(()),
        }
    }

    /// Wants the config the sequence began with.
    fn reset(&mut self) {
        self.wanted = self.start.clone();
        let known = self.state_at("/system/operation/last_start").cloned();
        self.wanted["system"]["operation"]["last_start"] = known.unwrap_or("1970-01-01T00:01:13Z".into());
    }

    /// A config that says it resets, then the one the sequence begins with.
    pub(super) fn reset_in_steps(&mut self) -> Progress {
        self.reset();
        self.wanted["system"]["testing"]["sequence_name"] = "reset_config".into();
        self.update(true)?;
        self.reset();
        self.update(false)
    }

    /// Wants one member as it was when the sequence began.
    pub(super) fn restore(&mut self, pointer: &str) {
        let mut patch = self.start.pointer(pointer).cloned().unwrap_or(Value::Null);
        for name in pointer.split('/').skip(1).collect::<Vec<_>>().into_iter().rev() {
            patch = json!({ name: patch });
        }
        merge(&mut self.wanted, &patch);
    }

    pub(super) fn state_at(&self, pointer: &str) -> Option<&Value> {
        self.state.as_ref()?.pointer(pointer)
    }

    /// The timestamp of the config sent last.
    pub(super) fn config_timestamp(&self) -> &Value {
        &self.stored["timestamp"]
    }

    /// What the cloud holds as the config, which UDMIS may have changed since.
    pub(super) fn cloud_config(&self) -> &Value {
        &self.world.cloud.config
    }

    /// Sends each block that differs, or all of them, and waits until device and cloud are in step.
    pub(super) fn update(&mut self, all: bool) -> Progress {
        self.await_turn();
        let seen = self.states_seen;
        let stamp = self.world.timestamp();
        // What UDMIS wrote into the config of its own stays.
        self.stored = self.world.cloud.config.clone();
        for block in BLOCKS {
            if all || self.wanted.get(block) != self.sent.get(block) {
                self.issued_utc = self.world.now().utc.whole_second().0;
                self.send_block(block, &stamp);
                self.world.advance(BURST_MS);
            }
        }
        self.await_sync(seen)?;
        self.applied_at = self.world.now().at.0;
        Ok(())
    }

    fn send_block(&mut self, block: &str, stamp: &str) {
        let wanted = self.wanted.get(block).cloned().unwrap_or(Value::Null);
        self.stored[block] = wanted.clone();
        self.sent[block] = wanted;
        let known = self.world.cloud.config.pointer("/system/operation/last_start").cloned();
        merge(&mut self.stored, &json!({ "timestamp": stamp, "version": "1.5.7" }));
        if let Some(members) = self.stored.as_object_mut() {
            members.retain(|_, member| !member.is_null());
        }
        // The tool never takes a start back that UDMIS has written.
        if let Some(known) = known
            && self.stored.pointer("/system/operation").is_some()
        {
            self.stored["system"]["operation"]["last_start"] = known;
        }
        let config = self.stored.clone();
        self.world.publish_config(&config);
    }

    /// Sends a text that is no config.
    pub(super) fn send_broken(&mut self, text: &str) {
        self.await_turn();
        self.issued_utc = self.world.now().utc.whole_second().0;
        self.world.publish("config", text, true);
        self.sent = json!({}); // all blocks differ from now on
        self.applied_at = self.world.now().at.0;
    }

    /// Two seconds from the last config in force, and a second from the last state's timestamp.
    pub(super) fn await_turn(&mut self) {
        let spaced = self.applied_at + SPACING_MS;
        let now = self.world.now();
        let stated = self.state_at("/timestamp").and_then(Value::as_str).and_then(expect::millis);
        let held = stated.map_or(0, |stated| (stated + HOLD_OFF_MS - now.utc.0).max(0));
        let wait = spaced.saturating_sub(now.at.0).max(u64::try_from(held).unwrap_or(0));
        self.world.advance(wait);
        self.collect();
    }

    fn await_sync(&mut self, seen: usize) -> Progress {
        if !self.has_state {
            self.world.advance(8000); // without `last_config` there is nothing but patience
            self.collect();
            return Ok(());
        }
        let waited = self.wait(SYNC_S, "device and cloud in step", |tester| tester.is_in_step(seen));
        if waited.is_err() && self.abort.is_none() {
            let last = shown(self.state_at("/system/last_config"));
            let wanted = shown(Some(self.config_timestamp()));
            return fail(format!("not in step after {SYNC_S} s: last_config {last}, config {wanted}"));
        }
        waited
    }

    /// §7.4.
    fn is_in_step(&self, seen: usize) -> bool {
        let Some(state) = &self.state else { return false };
        let matches = |pointer: &str, wanted: Option<&Value>| match state.pointer(pointer) {
            None => true,
            Some(value) => same_second(value, wanted),
        };
        let last_config = matches("/system/last_config", Some(self.config_timestamp()));
        let start = self.cloud_config().pointer("/system/operation/last_start");
        let answered = self.states_seen > seen || state.pointer("/system/last_config").is_some();
        last_config && matches("/system/operation/last_start", start) && answered
    }

    /// Looks every second until `done`, for so many seconds; not past the end of the body.
    pub(super) fn wait(
        &mut self,
        seconds: u64,
        what: &str,
        mut done: impl FnMut(&mut Self) -> bool,
    ) -> Progress {
        let end = self.world.now().at.0 + seconds * 1000;
        loop {
            self.collect();
            if let Some(reason) = &self.abort {
                return fail(format!("the message loop ends: {reason}"));
            }
            if done(self) {
                return Ok(());
            }
            let now = self.world.now().at.0;
            if now >= self.body_end {
                return fail(format!("the time is up while waiting for {what}"));
            }
            if now >= end {
                return fail(format!("no {what} within {seconds} s"));
            }
            self.world.advance(POLL_MS.min(end - now));
        }
    }

    /// Seconds left of those that were given from the moment the last config was in force.
    pub(super) fn left_of(&self, seconds: u64) -> u64 {
        let end = self.applied_at + seconds * 1000;
        end.saturating_sub(self.world.now().at.0).div_ceil(1000)
    }

    /// Takes in what has come.
    pub(super) fn collect(&mut self) {
        while let Some(received) = self.world.cloud.received.get(self.read).cloned() {
            self.read += 1;
            if received.prefix != self.world.cloud.prefix() {
                self.strays += usize::from(received.topic == "state" && received.prefix == self.other());
                self.foreign.push(received);
                continue;
            }
            self.validate(&received);
            match received.topic.as_str() {
                "state" => self.take_state(received.payload),
                "events/system" => {
                    let entries = received.payload["logentries"].as_array();
                    self.logs.extend(entries.into_iter().flatten().cloned());
                    self.events.push(received);
                }
                _ => self.events.push(received),
            }
        }
    }

    fn validate(&mut self, received: &Received) {
        let Some(folder) = &self.validates else { return };
        let document = received.topic.replace('/', "_");
        if (document == "state" || document == format!("events_{folder}"))
            && let Err(found) = crate::upstream::validate(&document, &received.payload)
        {
            self.findings.extend(found.iter().map(|finding| format!("{document}: {finding}")));
        }
    }

    fn take_state(&mut self, state: Value) {
        let stamp = |state: &Value| state.get("timestamp").and_then(Value::as_str).and_then(expect::millis);
        let Some(millis) = stamp(&state) else { return };
        if self.state.as_ref().and_then(stamp).is_some_and(|last| millis < last) {
            return;
        }
        if let Some(reason) = expect::unreadable(&state) {
            self.abort.get_or_insert(reason);
        }
        if self.validates.is_some()
            && let Some(before) = &self.state
        {
            let changes = expect::unallowed_changes(before, &state, &self.may_change);
            self.findings.extend(changes.into_iter().map(|path| format!("device_state: {path} changed")));
        }
        self.states_seen += 1;
        self.state = Some(state);
    }

    /// Drops what is older than the last config, then looks for an entry of that category and level.
    pub(super) fn is_logged(&mut self, log: &super::Log) -> bool {
        let issued = self.issued_utc;
        let is_recent = |entry: &Value| {
            entry["timestamp"].as_str().and_then(expect::millis).is_none_or(|at| at >= issued)
        };
        self.logs.retain(is_recent);
        self.logs.iter().any(|entry| {
            let level = entry["level"].as_i64().unwrap_or(0);
            let graded = if log.or_more { level >= log.level } else { level == log.level };
            entry["category"] == log.category.as_str() && graded
        })
    }
}

/// Equal as moments of whole seconds.
fn same_second(value: &Value, wanted: Option<&Value>) -> bool {
    let second =
        |value: &Value| value.as_str().and_then(expect::millis).map(|millis| millis.div_euclid(1000));
    let wanted = wanted.and_then(second);
    wanted.is_some() && second(value) == wanted
}
