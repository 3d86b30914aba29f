//! The first stage: fetch, verify, have the application install, and store the verdict.

use alloc::format;
use alloc::string::{String, ToString as _};
use core::time::Duration;

use device_link::{FetchEvent, FetchId, HookId, Request};

use crate::model::category::{Category, Level};
use crate::model::entry::Entry;
use crate::port::{BlobOutcome, Hook, Notice, Outcome};
use crate::scope::Scope;

use super::blob::{Blob, Phase, Step, Verdict};
use super::download::{Download, Progress};
use super::order::Order;
use super::record::{Ended, Record};
use super::{Blobset, STORE_TIMEOUT};
use crate::device::Announcement;

const RECEIVE: Category = Category::BlobsetBlobReceive;
const FETCH: Category = Category::BlobsetBlobFetch;
const PARSE: Category = Category::BlobsetBlobParse;
const APPLY: Category = Category::BlobsetBlobApply;

/// How long the application may take to install a blob.
const PROCESS_TIMEOUT: Duration = Duration::from_secs(600);
/// The longest version, in bytes; the rest is cut.
const VERSION_BYTES: usize = 256;

impl Blobset {
    /// §5.5 steps 3 and 4.
    pub(super) fn receive(&mut self, sc: &mut Scope<'_, '_>, name: &str, order: Order) {
        let Order { generation, content } = order;
        sc.log(RECEIVE, RECEIVE.level(), format!("Blob {name}: received"));
        match content {
            Ok(content) => {
                self.blobs.insert(name.into(), Blob::new(generation, Phase::Waiting(content)));
            }
            Err(reason) => {
                self.blobs.insert(name.into(), Blob::new(generation, Phase::Ended { failure: None }));
                self.fail(sc, name, PARSE, Level::ERROR, &reason);
            }
        }
    }

    /// §5.5 step 5a, as far as there is room.
    pub(super) fn start_waiting(&mut self, sc: &mut Scope<'_, '_>) {
        let limit = self.limit;
        for (name, blob) in &mut self.blobs {
            let Phase::Waiting(content) = &blob.phase else { continue };
            let Ok(id) = sc.cx.fetch(Request { url: content.url.clone(), limit }) else { return };
            sc.log(FETCH, FETCH.level(), format!("Blob {name}: fetching"));
            blob.phase = Phase::Fetching(Download::new(id, content, limit, sc.now().at));
        }
    }

    /// Something has happened to a fetch.
    pub(crate) fn on_fetched(&mut self, sc: &mut Scope<'_, '_>, id: FetchId, event: FetchEvent) {
        let Some(name) = self.of_fetch(id) else { return };
        let Some(Blob { phase: Phase::Fetching(download), .. }) = self.blobs.get_mut(&name) else { return };
        match download.on_event(sc, &name, event) {
            Progress::More => return,
            Progress::Failed { error, released } => {
                if !released {
                    sc.cx.release(id);
                }
                self.fail(sc, &name, FETCH, Level::ERROR, &error.to_string());
            }
            Progress::Complete { size, sha256, as_expected, is_inline } => {
                sc.log(PARSE, PARSE.level(), format!("Blob {name}: verifying {size} bytes"));
                if as_expected {
                    self.process(sc, &name, id, size, sha256);
                } else {
                    sc.cx.release(id);
                    // A trace masks the content of such a URL, and with it what it hashes to.
                    let found = if is_inline { String::new() } else { format!(", but {sha256}") };
                    let reason = format!("the content does not have the SHA-256 of the config{found}");
                    self.fail(sc, &name, PARSE, Level::ERROR, &reason);
                }
            }
        }
        self.start_waiting(sc);
        self.arm(sc);
    }

