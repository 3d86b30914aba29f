//! One UDP socket for all requests: a thread receives, and hands each answer to who waits for it.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::codec::PACKET_BYTES;
use super::codec::apdu::Apdu;
use super::codec::link::Link;
use super::codec::network::{Message, Packet, Remote};
use super::codec::service::{IAm, unconfirmed};
use crate::family::Stop;

/// How often a waiting thread looks whether it is still wanted.
const LOOK: Duration = Duration::from_millis(20);
/// How long the receiving thread may outlive its channel, if it cannot be woken.
const ENDED: Duration = Duration::from_secs(1);
/// Answers to one request that are kept until the first is looked at.
const ANSWERS: usize = 2;
/// Announcements that are kept for one who listens; more than that in one go are lost.
const ANNOUNCEMENTS: usize = 4096;
/// Devices of which it is remembered which request was last.
const PEERS: usize = 4096;
/// Abort: answers in pieces are not taken.
const SEGMENTATION_NOT_SUPPORTED: u8 = 4;

/// Who is spoken to: an address on UDP, and what is behind it if that is a router.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Peer {
    pub(super) address: SocketAddrV4,
    pub(super) remote: Option<Remote>,
}

/// A device has told that it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Announcement {
    pub(super) peer: Peer,
    pub(super) i_am: IAm,
}

/// Until when something is worth waiting for.
#[derive(Clone, Debug)]
pub(super) struct Until {
    pub(super) stop: Stop,
    pub(super) at: Option<Instant>,
}

/// Why nothing more is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    Stopped,
    Time,
}

impl Until {
    pub(super) fn check(&self) -> Result<(), Over> {
        if self.stop.is_set() {
            return Err(Over::Stopped);
        }
        match self.at {
            Some(at) if at <= Instant::now() => Err(Over::Time),
            Some(_) | None => Ok(()),
        }
    }

    /// Waits for something until `at`; nothing means that it has not come.
    pub(super) fn wait<T>(&self, receiver: &Receiver<T>, at: Instant) -> Result<Option<T>, Over> {
        loop {
            self.check()?;
            let left = at.saturating_duration_since(Instant::now());
            match receiver.recv_timeout(left.min(LOOK)) {
                Ok(value) => return Ok(Some(value)),
                Err(RecvTimeoutError::Timeout) if left.is_zero() => return Ok(None),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
            }
        }
    }
}

/// The socket, and who waits.
#[derive(Debug)]
pub(super) struct Channel {
    socket: UdpSocket,
    books: Mutex<Books>,
    /// Nothing will come in any more.
    ended: AtomicBool,
    receiving: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Books {
    requests: BTreeMap<(Peer, u8), SyncSender<Vec<u8>>>,
    last: BTreeMap<Peer, u8>,
    listeners: BTreeMap<u64, SyncSender<Announcement>>,
    next_listener: u64,
}

impl Channel {
    /// Opens a socket and starts to receive.
    pub(super) fn open(bind: SocketAddrV4) -> io::Result<Arc<Self>> {
        let socket = UdpSocket::bind(bind)?;
        socket.set_broadcast(true)?;
        socket.set_read_timeout(Some(ENDED))?;
        let (books, ended, receiving) = (Mutex::default(), AtomicBool::new(false), Mutex::new(None));
        let channel = Arc::new(Self { socket, books, ended, receiving });
        let receives = channel.clone();
        let receiving = thread::Builder::new().name("bacnet".into()).spawn(move || receives.receive())?;
        *channel.receiving.lock().unwrap_or_else(PoisonError::into_inner) = Some(receiving);
        Ok(channel)
    }

