//! Programs that measure: started, given a time, and heard out.

use std::ffi::OsStr;
use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::Failure;

/// How long a build may take, and what is built and measured at once: far longer than it takes on a quiet machine.
pub(crate) const BUILD: Duration = Duration::from_secs(1200);
/// So many words of a command are shown where it fails.
const WORDS: usize = 8;

/// Runs it to its end and returns what it wrote to standard output; what it says besides is shown at once. One that
/// fails, or takes longer than it may, is a failure.
pub(crate) fn output(mut command: Command, patience: Duration) -> Result<String, Failure> {
    let name = Path::new(command.get_program()).file_name().unwrap_or_default().to_owned();
    let words = [name.as_os_str()].into_iter().chain(command.get_args()).take(WORDS);
    let shown = words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0);
    let mut child = command.spawn().map_err(|error| format!("{shown}: {error}"))?;
    let mut pipe = child.stdout.take().ok_or("a pipe was asked for")?;
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        let mut text = Vec::new();
        let _ = pipe.read_to_end(&mut text); // what came is what there is
        send.send(text)
    });
    let Ok(text) = receive.recv_timeout(patience) else {
        end(&mut child);
        return Err(format!("{shown} has not ended in {} s", patience.as_secs()).into());
    };
    let status = child.wait()?;
    let text = String::from_utf8_lossy(&text).into_owned();
    if status.success() { Ok(text) } else { Err(format!("{shown} has failed ({status})\n{text}").into()) }
}

/// Ends it and what it has started.
fn end(child: &mut Child) {
    let group = format!("-{}", child.id());
    let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
    let _ = child.kill(); // where there is no such command
    let _ = child.wait();
}

/// `cargo`, in this workspace.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    command
}

/// What is measured of this workspace. It is built at once: each alone would choose other features of what they share,
/// and have that built again.
const PROGRAMS: [&str; 15] = [
    "build",
    "--release",
    "--locked",
    "--quiet",
    "--message-format=json",
    "-p",
    "udmi-cli",
    "-p",
    "udmi-benches",
    "--bin",
    "udmi",
    "--bin",
    "measure",
    "--bench",
    "peers",
];

/// Builds `udmi`, `measure` and `peers` as they are released, and tells where one of them is.
pub(crate) fn executable(name: &str) -> Result<PathBuf, Failure> {
    eprintln!("  building what is measured");
    artifact(&output(cargo(&PROGRAMS), BUILD)?, name)
}

/// Where cargo says, in JSON, that it has put a program.
pub(crate) fn artifact(messages: &str, name: &str) -> Result<PathBuf, Failure> {
    let artifact = |line: &str| {
        let line: Value = serde_json::from_str(line).ok()?;
        let is_it = line["target"]["name"] == name && line["executable"].is_string();
        is_it.then(|| line["executable"].as_str().map(PathBuf::from)).flatten()
    };
    messages.lines().find_map(artifact).ok_or_else(|| format!("cargo has not built {name}").into())
}

/// The first line a command prints, if it can be run.
pub(crate) fn line(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().next().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_program_is_heard_out_and_one_that_fails_or_hangs_is_a_failure() {
        let patience = Duration::from_secs(20);
        assert_eq!(output(shell("echo one"), patience).expect("it ends well"), "one\n");
        let failed = output(shell("echo two; exit 3"), patience).expect_err("it fails").to_string();
        assert!(failed.contains("two") && failed.contains('3'), "{failed}");
        let hung = output(shell("sleep 1000 & wait"), Duration::from_millis(50)).expect_err("it hangs");
        assert!(hung.to_string().contains("not ended"), "{hung}");
        assert!(output(Command::new("no-such-program"), patience).is_err());
    }
}