    /// The host has forgotten the fetch.
    pub(super) fn give_up_fetch(&mut self, sc: &mut Scope<'_, '_>, name: &str) {
        let Some(Blob { phase: Phase::Fetching(download), .. }) = self.blobs.get(name) else { return };
        sc.cx.release(download.id);
        self.fail(sc, name, FETCH, Level::ERROR, "nothing was heard of the fetch for too long");
    }

    /// §5.5 step 5c.
    fn process(&mut self, sc: &mut Scope<'_, '_>, name: &str, staged: FetchId, size: u64, sha256: String) {
        let Some(blob) = self.blobs.get_mut(name) else { return };
        sc.log(APPLY, APPLY.level(), format!("Blob {name}: installing"));
        let generation = blob.generation_text();
        let hook = Hook::ProcessBlob { name: name.into(), generation, staged, size, sha256 };
        match sc.invoke(hook) {
            Ok(hook) => {
                let until = sc.now().at + PROCESS_TIMEOUT;
                blob.phase = Phase::Processing { staged, hook, until };
            }
            Err(full) => {
                sc.cx.release(staged);
                self.fail(sc, name, APPLY, Level::ERROR, &full.to_string());
            }
        }
    }

    pub(super) fn give_up_processing(&mut self, sc: &mut Scope<'_, '_>, name: &str) {
        let Some(Blob { phase: Phase::Processing { staged, hook, .. }, .. }) = self.blobs.get(name) else {
            return;
        };
        sc.cancel_hook(*hook);
        sc.cx.release(*staged);
        self.fail(sc, name, APPLY, Level::ERROR, "the application did not answer in time");
    }

    /// Gives the outcome back if the hook is not one of its own.
    pub(crate) fn on_hook(
        &mut self,
        sc: &mut Scope<'_, '_>,
        id: HookId,
        outcome: Outcome,
    ) -> Option<Outcome> {
        let found = self.blobs.iter().find(|(_, blob)| blob.awaited_hook() == Some(id));
        let Some((name, blob)) = found else { return Some(outcome) };
        let name = name.clone();
        match blob.phase {
            Phase::Processing { staged, .. } => {
                sc.cx.release(staged);
                self.on_processed(sc, &name, outcome);
            }
            Phase::Processed { step: Step::Checking { .. }, .. } => self.on_checked(sc, &name, &outcome),
            Phase::Processed { .. }
            | Phase::Waiting(_)
            | Phase::Fetching(_)
            | Phase::Judged { .. }
            | Phase::Ended { .. } => self.on_activated(sc, &name, outcome),
        }
        self.start_waiting(sc);
        self.arm(sc);
        None
    }

    fn on_processed(&mut self, sc: &mut Scope<'_, '_>, name: &str, outcome: Outcome) {
        let abort = Category::BlobsetBlobAbort;
        let rollback = Category::BlobsetBlobRollback;
        match outcome {
            Outcome::Done => self.judge(sc, name, Verdict::Processed { version: None }),
            Outcome::Blob(BlobOutcome::Processed { version }) => {
                let version = version.map(bounded).filter(|version| !version.is_empty());
                self.judge(sc, name, Verdict::Processed { version });
            }
            Outcome::Invalid { message } => self.fail(sc, name, PARSE, Level::ERROR, &message),
            Outcome::Failed { message } => self.fail(sc, name, APPLY, Level::ERROR, &message),
            Outcome::Blob(BlobOutcome::Aborted { message }) => {
                self.fail(sc, name, abort, Category::BlobsetBlobAbort.level(), &message);
            }
            Outcome::Blob(BlobOutcome::RolledBack { message }) => {
                self.fail(sc, name, rollback, Category::BlobsetBlobRollback.level(), &message);
            }
            Outcome::Unhandled => self.fail(sc, name, APPLY, Level::ERROR, "nothing here installs it"),
            Outcome::Blob(BlobOutcome::Activated | BlobOutcome::NotActivated)
            | Outcome::Values { .. }
            | Outcome::Metrics(_)
            | Outcome::KeyMade(_) => {
                self.fail(sc, name, APPLY, Level::ERROR, "the application gave no answer to the question");
            }
        }
    }

