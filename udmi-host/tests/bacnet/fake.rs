//! A device whose answers a test writes byte by byte.

use std::net::{SocketAddr, SocketAddrV4, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use udmi_host::family::bacnet::codec::apdu::Apdu;
use udmi_host::family::bacnet::codec::link::Link;
use udmi_host::family::bacnet::codec::network::{Message, Packet, Remote};
use udmi_host::family::bacnet::codec::primitive::Primitive;
use udmi_host::family::bacnet::codec::service::{
    Failure, IAm, Property, ReadProperty, ReadPropertyAck, ReadPropertyMultiple, ReadPropertyMultipleAck,
    WhoIs, confirmed, content, unconfirmed,
};
use udmi_proto::Value;

/// What a device does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// Nothing.
    Nothing,
    /// Every property holds this.
    Holds(Value),
    /// These APDUs, one after the other.
    Apdus(Vec<Vec<u8>>),
    /// These network packets, from another port.
    Elsewhere(Vec<Vec<u8>>),
    /// It is done.
    Done,
}

/// A request as the device saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// How many requests came before.
    pub(crate) number: usize,
    pub(crate) invoke: u8,
    pub(crate) service: u8,
    pub(crate) content: Vec<u8>,
    /// Where it was to go behind a router.
    pub(crate) destination: Option<Remote>,
}

pub(crate) struct Fake {
    pub(crate) address: SocketAddrV4,
    asked: Arc<Mutex<Vec<Asked>>>,
    aborted: Arc<Mutex<Vec<u8>>>,
    ended: Arc<AtomicBool>,
    serving: Option<JoinHandle<()>>,
}

impl Fake {
    pub(crate) fn start(instance: u32, reply: impl FnMut(&Asked) -> Reply + Send + 'static) -> Self {
        Self::start_behind(instance, None, 1476, reply)
    }

    /// A device with that longest APDU, behind a router if it has a place there.
    pub(crate) fn start_behind(
        instance: u32,
        place: Option<Remote>,
        max_apdu: u32,
        reply: impl FnMut(&Asked) -> Reply + Send + 'static,
    ) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let SocketAddr::V4(address) = socket.local_addr().unwrap() else { unreachable!() };
        let (asked, aborted, ended) = (Arc::default(), Arc::default(), Arc::new(AtomicBool::new(false)));
        let i_am = IAm { device: instance, max_apdu, segmentation: 3, vendor: 999 };
        let mut serving = Serving { socket, i_am, place, asked, aborted, reply: Box::new(reply) };
        let (asked, aborted, end) = (serving.asked.clone(), serving.aborted.clone(), ended.clone());
        let serving = Some(thread::spawn(move || {
            while !end.load(Ordering::SeqCst) {
                serving.serve();
            }
        }));
        Self { address, asked, aborted, ended, serving }
    }

    /// All that was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// Reasons of all aborts so far.
    pub(crate) fn aborted(&self) -> Vec<u8> {
        self.aborted.lock().unwrap().clone()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        let _ = self.serving.take().map(JoinHandle::join);
    }
}

struct Serving {
    socket: UdpSocket,
    i_am: IAm,
    place: Option<Remote>,
    asked: Arc<Mutex<Vec<Asked>>>,
    aborted: Arc<Mutex<Vec<u8>>>,
    reply: Box<dyn FnMut(&Asked) -> Reply + Send>,
}

