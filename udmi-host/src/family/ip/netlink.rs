//! Asking the Linux kernel for the tables of its network.

use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with};
use std::os::fd::OwnedFd;
use std::time::Duration;

use super::message::{Question, Told, read};
use super::tables::Tables;
use crate::family::ProviderError;

/// Bytes of one answer at most; the kernel's are smaller.
const DATAGRAM: usize = 64 * 1024;

/// Bytes of all answers to one question. A host with more routes or neighbours is no device on a local network.
const ANSWERS: usize = 64 * 1024 * 1024;

/// How long the kernel may take for one answer.
const PATIENCE: Duration = Duration::from_millis(150);

/// All tables, as they are now.
pub(super) fn tables() -> Result<Tables, ProviderError> {
    gather().map_err(|error| ProviderError::Io(format!("the tables of the network cannot be read: {error}")))
}

fn gather() -> Result<Tables, Errno> {
    let flags = SocketFlags::CLOEXEC;
    // The protocol that is the default of these sockets is the one of routes, links and neighbours.
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
    set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))?;
    let mut tables = Tables::default();
    for (sequence, question) in (1..).zip(Question::ALL) {
        let request = question.request(sequence);
        sendto(&socket, &request, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
        answers(&socket, sequence, &mut tables)?;
    }
    Ok(tables)
}

fn answers(socket: &OwnedFd, sequence: u32, tables: &mut Tables) -> Result<(), Errno> {
    let mut datagram = vec![0; DATAGRAM];
    let mut received = 0;
    while received < ANSWERS {
        let size = match recv(socket, &mut datagram, RecvFlags::empty()) {
            Ok((size, _)) => size,
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error),
        };
        received += size.max(1);
        for told in read(datagram.get(..size).unwrap_or_default(), sequence) {
            match told {
                Told::Link(link) => tables.links.push(link),
                Told::Address(address) => tables.addresses.push(address),
                Told::Route(route) => tables.routes.push(route),
                Told::Neighbour(neighbour) => tables.neighbours.push(neighbour),
                Told::Done => return Ok(()),
                Told::Refused(error) => return Err(Errno::from_raw_os_error(error)),
            }
        }
    }
    Err(Errno::NOBUFS)
}
