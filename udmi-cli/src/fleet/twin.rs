//! The application of one device of a fleet: its plant, its faults, and what is counted of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_io::Timer;
use udmi_proto::{Hook, Map, Notice, Outcome, Reading, Udmi, Value};
use udmi_smol::driver::{Answering, Application, Hearing};

use super::counters::Counters;
use super::faults::{Faults, SLOW_MS};
use super::members::Models;
use super::store::{Milestone, Remembered};
use crate::plant::{Plant, Random, Written};

/// How long a write takes until it is in force.
pub(super) const WRITE: Duration = Duration::from_secs(2);

/// Answers for the plants of a device and of those behind it.
pub(super) struct Twin {
    models: Models,
    /// Made when they are first asked.
    own: Option<Box<Plant>>,
    proxied: BTreeMap<String, Plant>,
    random: Random,
    faults: Faults,
    /// When the fleet began.
    born: Instant,
    counters: Arc<Counters>,
    is_connected: bool,
    remembered: Remembered,
}

impl Twin {
    pub(super) fn new(
        models: Models,
        seed: u64,
        faults: Faults,
        born: Instant,
        counters: &Arc<Counters>,
        remembered: Remembered,
    ) -> Self {
        Self {
            models,
            own: None,
            proxied: BTreeMap::new(),
            random: Random::new(seed),
            faults,
            born,
            counters: counters.clone(),
            is_connected: false,
            remembered,
        }
    }

    fn answer_points(&mut self, device: Option<&str>, hook: Hook) -> Outcome {
        let now = self.born.elapsed();
        let Some(plant) = self.plant(device) else { return Outcome::Unhandled };
        match hook {
            Hook::WritePoint { point, value, .. } => match plant.write(&point, &value, now) {
                Written::Taken => Outcome::Done,
                Written::Invalid(why) => Outcome::Invalid { message: why.to_owned() },
                Written::Failed(why) => Outcome::Failed { message: why.to_owned() },
            },
            Hook::ReleasePoint { point, .. } => {
                plant.release(&point);
                Outcome::Done
            }
            Hook::ReadPoints { wanted } => {
                let mut values = plant.read(&wanted.polled, now);
                plant.take_alarms();
                self.spoil(&mut values);
                Outcome::Values { values }
            }
            _ => Outcome::Unhandled,
        }
    }

    fn plant(&mut self, device: Option<&str>) -> Option<&mut Plant> {
        let seed = self.random.next();
        let Some(device) = device else {
            let model = &self.models.own;
            return Some(&mut **self.own.get_or_insert_with(|| Box::new(Plant::of(model, seed, WRITE))));
        };
        if !self.proxied.contains_key(device) {
            let model = self.models.proxied.get(device)?;
            self.proxied.insert(device.to_owned(), Plant::of(model, seed, WRITE));
        }
        self.proxied.get_mut(device)
    }

    /// Some values cannot be read, others are none that a point takes.
    fn spoil(&mut self, values: &mut Map<String, Reading>) {
        if self.faults.bad == 0.0 {
            return;
        }
        for reading in values.values_mut() {
            if self.random.fraction() < self.faults.bad {
                self.counters.faults.one();
                *reading = match self.random.one_in(2) {
                    true => Reading::Failed("the sensor does not answer".to_owned()),
                    false => Reading::Value(Value::Number(f64::NAN)),
                };
            }
        }
    }

    /// How late the answer to a reading is.
    fn lateness(&mut self) -> Option<Duration> {
        if self.faults.slow == 0.0 || self.random.fraction() >= self.faults.slow {
            return None;
        }
        self.counters.faults.one();
        let span = SLOW_MS.end - SLOW_MS.start;
        Some(Duration::from_millis(SLOW_MS.start + self.random.next() % span))
    }
}

impl Application<Udmi> for Twin {
    fn answer(&mut self, hook: Hook) -> Answering<Udmi> {
        let (device, hook) = match hook {
            Hook::Proxied { device, hook, .. } => (Some(device), *hook),
            hook => (None, hook),
        };
        let lateness = matches!(hook, Hook::ReadPoints { .. }).then(|| self.lateness()).flatten();
        let outcome = self.answer_points(device.as_deref(), hook);
        match lateness {
            None => Answering::Now(outcome),
            Some(lateness) => Answering::Later(Box::pin(async move {
                Timer::after(lateness).await;
                outcome
            })),
        }
    }

    fn hear(&mut self, notice: Notice) -> Option<Hearing> {
        let counters = &self.counters;
        match notice {
            Notice::Connected { .. } => {
                self.is_connected = true;
                counters.connected.one();
                if self.remembered.reach(Milestone::Connected) {
                    counters.connected_once.one();
                    let passed = u64::try_from(self.born.elapsed().as_micros()).unwrap_or(u64::MAX);
                    counters.ramped.set(passed);
                }
            }
            Notice::Disconnected { .. } => {
                counters.disconnections.one();
                if std::mem::take(&mut self.is_connected) {
                    counters.connected.take_one();
                }
            }
            Notice::ConfigApplied { finding, .. } => {
                counters.configs.one();
                if finding.is_some() {
                    counters.configs_with_findings.one();
                }
                if self.remembered.reach(Milestone::Configured) {
                    counters.configured.one();
                }
            }
            Notice::ConfigRejected { .. } => counters.configs_with_findings.one(),
            _ => {}
        }
        None
    }
}

/// A device that is cut off is not connected either.
impl Drop for Twin {
    fn drop(&mut self) {
        if self.is_connected {
            self.counters.connected.take_one();
        }
    }
}
