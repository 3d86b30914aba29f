//! The tester: what the sequencer does between the steps of a sequence. It edits the blocks of a config, sends
//! them one by one as UDMIS would, and follows the device's states and logs.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use udmi_proto::model::common::Timestamp;

use super::bench::Bench;
use super::blobs::Prefixes;
use super::discovery::{self, Target};
use super::expect;
use super::record::Record;
use super::subject::Subject;
use super::{Halt, Lane, Pace, Progress, Scenario, fail, shown};
use crate::world::{Received, merge};

/// Milliseconds between the configs of a burst.
const BURST_MS: u64 = 60;
/// Seconds a device has to come into step with a config.
const SYNC_S: u64 = 60;
/// Seconds in which a device that sends no state is believed to have taken a config.
const FAITH_S: u64 = 8;
/// Seconds that writes of the sequence before may take to end.
const SETTLE_S: u64 = 30;
/// Milliseconds between two looks at what changes without a message.
const POLL_MS: u64 = 1000;

/// The tester.
pub(super) struct Tester<'a> {
    pub(super) bench: &'a mut dyn Bench,
    pub(super) subject: &'a Subject,
    pub(super) pace: Pace,
    /// The blocks that are sent one by one, each as a whole config (§7.3).
    blocks: &'static [&'static str],
    /// What there is to find in the facet's family.
    pub(super) around: BTreeMap<String, Target>,
    /// The device in each registry.
    pub(super) prefixes: Prefixes,
    /// The device in the registry that is in use.
    pub(super) prefix: String,
    /// What came of the other devices of its gateway, and of the other registry.
    pub(super) foreign: Vec<Received>,
    start: Value,
    /// The config as wanted.
    pub(super) wanted: Value,
    /// The blocks as sent last.
    pub(super) sent: Value,
    /// The timestamp of the config sent last.
    pub(super) stamp: Value,
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
    pub(super) record: Record,
    is_set_up: bool,
    abort: Option<String>,
    body_end: u64,
}

impl<'a> Tester<'a> {
    pub(super) fn new(
        bench: &'a mut dyn Bench,
        subject: &'a Subject,
        scenario: &Scenario,
        pace: Pace,
    ) -> Self {
        let mut start = subject.config.clone();
        start["system"]["min_loglevel"] = scenario.level.into();
        start["system"]["testing"]["sequence_name"] = scenario.sequence.clone().into();
        let lane = if pace.is_shared { scenario.lane } else { Lane::Alone };
        let record = Record::new(bench.now(), scenario, subject, lane);
        Self {
            bench,
            subject,
            pace,
            blocks: lane.blocks(),
            around: discovery::targets(subject),
            prefixes: Prefixes::of(subject),
            prefix: subject.prefix.clone(),
            foreign: Vec::new(),
            wanted: start.clone(),
            start,
            sent: json!({}),
            stamp: Value::Null,
            state: None,
            states_seen: 0,
            events: Vec::new(),
            logs: Vec::new(),
            issued_utc: 0,
            applied_at: 0,
            memory: BTreeMap::new(),
            strays: 0,
            generation: String::new(),
            record,
            is_set_up: false,
            abort: None,
            body_end: u64::MAX,
        }
    }

    pub(super) fn run(&mut self, scenario: &Scenario) -> Progress {
        self.take(0, "set up", |tester| tester.set_up())?;
        self.body_end = self.bench.now().at.0 + scenario.limit_s * 1000;
        for (number, step) in scenario.steps.iter().enumerate() {
            let text = serde_json::to_string(step).unwrap_or_else(|_| format!("{step:?}"));
            self.take(number + 1, &text, |tester| tester.step(step))?;
        }
        self.take(scenario.steps.len() + 1, "healthy", |tester| tester.healthy("at the end"))
    }

