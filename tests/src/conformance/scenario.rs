//! Scenarios as data.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use udmi_proto::model::common::Stage;

use super::files::FILES;
use super::subject::Subject;
use crate::model::{Model, Role};

/// One sequence.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Its name in the suite.
    pub sequence: String,
    /// What it is about, in a sentence.
    pub about: String,
    /// The bucket of features it belongs to (§9.4).
    pub bucket: String,
    /// How mature it is (§9.4).
    pub stage: Stage,
    /// What it is worth, capabilities aside (§9.2).
    #[serde(default = "full_score")]
    pub score: u32,
    /// Why it is skipped always, if it is.
    #[serde(default)]
    pub skipped: Option<String>,
    /// What it needs of the device for itself.
    #[serde(default)]
    pub lane: Lane,
    /// Seconds the body may take.
    pub limit_s: u64,
    /// The minimum log level in force at its beginning.
    #[serde(default = "informational")]
    pub level: i64,
    /// Whether it also runs for devices that send no state.
    #[serde(default)]
    pub without_state: bool,
    /// JSON pointers into the metadata without which it does not apply.
    #[serde(default)]
    pub needs: Vec<String>,
    /// The folder of events that is held against its schema, if the sequence does so; states then are, too.
    #[serde(default)]
    pub validates: Option<String>,
    /// Beginnings of paths in the state that may change, besides those that always may.
    #[serde(default)]
    pub may_change: Vec<String>,
    /// The places of the devices it is for.
    #[serde(default)]
    pub only_for: Audience,
    /// What happens.
    pub steps: Vec<Step>,
}

/// What a sequence needs of a device for itself. Sequences of different lanes change different blocks of the config,
/// and look at nothing that the others have a hand in, so that they can run side by side.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// All of it: it restarts or redirects the device, or looks at the whole of states and configs.
    #[default]
    Alone,
    /// Log, identity, addresses and what comes of blobs that change nothing.
    System,
    /// Points and telemetry.
    Points,
    /// The device itself and what is around it.
    Discovery,
}

impl Lane {
    /// The blocks of the config that are its own.
    #[must_use]
    pub fn blocks(self) -> &'static [&'static str] {
        match self {
            // In the order in which the tool sends them.
            Self::Alone => &["system", "pointset", "gateway", "localnet", "blobset", "discovery"],
            Self::System => &["system", "localnet", "blobset"],
            Self::Points => &["pointset", "gateway"],
            Self::Discovery => &["discovery"],
        }
    }
}

/// Which devices a sequence is for (§9.4).
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    /// All.
    #[default]
    All,
    /// Those that connect for themselves, gateways included.
    Connected,
    /// Gateways.
    Gateways,
    /// Those that a gateway acts for.
    Proxied,
}

impl Audience {
    fn includes(self, role: Role) -> bool {
        match self {
            Self::All => true,
            Self::Connected => role != Role::Proxied,
            Self::Gateways => role == Role::Gateway,
            Self::Proxied => role == Role::Proxied,
        }
    }
}

fn informational() -> i64 {
    200
}

