//! Devices with one fault each, as data: what they send is altered, in the simulated world where it arrives, at a real
//! broker on its way there. With each fault stands what the suite has to say of it, and nothing else may it say.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::outcome::{Outcome, Verdict};
use crate::world::{Received, merge};

/// The faults (§D).
const FAULTS: &str = include_str!("../../faults.json");

/// A fault.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Its name.
    pub name: String,
    /// What is wrong with the device, in a sentence.
    pub about: String,
    /// What becomes of its messages.
    #[serde(default)]
    pub alter: Vec<Alteration>,
    /// Whether it subscribes at QoS 0, and so acknowledges nothing.
    #[serde(default)]
    pub acknowledges_nothing: bool,
    /// What fails, and what the message says: `SEQUENCE`, `SEQUENCE.CAPABILITY` or `SEQUENCE SCHEMA`, families left
    /// out.
    pub fails: BTreeMap<String, String>,
}

/// What becomes of the messages on one topic.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alteration {
    /// What follows the device's prefix.
    pub topic: String,
    /// A JSON pointer into the message; `*` is each member or item.
    #[serde(default)]
    pub at: String,
    /// Only where the value there has these members; null is absent.
    #[serde(default)]
    pub only: Value,
    /// What happens.
    pub does: Change,
}

/// What happens to a message, or to a value in it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// The value is patched (RFC 7396): null deletes.
    Patch(Value),
    /// A member keeps the value it had first.
    Freeze(String),
    /// A number among the members becomes a text.
    Textual(String),
    /// An item is added to a list, stamped as the message is.
    Append(Value),
    /// The message is lost.
    Lose,
    /// It is lost if it comes so few milliseconds after the last one that was not.
    KeepApart(u64),
    /// The message comes twice.
    Double,
    /// After it the last state comes again, so many times, if that is a while ago and was in the same registry.
    RepeatState(usize),
}

/// Milliseconds after which a state comes again.
const AGAIN_MS: u64 = 15_000;

/// A fault at work in one device.
#[derive(Debug)]
pub struct Faulty {
    fault: Fault,
    /// What members had first.
    frozen: BTreeMap<String, Value>,
    /// When the last message was let through that had to keep a distance.
    passed: Option<u64>,
    state: Option<Received>,
}

impl Fault {
    /// All of them.
    ///
    /// # Panics
    /// If the file of faults is none.
    #[must_use]
    pub fn all() -> Vec<Self> {
        serde_json::from_str(FAULTS).expect("a list of faults")
    }

    /// The fault of that name.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn named(name: &str) -> Self {
        let found = Self::all().into_iter().find(|fault| fault.name == name);
        found.unwrap_or_else(|| panic!("there is no fault {name}"))
    }

    /// A device that has it.
    #[must_use]
    pub fn device(self) -> Faulty {
        Faulty { fault: self, frozen: BTreeMap::new(), passed: None, state: None }
    }

    /// How what has failed differs from what this fault makes fail, one line each. The failures are by what failed, as
    /// in [`Self::fails`].
    #[must_use]
    pub fn differs(&self, failures: &[(String, String)]) -> Vec<String> {
        let unsaid =
            self.fails.iter().filter(|(what, _)| !failures.iter().any(|(failed, _)| failed == *what));
        let unsaid = unsaid.map(|(what, text)| format!("{what} does not fail: {text}"));
        let wrong = failures.iter().filter_map(|(what, text)| match self.fails.get(what) {
            Some(expected) if text.contains(expected) => None,
            Some(expected) => Some(format!("{what} fails with {text}, not with {expected}")),
            None => Some(format!("{what} fails: {text}")),
        });
        unsaid.chain(wrong).collect()
    }
}

