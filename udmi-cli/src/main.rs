//! The `udmi` command.
fn main() {}
