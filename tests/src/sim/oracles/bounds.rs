//! Property 7: what a device holds stays within its limits, whatever happens. The world itself looks at hooks and
//! stores, at each of them.

use udmi_proto::Limits;

use super::super::oracle::Oracle;
use super::super::site::IDS;
use crate::property::Property;
use crate::world::World;

/// The device and those behind it.
const DEVICES: usize = IDS.len() + 1;
/// Subscriptions of each.
const SUBSCRIPTIONS: usize = 3;
/// Deadlines of each, and of the link.
const TIMERS: usize = 16;

/// Knows the limits that the device was given.
#[derive(Debug)]
pub(crate) struct Bounds {
    limits: Limits,
}

impl Bounds {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits }
    }
}

impl Oracle for Bounds {
    fn property(&self) -> Property {
        Property::QueuesAreBounded
    }

    fn look(&mut self, world: &World) -> Result<(), String> {
        let Some(device) = world.device() else { return Ok(()) };
        let (load, limits) = (device.load(), &self.limits);
        // A slot for the last state of each device is beside the queue.
        let publishes = limits.outbox_messages + limits.inflight + DEVICES.min(limits.slots);
        let sizes = [
            ("publishes", load.publishes, publishes),
            ("unacknowledged publishes", world.watch.unacknowledged.len(), limits.inflight),
            ("hooks", load.hooks, limits.pending_hooks),
            ("stores", load.stores, limits.pending_stores),
            ("fetches", load.fetches, limits.fetches),
            ("staged files", world.staging.unreleased(), limits.fetches),
            ("subscriptions", load.subscriptions, limits.subscriptions.min(SUBSCRIPTIONS * DEVICES)),
            ("deadlines", load.timers, TIMERS * (DEVICES + 1)),
        ];
        match sizes.into_iter().find(|(_, size, bound)| size > bound) {
            Some((what, size, bound)) => Err(format!("{size} {what}, and at most {bound} are allowed")),
            None => Ok(()),
        }
    }
}
