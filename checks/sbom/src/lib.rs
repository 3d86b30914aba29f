//! What the programs and libraries of the workspace are made of.

pub mod bill;
pub mod lock;
pub mod tree;

use std::path::PathBuf;

/// The root of the repository.
#[must_use]
pub fn repository() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("checks/sbom is two folders below the root").to_owned()
}