/// What failed in an outcome, as in [`Fault::fails`].
#[must_use]
pub fn failures(outcome: &Outcome) -> Vec<(String, String)> {
    let name = outcome.sequence.split('+').next().unwrap_or_default();
    let capabilities = outcome.capabilities.iter();
    let capabilities =
        capabilities.map(|capability| (format!("{name}.{}", capability.name), capability.verdict.clone()));
    let schemas = outcome.schemas.iter().map(|schema| (format!("{name} {}", schema.name), schema.verdict()));
    let all = [(name.to_owned(), outcome.verdict.clone())].into_iter().chain(capabilities).chain(schemas);
    all.filter_map(|(what, verdict)| match verdict {
        Verdict::Fail(text) => Some((what, text)),
        Verdict::Pass | Verdict::Skip(_) => None,
    })
    .collect()
}

impl Faulty {
    /// Whether it subscribes at QoS 0.
    #[must_use]
    pub fn acknowledges_nothing(&self) -> bool {
        self.fault.acknowledges_nothing
    }

    /// What the device sends in place of a message.
    pub fn send(&mut self, message: Received) -> Vec<Received> {
        let is_state = message.topic == "state";
        let mut sent = vec![message];
        for alteration in self.fault.alter.clone() {
            sent = sent.into_iter().flat_map(|message| self.alter(&alteration, message)).collect();
        }
        if let Some(state) = sent.last().filter(|_| is_state) {
            self.state = Some(state.clone());
        }
        sent
    }

    fn alter(&mut self, alteration: &Alteration, mut message: Received) -> Vec<Received> {
        if message.topic != alteration.topic {
            return vec![message];
        }
        let stamp = message.payload["timestamp"].clone();
        let path: Vec<_> = alteration.at.split('/').skip(1).collect();
        let mut found = Vec::new();
        places(&mut message.payload, &path, &mut found);
        found.retain(|place| has(place, &alteration.only));
        if found.is_empty() {
            return vec![message];
        }
        match &alteration.does {
            Change::Patch(patch) => found.into_iter().for_each(|place| merge(place, patch)),
            Change::Freeze(member) => {
                for place in found.into_iter().filter(|place| place.get(member).is_some()) {
                    let value = self.frozen.entry(member.clone()).or_insert_with(|| place[member].clone());
                    place[member] = value.clone();
                }
            }
            Change::Textual(member) => {
                for place in found.into_iter().filter(|place| place[member].is_number()) {
                    place[member] = place[member].to_string().into();
                }
            }
            Change::Append(item) => {
                let mut item = item.clone();
                item["timestamp"] = stamp;
                found.into_iter().filter_map(Value::as_array_mut).for_each(|list| list.push(item.clone()));
            }
            Change::Lose => return Vec::new(),
            Change::KeepApart(milliseconds) => {
                if self.passed.is_some_and(|passed| message.at < passed + milliseconds) {
                    return Vec::new();
                }
                self.passed = Some(message.at);
            }
            Change::Double => return vec![message.clone(), message],
            Change::RepeatState(times) => {
                let is_due =
                    |state: &&Received| state.prefix == message.prefix && message.at >= state.at + AGAIN_MS;
                let state = self.state.iter().filter(is_due);
                let again: Vec<_> = state.flat_map(|state| vec![state.clone(); *times]).collect();
                return [message].into_iter().chain(again).collect();
            }
        }
        vec![message]
    }
}

fn places<'a>(value: &'a mut Value, path: &[&str], found: &mut Vec<&'a mut Value>) {
    let Some((name, rest)) = path.split_first() else { return found.push(value) };
    match value {
        Value::Object(members) => {
            let meant = members.iter_mut().filter(|(member, _)| *name == "*" || member == name);
            meant.for_each(|(_, member)| places(member, rest, found));
        }
        Value::Array(items) if *name == "*" => items.iter_mut().for_each(|item| places(item, rest, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {}
    }
}

fn has(place: &Value, members: &Value) -> bool {
    members.as_object().into_iter().flatten().all(|(name, value)| place[name.as_str()] == *value)
}
