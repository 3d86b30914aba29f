//! Hosts made for a test: what they do on each connection is a closure.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use udmi_host::family::modbus::frame::Frame;
use udmi_host::family::modbus::{ModbusProvider, ModbusSettings};
use udmi_host::family::{FamilyProvider, PointError, ProviderError, Stop, Target};
use udmi_proto::Value;

/// What the provider answers to a reading.
pub(crate) type Values = Result<Vec<Result<Value, PointError>>, ProviderError>;

/// A host on an ephemeral port of this machine.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    accepted: Arc<AtomicUsize>,
}

impl Peer {
    /// Serves each connection by itself; the closure is told which it is, counted from 0.
    pub(crate) fn new(serve: impl Fn(usize, Wire) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let accepted = Arc::new(AtomicUsize::new(0));
        let (serve, counter) = (Arc::new(serve), Arc::clone(&accepted));
        thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                stream.set_nodelay(true).unwrap();
                let (ix, serve) = (counter.fetch_add(1, Ordering::SeqCst), Arc::clone(&serve));
                thread::spawn(move || serve(ix, Wire(stream)));
            }
        });
        Self { address, accepted }
    }

    /// Answers each request by what the closure makes of its number on the connection, its unit and its data.
    pub(crate) fn answering(answer: impl Fn(usize, u8, &[u8]) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::new(move |_, mut wire| {
            let mut number = 0;
            while let Some(request) = wire.request() {
                let data = answer(number, request.unit, &request.data);
                number += 1;
                if !data.is_empty() {
                    wire.send(&request.answer(&data));
                }
            }
        })
    }

    /// Connections there were.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    pub(crate) fn target(&self) -> Target {
        target(&self.address.to_string())
    }
}

pub(crate) fn target(address: &str) -> Target {
    Target { family: "modbus".into(), addr: Some(address.into()), ..Target::default() }
}

/// A connection as the host sees it.
pub(crate) struct Wire(TcpStream);

/// A request as it was received.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) transaction: u16,
    pub(crate) unit: u8,
    pub(crate) data: Vec<u8>,
}

impl Asked {
    /// A whole frame that answers it.
    pub(crate) fn answer(&self, data: &[u8]) -> Vec<u8> {
        Frame { transaction: self.transaction, unit: self.unit, data }.to_bytes().unwrap()
    }

    /// One register, as an answer.
    pub(crate) fn register(&self, value: u16) -> Vec<u8> {
        self.answer(&register(value))
    }
}

/// The answer of one register.
pub(crate) fn register(value: u16) -> Vec<u8> {
    [&[3, 2], value.to_be_bytes().as_slice()].concat()
}

impl Wire {
    /// The next request; none once the provider has hung up.
    pub(crate) fn request(&mut self) -> Option<Asked> {
        let mut bytes = Vec::new();
        loop {
            if let Some((Frame { transaction, unit, data }, size)) = Frame::read(&bytes).unwrap() {
                assert_eq!(size, bytes.len(), "more than one request at a time");
                return Some(Asked { transaction, unit, data: data.to_vec() });
            }
            let mut byte = [0];
            if self.0.read(&mut byte).ok()? == 0 {
                return None;
            }
            bytes.extend(byte);
        }
    }

    /// Sends bytes; that the provider has hung up is no error.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).is_ok()
    }

    /// Waits until the provider hangs up.
    pub(crate) fn until_closed(&mut self) {
        let _ = self.0.read_to_end(&mut Vec::new());
    }
}

/// A provider that waits longer than anything takes on a loaded machine, and asks again at once.
pub(crate) fn provider() -> ModbusProvider {
    ModbusProvider::new(settings())
}

/// A provider for hosts that do not answer: it waits as short as such a machine allows.
pub(crate) fn impatient() -> ModbusProvider {
    ModbusProvider::new(ModbusSettings { answer_timeout: SHORT, ..settings() })
}

pub(crate) fn settings() -> ModbusSettings {
    ModbusSettings { answer_timeout: LONG, pause: Duration::ZERO, ..ModbusSettings::default() }
}

const LONG: Duration = Duration::from_secs(30);
pub(crate) const SHORT: Duration = Duration::from_secs(1);

pub(crate) fn read(provider: &ModbusProvider, target: &Target, references: &[&str]) -> Values {
    provider.read(target, references, &Stop::new())
}

/// One point that must be read.
pub(crate) fn one(
    provider: &ModbusProvider,
    target: &Target,
    reference: &str,
) -> Result<Value, ProviderError> {
    read(provider, target, &[reference]).map(|mut values| values.remove(0).unwrap())
}
