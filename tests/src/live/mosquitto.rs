//! Debian's mosquitto as a child process, with accounts, access lists and certificates in a temporary folder.

use std::fmt::Write as _;
use std::io::{self, BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::{env, fs, thread};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::broker::Plan;
use super::dynamic_security;
use super::{ALTERNATE, CLOUD, CLOUD_PASSWORD, DEVICE, DEVICE_PASSWORD};

/// A port somebody else took meanwhile is exchanged for another so often.
const ATTEMPTS: usize = 5;
const DYNAMIC_SECURITY: &str = "mosquitto_dynamic_security.so";

/// mosquitto, running or killed. Keeps no message across a restart.
#[derive(Debug)]
pub(super) struct Mosquitto {
    program: PathBuf,
    folder: TempDir,
    child: Option<Child>,
    pub(super) address: SocketAddr,
    pub(super) tls_address: Option<SocketAddr>,
}

/// Finds the program, on the path or where Debian has it.
pub(super) fn find() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders =
        env::split_paths(&path).chain([PathBuf::from("/usr/sbin"), PathBuf::from("/usr/local/sbin")]);
    folders.map(|folder| folder.join("mosquitto")).find(|program| program.is_file())
}

/// Finds the plug-in for accounts with roles, which refuses subscriptions; access lists in a file do not.
pub(super) fn find_dynamic_security() -> Option<PathBuf> {
    let folders = fs::read_dir("/usr/lib").ok()?.flatten().map(|entry| entry.path());
    folders
        .chain([PathBuf::from("/usr/lib")])
        .map(|folder| folder.join(DYNAMIC_SECURITY))
        .find(|file| file.is_file())
}

impl Mosquitto {
    pub(super) fn start(plan: &Plan) -> io::Result<Self> {
        let program = find().ok_or(io::ErrorKind::NotFound)?;
        let mut problem = io::Error::from(io::ErrorKind::AddrInUse);
        for _ in 0..ATTEMPTS {
            let (address, tls) = (free_address()?, free_address()?);
            let folder = tempfile::tempdir()?;
            let tls_address = plan.pki.is_some().then_some(tls);
            fs::write(
                folder.path().join("mosquitto.conf"),
                config(folder.path(), plan, address, tls_address)?,
            )?;
            let mut broker = Self { program: program.clone(), folder, child: None, address, tls_address };
            match broker.run() {
                Ok(()) => return Ok(broker),
                Err(error) => problem = error,
            }
        }
        Err(problem)
    }

    /// Starts the process, and waits until it listens.
    pub(super) fn run(&mut self) -> io::Result<()> {
        let mut command = Command::new(&self.program);
        command.arg("-c").arg(self.folder.path().join("mosquitto.conf"));
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let child = self.child.insert(child);
        let Some(said) = await_running(child)? else { return Ok(()) };
        self.kill();
        Err(io::Error::other(said))
    }

    pub(super) fn signal(&self, signal: Signal) -> io::Result<()> {
        let child = self.child.as_ref().ok_or(io::ErrorKind::NotFound)?;
        Ok(kill_process(Pid::from_child(child), signal)?)
    }

    /// Kills the process; what it was about to do is not done.
    pub(super) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill(); // it may have ended by itself
            let _ = child.wait();
        }
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Waits until a broker whose log is its standard error runs. If it ends, what it has said.
pub(super) fn await_running(child: &mut Child) -> io::Result<Option<String>> {
    let mut lines = BufReader::new(child.stderr.take().ok_or(io::ErrorKind::BrokenPipe)?).lines();
    let mut said = String::new();
    for line in lines.by_ref() {
        let line = line?;
        if line.contains(" running") {
            // The rest is read and dropped, or the broker would block on a full pipe.
            thread::spawn(move || lines.for_each(drop));
            return Ok(None);
        }
        said.push_str(&line);
        said.push('\n');
    }
    Ok(Some(said))
}

/// A port that is free now.
pub(super) fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind(("127.0.0.1", 0))?.local_addr()
}

fn config(folder: &Path, plan: &Plan, address: SocketAddr, tls: Option<SocketAddr>) -> io::Result<String> {
    // `user root`: whoever starts it as root also wants it to read its files.
    let mut text = format!(
        "user root\npersistence false\nlog_dest stderr\nmax_queued_messages 0\nset_tcp_nodelay true\n\
         allow_anonymous {}\n",
        !plan.accounts
    );
    if plan.has_dynamic_security() {
        write_dynamic_security(folder, plan, &mut text)?;
    } else if plan.accounts {
        write_accounts(folder, &mut text)?;
    }
    let _ = writeln!(text, "listener {} 127.0.0.1", address.port());
    if let (Some(tls), Some(pki)) = (tls, &plan.pki) {
        let [authority, certificate, key] = pki.write_server(folder)?.map(|path| path.display().to_string());
        let _ =
            writeln!(text, "listener {} 127.0.0.1\ncafile {authority}\ncertfile {certificate}", tls.port());
        let _ = writeln!(text, "keyfile {key}\nrequire_certificate {}", pki.asks());
    }
    Ok(text)
}

/// The files of a broker whose accounts are fixed (§1.5).
fn write_accounts(folder: &Path, text: &mut String) -> io::Result<()> {
    let (passwords, access) = (folder.join("passwords"), folder.join("access"));
    fs::write(&passwords, "")?;
    for (name, password) in [(DEVICE, DEVICE_PASSWORD), (ALTERNATE, DEVICE_PASSWORD), (CLOUD, CLOUD_PASSWORD)]
    {
        let mut command = Command::new("mosquitto_passwd");
        done(command.arg("-b").arg(&passwords).args([name, password]))?;
    }
    let lists = "pattern write %c/events/#\npattern write %c/state\npattern read %c/config\n\
                 pattern read %c/commands/#\npattern read %c/errors\n";
    fs::write(&access, format!("{lists}\nuser {CLOUD}\ntopic readwrite #\n"))?;
    let _ = writeln!(text, "password_file {}\nacl_file {}", passwords.display(), access.display());
    Ok(())
}

fn write_dynamic_security(folder: &Path, plan: &Plan, text: &mut String) -> io::Result<()> {
    let plugin = find_dynamic_security().ok_or(io::ErrorKind::NotFound)?;
    let file = folder.join("dynamic-security.json");
    fs::write(&file, dynamic_security::document(plan).to_string())?;
    let _ = writeln!(text, "plugin {}\nplugin_opt_config_file {}", plugin.display(), file.display());
    Ok(())
}

fn done(command: &mut Command) -> io::Result<()> {
    let output = command.stdin(Stdio::null()).output()?;
    let said = || String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(()) } else { Err(io::Error::other(said())) }
}
