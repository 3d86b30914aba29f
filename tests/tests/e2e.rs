//! End to end: devices of all runtimes against our own broker and mosquitto, over plain TCP and mutual TLS.
//! Every message a device sends is held against our schemas and UDMI's.

#[path = "e2e/dialect.rs"]
mod dialect;
#[path = "e2e/gateway.rs"]
mod gateway;
#[path = "e2e/redirect.rs"]
mod redirect;
#[path = "e2e/restarts.rs"]
mod restarts;
#[path = "e2e/story.rs"]
mod story;
#[path = "e2e/tls.rs"]
mod tls;
