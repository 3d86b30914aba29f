//! The application's closures as the answers to the core's hooks.

mod points;
mod proxied;

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use udmi_host::fetch::staged;
use udmi_host::key_store::DeviceKeys;
use udmi_host::metrics::Metrics;
use udmi_proto::model::events::SystemMetrics;
use udmi_proto::{BlobOutcome, Hook, Lifecycle, Notice, Outcome, Reading, Udmi};

use crate::blob::{Blob, BlobError, Redirect, processed};
use crate::driver::Application;
use crate::reading::{CommandError, WriteError};
pub(crate) use points::{PointClosures, known};
use proxied::ProxiedClosures;

type OnLifecycle = Box<dyn FnMut(Lifecycle) -> Result<(), String> + Send>;
type OnBlob = Box<dyn FnMut(Blob) -> Result<Option<String>, BlobError> + Send>;
type OnActivate = Box<dyn FnMut(&str, Option<&str>) -> Result<(), String> + Send>;
type OnCheckActivation = Box<dyn FnMut(&str, Option<&str>) -> Option<bool> + Send>;
type OnRedirect = Box<dyn FnMut(Redirect<'_>) + Send>;
type OnKeyRotated = Box<dyn FnMut(&str, &str) + Send>;
type OnNotice = Box<dyn FnMut(&Notice) + Send>;

/// All closures of an application. One that panics has failed, and the device goes on.
#[derive(Default)]
pub(crate) struct Closures {
    /// Of the device itself.
    pub(crate) own: PointClosures,
    pub(crate) proxied: ProxiedClosures,
    pub(crate) lifecycle: Option<OnLifecycle>,
    /// Where fetched files are.
    pub(crate) staging: PathBuf,
    pub(crate) blob: BTreeMap<String, OnBlob>,
    pub(crate) activate: Option<OnActivate>,
    pub(crate) check_activation: Option<OnCheckActivation>,
    pub(crate) redirect: Option<OnRedirect>,
    pub(crate) keys: Option<DeviceKeys>,
    pub(crate) key_rotated: Option<OnKeyRotated>,
    pub(crate) notice: Option<OnNotice>,
}

impl Application<Udmi> for Closures {
    fn answer(&mut self, hook: Hook) -> Outcome {
        if let Some(outcome) = self.own.answer(&hook) {
            return outcome;
        }
        match hook {
            // Without a closure for it, a write has succeeded.
            Hook::WritePoint { .. } | Hook::ReleasePoint { .. } => Outcome::Done,
            Hook::ReadPoints { wanted } => {
                Outcome::Values { values: self.own.read(wanted, |_| BTreeMap::new()) }
            }
            Hook::Proxied { device, hook, .. } => self.proxied.answer(&device, *hook),
            Hook::Metrics => Outcome::Metrics(measure()),
            Hook::Lifecycle { action } => match &mut self.lifecycle {
                Some(lifecycle) => done(guarded(|| lifecycle(action))),
                None => Outcome::Unhandled,
            },
            Hook::ProcessBlob { name, generation, staged: id, size, sha256 } => {
                let path = staged(&self.staging, id);
                self.install(Blob { name, path, size, sha256, generation })
            }
            Hook::ActivateBlob { name, version } => match &mut self.activate {
                Some(activate) => done(guarded(|| activate(&name, version.as_deref()))),
                None => Outcome::Unhandled,
            },
            Hook::CheckActivation { name, version, .. } => match &mut self.check_activation {
                Some(check) => checked(guarded(|| check(&name, version.as_deref()))),
                None => Outcome::Unhandled,
            },
            Hook::MakeKey => self.make_key(),
            Hook::UseKey { public_key } => self.use_key(&public_key),
            Hook::Scan { .. } | Hook::Command { .. } => Outcome::Unhandled,
            Hook::RestoreKey { backup } => self.restore(&backup),
        }
    }

    fn hear(&mut self, notice: Notice) {
        self.own.hear(&notice);
        if let Notice::Proxied { device, notice } = &notice {
            self.proxied.hear(device, notice);
        }
        // What panics was printed; there is nobody else to tell.
        if let (Some(hear), Some(redirect)) = (&mut self.redirect, Redirect::of(&notice)) {
            let _ = guarded(|| hear(redirect));
        }
        if let (Some(hear), Notice::KeyRotated { public_key, backup }) = (&mut self.key_rotated, &notice) {
            let _ = guarded(|| hear(public_key, backup));
        }
        if let Some(hear) = &mut self.notice {
            let _ = guarded(|| hear(&notice));
        }
    }
}

impl Closures {
    fn install(&mut self, blob: Blob) -> Outcome {
        let Some(install) = self.blob.get_mut(&blob.name) else {
            return Outcome::Failed { message: "nothing here takes it".into() };
        };
        processed(guarded(|| install(blob)).unwrap_or_else(|panic| Err(BlobError::Failed(panic))))
    }

    fn make_key(&mut self) -> Outcome {
        match self.keys.as_ref().map(DeviceKeys::prepare) {
            Some(Ok(key)) => Outcome::KeyMade(key),
            Some(Err(error)) => Outcome::Failed { message: error.to_string() },
            None => Outcome::Unhandled,
        }
    }

    fn use_key(&mut self, public_key: &str) -> Outcome {
        match self.keys.as_ref().map(|keys| keys.adopt(public_key)) {
            Some(Ok(())) => Outcome::Done,
            Some(Err(error)) => Outcome::Failed { message: error.to_string() },
            None => Outcome::Unhandled,
        }
    }

    fn restore(&mut self, backup: &str) -> Outcome {
        match self.keys.as_ref().map(|keys| keys.restore(backup)) {
            Some(Ok(())) => Outcome::Done,
            Some(Err(error)) => Outcome::Failed { message: error.to_string() },
            None => Outcome::Failed { message: "there are no keys".into() },
        }
    }
}

impl fmt::Debug for Closures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Closures").finish_non_exhaustive()
    }
}

