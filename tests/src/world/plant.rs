//! The plant: what answers the device's hooks, and when.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use udmi_proto::{BlobOutcome, Command, Found, Hook, HookId, Map, Outcome, Reading, Value};

/// How a hook is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It is done after so many milliseconds.
    Ok(u64),
    /// It fails after so many milliseconds.
    Failed(u64),
    /// The value is refused after so many milliseconds.
    Invalid(u64),
    /// Nobody answers, unless whoever steers the world does in the end.
    Never,
    /// It is done after so many milliseconds, and once more as long after.
    Twice(u64),
    /// In turn it fails and is done, after so many milliseconds.
    Flaps(u64),
    /// Whoever steers the world answers.
    ByHand,
}

/// A hook that waits to be answered by hand.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// Which invocation.
    pub id: HookId,
    /// What is asked.
    pub hook: Hook,
}

/// A device around this one, for scans to find.
#[derive(Clone, Debug, PartialEq)]
pub struct Neighbour {
    /// Milliseconds from the beginning of a scan.
    pub after_ms: u64,
    /// What is found.
    pub found: Found,
}

/// What has become of a blob at the plant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Installed {
    /// It was asked to install it.
    Processed {
        /// The generation.
        generation: String,
    },
    /// It was asked to activate this version.
    Activated {
        /// The version.
        version: Option<String>,
    },
}

/// A device behind a gateway.
#[derive(Clone, Debug)]
pub struct Fieldbus {
    /// How reads are answered.
    pub reads: Answer,
    /// How writes are answered.
    pub writes: Answer,
    /// Values by point, as [`Plant::values`].
    pub values: Map<String, Value>,
}

impl Default for Fieldbus {
    /// Answers everything at once, and has no points.
    fn default() -> Self {
        Self { reads: Answer::Ok(0), writes: Answer::Ok(0), values: Map::new() }
    }
}

/// The plant.
#[derive(Clone, Debug)]
pub struct Plant {
    /// How writes are answered, unless a point has an answer of its own.
    pub writes: Answer,
    /// How writes to these points are answered.
    pub writes_to: Map<String, Answer>,
    /// How reads are answered.
    pub reads: Answer,
    /// How installing and activating blobs is answered.
    pub blobs: Answer,
    /// What was installed and activated, oldest first.
    pub installed: Vec<Installed>,
    /// How scans are answered. What there is to find is told in any case, of a scan that was called off too.
    pub scans: Answer,
    /// What there is to find, by family.
    pub around: Map<String, Vec<Neighbour>>,
    /// How everything else is answered.
    pub others: Answer,
    /// Values by point: pushed at every start, and told when read.
    pub values: Map<String, Value>,
    /// The devices behind the gateway, by id. Of others nothing is known, and all goes well.
    pub proxied: Map<String, Fieldbus>,
    /// How often each device was asked what is answered in turn; the plant's own has no id.
    flaps: Map<String, u64>,
    waiting: Vec<Asked>,
    asked: Vec<Hook>,
}

impl Default for Plant {
    /// Answers everything at once, but takes its time to scan.
    fn default() -> Self {
        Self {
            writes: Answer::Ok(0),
            writes_to: Map::new(),
            reads: Answer::Ok(0),
            blobs: Answer::Ok(0),
            installed: Vec::new(),
            scans: Answer::Ok(8000),
            around: Map::new(),
            others: Answer::Ok(0),
            values: Map::new(),
            proxied: Map::new(),
            flaps: Map::new(),
            waiting: Vec::new(),
            asked: Vec::new(),
        }
    }
}

impl Plant {
    /// Every hook so far, oldest first.
    #[must_use]
    pub fn asked(&self) -> &[Hook] {
        &self.asked
    }

    pub(super) fn forget_asked(&mut self) {
        self.asked.clear();
    }

    /// Takes the hook that waits to be answered by hand, by its number.
    pub fn take(&mut self, number: &str) -> Option<Asked> {
        let at = self.waiting.iter().position(|asked| asked.id.to_string().trim_start_matches('#') == number);
        at.map(|at| self.waiting.remove(at))
    }

    /// Takes the hook that has waited longest to be answered by hand.
    pub fn take_any(&mut self) -> Option<Asked> {
        if self.waiting.is_empty() { None } else { Some(self.waiting.remove(0)) }
    }

    /// The answer of a plant in order.
    #[must_use]
    pub fn done(&self, hook: &Hook) -> Outcome {
        self.done_with(&self.values, hook)
    }

