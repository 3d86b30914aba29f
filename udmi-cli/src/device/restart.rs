//! Starts the program again in place of itself.

use crate::output::Failure;

/// Becomes a new process image with the same arguments; returns only if that fails.
#[cfg(unix)]
pub(super) fn in_place() -> Failure {
    use std::os::unix::process::CommandExt as _;
    use std::process::Command;

    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return failed(&error),
    };
    let mut arguments = std::env::args_os();
    let mut command = Command::new(program);
    if let Some(name) = arguments.next() {
        command.arg0(name);
    }
    failed(&command.args(arguments).exec())
}

/// There is no such thing here.
#[cfg(not(unix))]
pub(super) fn in_place() -> Failure {
    Failure::new("--restart exec is of use on Unix only")
}

#[cfg(unix)]
fn failed(error: &std::io::Error) -> Failure {
    Failure::new(format!("cannot start again: {error}"))
}
