//! The application's closures as the answers to the core's hooks.

mod keys;
mod outcome;
mod points;
mod proxied;

use std::fmt;
use std::ops::ControlFlow::{Break, Continue};
use std::path::PathBuf;
use std::sync::Arc;

use udmi_proto::{Hook, Lifecycle, Map, Notice, Outcome};

use super::reply::{Later, Reply, guarded, guarded_now};
use super::turns::{About, Turns};
use super::{Blob, BlobError, Redirect};
use crate::fetch::staged;
pub use keys::KeyWork;
use outcome::{checked, done, measure, processed};
use points::heard;
pub use points::{PointClosures, known};
pub use proxied::ProxiedClosures;

type Done = Reply<Result<(), String>>;
type OnLifecycle = Box<dyn FnMut(Lifecycle) -> Done + Send>;
type OnBlob = Box<dyn FnMut(Blob) -> Reply<Result<Option<String>, BlobError>> + Send>;
type OnActivate = Box<dyn FnMut(String, Option<String>) -> Done + Send>;
type OnCheckActivation = Box<dyn FnMut(String, Option<String>) -> Reply<Option<bool>> + Send>;
type OnRedirect = Box<dyn FnMut(Redirect<'_>) -> Reply<()> + Send>;
type OnKeyRotated = Box<dyn FnMut(&str, &str) -> Reply<()> + Send>;
type OnNotice = Box<dyn FnMut(Notice) -> Reply<()> + Send>;

/// All closures of an application. One that panics has failed, and the device goes on.
///
/// Here it is decided which closure is asked, and what its result is for the core; that is the same whether closures
/// return values or futures. Futures run side by side, but those that concern one point, the commands of one device,
/// or the keys, which run in order.
#[derive(Default)]
pub struct Closures {
    /// Of the device itself.
    pub own: PointClosures,
    /// Of devices it acts for.
    pub proxied: ProxiedClosures,
    /// Is asked before the device ends.
    pub lifecycle: Option<OnLifecycle>,
    /// Where fetched files are.
    pub staging: PathBuf,
    /// Installs a blob, by its name.
    pub blob: Map<String, OnBlob>,
    /// Puts an installed blob in use: its name, its version.
    pub activate: Option<OnActivate>,
    /// Tells whether an installed blob is in use: its name, its version.
    pub check_activation: Option<OnCheckActivation>,
    /// Hears of the endpoint.
    pub redirect: Option<OnRedirect>,
    /// The keys that are made, used and restored.
    pub keys: Option<Arc<dyn KeyWork>>,
    /// Hears of a new key: its public half, the backup of the old pair.
    pub key_rotated: Option<OnKeyRotated>,
    /// Hears all notices.
    pub notice: Option<OnNotice>,
    /// Where is done what blocks.
    pub blocking: Blocking,
    turns: Turns,
}

/// Where work is done that blocks for a while: making keys takes long, measuring reads files.
#[derive(Clone, Copy, Debug, Default)]
pub enum Blocking {
    /// Where the closures are called.
    #[default]
    Here,
    /// Elsewhere, also if nobody waits for it any more.
    Elsewhere(fn(Work) -> Later<Outcome>),
}

/// Work that blocks for a while.
pub type Work = Box<dyn FnOnce() -> Outcome + Send>;

impl Closures {
    /// Answers what the core asks.
    pub fn answer(&mut self, hook: Hook) -> Reply<Outcome> {
        let hook = match self.own.answer(None, hook, &mut self.turns) {
            Break(reply) => return reply,
            Continue(hook) => hook,
        };
        match hook {
            // Without a closure for it, a write has succeeded.
            Hook::WritePoint { .. } | Hook::ReleasePoint { .. } => Reply::Now(Outcome::Done),
            Hook::ReadPoints { wanted } => {
                let values = self.own.read(wanted, |_| Reply::Now(Ok(Map::new())));
                values.map(|values| Outcome::Values { values: values.unwrap_or_default() })
            }
            Hook::Proxied { device, hook, .. } => self.proxied.answer(device, *hook, &mut self.turns),
            Hook::Metrics => self.blocking.run(Box::new(measure)),
            Hook::Lifecycle { action } => match &mut self.lifecycle {
                Some(lifecycle) => guarded(|| lifecycle(action)).map(done),
                None => Reply::Now(Outcome::Unhandled),
            },
            Hook::ProcessBlob { name, generation, staged: id, size, sha256 } => {
                let path = staged(&self.staging, id);
                self.install(Blob { name, path, size, sha256, generation })
            }
            Hook::ActivateBlob { name, version } => match &mut self.activate {
                Some(activate) => guarded(|| activate(name, version)).map(done),
                None => Reply::Now(Outcome::Unhandled),
            },
            Hook::CheckActivation { name, version, .. } => match &mut self.check_activation {
                Some(check) => guarded(|| check(name, version)).map(checked),
                None => Reply::Now(Outcome::Unhandled),
            },
            Hook::MakeKey => self.with_keys(|keys| keys.make()).unwrap_or(Reply::Now(Outcome::Unhandled)),
            Hook::UseKey { public_key } => {
                self.with_keys(move |keys| keys.adopt(&public_key)).unwrap_or(Reply::Now(Outcome::Unhandled))
            }
            Hook::RestoreKey { backup } => {
                let no_keys = || Reply::Now(Outcome::Failed { message: "there are no keys".into() });
                self.with_keys(move |keys| keys.restore(&backup)).unwrap_or_else(no_keys)
            }
            Hook::Scan { .. } | Hook::Command { .. } => Reply::Now(Outcome::Unhandled),
        }
    }

    /// Takes in what the core tells.
    pub fn hear(&mut self, notice: Notice) -> Reply<()> {
        let mut replies: Vec<_> = self.own.hear(&notice).into_iter().collect();
        if let Notice::Proxied { device, notice } = &notice {
            replies.append(&mut self.proxied.hear(device, notice));
        }
        if let (Some(hear), Some(redirect)) = (&mut self.redirect, Redirect::of(&notice)) {
            replies.push(heard(|| hear(redirect)));
        }
        if let (Some(hear), Notice::KeyRotated { public_key, backup }) = (&mut self.key_rotated, &notice) {
            replies.push(heard(|| hear(public_key, backup)));
        }
        if let Some(hear) = &mut self.notice {
            replies.push(heard(|| hear(notice)));
        }
        Reply::all(replies).map(drop)
    }

    fn install(&mut self, blob: Blob) -> Reply<Outcome> {
        let Some(install) = self.blob.get_mut(&blob.name) else {
            return Reply::Now(Outcome::Failed { message: "nothing here takes it".into() });
        };
        guarded(|| install(blob)).map(processed)
    }

    /// Works with the keys, after all that was begun with them.
    fn with_keys(
        &mut self,
        work: impl FnOnce(&dyn KeyWork) -> Outcome + Send + 'static,
    ) -> Option<Reply<Outcome>> {
        let keys = self.keys.clone()?;
        let Blocking::Elsewhere(run) = self.blocking else { return Some(Reply::Now(work(&*keys))) };
        let turn = self.turns.next(About::Keys);
        Some(Reply::later(async move {
            turn.has_come().await;
            // The turn ends with the work, not with the wait for it.
            let work = move || {
                let outcome = work(&*keys);
                drop(turn);
                outcome
            };
            run(Box::new(|| guarded_work(work))).await
        }))
    }
}

impl Blocking {
    fn run(self, work: Work) -> Reply<Outcome> {
        match self {
            Self::Here => Reply::Now(work()),
            Self::Elsewhere(run) => Reply::Later(run(work)),
        }
    }
}

fn guarded_work(work: impl FnOnce() -> Outcome) -> Outcome {
    guarded_now(work).unwrap_or_else(|message| Outcome::Failed { message })
}

impl fmt::Debug for Closures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Closures").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use udmi_proto::{BlobOutcome, Value};

    use crate::key_store::DeviceKeys;

    use super::*;

    #[test]
    fn whether_a_blob_is_activated_is_told_as_far_as_the_application_knows() {
        let check = || Hook::CheckActivation { name: "system".into(), generation: "g".into(), version: None };
        let mut closures = Closures::default();
        assert_eq!(closures.answer(check()).wait(), Outcome::Unhandled);
        let activated = Outcome::Blob(BlobOutcome::Activated);
        let not_activated = Outcome::Blob(BlobOutcome::NotActivated);
        for (known, outcome) in
            [(Some(true), activated), (Some(false), not_activated), (None, Outcome::Unhandled)]
        {
            closures.check_activation = Some(Box::new(move |_, _| Reply::Now(known)));
            assert_eq!(closures.answer(check()).wait(), outcome);
        }
        closures.check_activation = Some(Box::new(|_, _| panic!("no disc")));
        assert!(matches!(closures.answer(check()).wait(), Outcome::Failed { .. }));
    }

    /// What the core asks of the keys after a run that ended in the middle of a rotation.
    #[test]
    fn a_key_that_is_made_is_used_once_it_is_asked_for() {
        made_and_used(Blocking::Here);
        made_and_used(Blocking::Elsewhere(|work| {
            let (told, heard) = channel();
            std::thread::spawn(move || told.send(work()));
            Box::pin(async move { heard.recv().unwrap() })
        }));
    }

    fn made_and_used(blocking: Blocking) {
        let made = |keys: &DeviceKeys| {
            let mut closures =
                Closures { keys: Some(Arc::new(keys.clone())), blocking, ..Closures::default() };
            let Outcome::KeyMade(made) = closures.answer(Hook::MakeKey).wait() else { panic!() };
            (closures, made)
        };
        let wanted = crate::key_store::Wanted::default();
        let store = crate::key_store::MemoryKeyStore::new();
        let keys = DeviceKeys::ensure(store, "AHU-1", wanted).unwrap().0;
        let first = keys.public_key().to_pem();
        let (mut closures, new) = made(&keys);
        assert_eq!(keys.public_key().to_pem(), first);
        let other = Hook::UseKey { public_key: "another".into() };
        assert!(matches!(closures.answer(other).wait(), Outcome::Failed { .. }));
        for _ in 0..2 {
            let public_key = new.public_key.clone();
            assert_eq!(closures.answer(Hook::UseKey { public_key }).wait(), Outcome::Done);
            assert_eq!(keys.public_key().to_pem(), new.public_key);
        }
        assert_eq!(closures.answer(Hook::RestoreKey { backup: new.backup }).wait(), Outcome::Done);
        assert_eq!(keys.public_key().to_pem(), first);
    }

    #[test]
    fn nobody_for_writes_means_they_succeed() {
        let write = Hook::WritePoint { point: "a".into(), value: Value::Integer(1), reference: None };
        let proxied = Hook::Proxied { device: "AHU-2".into(), target: None, hook: Box::new(write.clone()) };
        for hook in [write, proxied] {
            assert_eq!(Closures::default().answer(hook).wait(), Outcome::Done);
        }
    }
}
