//! Simulated lives: operations as data, drawn from a seed, carried out in the [`World`](crate::world::World) under the
//! eyes of oracles. What is found is a [`Violation`], and [`run`] on the same [`Plan`] finds it again.
//!
//! A property that concerns one run is an [`Oracle`]; one that compares runs is a function in `twins.rs`. That an
//! oracle can fail is shown by a [`Defect`](crate::world::Defect), which spoils what the device does on its way into
//! the world.

mod campaign;
mod config;
pub mod delays;
mod draw;
mod op;
mod oracle;
mod oracles;
pub mod perform;
mod plan;
mod quietly;
mod random;
mod run;
mod shrink;
pub mod site;
mod twins;

pub use campaign::{Campaign, Outcome};
pub use config::{Broken, Config};
pub use op::{OnProxy, Op};
pub use oracle::Oracle;
pub use oracles::resolved::resolves;
pub use plan::{Plan, Shape};
pub use random::Random;
pub use run::{Summary, Violation, Way, run};
pub use shrink::shrunk;
pub use twins::replays;
