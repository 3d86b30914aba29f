//! A device in a process of its own, maybe in surroundings of its own.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use rustix::process::geteuid;
use tempfile::TempDir;
use udmi_tests::live::device::Runtime;
use udmi_tests::live::program::Program;
use udmi_tests::upstream::LEFT_OUT;

const PROGRAM: &str = env!("CARGO_BIN_EXE_border-subject");

/// Whether a process can have mounts of its own here; if not, says so.
pub(crate) fn may_mount_or_say(test: &str) -> bool {
    let mut unshare = Command::new("unshare");
    let may =
        geteuid().is_root() && unshare.args(["-m", "true"]).status().is_ok_and(|status| status.success());
    if !may {
        eprintln!("{LEFT_OUT} {test}: it needs root, for mounts that only the device sees");
    }
    may
}

/// The process, and its folder.
pub(crate) struct Subject {
    program: Program,
    _folder: TempDir,
}

impl Subject {
    /// A device at an address, as the machine is.
    pub(crate) fn new(runtime: Runtime, address: SocketAddr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (runtime, port) = (format!("{runtime:?}"), address.port().to_string());
        let arguments = [runtime.as_str(), "127.0.0.1", &port];
        let program = Program::start(Path::new(PROGRAM), folder.path(), &arguments, &[]).unwrap();
        Self { program, _folder: folder }
    }

    /// A device whose process sees other mounts: `setup` is told to a shell in its folder, before it starts.
    pub(crate) fn within(folder: TempDir, setup: &str, runtime: Runtime, host: &str, port: u16) -> Self {
        let script = format!("{setup} && exec \"$0\" \"$@\"");
        let (runtime, port) = (format!("{runtime:?}"), port.to_string());
        let arguments = ["-m", "sh", "-c", &script, PROGRAM, &runtime, host, &port];
        let program = Program::start(Path::new("unshare"), folder.path(), &arguments, &[]).unwrap();
        Self { program, _folder: folder }
    }

    /// Gives an order and waits until it is done.
    pub(crate) fn order(&mut self, order: &str) {
        self.program.type_line(order).unwrap();
        self.program.line(&format!("done: {order}"));
    }

    /// The next line that has `text` in it.
    pub(crate) fn line(&mut self, text: &str) -> String {
        self.program.line(text)
    }

    /// Whether it has said so, in what was read until now.
    pub(crate) fn has_said(&self, text: &str) -> bool {
        self.program.said().iter().any(|line| line.contains(text))
    }

    /// The most memory it has had, in KiB.
    pub(crate) fn peak(&mut self) -> u64 {
        self.program.type_line("memory").unwrap();
        let line = self.program.line("peak ");
        line.split(' ').nth(1).and_then(|number| number.parse().ok()).unwrap()
    }
}
