//! The UDMI 1.5.7 message model: one plain Rust type for each upstream schema document.
//!
//! Reading is lenient: unknown members are skipped, unknown enum strings become `Unknown`, and a missing
//! member is its default. Writing is strict: absent members and unknown choices are left out, and maps
//! are sorted. The same declaration that makes a type also describes it (see [`describe`]), and the JSON
//! Schemas in `schemas/` are written from those descriptions.
//!
//! Bounds such as "1 to 86400 seconds" are described but not enforced on reading: the caller decides what
//! an outlandish value means.

#[macro_use]
mod macros;

pub mod category;
pub mod common;
pub mod config;
pub mod describe;
pub mod discovery;
pub mod documents;
pub mod endpoint;
pub mod entry;
pub mod envelope;
pub mod events;
pub mod execution;
pub mod metadata;
mod moment;
pub mod place;
pub mod read;
pub mod schema;
pub mod state;
pub mod value;