fn full_score() -> u32 {
    10
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// One step of a sequence.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Merges a patch into the config and waits until device and cloud are in step (§7.4). In its texts `$now` stands
    /// for this second, which is kept as `generation`.
    Set(Value),
    /// Puts a member of the config back as it was when the sequence began, and waits as above.
    Restore(String),
    /// Sends every block of the config again, and waits as above.
    Resend,
    /// Goes back to the config the sequence began with, and waits as above.
    Reset,
    /// Sends this text in place of a config; nothing is waited for.
    Broken(String),
    /// A member of the state comes to be as said.
    State(Check),
    /// An entry is logged, of this very level.
    Logged(Log),
    /// No such entry is logged until ten seconds after the last config was applied.
    NotLogged(Log),
    /// Each block is in the state if and only if it is in the config.
    Parity,
    /// The points of config, state and events agree (§9.6 "sanity").
    SanePoints,
    /// An event shows a point with this value.
    Event {
        /// Which point.
        point: String,
        /// Its value, equal in type too.
        is: Value,
        /// Seconds.
        within_s: u64,
    },
    /// So many events come on a folder.
    Events {
        /// Under `events/`.
        folder: String,
        /// How many at least.
        count: usize,
    },
    /// No event shows a text that reads as a number.
    Numbers,
    /// Four events come, at least one of their last two intervals being as configured (§4.5).
    Interval {
        /// The least seconds.
        limit: f64,
        /// The most.
        rate: f64,
    },
    /// A write shows as under way; a device that is done already skips the sequence.
    Updating {
        /// Which point.
        point: String,
        /// The value that is written.
        is: Value,
        /// Seconds.
        within_s: u64,
    },
    /// At most so many states come in so many seconds.
    Quiet {
        /// How long.
        seconds: u64,
        /// How many.
        states: usize,
    },
    /// A member of the state, kept under a name.
    Remember {
        /// Where.
        at: String,
        /// Under which name.
        name: String,
    },
    /// The config's start is later than the one kept under this name.
    StartMoved {
        /// The name.
        later_than: String,
    },
    /// Every config delivered was acknowledged.
    Acknowledged,
    /// Orders the device to an endpoint with a new generation, in the registry in use, and waits as `Set` does.
    Endpoint {
        /// Where to.
        to: Place,
        /// Whether the hash is that of the document.
        #[serde(default, skip_serializing_if = "is_default")]
        bad_hash: bool,
    },
    /// The state shows the last ordered generation of the endpoint in this phase.
    EndpointIs {
        /// `apply` or `final`.
        phase: String,
        /// Whether it has failed.
        #[serde(default, skip_serializing_if = "is_default")]
        failed: bool,
        /// Seconds.
        within_s: u64,
    },
    /// Copies the config to the other registry, as the tool does once the device has seen it, and a second later
    /// looks at that registry alone.
    Switch,
    /// The registry that is not in use gets a config with nothing in it.
    ClearOther,
    /// In so many seconds from the last switch, so many states at least and at most came in the registry that is
    /// not in use.
    Strays {
        /// Seconds more to wait.
        seconds: u64,
        /// At least.
        least: usize,
        /// At most.
        most: usize,
    },
    /// Orders a blob of the metadata's targets with a new generation, and waits as `Set` does.
    Blob(String),
    /// Exactly one event tells of the device itself, of the last `$now`: what was asked for as the metadata have it, and
    /// nothing else (§6.3).
    Enumerated {
        /// Whether points were asked for.
        #[serde(default, skip_serializing_if = "is_default")]
        points: bool,
        /// Whether features were.
        #[serde(default, skip_serializing_if = "is_default")]
        features: bool,
        /// Whether families were.
        #[serde(default, skip_serializing_if = "is_default")]
        families: bool,
    },
    /// Orders a scan of ten seconds, and follows it to its end and through all of its events (§6.4).
    Scan {
        /// Seconds from now, in whole seconds.
        starts_in: i64,
        /// How deep.
        #[serde(default, skip_serializing_if = "is_default")]
        depth: Option<String>,
        /// Whether two addresses are named.
        #[serde(default, skip_serializing_if = "is_default")]
        targeted: bool,
        /// Whether a network is named.
        #[serde(default, skip_serializing_if = "is_default")]
        in_network: bool,
    },
    /// There were events of a scan, and those of the last round tell what each device offers.
    LastRound,
    /// In so many seconds, and since the beginning, no event of discovery comes.
    NothingDiscovered(u64),
    /// Takes the device's start into the config, as the tool does, and sends what differs.
    Follow,
    /// Each device the gateway acts for gets a config with a rate of ten seconds, and sends a message on this topic
    /// after it; nobody sends one whom the gateway is not to act for.
    EachProxied {
        /// What follows the device's prefix.
        topic: String,
        /// Seconds.
        within_s: u64,
    },
    /// Seconds in which nothing is done.
    Pause(u64),
    /// Seconds more when the device sends no state.
    PauseWithoutState(u64),
    /// Something the device need not do: what fails here fails the capability, not the sequence (§9.2).
    Capability {
        /// Its name within the sequence; steps in several places may belong to one.
        name: String,
        /// What happens; nothing, if the capability has failed before.
        steps: Vec<Self>,
    },
}

/// Where an endpoint document leads.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// The registry the device is registered in.
    Main,
    /// The other one.
    Alternate,
    /// One the broker knows no account of.
    BogusRegistry,
    /// A host that has no address.
    BogusHost,
}

/// What a member of the state is to be.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// Where, as a JSON pointer.
    pub at: String,
    /// Equal to this; null is absent.
    #[serde(default, skip_serializing_if = "is_default")]
    pub is: Option<Value>,
    /// Not equal to this.
    #[serde(default, skip_serializing_if = "is_default")]
    pub is_not: Option<Value>,
    /// Equal to what the metadata have there.
    #[serde(default, skip_serializing_if = "is_default")]
    pub as_metadata: Option<String>,
    /// Absent, or a number below this.
    #[serde(default, skip_serializing_if = "is_default")]
    pub below: Option<f64>,
    /// A number above this.
    #[serde(default, skip_serializing_if = "is_default")]
    pub above: Option<f64>,
    /// Absent.
    #[serde(default, skip_serializing_if = "is_default")]
    pub absent: bool,
    /// There.
    #[serde(default, skip_serializing_if = "is_default")]
    pub present: bool,
    /// Equal to what is kept under this name.
    #[serde(default, skip_serializing_if = "is_default")]
    pub same_as: Option<String>,
    /// Greater than what is kept under this name: later, as a text; by one, as a number.
    #[serde(default, skip_serializing_if = "is_default")]
    pub past: Option<String>,
    /// Equal to the timestamp of the last config.
    #[serde(default, skip_serializing_if = "is_default")]
    pub config_timestamp: bool,
    /// Seconds after the last config is in step; none looks once.
    #[serde(default, skip_serializing_if = "is_default")]
    pub within_s: u64,
}

