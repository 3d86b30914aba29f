//! Self-enumeration: one event for each generation, with what the config asks for (§6.3).

use alloc::string::String;

use super::event;
use super::order::Generation;
use crate::localnet::Localnet;
use crate::model::common::{Depth, Stage, Timestamp};
use crate::model::config::DiscoveryEnumerations;
use crate::model::discovery::{Discovery, DiscoveryFamily, DiscoveryFeature};
use crate::model::metadata::{PointsetPoint, ValueType};
use crate::pointset::{KnownPoint, Pointset};
use crate::scope::Scope;
use crate::settings::ValueKind;
use device_link::Map;

/// The family of ids in the cloud, in which a device tells of itself (§11 item 8).
pub(crate) const OWN_FAMILY: &str = "iot";

#[derive(Debug, Default)]
pub(super) struct Enumeration {
    wanted: Option<Generation>,
    depths: DiscoveryEnumerations,
    /// The generation in the state: of the last enumeration.
    done: Option<Generation>,
}

impl Enumeration {
    pub(super) fn want(&mut self, wanted: Option<Generation>, depths: Option<DiscoveryEnumerations>) {
        self.wanted = wanted;
        self.depths = depths.unwrap_or_default();
    }

    pub(super) fn generation(&self) -> Option<&Timestamp> {
        self.done.as_ref().map(|done| &done.text)
    }

    /// Enumerates if a later generation is wanted. The event precedes the state that shows its generation, since
    /// tools count events once they have seen that.
    pub(super) fn settle(
        &mut self,
        sc: &mut Scope<'_, '_>,
        pointset: &Pointset,
        localnet: &Localnet,
        features: &Map<String, Stage>,
    ) {
        let Some(wanted) = self.wanted.clone() else {
            if self.done.take().is_some() {
                sc.touch();
            }
            return;
        };
        if self.done.as_ref().is_some_and(|done| wanted.at <= done.at) {
            return;
        }
        let event = self.event(&wanted, pointset, localnet, features);
        if let Some(payload) = event::written(sc, event) {
            event::publish(sc, payload);
        }
        self.done = Some(wanted);
        sc.touch();
    }

    fn event(
        &self,
        generation: &Generation,
        pointset: &Pointset,
        localnet: &Localnet,
        features: &Map<String, Stage>,
    ) -> Discovery {
        let address = |(family, address): (&String, &String)| {
            (family.clone(), DiscoveryFamily { addr: Some(address.clone()), ref_: None })
        };
        let feature = |(name, stage): (&String, &Stage)| {
            (name.clone(), DiscoveryFeature { stage: Some(*stage).filter(|stage| *stage != Stage::Unknown) })
        };
        let point = |(name, model): (&str, &KnownPoint)| (name.into(), described(model));
        Discovery {
            generation: Some(generation.text.clone()),
            family: Some(OWN_FAMILY.into()),
            families: is_asked(self.depths.families).then(|| localnet.addresses().map(address).collect()),
            points: is_asked(self.depths.points).then(|| pointset.models().map(point).collect()),
            features: is_asked(self.depths.features).then(|| features.iter().map(feature).collect()),
            ..Discovery::default()
        }
    }
}

fn is_asked(depth: Option<Depth>) -> bool {
    depth.is_some_and(|depth| depth != Depth::Unknown && depth >= Depth::Entries)
}

/// A point as metadata describe it.
fn described(model: &KnownPoint) -> PointsetPoint {
    PointsetPoint {
        units: model.units().map(String::from),
        kind: model.kind().map(|kind| match kind {
            ValueKind::Boolean => ValueType::Boolean,
            ValueKind::Number { .. } => ValueType::Number,
            ValueKind::Text | ValueKind::Enumeration(_) => ValueType::String,
        }),
        writable: model.writable.then_some(true),
        ref_: model.reference().map(String::from),
        ..PointsetPoint::default()
    }
}
