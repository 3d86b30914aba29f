//! What waits for a socket, in parts: small ones are gathered, large ones stay where they are.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Write};

use bytes::{Buf as _, Bytes, BytesMut};

/// A part of so many bytes is not copied.
const APART_BYTES: usize = 4 << 10;
/// Parts handed to the socket at once.
const PARTS_AT_ONCE: usize = 64;
/// The buffer for small parts gives memory beyond this back when it is empty.
const KEPT_BYTES: usize = 64 << 10;

/// Bytes in the order in which they go to the socket.
#[derive(Debug, Default)]
pub(super) struct Unsent {
    /// Precede `last`; none is empty.
    parts: VecDeque<Bytes>,
    last: BytesMut,
    /// Of all of them.
    count: usize,
}

impl Unsent {
    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(super) fn push(&mut self, part: &Bytes) {
        if part.len() < APART_BYTES {
            return self.push_slice(part);
        }
        if !self.last.is_empty() {
            self.parts.push_back(self.last.split().freeze());
        }
        self.parts.push_back(part.clone());
        self.count += part.len();
    }

    pub(super) fn push_slice(&mut self, bytes: &[u8]) {
        self.last.extend_from_slice(bytes);
        self.count += bytes.len();
    }

    /// Writes once, as much as the socket takes.
    pub(super) fn write(&mut self, mut socket: impl Write) -> io::Result<usize> {
        let written = if self.parts.is_empty() {
            socket.write(&self.last)?
        } else {
            let mut slices = [IoSlice::new(&[]); PARTS_AT_ONCE];
            let parts = self.parts.iter().map(|part| &part[..]).chain([&self.last[..]]);
            let mut count = 0;
            for (slice, part) in slices.iter_mut().zip(parts) {
                *slice = IoSlice::new(part);
                count += 1;
            }
            socket.write_vectored(slices.get(..count).unwrap_or_default())?
        };
        self.advance(written);
        Ok(written)
    }

    fn advance(&mut self, mut written: usize) {
        self.count = self.count.saturating_sub(written);
        while let Some(part) = self.parts.front_mut() {
            if written < part.len() {
                return part.advance(written);
            }
            written -= part.len();
            self.parts.pop_front();
        }
        if written < self.last.len() {
            return self.last.advance(written);
        }
        self.last.clear();
        if self.last.capacity() > KEPT_BYTES {
            self.last = BytesMut::new();
        }
    }

    /// Gives the memory of an empty queue back.
    pub(super) fn trim(&mut self) {
        if self.is_empty() {
            *self = Self::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many bytes at a time.
    struct Narrow<'a>(&'a mut Vec<u8>, usize);

    impl Write for Narrow<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.write_vectored(&[IoSlice::new(bytes)])
        }

        fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
            let before = self.0.len();
            self.0.extend(slices.iter().flat_map(|slice| slice.iter()).take(self.1));
            Ok(self.0.len() - before)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn bytes_leave_in_their_order_however_they_are_parted_and_taken() {
        let parts: Vec<Bytes> = [3, 5000, 1, 2, 4096, 4096, 4095, 70_000, 1, 0, 9]
            .iter()
            .enumerate()
            .map(|(at, &length)| vec![at as u8; length].into())
            .collect();
        for taken in [1, 4096, 5003, 1 << 20] {
            let (mut unsent, mut written) = (Unsent::default(), Vec::new());
            for part in parts.iter().chain(&parts) {
                unsent.push(part);
                unsent.write(Narrow(&mut written, taken)).unwrap();
            }
            while !unsent.is_empty() {
                unsent.write(Narrow(&mut written, taken)).unwrap();
            }
            assert!(written == [parts.concat(), parts.concat()].concat(), "{taken} bytes at a time");
            assert_eq!((unsent.len(), unsent.parts.len()), (0, 0));
        }
    }

    #[test]
    fn large_parts_are_shared_and_an_empty_queue_that_is_trimmed_holds_nothing() {
        let (mut unsent, part) = (Unsent::default(), Bytes::from(vec![7; APART_BYTES]));
        unsent.push(&part);
        assert_eq!(unsent.parts.front().map(|shared| shared.as_ptr()), Some(part.as_ptr()));
        unsent.push_slice(b"small");
        while !unsent.is_empty() {
            unsent.write(Narrow(&mut Vec::new(), 1000)).unwrap();
        }
        unsent.trim();
        assert_eq!((unsent.parts.capacity(), unsent.last.capacity()), (0, 0));
        assert!(part.is_unique());
    }
}
