//! The oracles, one property each.

pub(super) mod blobs;
pub(super) mod bounds;
pub(super) mod broken;
pub(super) mod last_config;
pub(super) mod pace;
pub(super) mod quiet;
pub(super) mod redirects;
pub(super) mod resolved;
mod rest;
mod told;
pub(super) mod touch;