    /// Takes a step and keeps what came of it.
    fn take(&mut self, number: usize, text: &str, step: impl FnOnce(&mut Self) -> Progress) -> Progress {
        self.record.begin(self.bench.now(), number, text);
        let result = step(self);
        self.record.end(self.bench.now(), &result);
        result.map_err(|halt| match halt {
            Halt::Fail(text) if number > 0 => Halt::Fail(format!("step {number}: {text}")),
            other => other,
        })
    }

    /// What a registrar would have done if nobody has, then the config the sequence begins with, to which the first
    /// state is the answer.
    fn set_up(&mut self) -> Progress {
        let subject = self.subject;
        for (prefix, config) in &subject.neighbours {
            if self.bench.config(prefix).is_null() {
                self.publish(prefix, config)?;
            }
        }
        let prefix = self.prefix.clone();
        if self.bench.config(&prefix).is_null() {
            let mut registered = self.start.clone();
            registered["timestamp"] = subject.metadata["timestamp"].clone();
            self.publish(&prefix, &registered)?;
        }
        if !self.pace.is_shared {
            self.point_home()?;
        }
        self.sent = self.bench.config(&prefix);
        match (self.pace.is_shared, self.pace.resets_fully) {
            (true, _) => {
                self.want_start();
                self.update(true)?;
            }
            (false, true) => self.reset_in_steps()?,
            (false, false) => self.reset()?,
        }
        self.settle()?;
        self.healthy("before it begins")?;
        self.logs.clear();
        self.events.clear();
        self.states_seen = 0;
        self.is_set_up = true;
        Ok(())
    }

