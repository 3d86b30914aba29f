//! A broker to run against: ours in this process, or mosquitto in one of its own.

use std::io;
use std::net::SocketAddr;

use device_broker::{Access, Config, Limits, Server, Users};
use rustix::process::Signal;

use super::certificates::Pki;
use super::mosquitto::{self, Mosquitto};
use super::{ALTERNATE, CLOUD, CLOUD_PASSWORD, DEVICE, DEVICE_PASSWORD};
use crate::upstream::LEFT_OUT;

/// Which broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `device-broker`, in this process.
    Embedded,
    /// Debian's mosquitto.
    Mosquitto,
}

impl Kind {
    /// Whether it can be started here; if not, says so.
    #[must_use]
    pub fn is_there_or_say(self, test: &str) -> bool {
        let there = self == Self::Embedded || mosquitto::find().is_some();
        if !there {
            eprintln!("{LEFT_OUT} {test}: mosquitto is neither on the path nor in /usr/sbin");
        }
        there
    }

    /// Whether it can be started here with [`Plan::roles`]; if not, says so.
    #[must_use]
    pub fn has_roles_or_say(self, test: &str) -> bool {
        let has = self == Self::Embedded || mosquitto::find_dynamic_security().is_some();
        if !has {
            eprintln!("{LEFT_OUT} {test}: mosquitto's plug-in for dynamic security is missing");
        }
        self.is_there_or_say(test) && has
    }
}

/// Who may do what, and how.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Whether a user name and password are needed, and access is restricted (§1.5). Else everybody may.
    pub accounts: bool,
    /// Whether a device's subscription to its commands is refused. Needs `accounts`.
    pub refuses_commands: bool,
    /// Whether mosquitto keeps its accounts in its plug-in for dynamic security, each with a role and a client id
    /// of its own, as UDMI's local broker does. Needs `accounts`.
    pub roles: bool,
    /// The certificates, if devices are to use TLS.
    pub pki: Option<Pki>,
    /// The largest packet our own broker takes, in bytes; without, the usual one. mosquitto takes any.
    pub packet_bytes: Option<usize>,
}

impl Plan {
    /// mosquitto refuses subscriptions only with this plug-in.
    pub(super) fn has_dynamic_security(&self) -> bool {
        self.refuses_commands || self.roles
    }
}

/// A broker that can be killed and started again at the same place. It keeps no message across that.
#[derive(Debug)]
pub struct Broker {
    body: Body,
    /// Where devices connect.
    device_address: SocketAddr,
}

#[derive(Debug)]
enum Body {
    Embedded { server: Option<Server>, address: SocketAddr, users: Users, limits: Limits },
    Mosquitto(Mosquitto),
}

impl Broker {
    /// Starts a broker; when it returns, clients can connect.
    ///
    /// # Errors
    /// It cannot be started; the text may be the broker's own.
    pub fn start(kind: Kind, plan: &Plan) -> io::Result<Self> {
        match kind {
            Kind::Embedded => Self::embedded(plan),
            Kind::Mosquitto => {
                let broker = Mosquitto::start(plan)?;
                let device_address = broker.tls_address.unwrap_or(broker.address);
                Ok(Self { body: Body::Mosquitto(broker), device_address })
            }
        }
    }

    fn embedded(plan: &Plan) -> io::Result<Self> {
        let users = if plan.accounts { accounts(plan) } else { Users::anyone() };
        let usual = Limits::default();
        let packet_bytes = plan.packet_bytes.unwrap_or(usual.packet_bytes);
        let unsent_bytes = usual.unsent_bytes.max(4 * packet_bytes);
        let limits = Limits { packet_bytes, unsent_bytes, queued_bytes: unsent_bytes, ..usual };
        let server = Server::start(Config { users: users.clone(), limits, ..Config::default() })?;
        let address = server.address();
        let device_address = match &plan.pki {
            Some(pki) => pki.terminate(address)?,
            None => address,
        };
        Ok(Self { body: Body::Embedded { server: Some(server), address, users, limits }, device_address })
    }

    /// Where devices connect, with TLS if there are certificates.
    #[must_use]
    pub fn device_address(&self) -> SocketAddr {
        self.device_address
    }

    /// Where everybody may connect without TLS.
    #[must_use]
    pub fn plain_address(&self) -> SocketAddr {
        match &self.body {
            Body::Embedded { address, .. } => *address,
            Body::Mosquitto(broker) => broker.address,
        }
    }

    /// Ends it at once, mid-word: mosquitto is killed, ours drops its connections as they are.
    pub fn kill(&mut self) {
        match &mut self.body {
            Body::Embedded { server, .. } => drop(server.take()),
            Body::Mosquitto(broker) => broker.kill(),
        }
    }

    /// Stops mosquitto's process where it is; its sockets stay, and nobody serves them.
    ///
    /// # Errors
    /// It does not run, or is our own, which is no process.
    pub fn suspend(&self) -> io::Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets a suspended mosquitto go on.
    ///
    /// # Errors
    /// As of [`Self::suspend`].
    pub fn resume(&self) -> io::Result<()> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> io::Result<()> {
        match &self.body {
            Body::Embedded { .. } => Err(io::ErrorKind::Unsupported.into()),
            Body::Mosquitto(broker) => broker.signal(signal),
        }
    }

    /// Starts a killed broker at its old place, without a memory.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn restart(&mut self) -> io::Result<()> {
        match &mut self.body {
            Body::Embedded { server, address, users, limits } => {
                let config =
                    Config { address: *address, users: users.clone(), limits: *limits, ..Config::default() };
                *server = Some(Server::start(config)?);
                Ok(())
            }
            Body::Mosquitto(broker) => broker.run(),
        }
    }
}

fn accounts(plan: &Plan) -> Users {
    let device = Access::default()
        .publish("%c/events/#")
        .publish("%c/state")
        .subscribe("%c/config")
        .subscribe("%c/errors");
    let device = if plan.refuses_commands { device } else { device.subscribe("%c/commands/#") };
    Users::default()
        .with(DEVICE, DEVICE_PASSWORD, device.clone())
        .with(ALTERNATE, DEVICE_PASSWORD, device)
        .with(CLOUD, CLOUD_PASSWORD, Access::all())
}
