//! MQTT on a bare socket: what the broker can take at most, and the source of messages for others to receive.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::{Buf as _, Bytes, BytesMut};
use device_link::wire::{self, Connect, Packet, PacketId, Qos};

use crate::client::{Client, Failure, Run, TOPIC, Watch};

/// Bytes read and written at once.
const BUFFER: usize = 64 << 10;
/// Messages that may be unacknowledged.
const WINDOW: usize = 1000;
/// Bytes of them; more only fill the sockets.
const WINDOW_BYTES: usize = 1 << 20;
/// Longest packet.
const PACKET_BYTES: usize = 1 << 20;
/// The fixed header, identifier aside, of a PUBACK.
const PUBACK: u8 = 0x40;

/// Ready-made packets on one blocking socket, in windows.
#[derive(Debug)]
pub(crate) struct Bare;

impl Client for Bare {
    fn name(&self) -> String {
        "bare socket".into()
    }

    fn publish(&self, broker: SocketAddr, payload: &Bytes, count: usize) -> Result<Run, Failure> {
        let mut line = Line::connect(broker, "bare")?;
        let watch = Watch::start();
        line.publish(TOPIC, payload, count, &mut |_, _| true)?;
        Ok(watch.stop())
    }

    fn receive(
        &self,
        _broker: SocketAddr,
        _count: usize,
        _feed: &mut dyn FnMut(&AtomicUsize) -> Result<(), Failure>,
    ) -> Result<Option<Run>, Failure> {
        Ok(None)
    }
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Line {
    socket: TcpStream,
    inbound: BytesMut,
}

impl Line {
    pub(crate) fn connect(broker: SocketAddr, client_id: &str) -> Result<Self, Failure> {
        let socket = TcpStream::connect(broker)?;
        socket.set_nodelay(true)?;
        let mut line = Self { socket, inbound: BytesMut::new() };
        let connect = Connect {
            client_id: client_id.into(),
            clean_session: true,
            keep_alive: 0,
            will: None,
            username: None,
            password: None,
        };
        line.write(&Packet::Connect(connect))?;
        match line.next()? {
            Packet::ConnAck { .. } => Ok(line),
            other => Err(format!("expected CONNACK, got {other:?}").into()),
        }
    }

    pub(crate) fn subscribe(&mut self, filter: &str) -> Result<(), Failure> {
        let filters = vec![(filter.to_owned(), Qos::AtLeastOnce)];
        self.write(&Packet::Subscribe { id: PacketId::FIRST, filters })?;
        self.next().map(|_| ())
    }

    pub(crate) fn write(&mut self, packet: &Packet) -> Result<(), Failure> {
        let mut out = BytesMut::new();
        wire::encode(packet, &mut out).map_err(|error| error.to_string())?;
        Ok(self.socket.write_all(&out)?)
    }

    /// Waits for a packet.
    pub(crate) fn next(&mut self) -> Result<Packet, Failure> {
        loop {
            let packet = wire::decode(&mut self.inbound, PACKET_BYTES).map_err(|error| error.to_string())?;
            if let Some(packet) = packet {
                return Ok(packet);
            }
            self.read()?;
        }
    }

    fn read(&mut self) -> Result<(), Failure> {
        let mut buffer = [0; BUFFER];
        match self.socket.read(&mut buffer)? {
            0 => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            count => {
                self.inbound.extend_from_slice(buffer.get(..count).unwrap_or_default());
                Ok(())
            }
        }
    }

    /// Publishes so many messages at QoS 1 and waits until all are acknowledged. `may_send` is asked with what was
    /// sent and acknowledged before each write.
    pub(crate) fn publish(
        &mut self,
        topic: &str,
        payload: &[u8],
        count: usize,
        may_send: &mut dyn FnMut(usize, usize) -> bool,
    ) -> Result<(), Failure> {
        let window = (WINDOW_BYTES / payload.len().max(1)).clamp(1, WINDOW);
        let (mut sent, mut acknowledged) = (0, 0);
        let mut id = PacketId::FIRST;
        let mut out = BytesMut::with_capacity(BUFFER + 2 * payload.len());
        while acknowledged < count {
            while sent < count
                && sent - acknowledged < window
                && out.len() < BUFFER
                && may_send(sent, acknowledged)
            {
                id = id.next();
                wire::encode_publish(topic, payload, Qos::AtLeastOnce, false, false, Some(id), &mut out)
                    .map_err(|error| error.to_string())?;
                sent += 1;
            }
            self.socket.write_all(&out)?;
            let idle = out.is_empty();
            out.clear();
            if sent == acknowledged {
                std::thread::yield_now(); // nothing may be sent yet
            } else if idle || sent - acknowledged >= window || sent == count {
                acknowledged += self.acknowledgements()?;
            }
        }
        Ok(())
    }

    /// Waits for acknowledgements and counts them. Nothing else comes here.
    fn acknowledgements(&mut self) -> Result<usize, Failure> {
        self.read()?;
        let mut count = 0;
        while self.inbound.len() >= 4 {
            if self.inbound.first() != Some(&PUBACK) {
                return Err("expected PUBACK".into());
            }
            self.inbound.advance(4);
            count += 1;
        }
        Ok(count)
    }
}

/// Publishes messages for a client that receives them, never more than `ahead` of it.
pub(crate) fn feed(
    broker: SocketAddr,
    payload: &[u8],
    count: usize,
    ahead: usize,
    received: &AtomicUsize,
) -> Result<(), Failure> {
    let mut line = Line::connect(broker, "source")?;
    line.publish(TOPIC, payload, count, &mut |sent, _| sent < received.load(Ordering::Relaxed) + ahead)
}
