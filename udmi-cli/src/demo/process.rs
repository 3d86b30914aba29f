//! Our own program as a child process: the broker and the device of the demo.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// Lines of a child's log that are shown when it fails.
const SHOWN_LINES: usize = 5;

/// A child that ends with us: it stops when its standard input does, and is killed when this is dropped.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts our own program with these arguments; what it says goes to `log`.
    pub(super) fn start<A: AsRef<OsStr>>(arguments: &[A], log: &Path) -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("cannot start a child process: {error}");
        let program = std::env::current_exe().map_err(failed)?;
        let child = Command::new(program)
            .args(arguments)
            .arg("--until-input-ends")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::options().create(true).append(true).open(log).map_err(failed)?)
            .spawn()
            .map_err(failed)?;
        Ok(Self { child, log: log.to_owned() })
    }

    /// The number of the process.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The first line it prints.
    pub(super) fn first_line(&mut self, patience: Duration) -> Result<String, String> {
        let Some(stdout) = self.child.stdout.take() else {
            return Err("its output was read before".to_owned());
        };
        let (sender, line) = mpsc::channel();
        let read = move || {
            let mut line = String::new();
            // At the end of the output the line is empty; then nobody may wait any more.
            let _ = BufReader::new(stdout).read_line(&mut line);
            let _ = sender.send(line);
        };
        thread::Builder::new().spawn(read).map_err(|error| format!("cannot start a thread: {error}"))?;
        let line = line.recv_timeout(patience).unwrap_or_default();
        if line.trim().is_empty() { Err(self.last_words()) } else { Ok(line.trim().to_owned()) }
    }

    /// Ends it at once, as a power cut would: signal 9.
    pub(super) fn kill(&mut self) -> Result<(), String> {
        let killed = self.child.kill().and_then(|()| self.child.wait());
        killed.map(drop).map_err(|error| format!("cannot kill the process: {error}"))
    }

    /// Asks it to end in order, without waiting.
    pub(super) fn ask_to_stop(&mut self) {
        drop(self.child.stdin.take());
    }

    /// How it ended, if it does in this time.
    pub(super) fn wait(&mut self, patience: Duration) -> Option<ExitStatus> {
        const LOOK_AROUND: Duration = Duration::from_millis(10);
        let deadline = Instant::now() + patience;
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if Instant::now() < deadline => thread::sleep(LOOK_AROUND),
                Ok(None) | Err(_) => return None,
            }
        }
    }

    /// What it said last, for a failure.
    pub(super) fn last_words(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let shown = lines.get(lines.len().saturating_sub(SHOWN_LINES)..).unwrap_or_default();
        if shown.is_empty() {
            "it said nothing".to_owned()
        } else {
            format!("it said: {}", shown.join(" | "))
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Either fails only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
