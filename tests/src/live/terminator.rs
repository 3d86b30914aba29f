//! TLS in front of a broker that has none.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use rustls::{ServerConfig, ServerConnection};

/// Listens with TLS, demands client certificates as `config` says, and passes the plaintext on to `target`.
/// Ends with the process.
pub(super) fn start(target: SocketAddr, config: Arc<ServerConfig>) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let config = config.clone();
            // A connection that breaks is what the tests look at from its other end.
            thread::spawn(move || drop(serve(&socket, target, config)));
        }
    });
    Ok(address)
}

fn serve(socket: &TcpStream, target: SocketAddr, config: Arc<ServerConfig>) -> io::Result<()> {
    let inner = TcpStream::connect(target)?;
    for stream in [socket, &inner] {
        stream.set_nodelay(true)?;
    }
    let mut connection = ServerConnection::new(config).map_err(io::Error::other)?;
    connection.set_buffer_limit(None);
    let connection = Arc::new(Mutex::new(connection));
    let (down, outer, source) = (connection.clone(), socket.try_clone()?, inner.try_clone()?);
    let downward = thread::spawn(move || drop(encrypt(&down, &outer, &source)));
    let result = decrypt(&connection, socket, &inner);
    let _ = inner.shutdown(Shutdown::Both); // it may be gone already
    let _ = downward.join();
    result
}

fn decrypt(
    connection: &Mutex<ServerConnection>,
    mut socket: &TcpStream,
    mut to: &TcpStream,
) -> io::Result<()> {
    let (mut buffer, mut plain) = (vec![0; 16 << 10], Vec::new());
    let mut refused = false;
    loop {
        let count = socket.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        // After a refusal the rest is read and dropped: a reset would overtake the alert.
        let mut rest = if refused { &[][..] } else { &buffer[..count] };
        let mut connection = lock(connection);
        while !rest.is_empty() && !refused {
            connection.read_tls(&mut rest)?;
            refused = connection.process_new_packets().is_err();
            let _ = connection.reader().read_to_end(&mut plain); // ends with "would block"
        }
        write(&mut connection, socket)?;
        drop(connection);
        if refused {
            socket.shutdown(Shutdown::Write)?;
        }
        to.write_all(&plain)?;
        plain.clear();
    }
}

fn encrypt(connection: &Mutex<ServerConnection>, socket: &TcpStream, mut from: &TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let count = from.read(&mut buffer).unwrap_or(0);
        let mut connection = lock(connection);
        if count == 0 {
            connection.send_close_notify();
            write(&mut connection, socket)?;
            return socket.shutdown(Shutdown::Write);
        }
        connection.writer().write_all(&buffer[..count])?;
        write(&mut connection, socket)?;
    }
}

fn write(connection: &mut ServerConnection, mut socket: &TcpStream) -> io::Result<()> {
    while connection.wants_write() {
        connection.write_tls(&mut socket)?;
    }
    Ok(())
}

fn lock(connection: &Mutex<ServerConnection>) -> MutexGuard<'_, ServerConnection> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}
