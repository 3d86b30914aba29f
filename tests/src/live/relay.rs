//! A way to a broker on which devices become faulty: what they publish is altered, each device having a fault of its
//! own, or none.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use device_link::wire::{MAX_REMAINING, Packet, Publish, Qos, decode, encode};

use super::gate;
use crate::conformance::fault::{Fault, Faulty};
use crate::world::Received;

/// The relay. Its listener ends with the process.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
}

/// The faulty devices, by id. What a fault remembers outlives connections, as the device does.
type Devices = Arc<BTreeMap<String, Mutex<Faulty>>>;

impl Relay {
    /// A relay to `target` for devices with these faults, by their ids.
    ///
    /// # Errors
    /// There is no port to be had.
    pub fn to(target: SocketAddr, faults: BTreeMap<String, Fault>) -> io::Result<Self> {
        let devices = faults.into_iter().map(|(id, fault)| (id, Mutex::new(fault.device())));
        let devices: Devices = Arc::new(devices.collect());
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let born = Instant::now();
        thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                // What cannot be passed on is closed, which is all there is to tell.
                let _ = pass(socket, target, devices.clone(), born);
            }
        });
        Ok(Self { address })
    }

    /// Where devices connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

fn pass(outer: TcpStream, target: SocketAddr, devices: Devices, born: Instant) -> io::Result<()> {
    let inner = TcpStream::connect(target)?;
    outer.set_nodelay(true)?;
    inner.set_nodelay(true)?;
    let (from, to) = (inner.try_clone()?, outer.try_clone()?);
    thread::spawn(move || gate::copy(&from, &to, None, || false));
    thread::spawn(move || {
        let mut way = Way { outer, inner, devices, device: None, born };
        let _ = way.follow(); // a connection that ends has nobody left to tell
        let _ = way.inner.shutdown(Shutdown::Write);
    });
    Ok(())
}

/// What comes from one connection of a device.
struct Way {
    outer: TcpStream,
    inner: TcpStream,
    devices: Devices,
    /// The id of the device, once it has said it.
    device: Option<String>,
    born: Instant,
}

impl Way {
    fn follow(&mut self) -> io::Result<()> {
        let (mut buffer, mut bytes) = (BytesMut::new(), vec![0; 16 << 10]);
        loop {
            let count = self.outer.read(&mut bytes)?;
            if count == 0 {
                return Ok(());
            }
            buffer.extend_from_slice(&bytes[..count]);
            let mut out = BytesMut::new();
            while let Some(packet) = decode(&mut buffer, MAX_REMAINING).map_err(io::Error::other)? {
                for packet in self.alter(packet)? {
                    encode(&packet, &mut out).map_err(io::Error::other)?;
                }
            }
            self.inner.write_all(&out)?;
        }
    }

    fn faulty(&self) -> Option<MutexGuard<'_, Faulty>> {
        let device = self.devices.get(self.device.as_ref()?)?;
        Some(device.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn alter(&mut self, packet: Packet) -> io::Result<Vec<Packet>> {
        match packet {
            Packet::Connect(connect) => {
                self.device = connect.client_id.rsplit('/').next().map(str::to_owned);
                Ok(vec![Packet::Connect(connect)])
            }
            Packet::Subscribe { id, mut filters } => {
                if self.faulty().is_some_and(|device| device.acknowledges_nothing()) {
                    filters.iter_mut().for_each(|(_, quality)| *quality = Qos::AtMostOnce);
                }
                Ok(vec![Packet::Subscribe { id, filters }])
            }
            Packet::Publish(publish) => self.alter_message(publish),
            other => Ok(vec![other]),
        }
    }

    fn alter_message(&mut self, publish: Publish) -> io::Result<Vec<Packet>> {
        let received = received(&publish, self.born);
        let sent = match (self.faulty(), received) {
            (Some(mut device), Some(received)) => device.send(received),
            (None, _) | (_, None) => return Ok(vec![Packet::Publish(publish)]),
        };
        if let (true, Some(id)) = (sent.is_empty(), publish.id) {
            // The device is to believe that it has arrived.
            let mut out = BytesMut::new();
            encode(&Packet::PubAck(id), &mut out).map_err(io::Error::other)?;
            self.outer.write_all(&out)?;
        }
        let altered = sent.into_iter().enumerate().map(|(number, message)| {
            let first = Publish {
                topic: format!("{}/{}", message.prefix, message.topic),
                payload: Bytes::from(message.payload.to_string()),
                ..publish.clone()
            };
            let later = |publish| Publish { qos: Qos::AtMostOnce, id: None, dup: false, ..publish };
            Packet::Publish(if number == 0 { first } else { later(first) })
        });
        Ok(altered.collect())
    }
}

/// A message as faults see it; none if it is no message of UDMI.
fn received(publish: &Publish, born: Instant) -> Option<Received> {
    let (prefix, topic) = ["/state", "/events/"]
        .iter()
        .find_map(|mark| Some(publish.topic.split_at(publish.topic.find(mark)?)))?;
    let at = u64::try_from(born.elapsed().as_millis()).unwrap_or(u64::MAX);
    let payload = serde_json::from_slice(&publish.payload).ok()?;
    Some(Received { at, prefix: prefix.to_owned(), topic: topic.get(1..)?.to_owned(), payload })
}
