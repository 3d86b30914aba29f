//! A site for devices, and processes that do not outlive a test.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

use super::{Bench, run, stderr, udmi};

/// A site, and what its devices remember.
pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        let output = run(&["init", "-q", place.site().to_str().unwrap()]);
        assert!(output.status.success(), "{}", stderr(&output));
        place
    }

    pub(crate) fn site(&self) -> PathBuf {
        self.0.path().join("site")
    }

    pub(crate) fn folder(&self) -> &Path {
        self.0.path()
    }

    /// The folder of the device's keys.
    pub(crate) fn keys(&self) -> PathBuf {
        self.site().join("devices/AHU-1")
    }

    pub(crate) fn device(&self, bench: &Bench, arguments: &[&str]) -> Running {
        self.device_at(&bench.url(), arguments)
    }

    pub(crate) fn device_at(&self, url: &str, arguments: &[&str]) -> Running {
        self.start("AHU-1", url, arguments)
    }

    /// Another one of the site.
    pub(crate) fn device_of(&self, bench: &Bench, device: &str, arguments: &[&str]) -> Running {
        self.start(device, &bench.url(), arguments)
    }

    fn start(&self, device: &str, url: &str, arguments: &[&str]) -> Running {
        let mut command = udmi();
        command.arg("device").arg("--site").arg(self.site());
        command.args(["--device", device, "--endpoint", url, "--registry", "REG", "--seed", "1"]);
        command.arg("--state-dir").arg(self.folder().join("state"));
        command.args(["-q", "--until-input-ends"]).args(arguments);
        Running(command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::inherit()).spawn().unwrap())
    }
}

/// A device that is killed if a test fails.
pub(crate) struct Running(Child);

impl Running {
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.0.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Tells it to stop.
    pub(crate) fn end_input(&mut self) {
        drop(self.0.stdin.take());
    }

    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        // `wait` would close its input, which ends it as well.
        let _input = self.0.stdin.take();
        self.0.wait().unwrap().code()
    }
}

/// The command at work; it is killed if a test fails.
pub(crate) struct Working(Option<Child>);

impl Working {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self(Some(command.spawn().unwrap()))
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.0.as_ref().unwrap().id();
        assert!(Command::new("kill").args([name, &id.to_string()]).status().unwrap().success());
    }

    /// Waits for its end.
    pub(crate) fn output(mut self) -> Output {
        self.0.take().unwrap().wait_with_output().unwrap()
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
