//! Under construction.

pub mod upstream;
