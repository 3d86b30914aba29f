//! Why a text is not what a family wants.

use core::fmt;

/// A text that is not well formed in its family. It tells what was expected, not what was found, so that it can
/// be shown wherever the text may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// Which part is not well formed.
    pub part: Part,
    /// What was expected in its place.
    pub expected: &'static str,
}

impl Malformed {
    pub(super) const fn new(part: Part, expected: &'static str) -> Self {
        Self { part, expected }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: expected {}", self.part, self.expected)
    }
}

impl core::error::Error for Malformed {}

/// A part of a full reference, or of what a config gives in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The reference as a whole.
    Url,
    /// The family.
    Family,
    /// The network.
    Network,
    /// The address.
    Address,
    /// The port behind an address.
    Port,
    /// The Modbus unit.
    Unit,
    /// What names the point behind the address.
    Reference,
    /// Further parameters.
    Adjunct,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Url => "url",
            Self::Family => "family",
            Self::Network => "network",
            Self::Address => "address",
            Self::Port => "port",
            Self::Unit => "unit",
            Self::Reference => "reference",
            Self::Adjunct => "adjunct",
        })
    }
}
