//! What the benchmarks share: cores on a wire of their own, the bare cost of the same bytes, and cases made of both.
//! It is the part of them that needs no adapter, so that counting instructions needs little to be built.

pub use udmi_report::*;
