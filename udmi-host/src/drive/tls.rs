//! The TLS of connections to come.

use std::fmt;

use device_link::{Closed, Endpoint, Transport};

use super::TlsSource;
use crate::tls::{TlsClient, TlsConfig, TlsError, TlsSettings, Trust};

/// Makes the TLS client of each connection: from the source, or from the settings given, or from the operating
/// system's roots, which are read when first needed.
pub struct TlsClients {
    config: Option<TlsConfig>,
    source: Option<TlsSource>,
}

impl TlsClients {
    /// Asks the source before each connection, if there is one.
    #[must_use]
    pub fn new(config: Option<TlsConfig>, source: Option<TlsSource>) -> Self {
        Self { config, source }
    }

    /// Whether [`Self::client`] reads files for this endpoint.
    #[must_use]
    pub fn reads_files(&self, to: &Endpoint) -> bool {
        to.transport == Transport::Tls && (self.source.is_some() || self.config.is_none())
    }

    /// The client for a connection to that endpoint, if it is to use TLS.
    ///
    /// # Errors
    /// [`Closed::Tls`] if there is no usable certificate, key or root, or the host has no name TLS can check.
    pub fn client(&mut self, to: &Endpoint) -> Result<Option<Box<TlsClient>>, Closed> {
        match to.transport {
            Transport::Tcp => Ok(None),
            Transport::Tls => {
                let client = self.config().and_then(|config| TlsClient::new(&config, &to.host));
                client.map(|client| Some(Box::new(client))).map_err(|error| Closed::Tls(error.to_string()))
            }
        }
    }

    fn config(&mut self) -> Result<TlsConfig, TlsError> {
        if let Some(source) = &mut self.source {
            return source();
        }
        if let Some(config) = &self.config {
            return Ok(config.clone());
        }
        let config = TlsConfig::new(&TlsSettings { trust: Trust::System, identity: None })?;
        Ok(self.config.insert(config).clone())
    }
}

impl fmt::Debug for TlsClients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsClients").finish_non_exhaustive()
    }
}
