//! Oracles: what looks at a run and tells whether a property is violated.

use super::{Op, Plan, oracles};
use crate::property::Property;
use crate::world::World;

/// Looks at one run for one property.
///
/// The world forgets what all oracles have looked at: `world.watch.emitted`, `world.notices()`, `world.plant.asked()`
/// and `world.cloud.received` (states only) hold what came since the last look, and an oracle keeps what it needs of the
/// past. Only `world.cloud.state()` knows the last state for ever.
///
/// Properties that compare two runs of a plan (1, 2, 10) are no oracles but functions of a plan, beside
/// this one in `twins`.
pub trait Oracle {
    /// What it watches over.
    fn property(&self) -> Property;

    /// An operation is about to be carried out.
    fn before(&mut self, _world: &World, _op: &Op) {}

    /// Looks at what came since the last look: after each operation, after settling, and after each
    /// [`Oracle::settled`].
    ///
    /// # Errors
    ///
    /// What is wrong, as a sentence.
    fn look(&mut self, world: &World) -> Result<(), String>;

    /// The world is at rest and in order, and every oracle has looked. It may do to it what it likes, one after
    /// another, and has to leave it in order.
    ///
    /// # Errors
    ///
    /// What is wrong, as a sentence.
    fn settled(&mut self, _world: &mut World) -> Result<(), String> {
        Ok(())
    }
}

/// The oracles that look at a run of a plan, in the order in which they do.
pub(super) fn all(plan: &Plan) -> Vec<Box<dyn Oracle>> {
    vec![
        Box::new(oracles::pace::Pace::default()),
        Box::new(oracles::bounds::Bounds::new(plan.setup().limits)),
        Box::new(oracles::blobs::Blobs::default()),
        Box::new(oracles::redirects::Redirects::default()),
        Box::new(oracles::resolved::Resolved::new(plan)),
        Box::new(oracles::last_config::LastConfig::new(plan)),
        Box::new(oracles::touch::Touch::new(plan)),
        Box::new(oracles::broken::BrokenConfigs::new(plan)),
        Box::new(oracles::quiet::Quiet::new(plan)),
    ]
}
