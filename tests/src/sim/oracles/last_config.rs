//! Property 4: a state's `last_config` is the timestamp of the last config that was accepted when it was made.

use std::collections::{BTreeMap, VecDeque};

use udmi_proto::Notice;

use super::super::Plan;
use super::super::oracle::Oracle;
use super::rest;
use super::told::{Told, id_of, told};
use crate::property::Property;
use crate::world::World;

/// What is told before there was a config (§7.3).
const NONE: &str = "1970-01-01T00:00:00Z";

/// Knows what the states that were made, and not sent yet, have to tell.
#[derive(Debug)]
pub(crate) struct LastConfig {
    plan: Plan,
    /// By run and id; the device's own is empty.
    devices: BTreeMap<(u32, String), Accepted>,
}

#[derive(Debug)]
struct Accepted {
    last: String,
    /// For each state that was made, oldest first.
    made: VecDeque<String>,
}

impl LastConfig {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self { plan: Plan { ops: Vec::new(), ..plan.clone() }, devices: BTreeMap::new() }
    }

    fn note(&mut self, run: u32, id: &str, notice: &Notice) {
        let device = || (run, id.to_owned());
        let new = || Accepted { last: NONE.to_owned(), made: VecDeque::new() };
        match notice {
            Notice::ConfigApplied { timestamp, .. } => {
                self.devices.entry(device()).or_insert_with(new).last.clone_from(timestamp);
            }
            Notice::StatePublished => {
                let device = self.devices.entry(device()).or_insert_with(new);
                device.made.push_back(device.last.clone());
            }
            _ => {}
        }
    }
}

impl Oracle for LastConfig {
    fn property(&self) -> Property {
        Property::LastConfigIsTold
    }

    fn look(&mut self, world: &World) -> Result<(), String> {
        for Told { run, id, notice, .. } in told(world) {
            self.note(run, id, notice);
        }
        for state in world.watch.states() {
            let id = id_of(world, &state.prefix);
            let told = state.payload.pointer("/system/last_config").and_then(|told| told.as_str());
            let told = told.ok_or_else(|| format!("{}: no last_config", state.prefix))?;
            let device = self.devices.get_mut(&(state.run, id.to_owned()));
            let made = device.map(|device| &mut device.made);
            // A state that was not sent is replaced by the next one. A device behind a gateway begins anew when it is
            // left and taken up again.
            let is_made = |made: &String| made == told || (told == NONE && !id.is_empty());
            let Some(found) = made.and_then(|made| made.iter().position(is_made).map(|at| made.drain(..=at)))
            else {
                return Err(format!(
                    "{}: last_config {told} is not of the last config accepted",
                    state.prefix
                ));
            };
            drop(found);
        }
        let runs = world.runs();
        self.devices.retain(|(run, _), _| *run >= runs);
        for device in self.devices.values_mut() {
            let old = device.made.len().saturating_sub(1);
            device.made.drain(..old);
        }
        Ok(())
    }

    fn settled(&mut self, world: &mut World) -> Result<(), String> {
        for who in rest::all(world, self.plan.shape) {
            let config = who.config(world);
            let told = who.answer(world, &config);
            let (told, sent) = (&told["system"]["last_config"], &config["timestamp"]);
            if told != sent {
                return Err(format!("{}: {told} is told after the config {sent}", who.prefix(world)));
            }
        }
        Ok(())
    }
}
