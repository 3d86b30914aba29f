//! Property 11: a crash at any point and a start from what was stored never repeats a blob that was committed.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde_json::Value;
use udmi_proto::{Hook, Key, Notice};

use super::super::Op;
use super::super::oracle::Oracle;
use crate::property::Property;
use crate::world::{Keeping, World};

/// Under which key the device keeps what became of its blobs.
const KEPT: &str = "blobset";

/// A generation of a blob that has come to its end, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Committed {
    generation: String,
    is_activated: bool,
}

/// Knows what was committed when the run began.
#[derive(Debug, Default)]
pub(crate) struct Blobs {
    at_birth: BTreeMap<String, Committed>,
    /// Blobs of which another generation has come to an end since, or may have.
    are_free: BTreeSet<String>,
    /// Blobs that were processed since.
    processed: BTreeSet<String>,
    /// Which update the last config orders, if any.
    order: Option<i64>,
    /// A config with another order than the one before may not have been applied yet.
    may_change: bool,
}

impl Blobs {
    fn begin(&mut self, held: &BTreeMap<Key, Bytes>) {
        let kept = held.iter().find(|(key, _)| key.as_str() == KEPT).map(|(_, value)| value);
        self.at_birth = kept.map(committed).unwrap_or_default();
        self.are_free.clear();
        self.processed.clear();
    }

    fn hook(&mut self, hook: &Hook) -> Result<(), String> {
        match hook {
            Hook::ProcessBlob { name, generation, .. } => {
                let known = self.at_birth.get(name).filter(|known| known.generation == *generation);
                self.processed.insert(name.clone());
                if known.is_some() && !self.are_free.contains(name) {
                    return Err(format!("blob {name} of {generation} was committed, and is processed again"));
                }
            }
            Hook::ActivateBlob { name, .. } => {
                let is_over = self.at_birth.get(name).is_some_and(|known| known.is_activated);
                if is_over && !self.processed.contains(name) && !self.are_free.contains(name) {
                    return Err(format!("blob {name} was activated for good, and is activated again"));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// What the device has decided since its start: an order that was withdrawn and comes again is another one.
    fn keep(&mut self, keeping: &Keeping) {
        if keeping.key.as_str() != KEPT {
            return;
        }
        let now = keeping.value.as_ref().map(committed).unwrap_or_default();
        for (name, was) in &self.at_birth {
            if now.get(name).is_none_or(|now| now.generation != was.generation) {
                self.are_free.insert(name.clone());
            }
        }
    }
}

impl Blobs {
    /// Another order may be taken up without a store, where that takes nothing more: what was committed is forgotten.
    fn apply(&mut self, world: &World, notices: &[Notice]) {
        let mut applied = notices.iter().filter_map(|notice| match notice {
            Notice::ConfigApplied { timestamp, .. } => Some(timestamp.as_str()),
            _ => None,
        });
        let Some(last) = applied.next_back().filter(|_| self.may_change) else { return };
        self.are_free.extend(self.at_birth.keys().cloned());
        self.may_change = world.cloud.config["timestamp"].as_str() != Some(last);
    }
}

impl Oracle for Blobs {
    fn property(&self) -> Property {
        Property::BlobsAreCommittedOnce
    }

    fn before(&mut self, _world: &World, op: &Op) {
        if let Op::Config(config) = op {
            let has = |name: &str| config.blocks.iter().any(|block| block == name);
            let order = has("update").then_some(config.rate);
            // Downloads are each of a generation of its own.
            self.may_change |= has("download") || order != self.order;
            self.order = order;
        }
    }

    fn look(&mut self, world: &World) -> Result<(), String> {
        let (asked, notices, births) = (world.plant.asked(), world.notices(), world.births());
        let mut keepings = world.keepings().iter().peekable();
        let (mut hooks, mut heard) = (0, 0);
        for number in 0..=births.len() {
            let birth = births.get(number);
            let (last, said) =
                birth.map_or((asked.len(), notices.len()), |birth| (birth.hooks, birth.notices));
            self.apply(world, &notices[heard..said]);
            for (number, hook) in asked.iter().enumerate().take(last).skip(hooks) {
                while let Some(keeping) = keepings.next_if(|keeping| keeping.hooks <= number) {
                    self.keep(keeping);
                }
                self.hook(hook)?;
            }
            if let Some(birth) = birth {
                self.begin(&birth.held);
            }
            (hooks, heard) = (last, said);
        }
        keepings.for_each(|keeping| self.keep(keeping));
        if world.store_fails {
            // What it decides now it cannot keep.
            self.are_free.extend(self.at_birth.keys().cloned());
        }
        Ok(())
    }
}

/// What is committed, by blob; nothing where it cannot be read.
fn committed(kept: &Bytes) -> BTreeMap<String, Committed> {
    let table: Value = serde_json::from_slice(kept).unwrap_or_default();
    let blobs = table.get("blobs").and_then(Value::as_object).into_iter().flatten();
    let committed = blobs.filter_map(|(name, record)| {
        let generation = record.get("generation")?.as_str()?.to_owned();
        Some((name.clone(), Committed { generation, is_activated: record["result"] == "applied" }))
    });
    committed.collect()
}
