//! What the UDMI adapters share and neither should own: TLS, private keys, stores, host metrics,
//! the bridge from the `log` crate, and site models.
//!
//! Nothing here runs a loop or, but for [`fetch`] and [`family`], opens a socket or starts a thread. The adapters
//! call it:
//!
//! * [`tls`]: one TLS client as bytes in, bytes out.
//! * [`keys`]: private keys from every usual file form or made new, and the broker password derived from them.
//! * [`certificate`]: a device's own X.509 certificate, signing requests, and what a certificate says.
//! * [`sign`]: signatures for the core's tokens.
//! * [`key_store`]: where the key pair is kept, and how it is rotated.
//! * [`files`]: files and folders whose access does not hang on the umask.
//! * [`store`]: what a device remembers across restarts, safe against a crash at any moment.
//! * [`fetch`]: URLs into staged files, with resume, limits and redirects.
//! * [`metrics`]: memory, disc and load of the host.
//! * [`log_bridge`]: the application's log records as UDMI log entries.
//! * [`family`]: field devices behind a gateway, by family, on threads of their own.
//! * [`application`]: what applications see of a device, whether they wait by threads or by futures.
//! * [`drive`]: what drivers are made of, whatever they wait with.
//! * [`site`]: site models, as a device finds itself in them.

#[cfg(unix)]
pub mod application;
pub mod certificate;
#[cfg(unix)]
pub mod drive;
pub mod family;
pub mod fetch;
pub mod files;
pub mod key_store;
pub mod keys;
pub mod log_bridge;
pub mod metrics;
pub mod sign;
pub mod site;
pub mod store;
pub mod tls;
