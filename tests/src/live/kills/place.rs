//! The site of the devices, and their processes.

use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};

use tempfile::TempDir;

use super::Plan;

/// The device of the command's sample site that the others are copies of.
const MODEL: &str = "AHU-1";

/// The command, a site model, and what its devices remember.
#[derive(Debug)]
pub(super) struct Place {
    program: PathBuf,
    folder: TempDir,
    /// The devices.
    pub(super) ids: Vec<String>,
}

impl Place {
    pub(super) fn new(plan: &Plan) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let ids = (1..=plan.devices).map(|number| format!("AHU-{number}")).collect();
        let place = Self { program: plan.program.clone(), folder, ids };
        let output = Command::new(&place.program).args(["--quiet", "init"]).arg(place.site()).output()?;
        if !output.status.success() {
            return Err(io::Error::other(String::from_utf8_lossy(&output.stderr)));
        }
        let devices = place.site().join("devices");
        for id in place.ids.iter().filter(|id| *id != MODEL) {
            fs::create_dir(devices.join(id))?;
            let file = |id: &str| devices.join(id).join("metadata.json");
            fs::copy(file(MODEL), file(id))?;
        }
        Ok(place)
    }

    /// What a device remembers.
    pub(super) fn state_folder(&self, id: &str) -> PathBuf {
        self.folder.path().join("state").join(id)
    }

    /// Starts a device that is configured for a broker. Its states show `run` as the serial number.
    pub(super) fn start(
        &self,
        id: &str,
        run: &str,
        broker: SocketAddr,
        registry: &str,
    ) -> io::Result<Process> {
        let mut command = Command::new(&self.program);
        command.args(["--color", "never", "device", "--device", id, "--serial", run, "--restart", "exec"]);
        command.arg("--site").arg(self.site()).arg("--state-dir").arg(self.state_folder(id));
        command.args(["--endpoint", &format!("mqtt://{broker}"), "--registry", registry]);
        // It does not outlive us, whatever our end is.
        command.arg("--until-input-ends").stdin(Stdio::piped()).stdout(Stdio::null());
        let child = command.stderr(File::create(self.words(id))?).spawn()?;
        Ok(Process(child))
    }

    /// What the last process of a device said on standard error.
    pub(super) fn said(&self, id: &str) -> io::Result<String> {
        fs::read(self.words(id)).map(|said| String::from_utf8_lossy(&said).into_owned())
    }

    fn words(&self, id: &str) -> PathBuf {
        self.folder.path().join(format!("{id}.stderr"))
    }

    fn site(&self) -> PathBuf {
        self.folder.path().join("site")
    }
}

/// A process that runs a device; it is killed when it is dropped.
#[derive(Debug)]
pub(super) struct Process(Child);

impl Process {
    /// How it has ended by itself, if it has.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().ok().flatten()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill(); // SIGKILL; it may have ended by itself
        let _ = self.0.wait();
    }
}
