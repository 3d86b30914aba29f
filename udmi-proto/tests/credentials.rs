//! What a device proves itself with: tokens (§1.8) and the rotation of its key, as the broker and the application
//! see them.

#![allow(clippy::needless_pass_by_value, reason = "json!(..) reads better without a borrow")]

mod support;

#[path = "credentials/power.rs"]
mod power;
#[path = "credentials/rotation.rs"]
mod rotation;
#[path = "credentials/token.rs"]
mod token;
