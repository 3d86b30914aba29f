//! What the UDMI adapters share and neither should own: TLS, private keys, stores, host metrics,
//! the bridge from the `log` crate, and site models.
//!
//! Nothing here runs a loop, opens a socket or starts a thread. The adapters call it:
//!
//! * [`tls`]: one TLS client as bytes in, bytes out.
//! * [`keys`]: private keys from every usual file form, and the broker password derived from them.
//! * [`store`]: what a device remembers across restarts, safe against a crash at any moment.
//! * [`metrics`]: memory, disc and load of the host.
//! * [`log_bridge`]: the application's log records as UDMI log entries.
//! * [`site`]: site models, as a device finds itself in them.

pub mod keys;
pub mod log_bridge;
pub mod metrics;
pub mod site;
pub mod store;
pub mod tls;
