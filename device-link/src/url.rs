//! Endpoints as people write them.

use alloc::borrow::ToOwned as _;
use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use crate::{Endpoint, Transport};

/// The usual ports.
const MQTT: u16 = 1883;
const MQTTS: u16 = 8883;

/// Why a text is no endpoint.
#[derive(Clone, PartialEq, Eq)]
pub enum EndpointError {
    /// It is not of the form.
    Form,
    /// The port is none.
    Port(String),
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    /// Reads `mqtt://HOST[:PORT]`, `mqtts://HOST[:PORT]` with TLS, or `HOST:PORT` without; an IPv6 address stands in
    /// brackets. `tcp` and `ssl` are other words for the schemes.
    ///
    /// ```
    /// use device_link::{Endpoint, Transport};
    /// let endpoint: Endpoint = "mqtts://broker.example".parse()?;
    /// assert_eq!((endpoint.port, endpoint.transport), (8883, Transport::Tls));
    /// assert_eq!("localhost:1884".parse::<Endpoint>()?.to_string(), "mqtt://localhost:1884");
    /// # Ok::<(), device_link::EndpointError>(())
    /// ```
    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let (transport, rest, usual) = match text.split_once("://") {
            Some(("mqtt" | "tcp", rest)) => (Transport::Tcp, rest, Some(MQTT)),
            Some(("mqtts" | "ssl", rest)) => (Transport::Tls, rest, Some(MQTTS)),
            Some(_) => return Err(EndpointError::Form),
            None => (Transport::Tcp, text, None),
        };
        let rest = rest.trim_end_matches('/');
        let (host, port) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, "")) => (host, None),
            Some((host, port)) => (host, Some(port.strip_prefix(':').ok_or(EndpointError::Form)?)),
            None => rest.rsplit_once(':').map_or((rest, None), |(host, port)| (host, Some(port))),
        };
        let bracketed = rest.starts_with('[');
        if host.is_empty() || host.contains(['[', ']', '/', '@']) || (host.contains(':') && !bracketed) {
            return Err(EndpointError::Form);
        }
        let port = match port {
            None => usual.ok_or(EndpointError::Form)?,
            Some(port) => port.parse().map_err(|_| EndpointError::Port(port.to_owned()))?,
        };
        Ok(Self { host: host.to_owned(), port, transport })
    }
}

impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form => f.write_str(
                "expected mqtt://HOST[:PORT], HOST:PORT, or mqtts://HOST[:PORT] with TLS; an IPv6 address stands in brackets",
            ),
            Self::Port(port) => write!(f, "'{port}' is no port"),
        }
    }
}

/// As it is displayed, for a `main` that ends with this error shows it so.
impl fmt::Debug for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl core::error::Error for EndpointError {}

#[cfg(test)]
mod tests {
    use std::string::ToString as _;

    use super::*;

    #[test]
    fn urls_are_read_and_written_alike() {
        for url in ["mqtt://localhost:1884", "mqtts://broker.example:8883", "mqtt://[::1]:1883"] {
            assert_eq!(url.parse::<Endpoint>().map(|endpoint| endpoint.to_string()).as_deref(), Ok(url));
        }
        let port = |text: &str| text.parse::<Endpoint>().map(|endpoint| endpoint.port);
        for (text, usual) in [("mqtt://broker", MQTT), ("ssl://broker/", MQTTS), ("[::1]:7", 7), ("a:8", 8)] {
            assert_eq!(port(text), Ok(usual), "{text}");
        }
    }

    #[test]
    fn what_is_no_endpoint_is_told() {
        for bad in ["", "localhost", "http://localhost", "mqtt://", "mqtt://::1", "mqtt://[::1", "mqtt://u@h"]
        {
            assert_eq!(bad.parse::<Endpoint>(), Err(EndpointError::Form), "{bad}");
        }
        assert_eq!("mqtt://[::1]9".parse::<Endpoint>(), Err(EndpointError::Form));
        let error = "mqtt://host:none".parse::<Endpoint>().map_err(|error| error.to_string());
        assert_eq!(error.err().as_deref(), Some("'none' is no port"));
    }
}
