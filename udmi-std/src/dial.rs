//! Finds the addresses of an endpoint and connects to one of them. Blocks, within [`CONNECT_DEADLINE`] but for
//! the host's name resolution, which cannot be interrupted.

use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::time::Instant;

use device_link::{Closed, Endpoint};
use udmi_host::drive::{ADDRESSES_MAX, CONNECT_DEADLINE, Dialed, TlsClients, reason, share};

/// Connects, with TLS where it is wanted.
pub(crate) struct Dialer {
    tls: TlsClients,
}

impl Dialer {
    pub(crate) fn new(tls: TlsClients) -> Self {
        Self { tls }
    }

    pub(crate) fn dial(&mut self, to: &Endpoint) -> Result<Dialed<TcpStream>, Closed> {
        let tls = self.tls.client(to)?;
        let host = to.host.trim_start_matches('[').trim_end_matches(']');
        let found = (host, to.port).to_socket_addrs().map_err(|_| Closed::Resolve)?;
        let socket = connect(&found.take(ADDRESSES_MAX).collect::<Vec<_>>())?;
        let prepared = socket.set_nodelay(true).and_then(|()| socket.set_nonblocking(true));
        prepared.map_err(|error| reason(&error))?;
        Ok(Dialed { socket, tls })
    }
}

/// Tries the addresses in turn; each gets its share of the time that is left.
fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, Closed> {
    let deadline = Instant::now() + CONNECT_DEADLINE;
    let mut why = Closed::Resolve;
    for (index, address) in addresses.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        match TcpStream::connect_timeout(address, share(left, addresses.len() - index)) {
            Ok(socket) => return Ok(socket),
            Err(error) => why = reason(&error),
        }
    }
    Err(why)
}

#[cfg(test)]
mod tests {
    use device_link::Transport;

    use super::*;

    fn dial(host: &str, port: u16) -> Result<Dialed<TcpStream>, Closed> {
        let to = Endpoint { host: host.into(), port, transport: Transport::Tcp };
        Dialer::new(TlsClients::new(None, None)).dial(&to)
    }

    #[test]
    fn a_port_nobody_listens_on_refuses() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
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
        let Ok(listener) = std::net::TcpListener::bind("[::1]:0") else { return };
        let port = listener.local_addr().unwrap().port();
        assert!(dial("[::1]", port).is_ok());
    }
}
