//! The oracles, one property each.

pub(super) mod pace;
