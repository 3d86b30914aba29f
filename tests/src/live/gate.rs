//! A way to a broker that can be closed, so that a broker which is up is not yet reachable.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

/// One of the two ways through a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From device to broker.
    Up,
    /// From broker to device.
    Down,
}

/// Passes bytes both ways while it is open; while it is shut, connections end at once.
#[derive(Debug)]
pub struct Gate {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    open: bool,
    /// Bytes of this way vanish, as those do that are under way when a broker dies.
    swallowed: Option<Way>,
    passing: Vec<TcpStream>,
}

impl Gate {
    /// An open gate to `target`. Its listener ends with the process.
    ///
    /// # Errors
    /// There is no port to be had.
    pub fn open_to(target: SocketAddr) -> io::Result<Self> {
        Self::behind(TcpListener::bind(("127.0.0.1", 0))?, target)
    }

    /// An open gate where somebody has listened before.
    ///
    /// # Errors
    /// The listener has no address.
    pub fn behind(listener: TcpListener, target: SocketAddr) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let state = Arc::new(Mutex::new(State { open: true, swallowed: None, passing: Vec::new() }));
        let gate = Self { address, state: state.clone() };
        thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                // What cannot be passed on is closed, which is all there is to tell.
                let _ = pass(&socket, target, &state);
            }
        });
        Ok(gate)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets bytes of one way vanish, until the gate is shut.
    pub fn swallow(&self, way: Way) {
        lock(&self.state).swallowed = Some(way);
    }

    /// Ends all connections and lets no further one through.
    pub fn shut(&self) {
        let mut state = lock(&self.state);
        state.open = false;
        state.swallowed = None;
        for socket in state.passing.drain(..) {
            let _ = socket.shutdown(Shutdown::Both); // it may have ended already
        }
    }

    /// Lets connections through again.
    pub fn open(&self) {
        lock(&self.state).open = true;
    }
}

fn pass(socket: &TcpStream, target: SocketAddr, shared: &Arc<Mutex<State>>) -> io::Result<()> {
    let mut state = lock(shared);
    if !state.open {
        return Ok(());
    }
    let inner = TcpStream::connect(target)?;
    for (way, from, to) in [(Way::Up, socket, &inner), (Way::Down, &inner, socket)] {
        from.set_nodelay(true)?;
        state.passing.push(from.try_clone()?);
        let (from, to) = (from.try_clone()?, to.try_clone()?);
        let shared = shared.clone();
        thread::spawn(move || copy(&from, &to, || lock(&shared).swallowed == Some(way)));
    }
    Ok(())
}

pub(super) fn copy(mut from: &TcpStream, mut to: &TcpStream, vanishes: impl Fn() -> bool) {
    let (mut buffer, mut vanishing) = (vec![0; 16 << 10], false);
    while let Ok(count) = from.read(&mut buffer)
        && count > 0
    {
        // Once bytes are missing, nothing after them makes sense on this connection.
        vanishing |= vanishes();
        if !vanishing && to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write); // it may have ended already
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
