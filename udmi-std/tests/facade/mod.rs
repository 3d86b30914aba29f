//! What an application sees of a device, the same with every adapter.

mod bacnet;
mod device;
mod fields;
pub(crate) mod gateway;
mod tls;
mod update;
