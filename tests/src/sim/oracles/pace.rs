//! Property 3, the first half: states of a device are made at least the floor apart, and each is sent once.

use std::collections::BTreeMap;

use udmi_proto::Notice;

use super::super::oracle::Oracle;
use super::told::{Told, id_of, told};
use crate::property::Property;
use crate::world::World;

/// The least milliseconds between two states of one device in one run (§7.2).
const FLOOR_MS: u64 = 2000;

/// Knows when each device last made a state, by run and id, and whether it has been sent.
///
/// What has to wait for room on the connection may be sent a little less than the floor before the next one.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    last: BTreeMap<(u32, String), Made>,
}

#[derive(Debug)]
struct Made {
    at: u64,
    /// How many were made since the one that was sent last.
    unsent: u32,
}

impl Oracle for Pace {
    fn property(&self) -> Property {
        Property::StatesKeepTheirPace
    }

    fn look(&mut self, world: &World) -> Result<(), String> {
        for Told { run, at, id, .. } in told(world).filter(|told| *told.notice == Notice::StatePublished) {
            if let Some(last) = self.last.get_mut(&(run, id.to_owned())) {
                if at - last.at < FLOOR_MS {
                    return Err(format!("{id}: two states {} ms apart", at - last.at));
                }
                (last.at, last.unsent) = (at, last.unsent + 1);
            } else {
                self.last.insert((run, id.to_owned()), Made { at, unsent: 1 });
            }
        }
        for state in world.watch.states() {
            let key = (state.run, id_of(world, &state.prefix).to_owned());
            let unsent = self.last.get_mut(&key).map(|made| &mut made.unsent);
            let Some(unsent) = unsent.filter(|unsent| **unsent > 0) else {
                return Err(format!("{}: a state is sent twice, at {} ms", state.prefix, state.at));
            };
            *unsent -= 1;
        }
        let runs = world.runs();
        self.last.retain(|(run, _), _| *run >= runs);
        // Of those that wait the last one replaces the others.
        self.last.values_mut().for_each(|made| made.unsent = made.unsent.min(1));
        Ok(())
    }
}
