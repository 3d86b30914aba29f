//! What the tests of more than one crate stand on: the simulated world ([`world`]), lives in it ([`sim`]) and what has to
//! hold for them ([`property`]), the conformance suite that
//! runs in it ([`conformance`]), site models ([`model`]), UDMI's schemas ([`upstream`]), devices and brokers on
//! real sockets ([`live`]), `data:` URLs ([`data_url`]), and a dialect of no vendor's ([`toy`]).

pub mod conformance;
pub mod data_url;
pub mod live;
pub mod model;
pub mod property;
pub mod sim;
pub mod toy;
pub mod upstream;
pub mod world;

/// The programs of the README have to compile.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
mod readme {}

/// And those of the page about adapters.
#[cfg(doctest)]
#[doc = include_str!("../../docs/adapters.md")]
mod adapters {}