/// Runs a closure of the application's. Its captured state is its own affair after a panic.
fn guarded<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        format!("the application panicked: {}", text.unwrap_or("without a message"))
    })
}

// One that fails in the same way as a point that cannot be read.
#[allow(clippy::unnecessary_wraps)]
fn failed(why: String) -> Option<Reading> {
    Some(Reading::Failed(why))
}

fn written(result: Result<Result<(), WriteError>, String>) -> Outcome {
    match result {
        Ok(Ok(())) => Outcome::Done,
        Ok(Err(WriteError::Invalid(message))) => Outcome::Invalid { message },
        Ok(Err(WriteError::Failed(message))) | Err(message) => Outcome::Failed { message },
    }
}

fn commanded(result: Result<Result<(), CommandError>, String>) -> Outcome {
    match result {
        Ok(Ok(())) => Outcome::Done,
        Ok(Err(CommandError::Unknown)) => Outcome::Unhandled,
        Ok(Err(CommandError::Failed(message))) | Err(message) => Outcome::Failed { message },
    }
}

fn done(result: Result<Result<(), String>, String>) -> Outcome {
    match result {
        Ok(Ok(())) => Outcome::Done,
        Ok(Err(message)) | Err(message) => Outcome::Failed { message },
    }
}

fn checked(result: Result<Option<bool>, String>) -> Outcome {
    match result {
        Ok(Some(true)) => Outcome::Blob(BlobOutcome::Activated),
        Ok(Some(false)) => Outcome::Blob(BlobOutcome::NotActivated),
        Ok(None) => Outcome::Unhandled,
        Err(message) => Outcome::Failed { message },
    }
}

/// The metrics of this host; of the file systems, the one of the working directory.
fn measure() -> SystemMetrics {
    let Metrics { mem_total_mb, mem_free_mb, store_total_mb, store_free_mb, system_load } =
        Metrics::measure(Path::new("."));
    SystemMetrics { mem_total_mb, mem_free_mb, store_total_mb, store_free_mb, system_load }
}

#[cfg(test)]
mod tests {
    use udmi_proto::Value;

    use super::*;

    #[test]
    fn whether_a_blob_is_activated_is_told_as_far_as_the_application_knows() {
        let check = || Hook::CheckActivation { name: "system".into(), generation: "g".into(), version: None };
        let mut closures = Closures::default();
        assert_eq!(closures.answer(check()), Outcome::Unhandled);
        let activated = Outcome::Blob(BlobOutcome::Activated);
        let not_activated = Outcome::Blob(BlobOutcome::NotActivated);
        for (known, outcome) in
            [(Some(true), activated), (Some(false), not_activated), (None, Outcome::Unhandled)]
        {
            closures.check_activation = Some(Box::new(move |_, _| known));
            assert_eq!(closures.answer(check()), outcome);
        }
        closures.check_activation = Some(Box::new(|_, _| panic!("no disc")));
        assert!(matches!(closures.answer(check()), Outcome::Failed { .. }));
    }

    /// What the core asks of the keys after a run that ended in the middle of a rotation.
    #[test]
    fn a_key_that_is_made_is_used_once_it_is_asked_for() {
        let made = |keys: &DeviceKeys| {
            let mut closures = Closures { keys: Some(keys.clone()), ..Closures::default() };
            let Outcome::KeyMade(made) = closures.answer(Hook::MakeKey) else { panic!() };
            (closures, made)
        };
        let wanted = udmi_host::key_store::Wanted::default();
        let store = udmi_host::key_store::MemoryKeyStore::new();
        let keys = DeviceKeys::ensure(store, "AHU-1", wanted).unwrap().0;
        let first = keys.public_key().to_pem();
        let (mut closures, new) = made(&keys);
        assert_eq!(keys.public_key().to_pem(), first);
        let other = Hook::UseKey { public_key: "another".into() };
        assert!(matches!(closures.answer(other), Outcome::Failed { .. }));
        for _ in 0..2 {
            let public_key = new.public_key.clone();
            assert_eq!(closures.answer(Hook::UseKey { public_key }), Outcome::Done);
            assert_eq!(keys.public_key().to_pem(), new.public_key);
        }
        assert_eq!(closures.answer(Hook::RestoreKey { backup: new.backup }), Outcome::Done);
        assert_eq!(keys.public_key().to_pem(), first);
    }

    #[test]
    fn nobody_for_writes_means_they_succeed() {
        let write = Hook::WritePoint { point: "a".into(), value: Value::Integer(1), reference: None };
        let proxied = Hook::Proxied { device: "AHU-2".into(), target: None, hook: Box::new(write.clone()) };
        for hook in [write, proxied] {
            assert_eq!(Closures::default().answer(hook), Outcome::Done);
        }
    }
}
