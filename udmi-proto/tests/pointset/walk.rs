//! Whatever happens in whatever order, the promises of §4 hold.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json, json};
use udmi_proto::{Command, Hook, Outcome, PointModel, Reading, Value};

use crate::support::{Rig, computed, polled, pushed, writable};

const NAMES: [&str; 6] = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta"];
const LIMIT: u64 = 3;

/// Numbers that look random and are the same in each run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn name(&mut self) -> &'static str {
        NAMES[usize::try_from(self.roll(6)).unwrap()]
    }

    fn model(&mut self) -> PointModel {
        let model =
            [pushed(), polled(), computed(), writable(0.0, 50.0), PointModel { writable: true, ..polled() }];
        model[usize::try_from(self.roll(5)).unwrap()].clone()
    }

    fn point(&mut self) -> Json {
        let mut point = Map::new();
        if self.roll(2) == 0 {
            let values = [json!(1), json!(20), json!(99), json!("on"), json!(null), json!(20.5)];
            point.insert("set_value".into(), values[usize::try_from(self.roll(6)).unwrap()].clone());
        }
        if self.roll(3) == 0 {
            point.insert("cov_increment".into(), json!(self.roll(4)));
        }
        Json::Object(point)
    }

    fn config(&mut self) -> (Json, BTreeSet<String>) {
        let mut points = Map::new();
        for _ in 0..self.roll(5) {
            points.insert(self.name().into(), self.point());
        }
        let names = points.keys().cloned().collect();
        let rate = 5 + self.roll(3);
        let mut block = json!({"sample_limit_sec": LIMIT, "sample_rate_sec": rate, "points": points});
        if self.roll(4) == 0 {
            block["state_etag"] = json!("x");
        }
        if self.roll(4) == 0 {
            block["set_value_expiry"] =
                json!(crate::support::time(i64::try_from(self.roll(2_000_000)).unwrap()));
        }
        (block, names)
    }

    fn outcome(&mut self, hook: &Hook) -> Outcome {
        match (hook, self.roll(4)) {
            (_, 0) => Outcome::Failed { message: "no".into() },
            (_, 1) => Outcome::Invalid { message: "no".into() },
            (Hook::ReadPoints { wanted }, _) => {
                let values = wanted.polled.iter().chain(&wanted.computed);
                let reading = |name: &String| (name.clone(), Reading::Value(Value::Number(21.5)));
                Outcome::Values { values: values.map(reading).collect() }
            }
            _ => Outcome::Done,
        }
    }
}

fn command(dice: &mut Dice) -> Command {
    let point = dice.name().to_owned();
    match dice.roll(9) {
        0 => Command::DefinePoint { point, model: dice.model() },
        1 => Command::RemovePoint { point },
        2 => Command::FailPoint { point, message: "broken".into() },
        3 => Command::OverridePoint { point, overridden: dice.roll(2) == 0 },
        4 => Command::SampleNow,
        _ => Command::SetPoint { point, value: Value::Integer(i64::try_from(dice.roll(60)).unwrap()) },
    }
}

fn keys(points: &Json) -> BTreeSet<String> {
    points.as_object().expect("an object").keys().cloned().collect()
}

/// Checks what was sent since the last look, and gives the time of the last event.
fn check(rig: &mut Rig, names: &BTreeSet<String>, mut last: Option<u64>) -> Option<u64> {
    for sent in rig.sent_on("events/pointset") {
        assert!(last.is_none_or(|last| sent.at - last >= LIMIT * 1000), "closer than the limit");
        last = Some(sent.at);
        assert!(keys(&sent.payload["points"]).is_subset(names));
    }
    for state in rig.states() {
        assert_eq!(keys(&state["pointset"]["points"]), *names, "state and config name the same points");
    }
    last
}

#[test]
fn whatever_happens_the_promises_hold() {
    for seed in 0..60 {
        let mut dice = Dice(seed);
        let known = [("alpha", pushed()), ("beta", writable(0.0, 50.0)), ("gamma", polled())];
        let mut rig = Rig::connected(&known);
        let mut pending = Vec::new();
        let (mut block, mut names) = dice.config();
        rig.pointset(block.clone());
        let mut last = None;
        for _ in 0..400 {
            match dice.roll(6) {
                0 => {
                    last = check(&mut rig, &names, last);
                    (block, names) = dice.config();
                    rig.pointset(block.clone());
                }
                1 => rig.advance(dice.roll(9000)),
                2 => rig.advance(dice.roll(90)),
                3 if !pending.is_empty() => {
                    let at = usize::try_from(dice.roll(pending.len() as u64)).unwrap();
                    let (id, hook) = pending.remove(at);
                    let outcome = dice.outcome(&hook);
                    rig.answer(id, outcome);
                }
                _ => rig.command(command(&mut dice)),
            }
            pending.extend(rig.hooks());
            last = check(&mut rig, &names, last);
        }
        rig.advance(10_000);
        every_point_is_accounted_for(&mut rig, block, &names);
    }
}

/// §9.6: the points with a value in the last complete event and those in error in the state are all points.
fn every_point_is_accounted_for(rig: &mut Rig, block: Json, names: &BTreeSet<String>) {
    rig.forget();
    rig.command(Command::SampleNow);
    rig.advance(8000);
    let event = rig.events().pop().expect("an event");
    rig.pointset(block);
    let state = rig.pointset_state();
    let in_error = state["points"]
        .as_object()
        .expect("points")
        .iter()
        .filter(|(_, point)| point["status"]["level"].as_u64().is_some_and(|level| level >= 500));
    let mut seen: BTreeSet<String> = in_error.map(|(name, _)| name.clone()).collect();
    seen.extend(keys(&event["points"]));
    assert_eq!(seen, *names);
}
