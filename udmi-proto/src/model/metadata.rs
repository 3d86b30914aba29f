//! The site model's description of a device.

mod localnet;

pub use self::localnet::LocalnetFamily;
