//! What came of a sequence: verdict and score, what the schemas say, each step with its time, each message.

use serde::Serialize;
use serde_json::Value;
use udmi_proto::UtcMillis;
use udmi_proto::model::common::Stage;

/// How a sequence, a step or a capability ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "result", content = "message")]
pub enum Verdict {
    /// Everything expected came in time.
    Pass,
    /// It does not apply.
    Skip(String),
    /// Something did not come, or came and should not have.
    Fail(String),
}

/// The outcome of one sequence.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// The id of the device.
    pub device: String,
    /// Its name, with `+FAMILY` if it runs once for each family.
    pub sequence: String,
    /// What it is about, in a sentence.
    pub about: String,
    /// The bucket of features it belongs to.
    pub bucket: String,
    /// How mature it is.
    pub stage: Stage,
    /// How it ended.
    pub verdict: Verdict,
    /// Points, with those of its capabilities; none unless it has passed (§9.2).
    pub score: u32,
    /// Points there were to have; none if it was skipped.
    pub total: u32,
    /// Its capabilities, in the order of their first steps.
    pub capabilities: Vec<Capability>,
    /// What was held against schemas and the rules on changes of state, if the sequence does so (§9.2); this alone
    /// fails nothing.
    pub schemas: Vec<Schema>,
    /// What the schemas and the rules on changes of state found, in all messages.
    pub findings: Vec<String>,
    /// What was done, in order. The last one is where a failed sequence has failed.
    pub steps: Vec<Taken>,
    /// What was sent and received, in order; at most [`MESSAGES_MAX`].
    pub messages: Vec<Said>,
    /// When it began, on the wall clock.
    pub began: UtcMillis,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// Messages of one sequence that are kept; later ones are counted nowhere.
pub const MESSAGES_MAX: usize = 2000;

/// Something the device need not do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Capability {
    /// Its name within the sequence.
    pub name: String,
    /// How it ended; skipped if it never came to that.
    pub verdict: Verdict,
}

/// What came of holding messages against one schema.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Schema {
    /// `state_update`, `events_FOLDER`, or `device_state` for the rules on changes of state.
    pub name: String,
    /// What was found, each text once.
    pub findings: Vec<String>,
}

/// A step that was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Taken {
    /// From 1; 0 is what comes before the first step, and what follows the last one has the last number but one.
    pub number: usize,
    /// The step as it stands in the scenario, filled in.
    pub text: String,
    /// When it began, in milliseconds from the sequence's beginning.
    pub began_ms: u64,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// How it ended. A failure says what was expected and what was seen.
    pub verdict: Verdict,
}

/// A message that was sent or received.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Said {
    /// When, in milliseconds from the sequence's beginning.
    pub at_ms: u64,
    /// Whether it was sent to the device.
    pub sent: bool,
    /// What the device's topics begin with.
    pub prefix: String,
    /// What follows that.
    pub topic: String,
    /// The message; a text if it is no JSON.
    pub payload: Value,
    /// What the schema of its kind does not allow.
    pub findings: Vec<String>,
}

impl Schema {
    /// Whether all messages were as the schema has it.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        if self.findings.is_empty() { Verdict::Pass } else { Verdict::Fail(self.findings.join("; ")) }
    }
}

impl Outcome {
    /// Whether it has passed with all its capabilities, and no schema has found anything.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        let capable = self.capabilities.iter().all(|capability| capability.verdict == Verdict::Pass);
        self.verdict == Verdict::Pass && capable && self.findings.is_empty()
    }

    /// What failed, in the sequence or in one of its capabilities.
    pub fn failures(&self) -> impl Iterator<Item = &str> {
        let capabilities = self.capabilities.iter().map(|capability| &capability.verdict);
        [&self.verdict].into_iter().chain(capabilities).filter_map(|verdict| match verdict {
            Verdict::Fail(text) => Some(text.as_str()),
            Verdict::Pass | Verdict::Skip(_) => None,
        })
    }
}
