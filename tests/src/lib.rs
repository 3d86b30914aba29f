//! Under construction.

pub mod conformance;
pub mod live;
pub mod model;
pub mod toy;
pub mod upstream;
pub mod world;