    /// Lets writes end that the config has caused: what they change in the state is none of the sequence's.
    fn settle(&mut self) -> Progress {
        if !self.blocks.contains(&"pointset") {
            return Ok(());
        }
        let is_writing = |tester: &Self| {
            let points = tester.state_at("/pointset/points").and_then(Value::as_object);
            points.into_iter().flatten().any(|(_, point)| point["value_state"] == "updating")
        };
        // One that does not end is for a sequence to find.
        match self.wait(SETTLE_S, "end of all writes", |tester| !is_writing(tester)) {
            Err(halt) if self.abort.is_some() => Err(halt),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    pub(super) fn healthy(&mut self, when: &str) -> Progress {
        let level = self.state_at("/system/status/level").and_then(Value::as_i64);
        match level {
            Some(level) if level >= 400 => fail(format!("the system's status is {level} {when}")),
            Some(_) | None => Ok(()),
        }
    }

    /// Wants the config the sequence began with.
    fn want_start(&mut self) {
        self.wanted = self.start.clone();
        let state = self.state_at("/system/operation/last_start").cloned();
        let known = state.or_else(|| self.cloud_config().pointer("/system/operation/last_start").cloned());
        self.wanted["system"]["operation"]["last_start"] = known.unwrap_or("1970-01-01T00:01:13Z".into());
    }

    fn reset(&mut self) -> Progress {
        self.want_start();
        self.update(false)
    }

    /// A config that says it resets, then the one the sequence begins with.
    pub(super) fn reset_in_steps(&mut self) -> Progress {
        self.want_start();
        self.wanted["system"]["testing"]["sequence_name"] = "reset_config".into();
        self.update(true)?;
        self.reset()
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

    /// What the cloud holds as the config, which UDMIS may have changed since.
    pub(super) fn cloud_config(&self) -> Value {
        self.bench.config(&self.prefix)
    }

    /// The wall clock as a timestamp of whole seconds.
    pub(super) fn timestamp(&self) -> String {
        Timestamp::from_millis_whole_seconds(self.bench.now().utc.0).as_str().to_owned()
    }

    /// Changes the config of a device, which publishes it.
    pub(super) fn edit(&mut self, prefix: &str, mut change: impl FnMut(&mut Value)) -> Progress {
        self.bench.edit(prefix, &mut change).map_err(Halt::Fail)?;
        self.record.sent(self.bench.now(), prefix, self.bench.config(prefix));
        Ok(())
    }

    pub(super) fn publish(&mut self, prefix: &str, config: &Value) -> Progress {
        self.edit(prefix, |known| known.clone_from(config))
    }

    /// Sends each block that differs, or all of them, and waits until device and cloud are in step.
    pub(super) fn update(&mut self, all: bool) -> Progress {
        self.await_turn();
        let seen = self.states_seen;
        let stamp = self.timestamp();
        let differs = |block: &&str| all || self.wanted.get(block) != self.sent.get(block);
        let blocks: Vec<_> = self.blocks.iter().copied().filter(differs).collect();
        for block in blocks {
            self.issued_utc = self.bench.now().utc.whole_second().0;
            self.send_block(block, &stamp)?;
            self.pass(BURST_MS);
        }
        self.await_sync(seen)?;
        self.applied_at = self.bench.now().at.0;
        Ok(())
    }

    fn send_block(&mut self, block: &str, stamp: &str) -> Progress {
        let wanted = self.wanted.get(block).cloned().unwrap_or(Value::Null);
        self.sent[block] = wanted.clone();
        self.stamp = stamp.into();
        let prefix = self.prefix.clone();
        self.edit(&prefix, |config| {
            // The tool never takes a start back that UDMIS has written.
            let known = config.pointer("/system/operation/last_start").cloned();
            merge(config, &json!({ "timestamp": stamp, "version": "1.5.7" }));
            config[block] = wanted.clone();
            if let Some(members) = config.as_object_mut() {
                members.retain(|_, member| !member.is_null());
            }
            if let Some(known) = known
                && config.pointer("/system/operation").is_some()
            {
                config["system"]["operation"]["last_start"] = known;
            }
        })
    }

    /// Sends a text that is no config.
    pub(super) fn send_broken(&mut self, text: &str) -> Progress {
        self.await_turn();
        let now = self.bench.now();
        self.issued_utc = now.utc.whole_second().0;
        self.bench.publish_text(&self.prefix, text).map_err(Halt::Fail)?;
        self.record.sent(now, &self.prefix, text.into());
        self.sent = json!({}); // all blocks differ from now on
        self.applied_at = now.at.0;
        Ok(())
    }

    /// A while from the last config in force and from the last state's timestamp; and no two configs of one second,
    /// since a state tells which one it answers by the second.
    pub(super) fn await_turn(&mut self) {
        loop {
            let now = self.bench.now();
            let millis = |value: &Value| value.as_str().and_then(expect::millis);
            let stated = self.state_at("/timestamp").and_then(millis).map(|at| at + self.pace.hold_off_ms);
            let stamped = millis(&self.stamp);
            let others = self.pace.is_shared.then(|| millis(&self.cloud_config()["timestamp"])).flatten();
            let stamped = stamped.max(others).map(|at| at + 1000);
            let held = u64::try_from(stated.max(stamped).unwrap_or(0) - now.utc.0).unwrap_or(0);
            let spaced = (self.applied_at + self.pace.spacing_ms).saturating_sub(now.at.0);
            self.pass(spaced.max(held));
            if spaced.max(held) == 0 {
                return;
            }
        }
    }

    fn await_sync(&mut self, seen: usize) -> Progress {
        if !self.subject.sends_state {
            self.pass(FAITH_S * 1000); // without `last_config` there is nothing but patience
            return Ok(());
        }
        let waited = self.wait(SYNC_S, "device and cloud in step", |tester| tester.is_in_step(seen));
        if waited.is_err() && self.abort.is_none() {
            if self.state.is_none() {
                return fail(format!("no state at all within {SYNC_S} s"));
            }
            let last = shown(self.state_at("/system/last_config"));
            let wanted = shown(Some(&self.stamp));
            return fail(format!("not in step after {SYNC_S} s: last_config {last}, config {wanted}"));
        }
        waited
    }

    /// Whether a timestamp is that of the config sent last.
    pub(super) fn is_of_last_config(&self, timestamp: Option<&Value>) -> bool {
        timestamp == Some(&self.stamp) || self.is_of_later_config(timestamp)
    }

    /// The config of another lane was made after ours, and has in it what ours has.
    fn is_of_later_config(&self, timestamp: Option<&Value>) -> bool {
        self.pace.is_shared && timestamp.and_then(second) > second(&self.stamp)
    }

    /// §7.4.
    fn is_in_step(&self, seen: usize) -> bool {
        let Some(state) = &self.state else { return false };
        let matches = |pointer: &str, wanted: Option<&Value>| match state.pointer(pointer) {
            None => true,
            Some(value) => same_second(value, wanted),
        };
        let last = state.pointer("/system/last_config");
        let last_config = self.is_of_later_config(last) || matches("/system/last_config", Some(&self.stamp));
        let config = self.cloud_config();
        let start = config.pointer("/system/operation/last_start");
        let answered = self.states_seen > seen || state.pointer("/system/last_config").is_some();
        last_config && matches("/system/operation/last_start", start) && answered
    }

    /// Looks at every message until `done`, for so many seconds; not past the end of the body.
    pub(super) fn wait(
        &mut self,
        seconds: u64,
        what: &str,
        mut done: impl FnMut(&mut Self) -> bool,
    ) -> Progress {
        let end = self.bench.now().at.0 + seconds * 1000;
        loop {
            self.collect();
            if let Some(reason) = &self.abort {
                return fail(format!("the message loop ends: {reason}"));
            }
            if done(self) {
                return Ok(());
            }
            let now = self.bench.now().at.0;
            if now >= self.body_end {
                return fail(format!("the time is up while waiting for {what}"));
            }
            if now >= end {
                return fail(format!("no {what} within {seconds} s"));
            }
            self.bench.wait(POLL_MS.min(end - now));
        }
    }

    /// Lets so many milliseconds pass, and takes in what comes.
    pub(super) fn pass(&mut self, milliseconds: u64) {
        let end = self.bench.now().at.0 + milliseconds;
        loop {
            self.collect();
            let left = end.saturating_sub(self.bench.now().at.0);
            if left == 0 {
                return;
            }
            self.bench.wait(left);
        }
    }

    /// Seconds left of those that were given from the moment the last config was in force.
    pub(super) fn left_of(&self, seconds: u64) -> u64 {
        let end = self.applied_at + seconds * 1000;
        end.saturating_sub(self.bench.now().at.0).div_ceil(1000)
    }

    /// Takes in what has come.
    pub(super) fn collect(&mut self) {
        while let Some(received) = self.bench.take() {
            self.record.received(&received, self.is_set_up);
            if received.prefix != self.prefix {
                self.strays += usize::from(received.topic == "state" && received.prefix == self.other());
                self.foreign.push(received);
                continue;
            }
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

    fn take_state(&mut self, state: Value) {
        let stamp = |state: &Value| state.get("timestamp").and_then(Value::as_str).and_then(expect::millis);
        let Some(millis) = stamp(&state) else { return };
        if self.state.as_ref().and_then(stamp).is_some_and(|last| millis < last) {
            return;
        }
        if let Some(reason) = expect::unreadable(&state) {
            self.abort.get_or_insert(reason);
        }
        if self.is_set_up
            && let Some(before) = &self.state
        {
            self.record.changed(before, &state);
        }
        self.states_seen += 1;
        self.state = Some(state);
    }

    /// What was logged since the last config.
    pub(super) fn logged(&self) -> &[Value] {
        &self.logs
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

fn second(value: &Value) -> Option<i64> {
    value.as_str().and_then(expect::millis).map(|millis| millis.div_euclid(1000))
}

/// Equal as moments of whole seconds.
fn same_second(value: &Value, wanted: Option<&Value>) -> bool {
    let wanted = wanted.and_then(second);
    wanted.is_some() && second(value) == wanted
}
