//! Property 3: two states of a device are at least the floor apart.

use std::collections::BTreeMap;

use super::super::oracle::Oracle;
use crate::property::Property;
use crate::world::World;

/// The least milliseconds between two states of one device in one run (§7.2).
const FLOOR_MS: u64 = 2000;

/// Knows when each device last told its state, and in which run.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    last: BTreeMap<String, (u32, u64)>,
}

impl Oracle for Pace {
    fn property(&self) -> Property {
        Property::StatesKeepTheirPace
    }

    fn look(&mut self, world: &World) -> Result<(), String> {
        for state in world.watch.states() {
            let before = match self.last.get_mut(&state.prefix) {
                Some(known) => std::mem::replace(known, (state.run, state.at)),
                None => self.last.insert(state.prefix.clone(), (state.run, state.at)).unwrap_or_default(),
            };
            if before.0 == state.run && state.at - before.1 < FLOOR_MS {
                return Err(format!("{}: two states {} ms apart", state.prefix, state.at - before.1));
            }
        }
        Ok(())
    }
}
