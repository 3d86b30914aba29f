//! What applications see of a device, as far as it does not depend on how they wait: threads or futures.
//!
//! An adapter adds a builder whose methods fill a [`Setup`], a driver made of its [`Parts`], and a handle around a
//! [`Running`]. Its closures return [`Reply`]s: values, or futures of them. What all adapters have in common is
//! decided here, such as which closure answers what, and what its result is for the core. The methods that adapters
//! have alike are macros, so that each has them under its own types.

mod adoption;
mod blob;
mod closures;
mod connected;
mod device_handle;
mod failure;
mod identity;
mod methods;
mod openings;
mod reading;
mod reply;
mod running;
mod setup;
mod together;
mod turns;

pub use adoption::Adoption;
pub use blob::{Blob, BlobError, Redirect};
pub use closures::{Blocking, Closures, KeyWork, PointClosures, ProxiedClosures, Work, known};
pub use connected::{Connected, NotConnected, Watch};
pub use device_handle::{Commands, DeviceHandle, HandleError};
pub use failure::Failure;
pub use reading::{CommandError, IntoReading, WriteError};
pub use reply::{Later, Reply};
pub use running::Running;
pub use setup::{Parts, ProxiedSetup, Setup, StartError};
