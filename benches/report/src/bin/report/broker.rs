//! mosquitto in a process of its own, with room for many thousand connections.

use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::{fs, thread};

use tempfile::TempDir;

use crate::{Failure, machine};

/// A broker that ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Broker {
    child: Child,
    address: SocketAddr,
    _folder: TempDir,
}

impl Broker {
    /// Starts it with room for so many connections, and waits until it listens.
    pub(crate) fn start(connections: usize) -> Result<Self, Failure> {
        let program = machine::mosquitto().ok_or("mosquitto is neither on the path nor in /usr/sbin")?;
        let address = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("mosquitto.conf");
        // `user root`: whoever starts it as root also wants it to read its files.
        let config = format!(
            "user root\npersistence false\nlog_dest stderr\nmax_connections -1\nmax_queued_messages 0\n\
             set_tcp_nodelay true\nallow_anonymous true\nlistener {} 127.0.0.1\n",
            address.port()
        );
        fs::write(&file, config)?;
        let mut shell = Command::new("sh");
        shell.args(["-c", "ulimit -n \"$1\" && exec \"$2\" -c \"$3\"", "sh"]);
        shell.arg((connections + 100).to_string()).arg(program).arg(file);
        let mut child = shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let errors = child.stderr.take().ok_or("a pipe was asked for")?;
        let broker = Self { child, address, _folder: folder };
        let mut lines = BufReader::new(errors).lines().map_while(Result::ok);
        let mut said = String::new();
        for line in lines.by_ref() {
            if line.contains(" running") {
                // The rest is read and dropped, or the broker would block on a full pipe.
                thread::spawn(move || lines.for_each(drop));
                return Ok(broker);
            }
            said = line;
        }
        Err(format!("mosquitto has not started: {said}").into())
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended by itself
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn a_broker_listens_when_it_has_started() {
        if machine::mosquitto().is_none() {
            return eprintln!("left out: mosquitto is neither on the path nor in /usr/sbin");
        }
        let broker = Broker::start(300).expect("it starts");
        assert!(TcpStream::connect(broker.address()).is_ok());
    }
}
