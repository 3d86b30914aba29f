//! What is kept of a sequence while it runs: steps with their times, messages, and what the schemas find.

use serde_json::Value;
use udmi_proto::Now;

use super::outcome::{Capability, MESSAGES_MAX, Outcome, Said, Schema, Taken, Verdict};
use super::subject::Subject;
use super::{Halt, Lane, Progress, Scenario, expect};
use crate::upstream::{Whose, validate, validate_with};
use crate::world::{Received, tolerate};

/// The name under which changes of state are told.
const CHANGES: &str = "device_state";

#[derive(Debug)]
pub(super) struct Record {
    began: Now,
    /// What the topics of the device in question begin with, in each registry.
    own: Vec<String>,
    /// The folder of events that the sequence validates.
    validates: Option<String>,
    may_change: Vec<String>,
    schemas: Vec<Schema>,
    findings: Vec<String>,
    capabilities: Vec<Capability>,
    steps: Vec<Taken>,
    messages: Vec<Said>,
}

impl Record {
    pub(super) fn new(began: Now, scenario: &Scenario, subject: &Subject, lane: Lane) -> Self {
        let names = scenario.validates.iter().flat_map(|folder| {
            let state = subject.sends_state.then(|| "state_update".to_owned());
            [CHANGES.to_owned(), format!("events_{folder}")].into_iter().chain(state)
        });
        let others = Lane::Alone.blocks().iter().filter(|block| !lane.blocks().contains(block));
        let of_others = others.map(|block| (*block).to_owned());
        let unseen = |name: &str| Capability {
            name: name.to_owned(),
            verdict: Verdict::Skip("Never executed".to_owned()),
        };
        Self {
            began,
            own: [Some(&subject.prefix), subject.alternate.as_ref()].into_iter().flatten().cloned().collect(),
            validates: scenario.validates.clone(),
            may_change: scenario.may_change.iter().cloned().chain(of_others).collect(),
            schemas: names.map(|name| Schema { name, findings: Vec::new() }).collect(),
            findings: Vec::new(),
            capabilities: scenario.capabilities().into_iter().map(unseen).collect(),
            steps: Vec::new(),
            messages: Vec::new(),
        }
    }

    fn since(&self, now: Now) -> u64 {
        now.at.0.saturating_sub(self.began.at.0)
    }

    pub(super) fn begin(&mut self, now: Now, number: usize, text: &str) {
        let began_ms = self.since(now);
        let text = text.to_owned();
        self.steps.push(Taken { number, text, began_ms, took_ms: 0, verdict: Verdict::Pass });
    }

    pub(super) fn end(&mut self, now: Now, result: &Progress) {
        let since = self.since(now);
        if let Some(step) = self.steps.last_mut() {
            step.took_ms = since.saturating_sub(step.began_ms);
            step.verdict = verdict(result);
        }
    }

    /// Whether a capability has failed already.
    pub(super) fn has_failed(&self, capability: &str) -> bool {
        let failed = |known: &&Capability| matches!(known.verdict, Verdict::Fail(_));
        self.capabilities.iter().filter(failed).any(|known| known.name == capability)
    }

    pub(super) fn judge(&mut self, capability: &str, result: &Progress) {
        if let Some(known) = self.capabilities.iter_mut().find(|known| known.name == capability) {
            known.verdict = verdict(result);
        }
    }

    pub(super) fn sent(&mut self, now: Now, prefix: &str, payload: Value) {
        let (prefix, topic) = (prefix.to_owned(), "config".to_owned());
        let at_ms = self.since(now);
        self.keep(Said { at_ms, sent: true, prefix, topic, payload, findings: Vec::new() });
    }

    /// Holds a message against the schema of its kind, and against UDMI's own if the sequence validates that kind.
    pub(super) fn received(&mut self, received: &Received, is_set_up: bool) {
        let document = received.topic.replace('/', "_");
        let name = if document == "state" { "state_update" } else { document.as_str() };
        let mut payload = received.payload.clone();
        if document == "events_discovery" {
            tolerate(&mut payload);
        }
        let schema = self.schemas.iter_mut().find(|schema| schema.name == name).filter(|_| is_set_up);
        let found = match &schema {
            Some(_) => validate(&document, &payload).err().unwrap_or_default(),
            None => validate_with(Whose::Ours, &document, &payload),
        };
        let found: Vec<_> = found.iter().map(ToString::to_string).collect();
        if self.own.contains(&received.prefix) {
            if let Some(schema) = schema {
                found.iter().for_each(|text| note(&mut schema.findings, text));
            }
            found.iter().for_each(|text| note(&mut self.findings, &format!("{document}: {text}")));
        }
        self.keep(Said {
            at_ms: received.at.saturating_sub(self.began.at.0),
            sent: false,
            prefix: received.prefix.clone(),
            topic: received.topic.clone(),
            payload: received.payload.clone(),
            findings: found,
        });
    }

    /// Judges how a state differs from the one before (§9.3), if the sequence does so.
    pub(super) fn changed(&mut self, before: &Value, after: &Value) {
        if self.validates.is_none() {
            return;
        }
        for path in expect::unallowed_changes(before, after, &self.may_change) {
            if let Some(schema) = self.schemas.iter_mut().find(|schema| schema.name == CHANGES) {
                note(&mut schema.findings, &format!("{path} changed"));
            }
            note(&mut self.findings, &format!("{CHANGES}: {path} changed"));
        }
    }

    fn keep(&mut self, said: Said) {
        if self.messages.len() < MESSAGES_MAX {
            self.messages.push(said);
        }
    }

    pub(super) fn into_outcome(
        self,
        now: Now,
        scenario: &Scenario,
        subject: &Subject,
        result: &Progress,
    ) -> Outcome {
        let took_ms = self.since(now);
        let capabilities = self.capabilities;
        let passed = capabilities.iter().filter(|known| known.verdict == Verdict::Pass).count();
        let worth = |count: usize| scenario.score + u32::try_from(count).unwrap_or(u32::MAX);
        let verdict = verdict(result);
        let (score, total) = match verdict {
            Verdict::Pass => (worth(passed), worth(capabilities.len())),
            Verdict::Fail(_) => (0, worth(capabilities.len())),
            Verdict::Skip(_) => (0, 0),
        };
        let sequence = match scenario.has_facets() {
            true => format!("{}+{}", scenario.sequence, subject.facet),
            false => scenario.sequence.clone(),
        };
        Outcome {
            device: subject.id.clone(),
            sequence,
            about: scenario.about.clone(),
            bucket: scenario.bucket.clone(),
            stage: scenario.stage,
            verdict,
            score,
            total,
            capabilities,
            schemas: self.schemas,
            findings: self.findings,
            steps: self.steps,
            messages: self.messages,
            began: self.began.utc,
            took_ms,
        }
    }
}

/// Keeps a text once.
fn note(texts: &mut Vec<String>, text: &str) {
    if !texts.iter().any(|known| known == text) {
        texts.push(text.to_owned());
    }
}

fn verdict(result: &Progress) -> Verdict {
    match result {
        Ok(()) => Verdict::Pass,
        Err(Halt::Skip(reason)) => Verdict::Skip(reason.clone()),
        Err(Halt::Fail(reason)) => Verdict::Fail(reason.clone()),
    }
}
