//! One connection: a non-blocking socket, TLS on it if wanted, and what is still to be written.

use std::fmt;
use std::io::{self, ErrorKind, Read as _};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use bytes::Bytes;
use device_link::{Closed, ConnId, Instant, Outbound};
use rustix::buffer::spare_capacity;

use super::unsent::Unsent;
use crate::tls::TlsClient;

/// A peer that takes none of the bytes waiting for it for so long is gone.
pub(super) const WRITE_DEADLINE: Duration = Duration::from_secs(20);
/// A peer for which more bytes wait is gone.
pub(super) const UNSENT_BYTES_MAX: usize = 8 << 20;
/// More is not to be added while so many wait for the socket: the core may send as much again as its window opens.
pub(super) const UNSENT_BYTES_ENOUGH: usize = 1 << 20;
/// For the last bytes, and for the peer's farewell, after the core is done with a connection.
pub const LINGER: Duration = Duration::from_secs(2);
/// The buffer of what is to be encrypted gives memory beyond this back when it is empty.
const KEPT_BYTES: usize = 64 << 10;
/// So many bytes are written at once, and not gathered until the end of the turn.
const WRITTEN_AT_ONCE: usize = 32 << 10;
/// Where so many bytes come at once there are often more: to ask again costs less than to wait for the answer.
const FLOWING: usize = 2 << 10;
/// So many bytes of one read are worth a buffer of their own.
const MUCH: usize = 16 << 10;
/// Taken at once of what nobody wants any more.
const DISCARDED_BYTES: usize = 2 << 10;

/// A socket as an adapter holds it, perhaps registered with what tells when it is ready.
pub trait Socket: fmt::Debug {
    /// The socket itself, which is non-blocking.
    fn stream(&self) -> &TcpStream;
}

impl Socket for TcpStream {
    fn stream(&self) -> &TcpStream {
        self
    }
}

/// A socket that is connected, non-blocking and without delay (`TCP_NODELAY`), and the TLS that is to run on it.
#[derive(Debug)]
pub struct Dialed<S> {
    /// The socket.
    pub socket: S,
    /// TLS before its first byte, if the endpoint wants it.
    pub tls: Option<Box<TlsClient>>,
}

/// What one read has brought, in this order.
#[derive(Debug, Default)]
pub(super) struct Input {
    /// The transport is up from now on.
    pub(super) opened: bool,
    pub(super) bytes: Bytes,
    pub(super) closed: Option<Closed>,
    /// It was much, so that there may be more.
    pub(super) more: bool,
}

#[derive(Debug)]
pub(super) struct Connection<S> {
    id: ConnId,
    socket: S,
    tls: Option<Box<TlsClient>>,
    opened: bool,
    /// Not yet encrypted; stays empty without TLS.
    plain: Vec<u8>,
    /// For the socket.
    unsent: Unsent,
    /// The socket took not all of it.
    is_blocked: bool,
    /// The last read brought much.
    is_busy: bool,
    /// Nothing was written since the last read.
    is_unacknowledged: bool,
    /// When the peer last took something, or `unsent` began to fill.
    progress: Instant,
    /// When the core was done with it.
    leaving: Option<Instant>,
}

impl<S: Socket> Connection<S> {
    pub(super) fn new(id: ConnId, dialed: Dialed<S>, now: Instant) -> Self {
        let Dialed { socket, tls } = dialed;
        let opened = tls.is_none();
        Self {
            id,
            socket,
            tls,
            opened,
            plain: Vec::new(),
            unsent: Unsent::default(),
            is_blocked: false,
            is_busy: false,
            is_unacknowledged: false,
            progress: now,
            leaving: None,
        }
    }

    pub(super) fn id(&self) -> ConnId {
        self.id
    }

    /// Whether TLS, if wanted, is up.
    pub(super) fn is_opened(&self) -> bool {
        self.opened
    }

    pub(super) fn socket(&self) -> &S {
        &self.socket
    }

    pub(super) fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Whether so much waits for the socket that no more is wanted.
    pub(super) fn has_enough(&self) -> bool {
        self.waiting() >= UNSENT_BYTES_ENOUGH
    }

