//! One blob: the generation at hand, and how far it is.

use alloc::string::String;

use device_link::{FetchId, HookId, Instant, StoreId, Token};
use serde::Serialize;

use crate::device::Announcement;
use crate::model::common::{Phase as Shown, Timestamp};
use crate::model::entry::Entry;

use super::download::Download;
use super::order::Content;

#[derive(Debug)]
pub(super) struct Blob {
    pub(super) generation: Option<Timestamp>,
    pub(super) phase: Phase,
    /// The config has dropped it, but it can no longer be called off.
    pub(super) withdrawn: bool,
}

/// The first stage ends with a verdict, which is told only once it is stored; the second stage is
/// [`Phase::Processed`].
#[derive(Debug)]
pub(super) enum Phase {
    /// All fetches are taken.
    Waiting(Content),
    Fetching(Download),
    /// The application installs it.
    Processing {
        staged: FetchId,
        hook: HookId,
        until: Instant,
    },
    /// The verdict is being stored.
    Judged {
        verdict: Verdict,
        store: Option<StoreId>,
        until: Instant,
    },
    /// It is installed, and stays so over restarts; the cloud is to know, then it is activated.
    Processed {
        version: Option<String>,
        step: Step,
    },
    /// It has come to its end.
    Ended {
        failure: Option<Entry>,
    },
}

/// How a blob has ended its first stage: the version it brought, or the status it shows.
#[derive(Clone, Debug)]
pub(super) enum Verdict {
    Processed { version: Option<String> },
    Failed { status: Entry },
}

/// The way from an installed blob to an activated one.
#[derive(Debug)]
pub(super) enum Step {
    /// An earlier run has begun to activate it; the application is asked what came of that.
    Checking { hook: HookId, until: Instant },
    /// A state that shows it is owed or unacknowledged.
    Announcing(Announcement),
    /// The cloud knows, and logs up to this message are unacknowledged.
    Flushing { upto: Token },
    /// What the cloud was told settles (§5.6).
    Resting { until: Instant },
    /// That an activation begins is being stored.
    Recording { store: Option<StoreId>, until: Instant },
    /// The application activates it.
    Activating { hook: HookId, until: Instant },
    /// That it is activated is being stored.
    Concluding { store: Option<StoreId>, until: Instant },
}

impl Blob {
    pub(super) fn new(generation: Option<Timestamp>, phase: Phase) -> Self {
        Self { generation, phase, withdrawn: false }
    }

    /// The generation as the application is told it.
    pub(super) fn generation_text(&self) -> String {
        self.generation.as_ref().map(|generation| generation.as_str().into()).unwrap_or_default()
    }

    /// Something is under way.
    pub(super) fn is_running(&self) -> bool {
        !matches!(self.phase, Phase::Ended { .. })
    }

    /// The application was told to activate it: there is no way back, as far as is known.
    pub(super) fn is_activating(&self) -> bool {
        let Phase::Processed { step, .. } = &self.phase else { return false };
        matches!(step, Step::Checking { .. } | Step::Activating { .. } | Step::Concluding { .. })
    }

    /// When patience ends.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Waiting(_) | Phase::Ended { .. } => None,
            Phase::Fetching(download) => Some(download.silent_until()),
            Phase::Processing { until, .. } | Phase::Judged { until, .. } => Some(*until),
            Phase::Processed { step, .. } => match step {
                Step::Announcing(_) | Step::Flushing { .. } => None, // as long as the link is gone
                Step::Resting { until }
                | Step::Recording { until, .. }
                | Step::Activating { until, .. }
                | Step::Checking { until, .. }
                | Step::Concluding { until, .. } => Some(*until),
            },
        }
    }

    /// Which answer of the store it waits for.
    pub(super) fn awaited_store(&self) -> Option<StoreId> {
        match &self.phase {
            Phase::Judged { store, .. } => *store,
            Phase::Processed { step, .. } => match step {
                Step::Recording { store, .. } | Step::Concluding { store, .. } => *store,
                Step::Checking { .. }
                | Step::Announcing(_)
                | Step::Flushing { .. }
                | Step::Resting { .. }
                | Step::Activating { .. } => None,
            },
            Phase::Waiting(_) | Phase::Fetching(_) | Phase::Processing { .. } | Phase::Ended { .. } => None,
        }
    }

    /// Which answer of the application it waits for.
    pub(super) fn awaited_hook(&self) -> Option<HookId> {
        match &self.phase {
            Phase::Processing { hook, .. }
            | Phase::Processed {
                step: Step::Activating { hook, .. } | Step::Checking { hook, .. }, ..
            } => Some(*hook),
            Phase::Waiting(_)
            | Phase::Fetching(_)
            | Phase::Judged { .. }
            | Phase::Processed { .. }
            | Phase::Ended { .. } => None,
        }
    }

    /// What the state shows of it (§5.2).
    pub(super) fn report(&self) -> Report<'_> {
        let (phase, status) = match &self.phase {
            Phase::Waiting(_) | Phase::Fetching(_) | Phase::Processing { .. } | Phase::Judged { .. } => {
                (Shown::Apply, None)
            }
            Phase::Processed { .. } => (Shown::Final, None),
            Phase::Ended { failure } => (Shown::Final, failure.as_ref()),
        };
        Report { phase, status, generation: self.generation.as_ref() }
    }
}

/// An entry of `state.blobset.blobs`, borrowed.
#[derive(Serialize)]
pub(crate) struct Report<'a> {
    phase: Shown,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'a Entry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    generation: Option<&'a Timestamp>,
}
