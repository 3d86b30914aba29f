//! Property 8: a config that cannot be used changes nothing but the status.

use serde_json::Value;
use udmi_proto::Command;

use super::super::oracle::Oracle;
use super::super::{Broken, Plan, Shape};
use super::rest::{self, Who};
use crate::property::Property;
use crate::world::World;

/// How long a broken config may take to be told of, and a sample, in milliseconds.
const TOLD_MS: u64 = 10_000;

/// Breaks the config of a device at rest.
#[derive(Debug)]
pub(crate) struct BrokenConfigs {
    shape: Shape,
    seed: u64,
}

impl BrokenConfigs {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self { shape: plan.shape, seed: plan.seed / 2 }
    }

    fn payload(&self) -> &'static [u8] {
        let kinds = Broken::ALL.len();
        let kind = usize::try_from(self.seed).unwrap_or(0) % kinds;
        Broken::ALL.get(kind).map_or(b"", |broken| broken.payload())
    }
}

impl Oracle for BrokenConfigs {
    fn property(&self) -> Property {
        Property::BrokenConfigsAreHarmless
    }

    fn look(&mut self, _world: &World) -> Result<(), String> {
        Ok(())
    }

    fn settled(&mut self, world: &mut World) -> Result<(), String> {
        let Some(who) = rest::one(&rest::all(world, self.shape), self.seed) else { return Ok(()) };
        let config = who.config(world);
        who.answer(world, &config);
        let shown = sampled(who, world);
        let before = who.state(world);
        who.with(world, |world| world.publish("config", self.payload(), true));
        world.advance(TOLD_MS);
        let after = who.state(world);
        let status = &after["system"]["status"];
        if status["level"] != 500 || status["category"] != "system.config.parse" {
            return Err(format!("{}: a broken config gives the status {status}", who.prefix(world)));
        }
        let variable = ["/timestamp", "/system/status"];
        let (before, after) = (rest::without(before, &variable), rest::without(after, &variable));
        if before != after {
            let difference = rest::difference(&before, &after);
            return Err(format!("{}: a broken config changes {difference}", who.prefix(world)));
        }
        let now = sampled(who, world);
        if now != shown {
            return Err(format!("{}: a broken config changes {shown:?} to {now:?}", who.prefix(world)));
        }
        // In order again, as it was.
        who.answer(world, &config);
        Ok(())
    }
}

/// The values of a sample.
fn sampled(who: Who, world: &mut World) -> Option<Value> {
    let begun = world.now().at.0;
    match who {
        Who::Own => world.command(Command::SampleNow),
        Who::Proxied(id) => {
            let command = Box::new(Command::SampleNow);
            world.command(Command::Proxied { device: id.to_owned(), command });
        }
    }
    world.advance(TOLD_MS);
    let prefix = who.prefix(world);
    let samples = world.watch.of(&prefix, "events/pointset").filter(|event| event.at >= begun);
    samples.last().map(|event| event.payload["points"].clone())
}
