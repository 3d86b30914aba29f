//! What wakes the core's thread from `poll(2)`.

use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::net::UnixStream;

use udmi_host::drive::Bell;

/// What comes to the core's thread from all others.
pub(crate) type Inbox<C, A> = udmi_host::drive::Inbox<C, A, Pair>;

/// A pair of sockets: one side is rung, the other heard.
#[derive(Debug)]
pub(crate) struct Pair {
    bell: UnixStream,
    ear: UnixStream,
}

impl Pair {
    pub(crate) fn new() -> io::Result<Self> {
        let (bell, ear) = UnixStream::pair()?;
        bell.set_nonblocking(true)?;
        ear.set_nonblocking(true)?;
        Ok(Self { bell, ear })
    }

    /// Readable once the bell was rung.
    pub(crate) fn waker(&self) -> BorrowedFd<'_> {
        self.ear.as_fd()
    }

    /// Silences the bell.
    pub(crate) fn silence(&self) {
        // One ring each sleep, so that this is all there is.
        let _ = (&self.ear).read(&mut [0; 8]);
    }
}

impl Bell for Pair {
    fn ring(&self) {
        // A full pipe wakes as well.
        let _ = (&self.bell).write(&[1]);
    }
}