    fn done_with(&self, values: &Map<String, Value>, hook: &Hook) -> Outcome {
        match hook {
            Hook::ReadPoints { wanted } => {
                let reading = |point: &String| match values.get(point) {
                    Some(value) => Reading::Value(value.clone()),
                    None => Reading::Failed("no sensor".into()),
                };
                let points = wanted.polled.iter().chain(&wanted.computed);
                Outcome::Values { values: points.map(|point| (point.clone(), reading(point))).collect() }
            }
            Hook::Metrics => Outcome::Metrics(udmi_proto::model::events::SystemMetrics {
                mem_total_mb: Some(64.0),
                mem_free_mb: Some(12.5),
                ..udmi_proto::model::events::SystemMetrics::default()
            }),
            Hook::WritePoint { .. }
            | Hook::ReleasePoint { .. }
            | Hook::Lifecycle { .. }
            | Hook::ProcessBlob { .. }
            | Hook::ActivateBlob { .. }
            | Hook::RestoreKey { .. }
            | Hook::Command { .. } => Outcome::Done,
            Hook::Proxied { device, hook, .. } => {
                let none = Map::new();
                self.done_with(self.proxied.get(device).map_or(&none, |device| &device.values), hook)
            }
            Hook::CheckActivation { version, .. } => {
                let is_activated =
                    self.installed.last() == Some(&Installed::Activated { version: version.clone() });
                Outcome::Blob(if is_activated { BlobOutcome::Activated } else { BlobOutcome::NotActivated })
            }
            Hook::Scan { request } if self.around.contains_key(&request.family) => Outcome::Done,
            Hook::Scan { .. } | Hook::MakeKey | Hook::UseKey { .. } => Outcome::Unhandled,
        }
    }

    /// What a scan finds, each after so many milliseconds. It looks at neither addresses nor networks, so that the
    /// device has to.
    pub(super) fn finds(&self, hook: &Hook) -> Vec<(u64, Found)> {
        let Hook::Scan { request } = hook else { return Vec::new() };
        let found = |neighbour: &Neighbour| {
            let mut found = neighbour.found.clone();
            if !request.references {
                found.references.clear();
            }
            (neighbour.after_ms, found)
        };
        self.around.get(&request.family).into_iter().flatten().map(found).collect()
    }

    pub(super) fn first_values(&self) -> Vec<Command> {
        let set = |values: &Map<String, Value>| Command::SetPoints { values: values.clone() };
        let own = (!self.values.is_empty()).then(|| set(&self.values));
        let proxied = self.proxied.iter().filter(|(_, device)| !device.values.is_empty());
        let proxied = proxied.map(|(id, device)| Command::Proxied {
            device: id.clone(),
            command: Box::new(set(&device.values)),
        });
        own.into_iter().chain(proxied).collect()
    }

    /// The answers to a hook, each with its delay in milliseconds.
    /// `content` is what is staged, if the hook is about that.
    pub(super) fn ask(&mut self, id: HookId, hook: Hook, content: Option<&Bytes>) -> Vec<(u64, Outcome)> {
        self.asked.push(hook.clone());
        match &hook {
            Hook::ProcessBlob { generation, .. } => {
                self.installed.push(Installed::Processed { generation: generation.clone() });
            }
            Hook::ActivateBlob { version, .. } => {
                self.installed.push(Installed::Activated { version: version.clone() });
            }
            _ => {}
        }
        let (inner, device) = match &hook {
            Hook::Proxied { device, hook, .. } => (&**hook, device.clone()),
            hook => (hook, String::new()),
        };
        let fieldbus = self.proxied.get(&device);
        let answer = match inner {
            Hook::WritePoint { point, .. } | Hook::ReleasePoint { point, .. } => {
                let all = fieldbus.map_or(&self.writes, |device| &device.writes);
                self.writes_to.get(point).unwrap_or(all)
            }
            Hook::ReadPoints { .. } => fieldbus.map_or(&self.reads, |device| &device.reads),
            Hook::Metrics
            | Hook::Lifecycle { .. }
            | Hook::Command { .. }
            | Hook::MakeKey
            | Hook::UseKey { .. }
            | Hook::RestoreKey { .. }
            | Hook::Proxied { .. } => &self.others,
            Hook::Scan { .. } => &self.scans,
            Hook::ProcessBlob { .. } | Hook::ActivateBlob { .. } | Hook::CheckActivation { .. } => {
                &self.blobs
            }
        };
        let done = content.map_or_else(|| self.done(&hook), install);
        match answer.clone() {
            Answer::Ok(after) => vec![(after, done)],
            Answer::Failed(after) => vec![(after, Outcome::Failed { message: "the bus is silent".into() })],
            Answer::Invalid(after) => vec![(after, Outcome::Invalid { message: "out of reach".into() })],
            Answer::Flaps(after) => {
                let failed = Outcome::Failed { message: "the bus is silent".into() };
                let flaps = self.flaps.entry(device).or_default();
                *flaps += 1;
                vec![(after, if flaps.is_multiple_of(2) { done } else { failed })]
            }
            Answer::Twice(after) => vec![(after, done.clone()), (after * 2, done)],
            Answer::Never | Answer::ByHand => {
                self.waiting.push(Asked { id, hook });
                Vec::new()
            }
        }
    }

    pub(super) fn cancel(&mut self, id: HookId) {
        self.waiting.retain(|asked| asked.id != id);
    }

    pub(super) fn forget(&mut self) {
        self.waiting.clear();
    }
}

/// A module of the kind the suite's targets are made for (§5.5): JSON with a version, unless it says that it does
/// not fit.
fn install(content: &Bytes) -> Outcome {
    let module: serde_json::Value = match serde_json::from_slice(content) {
        Ok(module) => module,
        Err(error) => return Outcome::Invalid { message: format!("no module: {error}") },
    };
    if module["trigger"] == "incompatible" {
        return Outcome::Invalid { message: "made for another device".into() };
    }
    let version = module["version"].as_str().map(str::to_owned);
    Outcome::Blob(BlobOutcome::Processed { version })
}
