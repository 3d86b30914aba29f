//! UDMI devices on blocking threads, or on one bare non-blocking socket.
//!
//! [`Device::builder`] is the way for applications: closures for what the cloud asks, a [`Handle`] for what the
//! application tells. Below it, [`driver::Driver`] runs any dialect of [`device_link`] on threads, and
//! [`bare::Bare`] runs it in the caller's own loop. Neither knows anything of what the bytes mean. Unix only.

pub mod bare;
mod closures;
mod device;
mod dial;
pub mod driver;
mod gateway;
mod handle;
mod inbox;
mod jobs;
mod threads;
mod wait;

pub use device::{Builder, Device, StartError};
pub use gateway::Proxied;
pub use handle::Handle;
pub use udmi_host;
pub use udmi_host::application::{
    Blob, BlobError, CommandError, DeviceHandle, Failure, HandleError, IntoReading, NotConnected, Redirect,
    WriteError,
};
pub use udmi_proto;
pub use udmi_proto::{
    Algorithm, Category, Credentials, Endpoint, ExitReason, GatewaySettings, Identity, Level, Lifecycle,
    Limits, Notice, Options, PointModel, PointNames, ProxyMode, ProxySettings, Reading, Secret, Settings,
    TokenSettings, Transport, Value, ValueKind, exit_code,
};