    /// Ends, and waits until nothing is received any more.
    pub(super) fn close(&self) {
        self.ended.store(true, Ordering::SeqCst);
        // A packet to itself wakes the thread.
        let wake = |port| self.socket.send_to(&[], SocketAddrV4::new(Ipv4Addr::LOCALHOST, port));
        match self.socket.local_addr() {
            Ok(SocketAddr::V4(own)) if own.ip().is_unspecified() => drop(wake(own.port())),
            Ok(own) => drop(self.socket.send_to(&[], own)),
            Err(_) => {}
        }
        let receiving = self.receiving.lock().unwrap_or_else(PoisonError::into_inner).take();
        let _ = receiving.map(JoinHandle::join);
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    pub(super) fn local_address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    pub(super) fn send(&self, link: &Link<'_>, to: SocketAddrV4) -> io::Result<()> {
        self.socket.send_to(&link.encode(), to).map(drop)
    }

    /// Reserves a number for a request to a peer; none if all 256 are in use.
    pub(super) fn ask(self: &Arc<Self>, peer: &Peer) -> Option<Request> {
        let mut books = self.lock();
        let first = books.last.get(peer).map_or(0, |last| last.wrapping_add(1));
        let mut numbers = (0..=u8::MAX).map(|offset| first.wrapping_add(offset));
        let invoke = numbers.find(|invoke| !books.requests.contains_key(&(peer.clone(), *invoke)))?;
        if books.last.len() >= PEERS && !books.last.contains_key(peer) {
            books.last.pop_first();
        }
        books.last.insert(peer.clone(), invoke);
        let (sender, answers) = mpsc::sync_channel(ANSWERS);
        books.requests.insert((peer.clone(), invoke), sender);
        Some(Request { channel: self.clone(), peer: peer.clone(), invoke, answers })
    }

    /// Hears all devices that announce themselves from now on.
    pub(super) fn listen(self: &Arc<Self>) -> Listener {
        let mut books = self.lock();
        let id = books.next_listener;
        books.next_listener += 1;
        let (sender, announcements) = mpsc::sync_channel(ANNOUNCEMENTS);
        books.listeners.insert(id, sender);
        Listener { channel: self.clone(), id, announcements }
    }

    fn receive(&self) {
        // One more than may be, so that what is too long is seen to be.
        let mut buffer = [0; PACKET_BYTES + 1];
        while !self.has_ended() {
            match self.socket.recv_from(&mut buffer) {
                Ok((length, SocketAddr::V4(from))) => {
                    self.take(buffer.get(..length).unwrap_or_default(), from);
                }
                Ok((_, SocketAddr::V6(_))) => {}
                Err(error) => match error.kind() {
                    // Some systems tell here that an earlier packet could not be delivered.
                    io::ErrorKind::WouldBlock
                    | io::ErrorKind::TimedOut
                    | io::ErrorKind::Interrupted
                    | io::ErrorKind::ConnectionReset
                    | io::ErrorKind::ConnectionRefused => {}
                    _ => self.ended.store(true, Ordering::SeqCst),
                },
            }
        }
        // Who waits is told by the end of its channel.
        let mut books = self.lock();
        books.requests.clear();
        books.listeners.clear();
    }

    /// Whatever is not well formed, or nobody waits for, is left alone.
    fn take(&self, bytes: &[u8], from: SocketAddrV4) {
        let Ok(link) = Link::decode(bytes) else { return };
        let Some(Ok(packet)) = link.packet().map(Packet::decode) else { return };
        let Message::Apdu(bytes) = packet.message else { return };
        let Ok(apdu) = Apdu::decode(bytes) else { return };
        let forwarded = if let Link::Forwarded { origin, .. } = link { Some(origin) } else { None };
        let peer = Peer { address: forwarded.unwrap_or(from), remote: packet.source };
        if let Apdu::Unconfirmed { service: unconfirmed::I_AM, content } = apdu {
            if let Ok(i_am) = IAm::decode(content) {
                let announcement = Announcement { peer, i_am };
                self.lock()
                    .listeners
                    .values()
                    .for_each(|listener| drop(listener.try_send(announcement.clone())));
            }
            return;
        }
        // An answer comes straight from who was asked.
        let (Some(invoke), None) = (apdu.answers(), forwarded) else { return };
        if let Some(sender) = self.lock().requests.get(&(peer.clone(), invoke)) {
            let _ = sender.try_send(bytes.to_vec());
        } else {
            return;
        }
        if let Apdu::Segment { .. } = apdu {
            let abort = Apdu::Abort { invoke, reason: SEGMENTATION_NOT_SUPPORTED, by_server: false };
            let _ = self.send_apdu(&peer, false, &abort.encode());
        }
    }

    fn send_apdu(&self, peer: &Peer, expects_reply: bool, apdu: &[u8]) -> io::Result<()> {
        let packet = Packet::new(peer.remote.clone(), expects_reply, apdu).encode();
        self.send(&Link::Unicast(&packet), peer.address)
    }

    fn lock(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A number at a peer, until it is dropped.
#[derive(Debug)]
pub(super) struct Request {
    channel: Arc<Channel>,
    peer: Peer,
    pub(super) invoke: u8,
    pub(super) answers: Receiver<Vec<u8>>,
}

impl Request {
    pub(super) fn send(&self, service: u8, content: &[u8]) -> io::Result<()> {
        let apdu = Apdu::Confirmed { invoke: self.invoke, service, content };
        self.channel.send_apdu(&self.peer, true, &apdu.encode())
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        self.channel.lock().requests.remove(&(self.peer.clone(), self.invoke));
    }
}

/// Hears announcements until it is dropped.
#[derive(Debug)]
pub(super) struct Listener {
    channel: Arc<Channel>,
    id: u64,
    pub(super) announcements: Receiver<Announcement>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.channel.lock().listeners.remove(&self.id);
    }
}
