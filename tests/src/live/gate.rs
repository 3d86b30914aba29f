//! A way to a broker that can be closed, so that a broker which is up is not yet reachable.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

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
    target: SocketAddr,
    /// Bytes a second and way, of connections made from now on.
    pace: Option<usize>,
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
        let state = Arc::new(Mutex::new(State {
            open: true,
            target,
            pace: None,
            swallowed: None,
            passing: Vec::new(),
        }));
        let gate = Self { address, state: state.clone() };
        thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                // What cannot be passed on is closed, which is all there is to tell.
                let _ = pass(&socket, &state);
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

    /// Leads elsewhere from now on.
    pub fn aim(&self, target: SocketAddr) {
        lock(&self.state).target = target;
    }

    /// Lets so many bytes a second through each way of a connection, from the next connection on.
    pub fn slow(&self, bytes_per_second: usize) {
        lock(&self.state).pace = Some(bytes_per_second);
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

fn pass(socket: &TcpStream, shared: &Arc<Mutex<State>>) -> io::Result<()> {
    let mut state = lock(shared);
    if !state.open {
        return Ok(());
    }
    let inner = TcpStream::connect(state.target)?;
    let pace = state.pace;
    for (way, from, to) in [(Way::Up, socket, &inner), (Way::Down, &inner, socket)] {
        from.set_nodelay(true)?;
        state.passing.push(from.try_clone()?);
        let (from, to) = (from.try_clone()?, to.try_clone()?);
        let shared = shared.clone();
        thread::spawn(move || copy(&from, &to, pace, || lock(&shared).swallowed == Some(way)));
    }
    Ok(())
}

/// A slow line carries so much in each of these.
const TICK: Duration = Duration::from_millis(20);

pub(super) fn copy(
    mut from: &TcpStream,
    mut to: &TcpStream,
    pace: Option<usize>,
    vanishes: impl Fn() -> bool,
) {
    let ticks_per_second = 1000 / TICK.as_millis() as usize;
    let at_once = pace.map_or(16 << 10, |pace| (pace / ticks_per_second).max(1));
    let (mut buffer, mut vanishing) = (vec![0; at_once], false);
    while let Ok(count) = from.read(&mut buffer)
        && count > 0
    {
        // Once bytes are missing, nothing after them makes sense on this connection.
        vanishing |= vanishes();
        if !vanishing && to.write_all(&buffer[..count]).is_err() {
            break;
        }
        if pace.is_some() {
            thread::sleep(TICK); // the line is as slow as that; nobody waits for it here
        }
    }
    let _ = to.shutdown(Shutdown::Write); // it may have ended already
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
