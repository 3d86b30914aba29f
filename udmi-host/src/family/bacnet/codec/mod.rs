//! BACnet/IP packets (ANSI/ASHRAE 135): pure functions between bytes and what they say.
//!
//! Four layers, each in a module of its own: [`link`] (Annex J, UDP), [`network`] (clause 6), [`apdu`] (clause 20)
//! and [`service`] (clauses 15 and 16), over tags and primitive values ([`primitive`], clause 20.2). Only what a
//! client of field devices needs; everything else is told apart and left alone.
//!
//! Nothing here panics, whatever the bytes are, and nothing grows beyond the packet, which is bounded by
//! [`PACKET_BYTES`].
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

pub mod apdu;
pub mod link;
pub mod network;
pub mod primitive;
mod reader;
pub mod service;
mod tag;

use std::fmt;

use reader::Reader;

/// Longest packet there is: the longest APDU on BACnet/IP with what goes around it.
pub const PACKET_BYTES: usize = 1497;
/// Longest APDU on BACnet/IP.
pub const APDU_BYTES: u16 = 1476;
/// Deepest nesting of constructed data.
pub const NESTING: usize = 16;
/// The greatest instance of an object, which stands for any.
pub const INSTANCE: u32 = 0x3F_FFFF;

/// What is wrong with bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// They end too early.
    Short,
    /// They do not end where they should.
    Long,
    /// A length does not fit its content.
    Length,
    /// They are of another protocol or version.
    Protocol,
    /// A tag is not the one that belongs there.
    Tag,
    /// A value is out of its range.
    Range,
    /// Constructed data is nested too deep.
    Nesting,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Short => "it ends too early",
            Self::Long => "it does not end where it should",
            Self::Length => "a length does not fit",
            Self::Protocol => "another protocol or version",
            Self::Tag => "an unexpected tag",
            Self::Range => "a value out of range",
            Self::Nesting => "nested too deep",
        })
    }
}

impl std::error::Error for Broken {}
