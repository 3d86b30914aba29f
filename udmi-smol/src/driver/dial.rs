//! Finds the addresses of an endpoint and connects to one of them, within [`CONNECT_DEADLINE`] but for the host's
//! name resolution, which cannot be interrupted.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use async_io::{Async, Timer};
use blocking::unblock;
use device_link::{Closed, Endpoint};
use futures_lite::future;
use udmi_host::drive::{ADDRESSES_MAX, CONNECT_DEADLINE, Dialed, Socket, TlsClients, reason, share};
use udmi_host::tls::TlsClient;

/// A socket that tells when it is ready.
#[derive(Debug)]
pub(super) struct Watched(pub(super) Async<TcpStream>);

impl Socket for Watched {
    fn stream(&self) -> &TcpStream {
        self.0.get_ref()
    }
}

/// An attempt to connect. Dropping it ends it.
pub(super) type Dialing = Pin<Box<dyn Future<Output = Result<Dialed<Watched>, Closed>> + Send>>;

/// Connects, with TLS where it is wanted.
#[derive(Debug)]
pub(super) struct Dialer {
    tls: Arc<Mutex<TlsClients>>,
}

impl Dialer {
    pub(super) fn new(tls: TlsClients) -> Self {
        Self { tls: Arc::new(Mutex::new(tls)) }
    }

    pub(super) fn dial(&self, to: Endpoint) -> Dialing {
        let clients = self.tls.clone();
        Box::pin(async move {
            let tls = client(clients, to.clone()).await?;
            let socket = connect(&addresses(to).await?).await?;
            socket.get_ref().set_nodelay(true).map_err(|error| reason(&error))?;
            Ok(Dialed { socket: Watched(socket), tls })
        })
    }
}

/// The TLS client, made elsewhere if files are read for it.
async fn client(clients: Arc<Mutex<TlsClients>>, to: Endpoint) -> Result<Option<Box<TlsClient>>, Closed> {
    // An attempt that was given up may still have it.
    if let Ok(mut free) = clients.try_lock()
        && !free.reads_files(&to)
    {
        return free.client(&to);
    }
    unblock(move || clients.lock().unwrap_or_else(PoisonError::into_inner).client(&to)).await
}

async fn addresses(to: Endpoint) -> Result<Vec<SocketAddr>, Closed> {
    let host = to.host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![(address, to.port).into()]);
    }
    let host = host.to_owned();
    let found = unblock(move || {
        let found = (host.as_str(), to.port).to_socket_addrs()?;
        io::Result::Ok(found.take(ADDRESSES_MAX).collect())
    });
    found.await.map_err(|_| Closed::Resolve)
}

/// Tries the addresses in turn; each gets its share of the time that is left.
async fn connect(addresses: &[SocketAddr]) -> Result<Async<TcpStream>, Closed> {
    let deadline = Instant::now() + CONNECT_DEADLINE;
    let mut why = Closed::Resolve;
    for (index, &address) in addresses.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        let end = Timer::after(share(left, addresses.len() - index));
        let late = async {
            end.await;
            Err(io::ErrorKind::TimedOut.into())
        };
        match future::or(Async::<TcpStream>::connect(address), late).await {
            Ok(socket) => return Ok(socket),
            Err(error) => why = reason(&error),
        }
    }
    Err(why)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use device_link::Transport;

    use super::*;

    fn dial(host: &str, port: u16) -> Result<Dialed<Watched>, Closed> {
        let to = Endpoint { host: host.into(), port, transport: Transport::Tcp };
        async_io::block_on(Dialer::new(TlsClients::new(None, None)).dial(to))
    }

    #[test]
    fn a_port_nobody_listens_on_refuses() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        assert_eq!(dial("127.0.0.1", port).unwrap_err(), Closed::Refused);
    }

    #[test]
    fn a_name_without_address_does_not_resolve() {
        assert_eq!(dial("no-such-host.invalid", 1883).unwrap_err(), Closed::Resolve);
    }

    #[test]
    fn an_address_literal_may_wear_brackets() {
        let Ok(listener) = TcpListener::bind("[::1]:0") else { return };
        let port = listener.local_addr().unwrap().port();
        assert!(dial("[::1]", port).is_ok());
    }
}
