//! The hosts, with one connection each: kept, used by one call at a time, made anew when it ends.

use std::collections::BTreeMap;
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use udmi_proto::family::Family;

use super::codec::{Answer, Request};
use super::connection::{Connection, ExchangeError, SLICE};
use super::settings::ModbusSettings;
use crate::family::{ProviderError, Stop};

/// Addresses of a host that are tried.
const ADDRESSES: usize = 4;

/// A host and its port.
pub(super) type Place = (String, u16);

/// All hosts that were asked, up to a bound.
#[derive(Debug, Default)]
pub(super) struct Hosts(Mutex<BTreeMap<Place, Arc<Host>>>);

impl Hosts {
    /// The host at a place. Of too many hosts, the one least lately asked is forgotten, unless all are in use.
    pub(super) fn at(&self, place: &Place, most: usize) -> Result<Arc<Host>, ProviderError> {
        let mut hosts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(host) = hosts.get(place) {
            return Ok(Arc::clone(host));
        }
        if hosts.len() >= most {
            let idle = hosts.iter().filter(|(_, host)| Arc::strong_count(host) == 1);
            let oldest = idle.min_by_key(|(_, host)| host.lock().used).map(|(place, _)| place.clone());
            hosts.remove(&oldest.ok_or(ProviderError::Busy)?);
        }
        let host = Arc::new(Host::new(place.clone()));
        hosts.insert(place.clone(), Arc::clone(&host));
        Ok(host)
    }
}

/// A host.
#[derive(Debug)]
pub(super) struct Host {
    place: Place,
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Debug)]
struct State {
    is_taken: bool,
    used: Instant,
    connection: Option<Connection>,
    /// A connection that is being made. It goes on when the call that wanted it is stopped.
    dial: Option<Receiver<Result<TcpStream, String>>>,
    /// When it could not be reached, and why.
    failed: Option<(Instant, String)>,
}

impl Host {
    fn new(place: Place) -> Self {
        let state =
            State { is_taken: false, used: Instant::now(), connection: None, dial: None, failed: None };
        Self { place, state: Mutex::new(state), freed: Condvar::new() }
    }

    /// Waits until no other call uses the host.
    pub(super) fn take(&self, stop: &Stop) -> Result<Line<'_>, ProviderError> {
        let mut state = self.lock();
        while state.is_taken {
            if stop.is_set() {
                return Err(ProviderError::Stopped);
            }
            state = self.freed.wait_timeout(state, SLICE).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.is_taken = true;
        state.used = Instant::now();
        let connection = state.connection.take();
        Ok(Line { host: self, connection })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A host in use by one call.
#[derive(Debug)]
pub(super) struct Line<'a> {
    host: &'a Host,
    connection: Option<Connection>,
}

impl Line<'_> {
    /// Asks a unit. A reading whose kept connection turns out to have ended is made once more on a new one; a
    /// writing is not, since it may have been done.
    pub(super) fn ask(
        &mut self,
        unit: u8,
        request: &Request,
        wait: Duration,
        settings: &ModbusSettings,
        stop: &Stop,
    ) -> Result<Answer, LineError> {
        let is_kept = self.connect(settings, stop).map_err(LineError::NoConnection)?;
        let answer = self.exchange(unit, request, wait, stop);
        match (&answer, request) {
            (Err(ExchangeError::Ended(_)), Request::Read { .. }) if is_kept => {
                self.connect(settings, stop).map_err(LineError::NoConnection)?;
                self.exchange(unit, request, wait, stop).map_err(LineError::Exchange)
            }
            _ => answer.map_err(LineError::Exchange),
        }
    }

    /// Sees to it that there is a connection, and says whether it was there before.
    pub(super) fn connect(&mut self, settings: &ModbusSettings, stop: &Stop) -> Result<bool, ProviderError> {
        if let Some(connection) = &mut self.connection {
            connection.settle();
            if connection.is_sound() {
                return Ok(true);
            }
        }
        self.connection = None;
        let stream = self.dial(settings, stop)?;
        let connection = Connection::new(stream).map_err(|error| ProviderError::Io(error.to_string()))?;
        self.connection = Some(connection);
        Ok(false)
    }