    fn waiting(&self) -> usize {
        self.unsent.len() + self.plain.len()
    }

    /// Takes bytes to be written by the next [`Self::flush`], or before if they are many.
    ///
    /// # Errors
    /// [`Closed::Timeout`] if too many wait already.
    pub(super) fn send(&mut self, bytes: &Outbound, now: Instant) -> Result<(), Closed> {
        bytes.parts().try_for_each(|part| self.take(part, now))?;
        // Much is not gathered, so that buffers stay small and warm. A socket that fails fails again at the next
        // flush, which tells why.
        if self.waiting() >= WRITTEN_AT_ONCE && !self.is_blocked {
            let _ = self.flush(now);
        }
        Ok(())
    }

    fn take(&mut self, part: &Bytes, now: Instant) -> Result<(), Closed> {
        let waiting = self.waiting();
        if waiting == 0 {
            self.progress = now;
        }
        if waiting + part.len() > UNSENT_BYTES_MAX {
            return Err(Closed::Timeout);
        }
        match self.tls {
            Some(_) => self.plain.extend_from_slice(part),
            None => self.unsent.push(part),
        }
        Ok(())
    }

    /// Writes what the socket takes.
    ///
    /// # Errors
    /// Why the connection is gone, which includes a peer that does not read.
    pub(super) fn flush(&mut self, now: Instant) -> Result<(), Closed> {
        self.encrypt();
        self.is_blocked = false;
        while !self.unsent.is_empty() {
            match self.unsent.write(self.socket.stream()) {
                Ok(0) => return Err(Closed::Reset),
                Ok(_) => (self.progress, self.is_unacknowledged) = (now, false),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.is_blocked = true;
                    return self.check_progress(now);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(reason(&error)),
            }
        }
        Ok(())
    }

    /// Gives the memory of empty buffers back.
    pub(super) fn trim(&mut self) {
        self.unsent.trim();
        if self.plain.is_empty() {
            self.plain = Vec::new();
        }
    }

    /// When [`Self::flush`] will give up, if nothing changes.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.leaving {
            Some(since) => Some(since + LINGER),
            None => self.has_unsent().then(|| self.progress + WRITE_DEADLINE),
        }
    }

    /// Reads once, at most as much as `buffer` holds. `missing` are the bytes that the packet at hand lacks.
    pub(super) fn receive(&mut self, buffer: &mut [u8], missing: usize) -> Input {
        if self.tls.is_none() && (self.is_busy || missing >= MUCH) {
            return self.receive_much(if missing >= MUCH { missing } else { buffer.len() });
        }
        let count = match retried(|| self.socket.stream().read(buffer)) {
            Ok(count) => count,
            Err(input) => return input,
        };
        (self.is_busy, self.is_unacknowledged) = (count >= MUCH, true);
        let more = count >= FLOWING;
        let received = buffer.get(..count).unwrap_or_default();
        let input = match &mut self.tls {
            Some(tls) => decrypt(tls, received, &mut self.opened),
            None => received_plain(Bytes::copy_from_slice(received)),
        };
        Input { more, ..input }
    }

    /// Reads to where it is to stay, which spares a copy, but lays claim to all that there may be.
    fn receive_much(&mut self, at_most: usize) -> Input {
        let mut received = Vec::with_capacity(at_most);
        let socket = self.socket.stream();
        match retried(|| Ok(rustix::io::read(socket, spare_capacity(&mut received))?)) {
            Ok(count) => {
                (self.is_busy, self.is_unacknowledged) = (count >= MUCH, true);
                Input { more: count >= FLOWING, ..received_plain(received.into()) }
            }
            Err(input) => input,
        }
    }

    /// Acknowledges what was read at the end of a turn, unless what was written since does. A broker with Nagle's
    /// algorithm on, such as mosquitto, holds the retained config back until the SUBACK before it is acknowledged; Linux
    /// would delay that by 40 ms, and forgets the wish with each reading.
    pub(super) fn acknowledge(&mut self) {
        let is_due = std::mem::replace(&mut self.is_unacknowledged, false);
        #[cfg(target_os = "linux")]
        if is_due && !self.has_unsent() {
            let _ = rustix::net::sockopt::set_tcp_quickack(self.socket.stream(), true);
        }
        #[cfg(not(target_os = "linux"))]
        let _ = is_due;
    }

    /// Begins to leave: nothing more is taken, [`Self::linger`] writes the rest.
    pub(super) fn leave(&mut self, now: Instant) {
        self.encrypt();
        if let Some(tls) = &mut self.tls {
            tls.close_notify();
        }
        self.take_ciphertext();
        self.leaving = Some(now);
    }

    /// Writes the rest, says farewell and waits for the peer's. A socket closed with unread bytes would be
    /// reset, and what was just written with it. Says whether that is all.
    pub(super) fn linger(&mut self, now: Instant) -> bool {
        let late = self.leaving.is_some_and(|since| now >= since + LINGER);
        if late || self.flush(now).is_err() {
            return true;
        }
        if self.has_unsent() {
            return false;
        }
        let _ = self.socket.stream().shutdown(Shutdown::Write); // again and again does no harm
        match self.socket.stream().read(&mut [0; DISCARDED_BYTES]) {
            Ok(count) => count == 0,
            Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
        }
    }

    fn encrypt(&mut self) {
        let Some(tls) = &mut self.tls else { return };
        if !self.plain.is_empty() {
            tls.send(&self.plain);
            self.plain.clear();
            self.plain.shrink_to(KEPT_BYTES);
        }
        self.take_ciphertext();
    }

    fn take_ciphertext(&mut self) {
        let Some(tls) = &mut self.tls else { return };
        if tls.has_ciphertext() {
            let mut ciphertext = Vec::new();
            tls.take_ciphertext(&mut ciphertext);
            self.unsent.push(&ciphertext.into());
        }
    }

    fn check_progress(&self, now: Instant) -> Result<(), Closed> {
        if now >= self.progress + WRITE_DEADLINE { Err(Closed::Timeout) } else { Ok(()) }
    }
}