/// A log entry to look for.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// Its category.
    pub category: String,
    /// Its level.
    pub level: i64,
    /// Whether graver ones count too.
    #[serde(default, skip_serializing_if = "is_default")]
    pub or_more: bool,
    /// Seconds it may take.
    #[serde(default, skip_serializing_if = "is_default")]
    pub within_s: u64,
}

impl Scenario {
    /// The names of all scenarios, sorted.
    pub fn names() -> impl Iterator<Item = &'static str> {
        FILES.iter().map(|(name, _)| *name)
    }

    /// Reads a scenario for a device. In its texts, `$applied`, `$failure`, `$invalid` and `$tweaked_ref` stand for
    /// the target points of the metadata, `$applied_value` and so on for their values, `$some_point` for one of its
    /// points, and `$family` for the family that scans look at.
    ///
    /// # Errors
    /// There is no such scenario.
    pub fn of(name: &str, subject: &Subject) -> Result<Self, String> {
        let file = FILES.iter().find(|(known, _)| *known == name);
        let (_, text) = file.ok_or_else(|| format!("there is no sequence {name}"))?;
        let mut text = serde_json::from_str(text).map_err(|error| format!("{name}: {error}"))?;
        fill_in(&mut text, subject);
        serde_json::from_value(text).map_err(|error| format!("{name}: {error}"))
    }

    /// As [`Self::of`], for the device of a model.
    ///
    /// # Panics
    /// If there is no such scenario, or it is no scenario.
    #[must_use]
    pub fn load(name: &str, model: &Model) -> Self {
        Self::of(name, &model.subject()).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Whether it runs once for each family that the device scans (§9.1).
    #[must_use]
    pub fn has_facets(&self) -> bool {
        self.bucket == "discovery.scan"
    }

    /// The names of its capabilities, in the order of their first steps.
    #[must_use]
    pub fn capabilities(&self) -> Vec<&str> {
        let mut names = Vec::new();
        for step in &self.steps {
            if let Step::Capability { name, .. } = step
                && !names.contains(&name.as_str())
            {
                names.push(name.as_str());
            }
        }
        names
    }

    /// Whether it is for devices in that place.
    #[must_use]
    pub fn is_for(&self, role: Role) -> bool {
        self.only_for.includes(role)
    }

    /// Why the sequence is not for this device, if it is not.
    #[must_use]
    pub fn does_not_apply(&self, subject: &Subject) -> Option<String> {
        if self.skipped.is_some() {
            return self.skipped.clone();
        }
        if !self.is_for(subject.role) {
            return Some(format!("Not for a device that is {}", subject.role));
        }
        if !subject.sends_state && !self.without_state {
            return Some("State testing disabled".into());
        }
        self.lacks(&subject.metadata).map(|missing| format!("the metadata have no {missing}"))
    }

    /// What the metadata do not have of what the sequence needs.
    #[must_use]
    pub fn lacks(&self, metadata: &Value) -> Option<&str> {
        self.needs.iter().map(String::as_str).find(|pointer| metadata.pointer(pointer).is_none())
    }
}

/// Puts the names and values of a device in place of what stands for them.
fn fill_in(value: &mut Value, subject: &Subject) {
    match value {
        Value::String(text) => match stands_for(text, subject) {
            Some(filled) => *value = filled,
            None => *text = named(text, subject),
        },
        Value::Array(items) => items.iter_mut().for_each(|item| fill_in(item, subject)),
        Value::Object(members) => {
            let old = std::mem::take(members);
            let renamed = old.into_iter().map(|(name, mut member)| {
                fill_in(&mut member, subject);
                (named(&name, subject), member)
            });
            *members = renamed.collect::<Map<_, _>>();
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn stands_for(text: &str, subject: &Subject) -> Option<Value> {
    let kind = text.strip_prefix('$')?.strip_suffix("_value")?;
    subject.metadata.pointer(&format!("/testing/targets/{kind}/target_value")).cloned()
}

fn named(text: &str, subject: &Subject) -> String {
    let mut text = text.replace("$family", &subject.facet);
    for kind in ["applied", "failure", "invalid", "tweaked_ref"] {
        let target = subject.metadata.pointer(&format!("/testing/targets/{kind}/target_point"));
        if let Some(point) = target.and_then(Value::as_str) {
            text = text.replace(&format!("${kind}"), point);
        }
    }
    let points = subject.metadata.pointer("/pointset/points").and_then(Value::as_object);
    match points.and_then(|points| points.keys().next_back()) {
        Some(point) => text.replace("$some_point", point),
        None => text,
    }
}
