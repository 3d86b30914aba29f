//! What a run makes of an activation that an earlier one has begun and not ended: it asks the application.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use device_link::HookId;

use crate::device::Announcement;
use crate::model::category::{Category, Level};
use crate::port::{BlobOutcome, Hook, Outcome};
use crate::scope::Scope;

use super::Blobset;
use super::blob::{Blob, Phase, Step};
use super::record::Ended;

/// How often an activation is begun whose application can tell that it took no effect. One that never does, as a
/// machine that starts the old software each time, would restart for ever.
const ATTEMPTS: u32 = 5;
/// How often an activation is begun whose application cannot tell: one that ends the run (an `exec`, say) must not
/// be repeated for ever, and one that a power failure cuts short must not be left undone.
const BLIND_ATTEMPTS: u32 = 2;
/// How long the application may take to tell.
const CHECK_TIMEOUT: Duration = Duration::from_secs(30);

/// What is known of an activation that was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    Activated,
    NotActivated,
    Unknown,
}

impl Blobset {
    /// The run begins: asks after each activation that was begun.
    pub(crate) fn resume(&mut self, sc: &mut Scope<'_, '_>) {
        for name in self.blobs.keys().cloned().collect::<Vec<_>>() {
            if self.begun(&name) > 0 {
                self.check(sc, &name);
            }
        }
        self.arm(sc);
    }

    /// How many activations of a blob were begun and none ended.
    fn begun(&self, name: &str) -> u32 {
        match self.table.blobs.get(name).map(|record| &record.result) {
            Some(Ended::Processed { activations, .. }) => *activations,
            Some(Ended::Applied | Ended::Failed { .. }) | None => 0,
        }
    }

    fn check(&mut self, sc: &mut Scope<'_, '_>, name: &str) {
        let Some(blob) = self.blobs.get(name) else { return };
        let Phase::Processed { version, .. } = &blob.phase else { return };
        let (version, generation) = (version.clone(), blob.generation_text());
        match sc.invoke(Hook::CheckActivation { name: name.into(), generation, version }) {
            Ok(hook) => {
                let until = sc.now().at + CHECK_TIMEOUT;
                self.set_step(name, Step::Checking { hook, until });
            }
            Err(_) => self.settle(sc, name, Effect::Unknown),
        }
    }

    /// The application tells.
    pub(super) fn on_checked(&mut self, sc: &mut Scope<'_, '_>, name: &str, outcome: &Outcome) {
        let effect = match outcome {
            Outcome::Blob(BlobOutcome::Activated) => Effect::Activated,
            Outcome::Blob(BlobOutcome::NotActivated) => Effect::NotActivated,
            Outcome::Blob(
                BlobOutcome::Processed { .. } | BlobOutcome::Aborted { .. } | BlobOutcome::RolledBack { .. },
            )
            | Outcome::Done
            | Outcome::Failed { .. }
            | Outcome::Invalid { .. }
            | Outcome::Values { .. }
            | Outcome::Metrics(_)
            | Outcome::KeyMade(_)
            | Outcome::Unhandled => Effect::Unknown,
        };
        self.settle(sc, name, effect);
    }

    /// The application does not tell in time.
    pub(super) fn give_up_check(&mut self, sc: &mut Scope<'_, '_>, name: &str, hook: HookId) {
        sc.cancel_hook(hook);
        self.settle(sc, name, Effect::Unknown);
    }

    fn settle(&mut self, sc: &mut Scope<'_, '_>, name: &str, effect: Effect) {
        let begun = self.begun(name);
        match effect {
            Effect::Activated => self.take_for_activated(sc, name),
            Effect::Unknown if begun >= BLIND_ATTEMPTS => self.take_for_activated(sc, name),
            Effect::NotActivated if begun >= ATTEMPTS => {
                let reason = alloc::format!("it is not in use after {begun} activations");
                self.fail(sc, name, Category::BlobsetBlobApply, Level::ERROR, &reason);
            }
            Effect::NotActivated | Effect::Unknown => self.activate_again(sc, name),
        }
    }

    /// No restart: this run is the one after the activation.
    fn take_for_activated(&mut self, sc: &mut Scope<'_, '_>, name: &str) {
        self.mark_activated(name);
        // Even if it is not stored: at worst the next run asks again.
        self.save(sc);
        self.end(sc, name, None);
    }

    /// Begins the second stage anew, unless the config has dropped the blob meanwhile.
    fn activate_again(&mut self, sc: &mut Scope<'_, '_>, name: &str) {
        self.set_step(name, Step::Announcing(Announcement::Owed));
        if self.blobs.get(name).is_some_and(|blob| blob.withdrawn)
            && let Some(blob) = self.blobs.remove(name)
        {
            self.call_off(sc, name, blob);
            self.table.blobs.remove(name);
            self.save(sc);
        }
        sc.touch();
        self.take_up_orders(sc);
    }

    /// The version a blob brought is in use from now on.
    pub(super) fn mark_activated(&mut self, name: &str) {
        let Some(Blob { phase: Phase::Processed { version, .. }, .. }) = self.blobs.get(name) else { return };
        if let Some(version) = version.clone() {
            self.table.software.insert(String::from(name), version);
        }
        if let Some(record) = self.table.blobs.get_mut(name) {
            record.result = Ended::Applied;
        }
    }
}
