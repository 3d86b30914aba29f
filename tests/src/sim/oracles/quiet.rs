//! Property 6: a run of only ticks reaches quiet. The world itself sees a device that spins.

use super::super::oracle::Oracle;
use super::super::{Plan, Shape};
use super::rest;
use crate::property::Property;
use crate::world::World;

/// How long what the last configs have begun may take, in milliseconds.
const CALMING_MS: u64 = 120_000;
/// An hour.
const QUIET_MS: u64 = 3_600_000;
/// Calls in it: one for each PINGREQ and one for its answer, with some to spare.
const CALLS: u64 = 130;

/// Leaves a device at rest to itself for an hour.
#[derive(Debug)]
pub(crate) struct Quiet {
    shape: Shape,
}

impl Quiet {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self { shape: plan.shape }
    }
}

impl Oracle for Quiet {
    fn property(&self) -> Property {
        Property::TicksReachQuiet
    }

    fn look(&mut self, _world: &World) -> Result<(), String> {
        Ok(())
    }

    fn settled(&mut self, world: &mut World) -> Result<(), String> {
        for who in rest::all(world, self.shape) {
            let mut config = who.config(world);
            config.as_object_mut().map(|config| config.remove("pointset"));
            who.with(world, |world| world.publish_config(&config));
        }
        world.advance(CALMING_MS);
        let (calls, messages) = (world.calls(), world.watch.emitted.len());
        world.advance(QUIET_MS);
        let told =
            world.watch.emitted.get(messages).map(|message| format!("{}/{}", message.prefix, message.topic));
        if let Some(topic) = told {
            return Err(format!("{topic} is told without a cause"));
        }
        let calls = world.calls() - calls;
        if calls > CALLS { Err(format!("{calls} calls in an hour in which nothing happens")) } else { Ok(()) }
    }
}
