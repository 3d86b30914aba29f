//! Seeded defects: what a device might do wrong. They show that the oracles can fail.

use serde::{Deserialize, Serialize};

use crate::property::Property;

/// Something that is wrong with a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Defect {
    /// A command that comes in pieces is taken for another.
    TornCommand,
    /// Every sixty-fourth time it looks at a clock of its own, which is a second ahead.
    OwnClock,
    /// Every eighth state is sent twice at once.
    HurriedState,
    /// Every fourth state tells of the points what the one before did.
    ForgottenTouch,
    /// Every sixth state tells the config that the one before answered.
    OldLastConfig,
    /// Every second hook that nobody waits for any more is not cancelled.
    LostCancel,
    /// What is staged is released twice.
    DoubleRelease,
    /// Every twentieth event stays in the device.
    LostPublish,
    /// It wants to be called a second later, always.
    Restless,
    /// From the three-hundredth event on it wants to be called at once, always.
    Spinning,
    /// It keeps to other limits than it is given.
    Boundless,
    /// After a config that cannot be used, one of its points is missing.
    BrokenConfigCounts,
    /// After a redirect it connects to a host that does not exist.
    LostRedirect,
    /// What fails for one device behind a gateway fails for the next one that is asked, too.
    SharedFault,
    /// It forgets which blobs are installed when it starts.
    Amnesia,
    /// It panics at the three-hundredth event.
    Panic,
    /// Every fiftieth event is published where it is not allowed.
    StrayTopic,
    /// It hears no config after the twentieth.
    Frozen,
}

impl Defect {
    /// All of them, by the number of the property that each violates.
    pub const ALL: [Self; 18] = [
        Self::TornCommand,
        Self::OwnClock,
        Self::HurriedState,
        Self::ForgottenTouch,
        Self::OldLastConfig,
        Self::LostCancel,
        Self::DoubleRelease,
        Self::LostPublish,
        Self::Restless,
        Self::Spinning,
        Self::Boundless,
        Self::BrokenConfigCounts,
        Self::LostRedirect,
        Self::SharedFault,
        Self::Amnesia,
        Self::Panic,
        Self::StrayTopic,
        Self::Frozen,
    ];

    /// Its name, as in `udmi sim --defect`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::TornCommand => "torn-command",
            Self::OwnClock => "own-clock",
            Self::HurriedState => "hurried-state",
            Self::ForgottenTouch => "forgotten-touch",
            Self::OldLastConfig => "old-last-config",
            Self::LostCancel => "lost-cancel",
            Self::DoubleRelease => "double-release",
            Self::LostPublish => "lost-publish",
            Self::Restless => "restless",
            Self::Spinning => "spinning",
            Self::Boundless => "boundless",
            Self::BrokenConfigCounts => "broken-config-counts",
            Self::LostRedirect => "lost-redirect",
            Self::SharedFault => "shared-fault",
            Self::Amnesia => "amnesia",
            Self::Panic => "panic",
            Self::StrayTopic => "stray-topic",
            Self::Frozen => "frozen",
        }
    }

    /// The defect of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|defect| defect.name() == name)
    }

    /// The property that a device with it violates.
    #[must_use]
    pub fn violates(self) -> Property {
        match self {
            Self::TornCommand => Property::CutsAreInvisible,
            Self::OwnClock => Property::RunsReplay,
            Self::HurriedState | Self::ForgottenTouch => Property::StatesKeepTheirPace,
            Self::OldLastConfig => Property::LastConfigIsTold,
            Self::LostCancel | Self::DoubleRelease | Self::LostPublish => Property::EverythingIsResolved,
            Self::Restless | Self::Spinning => Property::TicksReachQuiet,
            Self::Boundless => Property::QueuesAreBounded,
            Self::BrokenConfigCounts => Property::BrokenConfigsAreHarmless,
            Self::LostRedirect => Property::RedirectsEnd,
            Self::SharedFault => Property::SiblingsAreApart,
            Self::Amnesia => Property::BlobsAreCommittedOnce,
            Self::Panic => Property::NothingPanics,
            Self::StrayTopic => Property::OutputIsAllowed,
            Self::Frozen => Property::ConfigsAreAnswered,
        }
    }
}
