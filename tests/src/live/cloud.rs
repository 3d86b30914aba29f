//! The other side: a client that sends configs and sees what devices say.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use device_link::wire::{Connect, ConnectCode, Packet, PacketId, Publish, Qos, decode, encode};

use super::PATIENCE;

/// A message, and when it was here.
#[derive(Clone, Debug)]
pub struct Message {
    /// Its topic.
    pub topic: String,
    /// Its content.
    pub payload: Bytes,
    /// When it was read off the socket.
    pub at: Instant,
}

/// A connected client. It subscribes at QoS 0: a broker writes such a message at once or not at all, no window
/// of unacknowledged ones holds it back. What the broker acknowledges to a device has then been written to
/// this client before, so that it arrives even if the broker is killed the next moment.
#[derive(Debug)]
pub struct Cloud {
    socket: TcpStream,
    messages: Receiver<Message>,
    answers: Receiver<Packet>,
    id: PacketId,
}

impl Cloud {
    /// Connects and subscribes. When it returns, nothing is missed any more.
    ///
    /// # Errors
    /// The connection fails, or the broker refuses it or a subscription.
    pub fn connect(
        address: SocketAddr,
        client: &str,
        account: Option<(&str, &str)>,
        filters: &[&str],
    ) -> io::Result<Self> {
        let socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        let (message, messages) = channel();
        let (answer, answers) = channel();
        let reader = socket.try_clone()?;
        thread::spawn(move || drop(read(&reader, &message, &answer)));
        let mut cloud = Self { socket, messages, answers, id: PacketId::FIRST };
        cloud.send(&Packet::Connect(Connect {
            client_id: client.to_owned(),
            clean_session: true,
            keep_alive: 0,
            will: None,
            username: account.map(|(name, _)| name.to_owned()),
            password: account.map(|(_, password)| Bytes::copy_from_slice(password.as_bytes())),
        }))?;
        match cloud.answer()? {
            Packet::ConnAck { code: ConnectCode::Accepted, .. } => {}
            other => return Err(io::Error::other(format!("expected an acceptance, got {other:?}"))),
        }
        if !filters.is_empty() {
            cloud.subscribe(filters)?;
        }
        Ok(cloud)
    }

    fn subscribe(&mut self, filters: &[&str]) -> io::Result<()> {
        let filters = filters.iter().map(|&filter| (filter.to_owned(), Qos::AtMostOnce)).collect();
        self.send(&Packet::Subscribe { id: self.id, filters })?;
        match self.answer()? {
            Packet::SubAck { codes, .. } if codes.iter().all(Option::is_some) => Ok(()),
            other => Err(io::Error::other(format!("expected a subscription, got {other:?}"))),
        }
    }

    fn next_publish(&mut self, topic: &str, payload: Bytes, retain: bool) -> Packet {
        self.id = self.id.next();
        let (topic, qos, id) = (topic.to_owned(), Qos::AtLeastOnce, Some(self.id));
        Packet::Publish(Publish { topic, payload, qos, retain, dup: false, id })
    }

    /// Publishes at QoS 1 and waits until the broker has it. Returns when it was written.
    ///
    /// # Errors
    /// The connection is lost.
    pub fn publish(&mut self, topic: &str, payload: impl Into<Bytes>, retain: bool) -> io::Result<Instant> {
        let packet = self.next_publish(topic, payload.into(), retain);
        let at = Instant::now();
        self.send(&packet)?;
        while self.answer()? != Packet::PubAck(self.id) {}
        Ok(at)
    }

    /// Publishes many at QoS 1, without waiting in between, and waits until the broker has all of them.
    ///
    /// # Errors
    /// The connection is lost.
    pub fn publish_all(
        &mut self,
        topic: &str,
        payloads: impl Iterator<Item = String>,
        retain: bool,
    ) -> io::Result<()> {
        for payload in payloads {
            let packet = self.next_publish(topic, payload.into(), retain);
            self.send(&packet)?;
        }
        while self.answer()? != Packet::PubAck(self.id) {}
        Ok(())
    }

    /// The next message, if one comes in time.
    #[must_use]
    pub fn next(&self, patience: Duration) -> Option<Message> {
        self.messages.recv_timeout(patience).ok()
    }

    /// All messages up to the end of the connection, which the broker must be about to end.
    #[must_use]
    pub fn rest(self) -> Vec<Message> {
        self.messages.iter().collect()
    }

    fn answer(&self) -> io::Result<Packet> {
        self.answers.recv_timeout(PATIENCE).map_err(|_| io::ErrorKind::ConnectionAborted.into())
    }

    fn send(&mut self, packet: &Packet) -> io::Result<()> {
        let mut bytes = BytesMut::new();
        encode(packet, &mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
        self.socket.write_all(&bytes)
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        let _ = self.socket.shutdown(Shutdown::Both); // ends the reading thread
    }
}

/// Ends with the connection.
fn read(mut socket: &TcpStream, messages: &Sender<Message>, answers: &Sender<Packet>) -> io::Result<()> {
    let (mut input, mut buffer) = (BytesMut::new(), vec![0; 64 << 10]);
    loop {
        let count = socket.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        let at = Instant::now();
        input.extend_from_slice(&buffer[..count]);
        while let Some(packet) =
            decode(&mut input, 16 << 20).map_err(|error| io::Error::other(error.to_string()))?
        {
            // Nobody may be waiting for it any more.
            match packet {
                Packet::Publish(Publish { topic, payload, .. }) => {
                    let payload = Bytes::copy_from_slice(&payload);
                    let _ = messages.send(Message { topic, payload, at });
                }
                answer => drop(answers.send(answer)),
            }
        }
    }
}
