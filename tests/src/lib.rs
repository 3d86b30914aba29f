//! Under construction.

pub mod conformance;
pub mod model;
pub mod toy;
pub mod upstream;
pub mod world;
