//! Under construction.

pub mod model;
pub mod toy;
pub mod upstream;
pub mod world;
