//! One hook that wants points read: which of them families can read, and what came of it.

use udmi_proto::{Hook, Map, Outcome, Reading, Target, Value, Wanted};

use crate::family::{Call, PointError, ProviderError};

/// What has come of reading a device.
pub(super) type Result = std::result::Result<Vec<std::result::Result<Value, PointError>>, ProviderError>;

/// The reading of points for one hook.
#[derive(Debug)]
pub(super) struct Reads {
    /// The devices asked, each with its points.
    parts: Vec<Part>,
    /// How many of them have not answered.
    open: usize,
    values: Map<String, Reading>,
    /// Why the first device could not be read that could not.
    failure: Option<String>,
    /// Points no family can read, and those computed from others.
    rest: Option<Box<Wanted>>,
    /// The hook, as the application is to get the rest.
    hook: Option<Box<Hook>>,
}

#[derive(Debug)]
struct Part {
    target: Target,
    points: Vec<String>,
    references: Vec<String>,
    /// Whether it could be read.
    read: bool,
}

impl Reads {
    /// Sorts the points by where `locate` finds their references.
    pub(super) fn new(wanted: &Wanted, locate: impl Fn(&str) -> Option<(Target, String)>) -> Self {
        let mut parts: Vec<Part> = Vec::new();
        let mut rest = Vec::new();
        for point in &wanted.polled {
            let Some((target, reference)) = wanted.references.get(point).and_then(|text| locate(text)) else {
                rest.push(point.clone());
                continue;
            };
            let there = parts.iter().position(|part| part.target == target);
            let at = there.unwrap_or_else(|| {
                parts.push(Part { target, points: Vec::new(), references: Vec::new(), read: false });
                parts.len() - 1
            });
            if let Some(part) = parts.get_mut(at) {
                part.points.push(point.clone());
                part.references.push(reference);
            }
        }
        let rest = (!rest.is_empty() || !wanted.computed.is_empty()).then(|| {
            let is_left = |(point, _): &(&String, &String)| rest.contains(point);
            let references = wanted.references.iter().filter(is_left);
            let references = references.map(|(point, text)| (point.clone(), text.clone())).collect();
            let (computed, known) = (wanted.computed.clone(), wanted.known.clone());
            Box::new(Wanted { polled: rest.clone(), computed, known, references })
        });
        Self { open: parts.len(), parts, values: Map::new(), failure: None, rest, hook: None }
    }

    /// Whether there is nothing that a family can read.
    pub(super) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Keeps the hook for the rest, if there is one.
    pub(super) fn keep(&mut self, hook: Hook) {
        self.hook = self.rest.as_ref().map(|_| Box::new(hook));
    }

    /// What is to be asked of the families, one call for each part.
    pub(super) fn calls(&self) -> Vec<Call> {
        let call =
            |part: &Part| Call::Read { target: part.target.clone(), references: part.references.clone() };
        self.parts.iter().map(call).collect()
    }

    /// A device has answered.
    pub(super) fn take(&mut self, part: usize, result: Result) {
        self.open = self.open.saturating_sub(1);
        let Some(part) = self.parts.get_mut(part) else { return };
        let readings = match result {
            Ok(readings) => readings,
            Err(error) => {
                self.failure.get_or_insert(error.to_string());
                return;
            }
        };
        part.read = true;
        for (point, reading) in part.points.iter().zip(readings) {
            let reading = match reading {
                Ok(value) => Reading::Value(value),
                Err(error) => Reading::Failed(error.to_string()),
            };
            self.values.insert(point.clone(), reading);
        }
    }

    /// Whether all devices have answered.
    pub(super) fn is_complete(&self) -> bool {
        self.open == 0
    }

    /// What is left for the application, which is to know what was read. Nothing is if no device could be read.
    pub(super) fn rest(&mut self) -> Option<Hook> {
        let mut wanted = self.rest.take().filter(|_| self.parts.iter().any(|part| part.read))?;
        for (point, reading) in &self.values {
            match reading {
                Reading::Value(value) => drop(wanted.known.insert(point.clone(), value.clone())),
                Reading::Failed(_) => drop(wanted.known.remove(point)),
            }
        }
        let read = Hook::ReadPoints { wanted: *wanted };
        Some(match *self.hook.take()? {
            Hook::Proxied { device, target, .. } => Hook::Proxied { device, target, hook: Box::new(read) },
            _ => read,
        })
    }

    /// What has come of it. If no device at all could be read, the reading has failed as a whole.
    pub(super) fn outcome(self) -> Outcome {
        let Self { parts, mut values, failure, .. } = self;
        let Some(message) = failure else { return Outcome::Values { values } };
        if parts.iter().all(|part| !part.read) {
            return Outcome::Failed { message };
        }
        for part in parts.into_iter().filter(|part| !part.read) {
            let failed = |point| (point, Reading::Failed(message.clone()));
            values.extend(part.points.into_iter().map(failed));
        }
        Outcome::Values { values }
    }

    /// As [`Self::outcome`], with what the application has said of the rest.
    pub(super) fn merge(self, outcome: Outcome) -> Outcome {
        match (self.outcome(), outcome) {
            (Outcome::Values { mut values }, Outcome::Values { values: others }) => {
                values.extend(others);
                Outcome::Values { values }
            }
            (read, _) => read,
        }
    }
}
