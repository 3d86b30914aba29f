//! A doorkeeper before a broker, who looks at what clients say of themselves.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use bytes::BytesMut;
use device_link::wire::{Connect, Packet, decode};

use super::gate::copy;

/// The largest CONNECT.
const CONNECT_BYTES_MAX: usize = 64 << 10;
/// CONNACK with code 5, not authorized [MQTT-3.2.2].
const NOT_AUTHORIZED: [u8; 4] = [0x20, 2, 0, 5];

/// Listens, passes the clients on to `target` that `lets_in` finds good, and refuses the others. Ends with the
/// process.
///
/// # Errors
/// There is no port to be had.
pub fn keep(
    target: SocketAddr,
    lets_in: impl Fn(&Connect) -> bool + Send + Sync + 'static,
) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?;
    let lets_in = Arc::new(lets_in);
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let lets_in = lets_in.clone();
            // A client that is cut off sees it.
            thread::spawn(move || drop(admit(socket, target, &*lets_in)));
        }
    });
    Ok(address)
}

fn admit(mut socket: TcpStream, target: SocketAddr, lets_in: &dyn Fn(&Connect) -> bool) -> io::Result<()> {
    let (mut said, mut buffer) = (Vec::new(), [0; 4096]);
    let connect = loop {
        let count = socket.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        said.extend_from_slice(&buffer[..count]);
        match decode(&mut BytesMut::from(said.as_slice()), CONNECT_BYTES_MAX) {
            Ok(None) => {}
            Ok(Some(Packet::Connect(connect))) => break connect,
            Ok(Some(_)) | Err(_) => return Ok(()),
        }
    };
    if !lets_in(&connect) {
        return socket.write_all(&NOT_AUTHORIZED);
    }
    let mut inner = TcpStream::connect(target)?;
    socket.set_nodelay(true)?;
    inner.set_nodelay(true)?;
    inner.write_all(&said)?;
    let (from, to) = (socket.try_clone()?, inner.try_clone()?);
    thread::spawn(move || copy(&from, &to, None, || false));
    copy(&inner, &socket, None, || false);
    Ok(())
}
