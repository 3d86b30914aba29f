//! One client's socket and what waits to be written to it.

use bytes::{Buf as _, Bytes};
use mio::net::TcpStream;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Read as _, Write as _};
use std::net::Shutdown;

/// Bytes read off a socket that is being closed: unread ones would make the kernel throw away our last packet.
const LINGER_BYTES: usize = 1 << 20;

/// Packets handed to the network at once.
const PACKETS_AT_ONCE: usize = 64;

#[derive(Debug)]
pub(super) struct Socket {
    stream: TcpStream,
    waiting: VecDeque<Bytes>,
}

/// What became of an attempt to read.
pub(super) enum Taken {
    Bytes(usize),
    /// Nothing is there now.
    Nothing,
    /// Nothing will come any more.
    End,
}

impl Socket {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, waiting: VecDeque::new() }
    }

    pub(super) fn queue(&mut self, bytes: Bytes) {
        self.waiting.push_back(bytes);
    }

    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Taken {
        loop {
            return match self.stream.read(buffer) {
                Ok(0) => Taken::End,
                Ok(count) => Taken::Bytes(count),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => Taken::Nothing,
                Err(_) => Taken::End,
            };
        }
    }

    /// Writes what the network takes now, and says how much.
    pub(super) fn write(&mut self) -> io::Result<usize> {
        let mut total = 0;
        while !self.waiting.is_empty() {
            match self.write_once() {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => {
                    total += count;
                    self.written(count);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(total)
    }

    fn write_once(&mut self) -> io::Result<usize> {
        let mut slices = [IoSlice::new(&[]); PACKETS_AT_ONCE];
        for (slice, bytes) in slices.iter_mut().zip(&self.waiting) {
            *slice = IoSlice::new(bytes);
        }
        let count = self.waiting.len().min(PACKETS_AT_ONCE);
        self.stream.write_vectored(&slices[..count])
    }

    fn written(&mut self, mut count: usize) {
        while let Some(bytes) = self.waiting.front_mut() {
            if count < bytes.len() {
                return bytes.advance(count);
            }
            count -= bytes.len();
            self.waiting.pop_front();
        }
    }

    /// Writes what the network takes now, then closes.
    pub(super) fn close(mut self) {
        if self.write().is_err() || self.stream.shutdown(Shutdown::Write).is_err() {
            return;
        }
        let mut buffer = [0; 4_096];
        let mut read = 0;
        while let Taken::Bytes(count) = self.read(&mut buffer)
            && read < LINGER_BYTES
        {
            read += count;
        }
    }
}
