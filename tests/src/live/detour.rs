//! A way to a broker that takes its time.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Listens, and passes bytes on to `target` and back, each way `delay` later. Ends with the process.
///
/// # Errors
/// There is no port to be had.
pub fn to(target: SocketAddr, delay: Duration) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            // What cannot be passed on is closed, which is all there is to tell.
            let _ = pass(&socket, target, delay);
        }
    });
    Ok(address)
}

fn pass(socket: &TcpStream, target: SocketAddr, delay: Duration) -> io::Result<()> {
    let inner = TcpStream::connect(target)?;
    for (from, to) in [(socket, &inner), (&inner, socket)] {
        from.set_nodelay(true)?;
        let (from, to) = (from.try_clone()?, to.try_clone()?);
        let (sender, receiver) = channel();
        thread::spawn(move || read(from, &sender, delay));
        thread::spawn(move || write(to, &receiver));
    }
    Ok(())
}

/// What arrives is due later; nothing more means the end.
fn read(mut from: TcpStream, sender: &Sender<(Instant, Vec<u8>)>, delay: Duration) {
    let mut buffer = vec![0; 16 << 10];
    while let Ok(count) = from.read(&mut buffer)
        && count > 0
        && sender.send((Instant::now() + delay, buffer[..count].to_vec())).is_ok()
    {}
}

fn write(mut to: TcpStream, receiver: &Receiver<(Instant, Vec<u8>)>) {
    while let Ok((due, bytes)) = receiver.recv() {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        if to.write_all(&bytes).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both); // it may have ended already
}
