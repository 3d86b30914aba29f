//! The second stage: the cloud knows, the application activates, the run restarts (§5.5 steps 5d to 5g, §5.6).

use alloc::string::ToString as _;
use core::time::Duration;

use device_link::Token;

use crate::model::category::{Category, Level};
use crate::port::{Hook, Outcome};
use crate::scope::Scope;

use super::blob::{Blob, Phase, Step};
use super::record::Ended;
use super::{Blobset, STORE_TIMEOUT};

const APPLY: Category = Category::BlobsetBlobApply;

/// Between the acknowledgement of the logs and the activation (§5.6: at least about one second).
const REST: Duration = Duration::from_secs(1);
/// How long the application may take to activate a blob.
const ACTIVATE_TIMEOUT: Duration = Duration::from_secs(120);

impl Blobset {
    /// Goes on where states or logs are acknowledged. `logs` are the oldest and the newest log message without an
    /// acknowledgement.
    pub(crate) fn on_settled(&mut self, sc: &mut Scope<'_, '_>, logs: Option<(Token, Token)>) {
        let mut moved = false;
        for blob in self.blobs.values_mut() {
            let Phase::Processed { step, .. } = &mut blob.phase else { continue };
            let Step::Flushing { upto } = step else { continue };
            if logs.is_none_or(|(oldest, _)| oldest > *upto) {
                *step = Step::Resting { until: sc.now().at + REST };
                moved = true;
            }
        }
        if moved {
            self.arm(sc);
        }
    }

    /// Whether the logs are to be sent now: the cloud knows how the first stage ended.
    pub(crate) fn wants_logs_out(&self) -> bool {
        self.blobs.values().any(is_announced)
    }

    /// The logs were sent, `newest` as the last of those without an acknowledgement.
    pub(crate) fn on_logs_sent(&mut self, sc: &mut Scope<'_, '_>, newest: Option<Token>) {
        for blob in self.blobs.values_mut() {
            if is_announced(blob)
                && let Phase::Processed { step, .. } = &mut blob.phase
            {
                *step = match newest {
                    Some(newest) => Step::Flushing { upto: newest },
                    None => Step::Resting { until: sc.now().at + REST },
                };
            }
        }
        self.arm(sc);
    }

    pub(super) fn run_out_activating(&mut self, sc: &mut Scope<'_, '_>, name: &str) {
        let Some(Blob { phase: Phase::Processed { step, .. }, .. }) = self.blobs.get(name) else { return };
        match step {
            Step::Announcing(_) | Step::Flushing { .. } => {}
            Step::Checking { hook, .. } => {
                let hook = *hook;
                self.give_up_check(sc, name, hook);
            }
            Step::Resting { .. } => self.record_activation(sc, name),
            Step::Recording { .. } | Step::Concluding { .. } => self.go_on_activating(sc, name, false),
            Step::Activating { hook, .. } => {
                sc.cancel_hook(*hook);
                self.fail(sc, name, APPLY, Level::ERROR, "the application did not activate it in time");
            }
        }
    }

    /// Stores that an activation begins: the next run asks what came of it, and none begins one for ever.
    fn record_activation(&mut self, sc: &mut Scope<'_, '_>, name: &str) {
        if let Some(record) = self.table.blobs.get_mut(name)
            && let Ended::Processed { activations, .. } = &mut record.result
        {
            *activations = activations.saturating_add(1);
        }
        let store = self.save(sc);
        self.set_step(name, Step::Recording { store, until: sc.now().at + STORE_TIMEOUT });
        if store.is_none() {
            self.go_on_activating(sc, name, false);
        }
    }

    /// What was to be stored is stored, or could not be.
    pub(super) fn go_on_activating(&mut self, sc: &mut Scope<'_, '_>, name: &str, ok: bool) {
        let Some(Blob { phase: Phase::Processed { step, .. }, .. }) = self.blobs.get(name) else { return };
        match step {
            Step::Recording { .. } if ok => self.activate(sc, name),
            Step::Recording { .. } => {
                self.fail(sc, name, APPLY, Level::ERROR, "its activation could not be recorded");
            }
            // Even if it is not stored: at worst the next run asks, or activates it once more.
            Step::Concluding { .. } => {
                self.restarts = true;
                self.end(sc, name, None);
            }
            Step::Checking { .. }
            | Step::Announcing(_)
            | Step::Flushing { .. }
            | Step::Resting { .. }
            | Step::Activating { .. } => {}
        }
    }

    fn activate(&mut self, sc: &mut Scope<'_, '_>, name: &str) {
        let Some(Blob { phase: Phase::Processed { version, .. }, .. }) = self.blobs.get(name) else { return };
        match sc.invoke(Hook::ActivateBlob { name: name.into(), version: version.clone() }) {
            Ok(hook) => {
                self.set_step(name, Step::Activating { hook, until: sc.now().at + ACTIVATE_TIMEOUT });
            }
            Err(full) => self.fail(sc, name, APPLY, Level::ERROR, &full.to_string()),
        }
    }

    pub(super) fn on_activated(&mut self, sc: &mut Scope<'_, '_>, name: &str, outcome: Outcome) {
        match outcome {
            Outcome::Failed { message } | Outcome::Invalid { message } => {
                self.fail(sc, name, APPLY, Level::ERROR, &message);
            }
            Outcome::Done
            | Outcome::Unhandled
            | Outcome::Values { .. }
            | Outcome::Metrics(_)
            | Outcome::Blob(_)
            | Outcome::KeyMade(_) => self.conclude(sc, name),
        }
    }

    /// Stores that it is activated; the restart follows.
    fn conclude(&mut self, sc: &mut Scope<'_, '_>, name: &str) {
        self.mark_activated(name);
        let store = self.save(sc);
        self.set_step(name, Step::Concluding { store, until: sc.now().at + STORE_TIMEOUT });
        if store.is_none() {
            self.go_on_activating(sc, name, false);
        }
    }

    pub(super) fn set_step(&mut self, name: &str, next: Step) {
        if let Some(Blob { phase: Phase::Processed { step, .. }, .. }) = self.blobs.get_mut(name) {
            *step = next;
        }
    }
}

fn is_announced(blob: &Blob) -> bool {
    let Phase::Processed { step: Step::Announcing(announcement), .. } = &blob.phase else { return false };
    announcement.is_known()
}
