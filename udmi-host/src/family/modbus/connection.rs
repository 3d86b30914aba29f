//! One connection to a host.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{IpAddr, TcpStream};
use std::time::{Duration, Instant};

use super::codec::{Answer, Exception, Request};
use super::exchange::{Exchange, Fault};
use super::frame::FRAME;
use crate::family::Stop;

/// How long a call waits before it looks whether it is stopped.
pub(super) const SLICE: Duration = Duration::from_millis(50);

/// Bytes that are looked at before a request is made.
const BACKLOG: usize = 64 * FRAME;

/// A connection, and where it stands.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    exchange: Exchange,
    /// Cleared when its bytes cannot be made sense of any more.
    is_sound: bool,
}

impl Connection {
    pub(super) fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(SLICE))?;
        Ok(Self { stream, exchange: Exchange::default(), is_sound: true })
    }

    /// Whether another request can be made.
    pub(super) fn is_sound(&self) -> bool {
        self.is_sound
    }

    /// The address of the host.
    pub(super) fn address(&self) -> Option<IpAddr> {
        self.stream.peer_addr().ok().map(|address| address.ip())
    }

    /// Takes what has come since the last request: late answers, or the end of the connection. An answer to a
    /// request that is yet to be made ends it too.
    pub(super) fn settle(&mut self) {
        self.is_sound &= self.drain().is_ok() && self.exchange.is_between_frames();
    }

    /// Asks a unit, and waits for the answer.
    pub(super) fn ask(
        &mut self,
        unit: u8,
        request: &Request,
        wait: Duration,
        stop: &Stop,
    ) -> Result<Answer, ExchangeError> {
        let end = Instant::now() + wait;
        let bytes = self.exchange.ask(unit, request.clone()).ok_or(ExchangeError::Unaskable)?;
        let result = self.send(&bytes).and_then(|()| self.wait(end, stop));
        self.exchange.give_up();
        match &result {
            Ok(_) | Err(ExchangeError::Refused(_) | ExchangeError::Unaskable) => {}
            Err(ExchangeError::Silent | ExchangeError::Stopped) => {
                self.is_sound &= self.exchange.is_between_frames();
            }
            Err(ExchangeError::Garbled(_) | ExchangeError::Ended(_)) => self.is_sound = false,
        }
        result
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), ExchangeError> {
        self.stream.write_all(bytes).map_err(ended)
    }

    fn wait(&mut self, end: Instant, stop: &Stop) -> Result<Answer, ExchangeError> {
        loop {
            if let Some(answer) = self.exchange.answer()? {
                return Ok(answer);
            }
            let left = end.saturating_duration_since(Instant::now());
            if stop.is_set() {
                return Err(ExchangeError::Stopped);
            }
            if left.is_zero() {
                return Err(ExchangeError::Silent);
            }
            self.stream.set_read_timeout(Some(left.min(SLICE))).map_err(ended)?;
            self.receive()?;
        }
    }

    /// Receives what is there, up to a bound, without waiting.
    fn drain(&mut self) -> Result<(), ExchangeError> {
        self.stream.set_nonblocking(true).map_err(ended)?;
        let drained = self.drain_up_to(BACKLOG);
        self.stream.set_nonblocking(false).map_err(ended)?;
        drained
    }

    fn drain_up_to(&mut self, most: usize) -> Result<(), ExchangeError> {
        let mut size = 0;
        while size <= most {
            self.exchange.answer()?; // nothing is asked: what is passed over is old
            match self.receive()? {
                0 => return Ok(()),
                received => size += received,
            }
        }
        Err(ExchangeError::Garbled("answers without end".into()))
    }

    /// Receives up to a frame; it is no error if there is nothing.
    fn receive(&mut self) -> Result<usize, ExchangeError> {
        let mut bytes = [0; FRAME];
        match self.stream.read(&mut bytes) {
            Ok(0) => Err(ExchangeError::Ended("closed by the host".into())),
            Ok(count) => {
                self.exchange.receive(bytes.get(..count).unwrap_or_default());
                Ok(count)
            }
            Err(error) if is_nothing_yet(&error) => Ok(0),
            Err(error) => Err(ended(error)),
        }
    }
}

fn is_nothing_yet(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}

#[allow(clippy::needless_pass_by_value)]
fn ended(error: io::Error) -> ExchangeError {
    ExchangeError::Ended(error.to_string())
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ExchangeError {
    /// The unit, or a gateway in its place, says no.
    Refused(Exception),
    /// Nothing has come in time.
    Silent,
    /// What has come is no answer. The connection is of no more use.
    Garbled(String),
    /// The connection has ended.
    Ended(String),
    /// The call was stopped.
    Stopped,
    /// The request is none that can be made.
    Unaskable,
}

impl From<Fault> for ExchangeError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Refused(exception) => Self::Refused(exception),
            Fault::Garbled(why) => Self::Garbled(why),
        }
    }
}

impl fmt::Display for ExchangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(exception) => exception.fmt(f),
            Self::Silent => f.write_str("no answer in time"),
            Self::Garbled(why) => f.write_str(why),
            Self::Ended(why) => write!(f, "the connection has ended: {why}"),
            Self::Stopped => f.write_str("stopped"),
            Self::Unaskable => f.write_str("no request can ask for this"),
        }
    }
}
