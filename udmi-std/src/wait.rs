//! The wait of both drivers: `poll(2)` over the engine's sockets and a waker.

use std::net::TcpStream;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::time::Duration;

use device_link::Dialect;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use udmi_host::drive::{Interest, Ready};

/// An engine over plain sockets.
pub(crate) type Engine<D> = udmi_host::drive::Engine<D, TcpStream>;

/// Sleeps until a socket or `waker` is ready, the engine wants to proceed, or `at_most` is over. Says whether
/// `waker` is readable, and what of the socket in use is ready.
pub(crate) fn wait<D: Dialect>(
    engine: &mut Engine<D>,
    waker: BorrowedFd<'_>,
    at_most: Duration,
) -> (bool, Ready) {
    let sleep = engine.sleep().min(at_most);
    let (live, leaving) = (engine.live(), engine.leaving());
    // The socket in use last, so that it is known by its place.
    let mut descriptors = Vec::with_capacity(3);
    descriptors.push(PollFd::from_borrowed_fd(waker, PollFlags::IN));
    let is_live = live.is_some();
    descriptors.extend([leaving, live].iter().flatten().map(descriptor));
    // An interrupted wait is a wait that has ended.
    let _ = poll(&mut descriptors, Timespec::try_from(sleep).ok().as_ref());
    let seen = |descriptor: Option<&PollFd<'_>>| descriptor.map_or(PollFlags::empty(), PollFd::revents);
    let woken = !seen(descriptors.first()).is_empty();
    let socket = if is_live { seen(descriptors.last()) } else { PollFlags::empty() };
    let readable = !(socket - PollFlags::OUT).is_empty();
    (woken, Ready { readable, writable: socket.contains(PollFlags::OUT) })
}

fn descriptor<'a>(interest: &Interest<'a, TcpStream>) -> PollFd<'a> {
    let write = if interest.write { PollFlags::OUT } else { PollFlags::empty() };
    PollFd::from_borrowed_fd(interest.socket.as_fd(), PollFlags::IN | write)
}
