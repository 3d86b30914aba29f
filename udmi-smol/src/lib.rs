//! UDMI devices as futures on smol: one thread holds thousands.
//!
//! [`Device::builder`] is the way for applications: closures that return futures for what the cloud asks, a [`Handle`]
//! for what the application tells. Names are those of `udmi-std` wherever the meaning is the same.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use udmi_smol::{Device, Endpoint, PointModel, Settings, Transport};
//!
//! fn main() -> Result<(), udmi_smol::Failure> {
//!     let endpoint = Endpoint { host: "localhost".into(), port: 1883, transport: Transport::Tcp };
//!     let settings = Settings::new("AHU-1", endpoint, "/r/REG/d/AHU-1", "/r/REG/d/AHU-1");
//!     smol::block_on(async {
//!         let device = Device::builder(settings)
//!             .point("room_temperature", PointModel::default())
//!             .point("setpoint", PointModel { writable: true, ..PointModel::default() })
//!             .on_writeback(|point, value| async move {
//!                 println!("{point} := {value}");
//!                 Ok(())
//!             })
//!             .start()
//!             .await?;
//!         let mut temperature = 20.0;
//!         while device.wait_for(Duration::from_secs(1)).await.is_none() {
//!             temperature += 0.1;
//!             device.set_point("room_temperature", temperature)?;
//!         }
//!         Ok(())
//!     })
//! }
//! ```
//!
//! Below it, [`driver::Driver`] runs any dialect of [`device_link`] as one future, on any executor whose futures may use
//! [`async_io`]. It knows nothing of what the bytes mean. Unix only.

mod closures;
mod device;
pub mod driver;
mod gateway;
mod handle;
mod redirect;

pub use device::{Builder, Device, StartError};
pub use gateway::Proxied;
pub use handle::Handle;
pub use redirect::Redirect;
pub use udmi_host;
pub use udmi_host::application::{
    Blob, BlobError, CommandError, DeviceHandle, Failure, HandleError, IntoReading, NotConnected, WriteError,
};
pub use udmi_proto;
pub use udmi_proto::{
    Algorithm, Category, Credentials, Endpoint, ExitReason, GatewaySettings, Identity, Level, Lifecycle,
    Limits, Notice, Options, PointModel, PointNames, ProxyMode, ProxySettings, Reading, Secret, Settings,
    TokenSettings, Transport, Value, ValueKind, exit_code,
};