    /// Logs why a blob has failed, and makes it its verdict; the status is an error whatever the log says.
    pub(super) fn fail(
        &mut self,
        sc: &mut Scope<'_, '_>,
        name: &str,
        category: Category,
        level: Level,
        reason: &str,
    ) {
        let status = sc.entry(category, format!("Blob {name}: {reason}")).at(Level::ERROR);
        sc.log_entry(status.clone().at(level));
        self.judge(sc, name, Verdict::Failed { status });
    }

    /// Stores a verdict. Nobody is told before it is safe: what the cloud has heard holds after a crash.
    fn judge(&mut self, sc: &mut Scope<'_, '_>, name: &str, verdict: Verdict) {
        let Some(blob) = self.blobs.get_mut(name) else { return };
        let until = sc.now().at + STORE_TIMEOUT;
        let Some(generation) = blob.generation.clone() else {
            blob.phase = Phase::Judged { verdict, store: None, until };
            return self.pronounce(sc, name, true); // a wish that names no generation has nothing to be kept by
        };
        let result = match verdict.clone() {
            Verdict::Processed { version } => Ended::Processed { version, activations: 0 },
            Verdict::Failed { status } => Ended::Failed { status },
        };
        self.table.blobs.insert(name.into(), Record { generation, result });
        let store = self.save(sc);
        if let Some(blob) = self.blobs.get_mut(name) {
            blob.phase = Phase::Judged { verdict, store, until };
        }
        if store.is_none() {
            self.pronounce(sc, name, false);
        }
    }

    /// The verdict is safe, or cannot be made so: it takes effect. A success that a restart would forget would
    /// be repeated by every run for ever, so it is none.
    pub(super) fn pronounce(&mut self, sc: &mut Scope<'_, '_>, name: &str, safe: bool) {
        let Some(blob) = self.blobs.get_mut(name) else { return };
        let Phase::Judged { verdict, .. } = &blob.phase else { return };
        match verdict.clone() {
            Verdict::Processed { version } if safe => {
                let step = Step::Announcing(Announcement::Owed);
                blob.phase = Phase::Processed { version, step };
                sc.touch();
            }
            Verdict::Processed { .. } => {
                let text = format!("Blob {name}: its installation could not be recorded");
                let status = sc.entry(APPLY, text).at(Level::ERROR);
                sc.log_entry(status.clone());
                self.record_failure(sc, name, &status);
                self.end(sc, name, Some(status));
            }
            Verdict::Failed { status } => self.end(sc, name, Some(status)),
        }
    }

    /// Overwrites the record of a success that was none; whether that succeeds changes nothing.
    fn record_failure(&mut self, sc: &mut Scope<'_, '_>, name: &str, status: &Entry) {
        if let Some(record) = self.table.blobs.get_mut(name) {
            record.result = Ended::Failed { status: status.clone() };
            self.save(sc);
        }
    }

    /// The blob has come to its end.
    pub(super) fn end(&mut self, sc: &mut Scope<'_, '_>, name: &str, failure: Option<Entry>) {
        let Some(mut blob) = self.blobs.remove(name) else { return };
        sc.touch();
        sc.notify(Notice::BlobFinished {
            name: name.into(),
            generation: blob.generation_text(),
            failure: failure.as_ref().map(|status| status.message.clone()),
        });
        if blob.withdrawn {
            self.table.blobs.remove(name);
            self.save(sc);
        } else {
            blob.phase = Phase::Ended { failure };
            self.blobs.insert(name.into(), blob);
        }
        self.take_up_orders(sc);
    }
}

fn bounded(mut version: String) -> String {
    let cut = (0..=VERSION_BYTES).rev().find(|&at| version.is_char_boundary(at)).unwrap_or(0);
    version.truncate(cut);
    version
}
