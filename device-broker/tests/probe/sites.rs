//! The brokers under probe, with the same accounts: alice / s3cret, and nobody for everything else.

use device_broker::{Access, Config, Server, Users};
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// Our own broker.
pub(crate) fn ours() -> Server {
    let alice = Access::default()
        .publish("alice/#")
        .subscribe("alice/#")
        .publish("clients/%c/#")
        .subscribe("clients/%c/#")
        .publish("users/%u/#")
        .subscribe("users/%u/#");
    let users = Users::default().with_anonymous(Access::all()).with("alice", "s3cret", alice);
    Server::start(Config { users, ..Config::default() }).unwrap()
}

/// A mosquitto of our own, killed when dropped.
pub(crate) struct Mosquitto {
    child: Child,
    pub(crate) address: SocketAddr,
    _folder: TempDir,
}

impl Mosquitto {
    /// `None` when this machine has none.
    pub(crate) fn start() -> Option<Self> {
        Command::new("mosquitto").arg("-h").output().ok()?;
        // The free port may be taken by another before mosquitto has it.
        Some((0..5).find_map(|_| Self::start_once()).expect("mosquitto starts"))
    }

    fn start_once() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let made = Command::new("mosquitto_passwd")
            .args(["-b", "-c"])
            .arg(file("passwords"))
            .args(["alice", "s3cret"])
            .output()
            .expect("mosquitto_passwd runs");
        assert!(made.status.success());
        let accounts = "topic readwrite #\ntopic readwrite $probe/#\ntopic read $SYS/#\n\nuser alice\ntopic readwrite alice/#\n\n\
             pattern readwrite clients/%c/#\npattern readwrite users/%u/#\n";
        std::fs::write(file("accounts"), accounts).unwrap();
        let settings = format!(
            "listener {port} 127.0.0.1\nallow_anonymous true\npassword_file {}\nacl_file {}\nuser root\n\
             persistence false\nset_tcp_nodelay true\nmax_inflight_messages 20\nmax_packet_size 1048576\n\
             sys_interval 0\nlog_dest stderr\nlog_type all\n",
            file("passwords").display(),
            file("accounts").display(),
        );
        std::fs::write(file("settings"), settings).unwrap();
        let mut child = Command::new("mosquitto")
            .arg("-c")
            .arg(file("settings"))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let running = log.by_ref().any(|line| line.contains("running"));
        // Read on, or mosquitto would stop at a full pipe.
        std::thread::spawn(move || log.for_each(drop));
        let address = (Ipv4Addr::LOCALHOST, port).into();
        let started = Self { child, address, _folder: folder };
        running.then_some(started)
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
