//! What has to hold for every run, and how the simulated world says that it does not.

use std::cell::Cell;
use std::fmt;

use serde::{Deserialize, Serialize};

/// What has to hold for every run, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Property {
    /// How the transport cuts bytes is invisible.
    CutsAreInvisible = 1,
    /// The replay of any run is identical.
    RunsReplay = 2,
    /// Two states are at least the floor apart, and the last touch is always followed by one.
    StatesKeepTheirPace = 3,
    /// A state's `last_config` is the timestamp of the last config that was accepted.
    LastConfigIsTold = 4,
    /// Every token and id is resolved exactly once after a quiet time.
    EverythingIsResolved = 5,
    /// A run of only ticks reaches quiet.
    TicksReachQuiet = 6,
    /// Queues stay within their bounds.
    QueuesAreBounded = 7,
    /// A broken config changes nothing but the status.
    BrokenConfigsAreHarmless = 8,
    /// A redirect ends at an endpoint that can be reached.
    RedirectsEnd = 9,
    /// A proxied device's failure is invisible to its siblings.
    SiblingsAreApart = 10,
    /// A crash at any point and a start from what was stored never repeats a blob that was committed.
    BlobsAreCommittedOnce = 11,
    /// Nothing panics.
    NothingPanics = 12,
    /// All that the device lets out is allowed: its packets, what it publishes and subscribes to (§1.5), the schemas of
    /// its messages, the rules of the port.
    OutputIsAllowed = 13,
    /// Nothing freezes: every config is answered in time by itself or by a later one.
    ConfigsAreAnswered = 14,
}

impl Property {
    /// All of them, by number.
    pub const ALL: [Self; 14] = [
        Self::CutsAreInvisible,
        Self::RunsReplay,
        Self::StatesKeepTheirPace,
        Self::LastConfigIsTold,
        Self::EverythingIsResolved,
        Self::TicksReachQuiet,
        Self::QueuesAreBounded,
        Self::BrokenConfigsAreHarmless,
        Self::RedirectsEnd,
        Self::SiblingsAreApart,
        Self::BlobsAreCommittedOnce,
        Self::NothingPanics,
        Self::OutputIsAllowed,
        Self::ConfigsAreAnswered,
    ];

    /// Its number, from 1.
    #[must_use]
    pub fn number(self) -> u8 {
        self as u8
    }

    /// Whether it is seen only where runs are compared.
    #[must_use]
    pub fn compares_runs(self) -> bool {
        matches!(self, Self::CutsAreInvisible | Self::RunsReplay | Self::SiblingsAreApart)
    }

    /// It as a sentence.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::CutsAreInvisible => "how the transport cuts bytes is invisible",
            Self::RunsReplay => "the replay of any run is identical",
            Self::StatesKeepTheirPace => {
                "two states are at least the floor apart, and the last touch is always followed by one"
            }
            Self::LastConfigIsTold => "last_config is the timestamp of the last config that was accepted",
            Self::EverythingIsResolved => "every token and id is resolved exactly once",
            Self::TicksReachQuiet => "a run of only ticks reaches quiet",
            Self::QueuesAreBounded => "queues stay within their bounds",
            Self::BrokenConfigsAreHarmless => "a broken config changes nothing but the status",
            Self::RedirectsEnd => "a redirect ends at an endpoint that can be reached",
            Self::SiblingsAreApart => "a proxied device's failure is invisible to its siblings",
            Self::BlobsAreCommittedOnce => "no blob that was committed is repeated",
            Self::NothingPanics => "nothing panics",
            Self::OutputIsAllowed => "all that the device lets out is allowed",
            Self::ConfigsAreAnswered => "every config is answered",
        }
    }
}

impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "property {}: {}", self.number(), self.sentence())
    }
}

thread_local! {
    /// The property whose violation the world has panicked about.
    static VIOLATED: Cell<Option<Property>> = const { Cell::new(None) };
}

/// The world sees a property violated, and ends the run by a panic that says so.
///
/// # Panics
///
/// Always.
#[track_caller]
pub fn violated(property: Property, what: &str) -> ! {
    VIOLATED.set(Some(property));
    panic!("{what} ({property})")
}

/// The world ends the run by a panic if something does not hold.
///
/// # Panics
///
/// If it does not.
#[track_caller]
pub fn ensure(holds: bool, property: Property, what: impl FnOnce() -> String) {
    if !holds {
        violated(property, &what());
    }
}

/// The property that the last panic of this thread was about: [`Property::NothingPanics`] if it was none of the
/// world's.
#[must_use]
pub fn take_violated() -> Property {
    VIOLATED.take().unwrap_or(Property::NothingPanics)
}
