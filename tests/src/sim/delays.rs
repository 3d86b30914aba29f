//! A device that gets configs faster than it may tell states, over a network with delay: none may stay unanswered.

use std::collections::VecDeque;

use serde_json::json;
use udmi_proto::model::common::Timestamp;

use super::random::Random;
use super::run::Violation;
use super::{Shape, quietly, site};
use crate::property::Property;
use crate::world::World;

/// The round-trip delays that are looked at, in milliseconds.
pub const ROUND_TRIPS_MS: [u64; 4] = [2, 10, 30, 100];
/// The least and the most milliseconds between two configs.
pub const BETWEEN_MS: (u64, u64) = (300, 2000);
/// A config is answered in so many milliseconds and a round trip: two states of a device are 2 s apart.
pub const ANSWERED_MS: u64 = 2500;

/// What there was with one delay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    /// Configs, each of which was answered, by itself or by a later one.
    pub configs: u64,
    /// States that answered them.
    pub states: u64,
    /// The most milliseconds from a config to its answer.
    pub slowest_ms: u64,
    /// Milliseconds from config to answer, all together.
    pub total_ms: u64,
}

/// Lets a device answer configs for so many milliseconds, each 0.3 to 2 s after the one before.
///
/// # Errors
///
/// A config that is not answered, or another violation.
pub fn delayed(round_trip_ms: u64, milliseconds: u64, seed: u64) -> Result<Answers, Box<Violation>> {
    let mut setup = site::device(seed);
    setup.weather.latency_ms = round_trip_ms / 2;
    let world = World::new(setup);
    let begun = world.now().at.0;
    let mut delayed = Delayed {
        world,
        random: Random::new(seed),
        waiting: VecDeque::new(),
        answers: Answers::default(),
        patience_ms: ANSWERED_MS + round_trip_ms,
    };
    let done = quietly::catch(|| delayed.go(begun + milliseconds)).and_then(|done| done);
    done.map_err(|(property, what)| {
        Box::new(Violation {
            property,
            what: format!("with {round_trip_ms} ms there and back: {what}"),
            seed,
            shape: Shape::Device,
            at_ms: delayed.world.now().at.0 - begun,
            op: None,
            transcript: String::new(),
        })
    })?;
    Ok(delayed.answers)
}

struct Delayed {
    world: World,
    random: Random,
    /// Configs without an answer, oldest first: their timestamps, and when they were published.
    waiting: VecDeque<(String, u64)>,
    answers: Answers,
    patience_ms: u64,
}

impl Delayed {
    fn go(&mut self, end: u64) -> Result<(), (Property, String)> {
        // The first config meets a device that is not yet connected.
        self.world.run_until(10_000, |world| world.watch.states().next().is_some());
        while self.world.now().at.0 < end {
            self.configure();
            let (least, most) = BETWEEN_MS;
            self.world.advance(least + self.random.below(most - least));
            self.look()?;
        }
        self.world.advance(self.patience_ms + 1);
        self.look()
    }

    fn configure(&mut self) {
        let now = self.world.now();
        let timestamp = Timestamp::from_millis(now.utc.0).as_str().to_owned();
        let config = json!({
            "timestamp": timestamp, "version": "1.5.7",
            "system": { "min_loglevel": 300, "metrics_rate_sec": 0, "operation": { "mode": "active" } },
            "pointset": { "sample_rate_sec": 10, "points": {
                "filter_alarm": {}, "duct_pressure_setpoint": { "set_value": 90 + self.random.below(20) }
            } }
        });
        self.world.publish_config(&config);
        self.waiting.push_back((timestamp, now.at.0));
        self.answers.configs += 1;
    }

    fn look(&mut self) -> Result<(), (Property, String)> {
        for state in self.world.cloud.on("state") {
            let told = state.payload.pointer("/system/last_config").and_then(|told| told.as_str());
            let Some(last) = self.waiting.iter().position(|(timestamp, _)| Some(timestamp.as_str()) == told)
            else {
                continue;
            };
            self.answers.states += 1;
            for (_, published) in self.waiting.drain(..=last) {
                let took = state.at - published;
                self.answers.slowest_ms = self.answers.slowest_ms.max(took);
                self.answers.total_ms += took;
            }
        }
        self.world.forget();
        let now = self.world.now().at.0;
        let slowest = self.waiting.front().map_or(0, |(_, published)| now - published);
        let slowest = self.answers.slowest_ms.max(slowest);
        if slowest > self.patience_ms {
            return Err((
                Property::ConfigsAreAnswered,
                format!("a config without an answer for {slowest} ms"),
            ));
        }
        Ok(())
    }
}