/// What a read brings, or what an error means.
fn retried(mut read: impl FnMut() -> io::Result<usize>) -> Result<usize, Input> {
    loop {
        match read() {
            Ok(count) => return Ok(count),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Err(Input::default()),
            Err(error) => return Err(Input { closed: Some(reason(&error)), ..Input::default() }),
        }
    }
}

fn received_plain(bytes: Bytes) -> Input {
    let closed = bytes.is_empty().then_some(Closed::Eof);
    Input { bytes, closed, ..Input::default() }
}

fn decrypt(tls: &mut TlsClient, received: &[u8], opened: &mut bool) -> Input {
    let mut plain = Vec::new();
    let ended = received.is_empty();
    let result = if ended { tls.receive_end() } else { tls.receive(received, &mut plain) };
    let just_opened = !*opened && result.is_ok() && !tls.is_handshaking();
    *opened |= just_opened;
    let closed = match result {
        Err(error) => Some(Closed::Tls(error.to_string())),
        Ok(()) if tls.is_peer_closed() => Some(Closed::Eof),
        Ok(()) => None,
    };
    Input { opened: just_opened, bytes: plain.into(), closed, more: false }
}

/// What the core is told of an error of the operating system.
#[must_use]
pub fn reason(error: &std::io::Error) -> Closed {
    match error.kind() {
        ErrorKind::ConnectionRefused => Closed::Refused,
        ErrorKind::TimedOut
        | ErrorKind::WouldBlock
        | ErrorKind::HostUnreachable
        | ErrorKind::NetworkUnreachable => Closed::Timeout,
        ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::BrokenPipe
        | ErrorKind::NotConnected
        | ErrorKind::UnexpectedEof => Closed::Reset,
        _ => Closed::Host(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::net::TcpListener;

    /// A connection, and the peer's end of it. Its name comes from a node, since only nodes name connections.
    fn pair() -> (Connection<TcpStream>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        socket.set_nonblocking(true).unwrap();
        let id = serde_json::from_str("1").unwrap();
        let connection = Connection::new(id, Dialed { socket, tls: None }, Instant(0));
        (connection, listener.accept().unwrap().0)
    }

    fn bytes(bytes: impl Into<Vec<u8>>) -> Outbound {
        Bytes::from(bytes.into()).into()
    }

    fn stall(connection: &mut Connection<TcpStream>, now: Instant) {
        while !connection.has_unsent() {
            connection.send(&bytes(vec![0; 1 << 20]), now).unwrap();
            connection.flush(now).unwrap();
        }
    }

    #[test]
    fn a_peer_that_takes_nothing_is_given_up_after_the_write_deadline() {
        let (mut connection, _peer) = pair();
        let stalled = Instant(100_000);
        stall(&mut connection, stalled);
        let end = stalled + WRITE_DEADLINE;
        assert_eq!(connection.deadline(), Some(end));
        assert_eq!(connection.flush(Instant(end.0 - 1)), Ok(()));
        assert_eq!(connection.flush(end), Err(Closed::Timeout));
    }

    #[test]
    fn progress_moves_the_write_deadline() {
        let (mut connection, mut peer) = pair();
        stall(&mut connection, Instant(0));
        while connection.has_unsent() {
            let _ = peer.read(&mut [0; 1 << 16]).unwrap();
            connection.flush(Instant(15_000)).unwrap();
        }
        assert_eq!(connection.deadline(), None);
    }

    #[test]
    fn more_unsent_than_the_bound_is_refused() {
        let (mut connection, _peer) = pair();
        stall(&mut connection, Instant(0));
        let left = UNSENT_BYTES_MAX - connection.waiting();
        assert_eq!(connection.send(&bytes(vec![0; left]), Instant(0)), Ok(()));
        assert!(connection.has_enough());
        assert_eq!(connection.send(&bytes([0]), Instant(0)), Err(Closed::Timeout));
    }

    #[test]
    fn many_bytes_are_written_at_once_in_their_order_and_few_with_the_next_flush() {
        let (mut connection, mut peer) = pair();
        let much: Vec<u8> = (0..KEPT_BYTES).map(|at| (at % 251) as u8).collect();
        connection.send(&bytes(*b"few"), Instant(0)).unwrap();
        assert!(connection.has_unsent());
        connection.send(&bytes(much.clone()), Instant(0)).unwrap();
        let (mut received, mut buffer) = (Vec::new(), [0; 4096]);
        while received.len() < 3 + much.len() {
            let count = peer.read(&mut buffer).unwrap(); // some came before any flush
            received.extend_from_slice(&buffer[..count]);
            connection.flush(Instant(0)).unwrap();
        }
        assert_eq!((received.get(..3), received.get(3..)), (Some(&b"few"[..]), Some(&much[..])));
    }

    #[test]
    fn a_read_that_completes_a_large_packet_ends_with_it() {
        let (mut connection, mut peer) = pair();
        let sent: Vec<u8> = (0..3 * MUCH).map(|at| (at % 251) as u8).collect();
        let (mut buffer, mut received) = (vec![0; 4 * MUCH], Vec::new());
        peer.write_all(&sent).unwrap();
        while received.len() < MUCH {
            let input = connection.receive(&mut buffer, MUCH);
            assert!(input.bytes.len() <= MUCH && input.closed.is_none());
            received.extend_from_slice(&input.bytes);
        }
        drop(peer);
        while let Input { bytes, closed: None, .. } = connection.receive(&mut buffer, 0) {
            received.extend_from_slice(&bytes);
        }
        assert!(received == sent);
    }

    #[test]
    fn what_is_unwritten_when_leaving_still_arrives_then_the_end() {
        let (mut connection, mut peer) = pair();
        connection.send(&bytes(*b"farewell"), Instant(0)).unwrap();
        connection.leave(Instant(0));
        assert!(!connection.linger(Instant(1)));
        let mut received = Vec::new();
        peer.read_to_end(&mut received).unwrap();
        assert_eq!(received, b"farewell");
        drop(peer);
        while !connection.linger(Instant(2)) {
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_peer_that_does_not_say_farewell_is_left_after_a_while() {
        let (mut connection, _peer) = pair();
        connection.leave(Instant(0));
        assert!(!connection.linger(Instant(1)));
        assert!(connection.linger(Instant(0) + LINGER));
    }
}
