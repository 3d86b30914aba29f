//! A mosquitto whose log tells everything, acknowledgements too.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::{fs, io};

use super::mosquitto::{await_running, find, free_address};

/// A mosquitto that lets everybody in and logs everything.
#[derive(Debug)]
pub struct LoggingBroker {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// Its log.
    pub log: PathBuf,
}

impl LoggingBroker {
    /// Starts it with its files in a folder; none if there is no mosquitto.
    ///
    /// # Errors
    /// It does not start.
    pub fn start(folder: &Path) -> io::Result<Option<Self>> {
        let Some(program) = find() else { return Ok(None) };
        let address = free_address()?;
        let log = folder.join("broker.log");
        let text = format!(
            "listener {} 127.0.0.1\nallow_anonymous true\npersistence false\nlog_dest file {}\nlog_dest stderr\n\
             log_type all\nset_tcp_nodelay true\nmax_queued_messages 0\nuser root\n",
            address.port(),
            log.display()
        );
        fs::write(folder.join("broker.conf"), text)?;
        let mut command = Command::new(program);
        command.arg("-c").arg(folder.join("broker.conf")).stdin(Stdio::null()).stdout(Stdio::null());
        let mut child = command.stderr(Stdio::piped()).spawn()?;
        let said = await_running(&mut child)?;
        match said {
            None => Ok(Some(Self { child, address, log })),
            Some(said) => Err(io::Error::other(said)),
        }
    }
}

impl Drop for LoggingBroker {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended by itself
        let _ = self.child.wait();
    }
}