impl Serving {
    fn serve(&mut self) {
        let mut buffer = [0; 2048];
        let Ok((length, from)) = self.socket.recv_from(&mut buffer) else { return };
        let packet = Packet::decode(Link::decode(&buffer[..length]).unwrap().packet().unwrap()).unwrap();
        let Message::Apdu(apdu) = packet.message else { return };
        match Apdu::decode(apdu).unwrap() {
            Apdu::Unconfirmed { service: unconfirmed::WHO_IS, content } => {
                let range = WhoIs::decode(content).unwrap().range;
                if range.is_none_or(|(least, greatest)| (least..=greatest).contains(&self.i_am.device)) {
                    let i_am = Apdu::Unconfirmed { service: unconfirmed::I_AM, content: &self.i_am.encode() };
                    self.send(&i_am.encode(), from);
                }
            }
            Apdu::Confirmed { invoke, service, content } => {
                let number = self.asked.lock().unwrap().len();
                let (content, destination) = (content.to_vec(), packet.destination.clone());
                let asked = Asked { number, invoke, service, content, destination };
                self.asked.lock().unwrap().push(asked.clone());
                let reply = (self.reply)(&asked);
                self.reply(&asked, reply, from);
            }
            Apdu::Abort { reason, .. } => self.aborted.lock().unwrap().push(reason),
            other => panic!("{other:?}"),
        }
    }

    fn reply(&self, asked: &Asked, reply: Reply, to: SocketAddr) {
        match reply {
            Reply::Nothing => {}
            Reply::Done => {
                let ack = Apdu::SimpleAck { invoke: asked.invoke, service: asked.service };
                self.send(&ack.encode(), to);
            }
            Reply::Holds(value) => self.send(&asked.holds(&primitive(&value)), to),
            Reply::Apdus(apdus) => apdus.iter().for_each(|apdu| self.send(apdu, to)),
            Reply::Elsewhere(apdus) => {
                let other = UdpSocket::bind("127.0.0.1:0").unwrap();
                for apdu in apdus {
                    let packet = Packet::new(None, false, &apdu).encode();
                    other.send_to(&Link::Unicast(&packet).encode(), to).unwrap();
                }
            }
        }
    }

    fn send(&self, apdu: &[u8], to: SocketAddr) {
        let packet = Packet { source: self.place.clone(), ..Packet::new(None, false, apdu) }.encode();
        self.socket.send_to(&Link::Unicast(&packet).encode(), to).unwrap();
    }
}

impl Asked {
    /// The properties it asks for.
    pub(crate) fn properties(&self) -> Vec<Property> {
        match self.service {
            confirmed::READ_PROPERTY => vec![ReadProperty::decode(&self.content).unwrap().0],
            confirmed::READ_PROPERTY_MULTIPLE => ReadPropertyMultiple::decode(&self.content).unwrap().0,
            _ => Vec::new(),
        }
    }

    /// An answer in which every property holds this.
    pub(crate) fn holds(&self, value: &Primitive) -> Vec<u8> {
        let content = content(std::slice::from_ref(value));
        self.answers(|_| Ok(content.clone()))
    }

    /// An answer for each property.
    pub(crate) fn answers(&self, content: impl Fn(&Property) -> Result<Vec<u8>, Failure>) -> Vec<u8> {
        let contents: Vec<_> = self.properties().into_iter().map(|each| (each, content(&each))).collect();
        let failure;
        let ack = match (self.service, contents.as_slice()) {
            (confirmed::READ_PROPERTY, [(property, Ok(content))]) => {
                ReadPropertyAck { property: *property, content }.encode()
            }
            (confirmed::READ_PROPERTY, [(_, Err(error))]) => {
                failure = error.encode();
                let (invoke, service) = (self.invoke, self.service);
                return Apdu::Error { invoke, service, content: &failure }.encode();
            }
            _ => {
                let results = contents.iter().map(|(each, content)| match content {
                    Ok(content) => (*each, Ok(content.as_slice())),
                    Err(error) => (*each, Err(*error)),
                });
                ReadPropertyMultipleAck(results.collect()).encode()
            }
        };
        Apdu::ComplexAck { invoke: self.invoke, service: self.service, content: &ack }.encode()
    }
}

pub(crate) fn primitive(value: &Value) -> Primitive {
    match value {
        Value::Boolean(value) => Primitive::Boolean(*value),
        Value::Integer(value) => Primitive::Unsigned(u64::try_from(*value).unwrap()),
        #[allow(clippy::cast_possible_truncation)]
        Value::Number(value) => Primitive::Real(*value as f32),
        Value::Text(value) => Primitive::Text(value.as_str().into()),
    }
}
