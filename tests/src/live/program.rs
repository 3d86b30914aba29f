//! A program, such as an example, in a process and a folder of its own.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Instant;
use std::{env, io};

use super::PATIENCE;

/// An example of the test's package. `cargo test` builds examples together with tests, unless it is told which tests.
///
/// # Panics
/// If the running program is no test, or the example was not built.
#[must_use]
pub fn example(name: &str) -> PathBuf {
    let own = env::current_exe().expect("a test knows where it is");
    let built = own.parent().and_then(Path::parent).expect("a test is below target/PROFILE/deps");
    let example = built.join("examples").join(name);
    assert!(example.exists(), "{} is missing: cargo build --examples makes it", example.display());
    example
}

/// A running program. It is killed when this is dropped.
#[derive(Debug)]
pub struct Program {
    child: Child,
    lines: Receiver<String>,
    /// What was read already, for those who look for why a line is missing.
    said: Vec<String>,
}

impl Program {
    /// Starts it with `folder` as its working directory. What it says on both outputs is kept.
    ///
    /// # Errors
    /// It is not there, or cannot be started.
    pub fn start(
        path: &Path,
        folder: &Path,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> io::Result<Self> {
        let mut child = Command::new(path)
            .args(arguments)
            .envs(variables.iter().copied())
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
        let (sender, lines) = channel();
        if let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) {
            follow(stdout, sender.clone());
            follow(stderr, sender);
        }
        Ok(Self { child, lines, said: Vec::new() })
    }

    /// The next line that has `text` in it.
    ///
    /// # Panics
    /// If none comes in time.
    pub fn line(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let Ok(line) = self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) else {
                panic!("no line with {text:?} after {:#?}", self.said)
            };
            self.said.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
    }

    /// All lines it has said and that were read by [`Self::line`] or [`Self::end`].
    #[must_use]
    pub fn said(&self) -> &[String] {
        &self.said
    }

    /// Types a line.
    ///
    /// # Errors
    /// It listens no more.
    pub fn type_line(&mut self, line: &str) -> io::Result<()> {
        self.child.stdin.as_mut().map_or(Ok(()), |stdin| writeln!(stdin, "{line}"))
    }

    /// Waits until it ends by itself.
    ///
    /// # Panics
    /// If it does not in time.
    pub fn end(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        // Both outputs are closed when it has ended.
        while let Ok(line) = self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            self.said.push(line);
        }
        assert!(Instant::now() < deadline, "it does not end, after {:#?}", self.said);
        self.child.wait().expect("it is our child")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!(
                "the program said {:#?}",
                self.said.iter().cloned().chain(self.lines.iter()).collect::<Vec<_>>()
            );
        }
    }
}

fn follow(output: impl Read + Send + 'static, lines: Sender<String>) {
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if lines.send(line).is_err() {
                return; // nobody is interested any more
            }
        }
    });
}
