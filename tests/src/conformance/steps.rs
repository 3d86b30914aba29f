//! The steps of a sequence.

use serde_json::Value;

use super::expect;
use super::scenario::{Check, Step};
use super::tester::Tester;
use super::{Halt, Progress, fail, shown};
use crate::world::merge;

/// Blocks of which the state has one if and only if the config has (§9.6 `system_last_update`).
const PAIRED: [&str; 7] = ["system", "pointset", "alarmset", "gateway", "localnet", "discovery", "blobset"];
/// Entries that a failure shows, the latest first.
const LOGGED_SHOWN: usize = 8;
/// Seconds after the last config until which an unwanted entry would count.
const NOT_LOGGED_S: u64 = 10;

impl Tester<'_> {
    pub(super) fn step(&mut self, step: &Step) -> Progress {
        match step {
            Step::Set(patch) => {
                let mut patch = patch.clone();
                self.fill_in_now(&mut patch);
                merge(&mut self.wanted, &patch);
                self.update(false)
            }
            Step::Restore(pointer) => {
                self.restore(pointer);
                self.update(false)
            }
            Step::Resend => self.update(true),
            Step::Reset => self.reset_in_steps(),
            Step::Broken(text) => self.send_broken(text),
            Step::State(check) => self.check_state(check),
            Step::Logged(log) => {
                let what = format!("log entry {} of level {}", log.category, log.level);
                let waited = self.wait(log.within_s, &what, |tester| tester.is_logged(log));
                self.or_logged(waited)
            }
            Step::NotLogged(log) => self.not_logged(log),
            Step::Parity => self.parity(),
            Step::SanePoints => self.sane_points(),
            Step::Event { point, is, within_s } => self.event(point, is, *within_s),
            Step::Events { folder, count } => self.events(folder, *count),
            Step::Numbers => self.numbers(),
            Step::Interval { limit, rate } => self.interval(*limit, *rate),
            Step::Updating { point, is, within_s } => self.updating(point, is, *within_s),
            Step::Quiet { seconds, states } => self.quiet(*seconds, *states),
            Step::Remember { at, name } => {
                let value = self.state_at(at).cloned();
                let Some(value) = value else { return fail(format!("state{at} is absent")) };
                self.memory.insert(name.clone(), value);
                Ok(())
            }
            Step::StartMoved { later_than } => self.start_moved(later_than),
            Step::Acknowledged => self.acknowledged(),
            Step::Endpoint { to, bad_hash } => self.order_endpoint(*to, *bad_hash),
            Step::EndpointIs { phase, failed, within_s } => self.endpoint_is(phase, *failed, *within_s),
            Step::Switch => self.switch(),
            Step::ClearOther => self.clear_other(),
            Step::Strays { seconds, least, most } => self.strays(*seconds, *least, *most),
            Step::Blob(target) => self.order_blob(target),
            Step::Enumerated { points, features, families } => self.enumerated(*points, *features, *families),
            Step::Scan { starts_in, depth, targeted, in_network } => {
                self.scan(*starts_in, depth.as_deref(), *targeted, *in_network)
            }
            Step::LastRound => self.last_round(),
            Step::NothingDiscovered(seconds) => self.nothing_discovered(*seconds),
            Step::Follow => self.follow(),
            Step::EachProxied { topic, within_s } => self.each_proxied(topic, *within_s),
            Step::Pause(seconds) => self.pause(*seconds),
            Step::PauseWithoutState(seconds) => {
                self.pause(if self.subject.sends_state { 0 } else { *seconds })
            }
            Step::Capability { name, steps } => self.capability(name, steps),
        }
    }

    pub(super) fn pause(&mut self, seconds: u64) -> Progress {
        self.pass(seconds * 1000);
        Ok(())
    }

    /// What fails is the capability alone, and nothing more of it is looked at.
    fn capability(&mut self, name: &str, steps: &[Step]) -> Progress {
        if self.record.has_failed(name) {
            return Ok(());
        }
        let result = steps.iter().try_for_each(|step| self.step(step));
        self.record.judge(name, &result);
        Ok(())
    }

    fn acknowledged(&mut self) -> Progress {
        let prefix = self.prefix.clone();
        if self.bench.acknowledged(&prefix).is_none() {
            return Err(Halt::Skip("The broker does not tell of acknowledgements".to_owned()));
        }
        self.wait(180, "acknowledgement of the config", |tester| {
            tester.bench.acknowledged(&prefix) == Some(true)
        })
    }

    fn check_state(&mut self, check: &Check) -> Progress {
        let waited = self.wait(check.within_s, "such state", |tester| tester.holds(check));
        match waited {
            Ok(()) => Ok(()),
            Err(Halt::Fail(text)) => {
                let seen = shown(self.state_at(&check.at));
                fail(format!("{text}: {} is {seen}, expected {}", check.at, self.wanted_by(check)))
            }
            Err(skip) => Err(skip),
        }
    }

    fn wanted_by(&self, check: &Check) -> String {
        let known = |name: &String| shown(self.memory.get(name));
        let parts = [
            check.is.as_ref().map(ToString::to_string),
            check.is_not.as_ref().map(|value| format!("not {value}")),
            check.as_metadata.as_ref().map(|at| shown(self.subject.metadata.pointer(at))),
            check.below.map(|level| format!("absent or below {level}")),
            check.above.map(|number| format!("above {number}")),
            check.absent.then(|| "absent".into()),
            check.present.then(|| "something".into()),
            check.same_as.as_ref().map(known),
            check.past.as_ref().map(|name| format!("past {}", known(name))),
            check.config_timestamp.then(|| self.stamp.to_string()),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(" and ")
    }

    fn holds(&self, check: &Check) -> bool {
        let seen = self.state_at(&check.at);
        let number = seen.and_then(Value::as_f64);
        check.is.as_ref().is_none_or(|value| seen == Some(value))
            && check.is_not.as_ref().is_none_or(|value| seen != Some(value))
            && check.as_metadata.as_ref().is_none_or(|at| seen == self.subject.metadata.pointer(at))
            && check.below.is_none_or(|below| seen.is_none() || number.is_some_and(|number| number < below))
            && check.above.is_none_or(|above| number.is_some_and(|number| number > above))
            && (!check.absent || seen.is_none())
            && (!check.present || seen.is_some())
            && check.same_as.as_ref().is_none_or(|name| seen == self.memory.get(name))
            && check.past.as_ref().is_none_or(|name| is_past(seen, self.memory.get(name)))
            && (!check.config_timestamp || self.is_of_last_config(seen))
    }

    /// The entry must stay away until ten seconds after the last config was applied.
    fn not_logged(&mut self, log: &super::Log) -> Progress {
        self.pause(self.left_of(NOT_LOGGED_S))?;
        if self.is_logged(log) {
            return fail(format!("log entry {} of level {} came", log.category, log.level));
        }
        Ok(())
    }

    /// A failure says what was logged instead.
    fn or_logged(&self, waited: Progress) -> Progress {
        let Err(Halt::Fail(text)) = waited else { return waited };
        let entries = self.logged().iter().rev().take(LOGGED_SHOWN);
        let seen = entries.map(|entry| format!("{} {}", shown(entry.get("category")), entry["level"]));
        let seen: Vec<_> = seen.collect();
        fail(format!(
            "{text}: logged is {}",
            if seen.is_empty() { "nothing".into() } else { seen.join(", ") }
        ))
    }

    fn parity(&mut self) -> Progress {
        let waited = self.wait(10, "equal blocks in state and config", |tester| {
            tester.state.is_some() && tester.unpaired().is_empty()
        });
        let Err(Halt::Fail(text)) = waited else { return waited };
        fail(format!("{text}: {}", self.unpaired().join(", ")))
    }

    /// Blocks that only one of state and config has.
    fn unpaired(&self) -> Vec<String> {
        let config = self.cloud_config();
        let has = |document: Option<&Value>, block| document.is_some_and(|known| known.get(block).is_some());
        let unpaired = PAIRED.iter().filter_map(|block| {
            match (has(self.state.as_ref(), block), has(Some(&config), block)) {
                (true, false) => Some(format!("{block} is only in the state")),
                (false, true) => Some(format!("{block} is only in the config")),
                (true, true) | (false, false) => None,
            }
        });
        unpaired.collect()
    }

    fn quiet(&mut self, seconds: u64, states: usize) -> Progress {
        let before = self.states_seen;
        self.pause(seconds)?;
        let seen = self.states_seen - before;
        if seen > states {
            fail(format!("{seen} states in {seconds} s, {states} are allowed"))
        } else {
            Ok(())
        }
    }

    fn start_moved(&mut self, later_than: &str) -> Progress {
        let config = self.cloud_config();
        let start = config.pointer("/system/operation/last_start");
        if is_past(start, self.memory.get(later_than)) {
            return Ok(());
        }
        fail(format!("last_start of the config is {}, not later", shown(start)))
    }
}

/// Later, as a text; greater by one, as a number.
fn is_past(seen: Option<&Value>, before: Option<&Value>) -> bool {
    match (seen, before) {
        (Some(Value::Number(seen)), Some(Value::Number(before))) => {
            seen.as_i64().zip(before.as_i64()).is_some_and(|(seen, before)| seen == before + 1)
        }
        (Some(Value::String(seen)), Some(Value::String(before))) => {
            expect::millis(seen).zip(expect::millis(before)).is_some_and(|(seen, before)| seen > before)
        }
        _ => false,
    }
}
