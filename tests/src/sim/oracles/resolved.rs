//! Property 5: every token and id is resolved exactly once after a quiet time. The world itself sees what is resolved
//! twice.

use super::super::oracle::Oracle;
use super::super::site::{self, BOUND, IDS};
use super::super::{Plan, Shape};
use crate::property::{Property, violated};
use crate::world::World;

/// How long the last things under way may take, in milliseconds.
const LAST_MS: u64 = 10_000;
/// How long a gateway may take to leave devices and take others up, in milliseconds.
const TAKEN_UP_MS: u64 = 60_000;

/// Looks whether nothing is left of what is over.
#[derive(Debug)]
pub(crate) struct Resolved {
    shape: Shape,
}

impl Resolved {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self { shape: plan.shape }
    }
}

impl Oracle for Resolved {
    fn property(&self) -> Property {
        Property::EverythingIsResolved
    }

    fn look(&mut self, world: &World) -> Result<(), String> {
        let Some(device) = world.device() else { return Ok(()) };
        let (there, here) = (device.load().hooks, world.open_hooks());
        if there != here {
            return Err(format!("the device waits for {there} hooks, and {here} are open"));
        }
        Ok(())
    }

    fn settled(&mut self, world: &mut World) -> Result<(), String> {
        if world.device().is_some() && !world.is_linked() {
            violated(Property::ConfigsAreAnswered, "not connected after minutes of good weather");
        }
        if self.shape == Shape::Gateway {
            // What is told of a device that the broker refuses waits until it is left.
            let wanted = site::wanted(world);
            let allowed: Vec<_> = (0..BOUND).filter(|id| wanted.contains(IDS[*id])).collect();
            site::act_for(world, &allowed);
            world.advance(TAKEN_UP_MS);
        }
        resolves(world)
    }
}

/// Lets the last things under way come to their end, which has to be soon.
///
/// # Errors
///
/// What does not.
pub fn resolves(world: &mut World) -> Result<(), String> {
    if world.run_until(LAST_MS, |world| open(world).iter().all(|(_, count)| *count == 0)) {
        return Ok(());
    }
    let left: Vec<_> = open(world).into_iter().filter(|(_, count)| *count > 0).collect();
    Err(format!("without an end: {left:?}"))
}

/// What has been begun and has not ended, in the world and in the device.
fn open(world: &World) -> Vec<(&'static str, usize)> {
    let mut open = vec![
        ("hooks", world.open_hooks()),
        ("stores", world.open_stores()),
        ("staged files", world.staging.unreleased()),
        ("publishes", world.watch.unacknowledged.len()),
    ];
    if let Some(device) = world.device() {
        let load = device.load();
        open.extend([
            ("hooks in the device", load.hooks),
            ("stores in the device", load.stores),
            ("fetches in the device", load.fetches),
            ("publishes in the device", load.publishes),
        ]);
        let gateway = device.dialect().gateway_load();
        open.extend(gateway.iter().flat_map(|gateway| {
            [("hooks in the gateway", gateway.hooks), ("receipts in the gateway", gateway.receipts)]
        }));
    }
    open
}
