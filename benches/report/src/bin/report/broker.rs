//! A broker in a process of its own, with room for many thousand connections.

use std::io::{BufRead as _, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::{fs, thread};

use tempfile::TempDir;

use crate::{Failure, machine};

/// A broker that ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Broker {
    child: Child,
    address: SocketAddr,
    _folder: Option<TempDir>,
}

impl Broker {
    /// Starts mosquitto with room for so many connections, and waits until it listens.
    pub(crate) fn mosquitto(connections: usize) -> Result<Self, Failure> {
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
        let mut shell = with_room(connections, &program);
        let child = shell.arg("-c").arg(file).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let mut broker = Self { child, address, _folder: Some(folder) };
        let errors = broker.child.stderr.take().ok_or("a pipe was asked for")?;
        said(errors, |line| line.contains(" running").then_some(()))?;
        Ok(broker)
    }

    /// The same for the command's own broker.
    pub(crate) fn embedded(udmi: &Path, connections: usize) -> Result<Self, Failure> {
        let mut shell = with_room(connections, udmi);
        shell.args(["broker", "--port", "0"]).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut broker =
            Self { child: shell.spawn()?, address: (Ipv4Addr::LOCALHOST, 0).into(), _folder: None };
        let output = broker.child.stdout.take().ok_or("a pipe was asked for")?;
        broker.address = said(output, |line| line.rsplit_once("mqtt://")?.1.trim().parse().ok())?;
        Ok(broker)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// The program, with as many open files as so many connections need.
fn with_room(connections: usize, program: &Path) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -n \"$1\" && shift && exec \"$@\"", "sh"]);
    shell.arg((connections + 100).to_string()).arg(program).stdin(Stdio::null());
    shell
}

/// What a line tells that is waited for. The rest is read and dropped, or the broker would block on a full pipe.
fn said<T>(pipe: impl Read + Send + 'static, wanted: impl Fn(&str) -> Option<T>) -> Result<T, Failure> {
    let mut lines = BufReader::new(pipe).lines().map_while(Result::ok);
    let mut last = String::new();
    for line in lines.by_ref() {
        if let Some(told) = wanted(&line) {
            thread::spawn(move || lines.for_each(drop));
            return Ok(told);
        }
        last = line;
    }
    Err(format!("the broker has not started: {last}").into())
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
        let broker = Broker::mosquitto(300).expect("it starts");
        assert!(TcpStream::connect(broker.address()).is_ok());
    }
}
