//! UDMI devices as futures on smol: one thread holds thousands.
//!
//! [`driver::Driver`] runs any dialect of [`device_link`] as one future, on any executor whose futures may use
//! [`async_io`]. It knows nothing of what the bytes mean. Unix only.

pub mod driver;

pub use udmi_host;
pub use udmi_proto;
