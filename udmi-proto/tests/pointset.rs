//! The pointset block as the broker sees it: which points, when, and write-back.

#![allow(clippy::needless_pass_by_value, reason = "json!(..) reads better without a borrow")]

mod support;

#[path = "pointset/gates.rs"]
mod gates;
#[path = "pointset/points.rs"]
mod points;
#[path = "pointset/samples.rs"]
mod samples;
#[path = "pointset/walk.rs"]
mod walk;
#[path = "pointset/writes.rs"]
mod writes;
