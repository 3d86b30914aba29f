//! Under construction.

pub mod toy;
pub mod upstream;