    /// The address of the host in its family, while there is a connection.
    pub(super) fn families(&self) -> udmi_proto::Map<String, String> {
        let address = self.connection.as_ref().and_then(Connection::address);
        let named = address.map(|address| {
            let family = if address.is_ipv4() { Family::Ipv4 } else { Family::Ipv6 };
            (family.as_str().to_owned(), address.to_string())
        });
        named.into_iter().collect()
    }

    fn exchange(
        &mut self,
        unit: u8,
        request: &Request,
        wait: Duration,
        stop: &Stop,
    ) -> Result<Answer, ExchangeError> {
        let Some(connection) = &mut self.connection else {
            return Err(ExchangeError::Ended("no connection".into()));
        };
        let answer = connection.ask(unit, request, wait, stop);
        if !connection.is_sound() {
            self.connection = None;
        }
        answer
    }

    /// Makes a connection on a thread of its own, since neither looking up a name nor connecting can be stopped.
    fn dial(&self, settings: &ModbusSettings, stop: &Stop) -> Result<TcpStream, ProviderError> {
        let mut state = self.host.lock();
        if let Some((at, why)) = &state.failed
            && at.elapsed() < settings.pause
        {
            return Err(ProviderError::Unreachable(why.clone()));
        }
        let dial = match state.dial.take() {
            Some(dial) => dial,
            None => spawn(self.host.place.clone(), settings.connect_timeout)?,
        };
        drop(state);
        let end = Instant::now() + settings.connect_timeout;
        let dialed = loop {
            match dial.recv_timeout(SLICE) {
                Ok(dialed) => break dialed,
                Err(RecvTimeoutError::Disconnected) => break Err("the connection could not be made".into()),
                Err(RecvTimeoutError::Timeout) if stop.is_set() => {
                    self.host.lock().dial = Some(dial);
                    return Err(ProviderError::Stopped);
                }
                Err(RecvTimeoutError::Timeout) if Instant::now() >= end => {
                    self.host.lock().dial = Some(dial);
                    break Err("no connection in time".into());
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        };
        let mut state = self.host.lock();
        let (host, port) = &self.host.place;
        match dialed {
            Ok(stream) => {
                state.failed = None;
                Ok(stream)
            }
            Err(why) => {
                let why = format!("{host}:{port}: {why}");
                state.failed = Some((Instant::now(), why.clone()));
                Err(ProviderError::Unreachable(why))
            }
        }
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        let mut state = self.host.lock();
        state.connection = self.connection.take();
        state.is_taken = false;
        drop(state);
        self.host.freed.notify_one();
    }
}

fn spawn(place: Place, timeout: Duration) -> Result<Receiver<Result<TcpStream, String>>, ProviderError> {
    let (sender, receiver) = mpsc::sync_channel(1);
    let dial = move || {
        let _ = sender.send(connect(&place, timeout)); // nobody may be waiting any more
    };
    match thread::Builder::new().name("modbus".into()).spawn(dial) {
        Ok(_) => Ok(receiver),
        Err(error) => Err(ProviderError::Io(error.to_string())),
    }
}

fn connect((host, port): &Place, timeout: Duration) -> Result<TcpStream, String> {
    let addresses = (host.as_str(), *port).to_socket_addrs().map_err(|error| error.to_string())?;
    let mut failure = "the name has no address".to_owned();
    for address in addresses.take(ADDRESSES) {
        match TcpStream::connect_timeout(&address, timeout) {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = error.to_string(),
        }
    }
    Err(failure)
}

/// Why a unit has not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum LineError {
    /// There is no connection.
    NoConnection(ProviderError),
    /// There is one, but no answer.
    Exchange(ExchangeError),
}
