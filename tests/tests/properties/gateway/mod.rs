//! Properties of every run of a gateway.

mod always;
mod isolation;
mod operations;
