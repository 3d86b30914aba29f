//! Finds the addresses of an endpoint and connects to one of them. Blocks, within [`CONNECT_DEADLINE`] but for
//! the host's name resolution, which cannot be interrupted.

use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use device_link::{Closed, Endpoint, Transport};
use udmi_host::tls::{TlsClient, TlsConfig, TlsSettings, Trust};

use crate::connection::{Dialed, reason};
use crate::driver::TlsSource;

/// For all addresses of an endpoint together.
pub(crate) const CONNECT_DEADLINE: Duration = Duration::from_secs(10);
/// Addresses of one host that are tried.
const ADDRESSES_MAX: usize = 8;

/// Connects, with the TLS of the source or the one given, or that of the operating system's roots, made when
/// first needed.
pub(crate) struct Dialer {
    tls: Option<TlsConfig>,
    source: Option<TlsSource>,
}

impl Dialer {
    pub(crate) fn new(tls: Option<TlsConfig>, source: Option<TlsSource>) -> Self {
        Self { tls, source }
    }

    pub(crate) fn dial(&mut self, to: &Endpoint) -> Result<Dialed, Closed> {
        let tls = match to.transport {
            Transport::Tcp => None,
            Transport::Tls => Some(Box::new(self.client(&to.host)?)),
        };
        let host = to.host.trim_start_matches('[').trim_end_matches(']');
        let found = (host, to.port).to_socket_addrs().map_err(|_| Closed::Resolve)?;
        let socket = connect(&found.take(ADDRESSES_MAX).collect::<Vec<_>>())?;
        let prepared = socket.set_nodelay(true).and_then(|()| socket.set_nonblocking(true));
        prepared.map_err(|error| reason(&error))?;
        Ok(Dialed { socket, tls })
    }

    fn client(&mut self, host: &str) -> Result<TlsClient, Closed> {
        let failed = |error: udmi_host::tls::TlsError| Closed::Tls(error.to_string());
        if let Some(source) = &mut self.source {
            return TlsClient::new(&source().map_err(failed)?, host).map_err(failed);
        }
        let config = match &self.tls {
            Some(config) => config,
            None => {
                let settings = TlsSettings { trust: Trust::System, identity: None };
                self.tls.insert(TlsConfig::new(&settings).map_err(failed)?)
            }
        };
        TlsClient::new(config, host).map_err(failed)
    }
}

/// Tries the addresses in turn; each gets its share of the time that is left.
fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, Closed> {
    let deadline = Instant::now() + CONNECT_DEADLINE;
    let mut why = Closed::Resolve;
    for (index, address) in addresses.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        let untried = u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
        let share = (left / untried).max(Duration::from_millis(1));
        match TcpStream::connect_timeout(address, share) {
            Ok(socket) => return Ok(socket),
            Err(error) => why = reason(&error),
        }
    }
    Err(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dial(host: &str, port: u16) -> Result<Dialed, Closed> {
        Dialer::new(None, None).dial(&Endpoint { host: host.into(), port, transport: Transport::Tcp })
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
