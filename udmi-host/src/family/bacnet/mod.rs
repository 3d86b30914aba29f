//! BACnet/IP (feature `bacnet`): a gateway's field devices by their instance numbers.

pub mod codec;
mod objects;
mod properties;
mod units;
mod value;
