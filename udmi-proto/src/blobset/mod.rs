//! Software and module blobs (§5.5): from a config that names one to a device that runs it.
//!
//! The first stage fetches, verifies and has the application install; its verdict is stored before anybody is
//! told. The second stage tells the cloud, waits for the acknowledgement, has the application activate, and
//! restarts. A run that ends anywhere in between is taken up by the next one from what was stored: a stored
//! generation is never fetched again, whether it succeeded or failed.

mod activate;
mod blob;
mod download;
mod install;
mod order;
mod record;
mod resume;

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;
use device_link::{FetchId, Instant, Key, Map, Receipt, Set, StoreId, Stored, Token};

use crate::config::Block;
use crate::device::Announcement;
use crate::model::category::{Category, Level};
use crate::model::config;
use crate::port::Notice;
use crate::scope::{DeviceTimer, Scope};
use crate::settings::Options;

pub(crate) use blob::Report;
use blob::{Blob, Phase, Step};
use order::{Order, Wish, is_same};
pub(crate) use record::STORED_KEY;
use record::{Ended, Table};

/// Heavy changes wait until a burst of configs is over (§7.3).
const SETTLE: Duration = Duration::from_millis(500);
/// How long the store may take.
const STORE_TIMEOUT: Duration = Duration::from_secs(30);
/// How many names of blobs that are not taken are told.
const SKIPPED: usize = 8;
/// The longest of them, in bytes.
const SKIPPED_BYTES: usize = 64;

/// The blobs of one device.
#[derive(Debug)]
pub(crate) struct Blobset {
    /// Names the device takes.
    taken: Set<String>,
    limit: u64,
    /// The config has a blobset.
    present: bool,
    /// What the config wants beyond what is there.
    orders: Map<String, Order>,
    /// When the burst of configs is over that brought them.
    settled: Option<Instant>,
    blobs: Map<String, Blob>,
    table: Table,
    /// Versions as the settings and the application tell them.
    own_versions: Map<String, String>,
    skipped: Vec<String>,
    restarts: bool,
}

impl Blobset {
    pub(crate) fn new(options: &Options, software: &Map<String, String>) -> Self {
        let taken: Set<_> = options.blobs.iter().cloned().collect();
        let own_versions = software.iter().filter(|(name, _)| taken.contains(*name));
        Self {
            own_versions: own_versions.map(|(name, version)| (name.clone(), version.clone())).collect(),
            taken,
            limit: options.blob_limit,
            present: false,
            orders: Map::new(),
            settled: None,
            blobs: Map::new(),
            table: Table::default(),
            skipped: Vec::new(),
            restarts: false,
        }
    }

    /// The run begins with what was stored (§5.4); [`Self::resume`] follows. What it takes up again goes on once the
    /// cloud has seen it.
    ///
    /// # Errors
    /// Why the stored value cannot be read; nothing is restored then.
    pub(crate) fn begin(&mut self, stored: &[Stored]) -> Result<(), String> {
        self.table = Table::read(stored)?;
        self.table.blobs.retain(|name, _| self.taken.contains(name));
        self.table.software.retain(|name, _| self.taken.contains(name));
        for name in self.table.blobs.keys().cloned().collect::<Vec<_>>() {
            self.restore(&name);
        }
        Ok(())
    }

    /// A config is in force. Only what it drops is dropped at once.
    pub(crate) fn on_config(&mut self, sc: &mut Scope<'_, '_>, block: Block<config::Blobset>) {
        let blobs = match block {
            Block::Bad => {
                self.present = true;
                return;
            }
            Block::Absent => None,
            Block::Good(blobset) => Some(blobset.blobs.unwrap_or_default()),
        };
        self.present = blobs.is_some();
        let (taken, others): (Map<_, _>, Map<_, _>) =
            blobs.unwrap_or_default().into_iter().partition(|(name, _)| self.taken.contains(name));
        self.skip(sc, others.into_keys());
        let wishes = taken.into_iter().map(|(name, blob)| (name, Wish::read(blob))).collect();
        self.withdraw(sc, &wishes);
        self.take_orders(sc, wishes);
        self.arm(sc);
    }

    /// §5.5 step 1: one entry for the names that are not taken, when they change.
    fn skip(&mut self, sc: &mut Scope<'_, '_>, names: impl Iterator<Item = String>) {
        let names = names.filter(|name| !name.starts_with('_') && name.len() <= SKIPPED_BYTES);
        let names: Vec<_> = names.take(SKIPPED).collect();
        if !names.is_empty() && names != self.skipped {
            let text = alloc::format!("Blobs that this device does not take: {}", names.join(", "));
            sc.log(Category::BlobsetBlob, Level::INFO, text);
        }
        self.skipped = names;
    }

    /// §5.5 step 6: what the config has no longer goes, with its record.
    fn withdraw(&mut self, sc: &mut Scope<'_, '_>, wishes: &Map<String, Wish>) {
        let gone = self.blobs.keys().filter(|name| !wishes.contains_key(*name)).cloned();
        let gone: Vec<_> = gone.collect();
        let mut changed = false;
        for name in &gone {
            let Some(mut blob) = self.blobs.remove(name) else { continue };
            sc.touch();
            if blob.is_activating() {
                blob.withdrawn = true;
                self.blobs.insert(name.clone(), blob);
                continue;
            }
            self.call_off(sc, name, blob);
            changed |= self.table.blobs.remove(name).is_some();
        }
        if changed {
            self.save(sc);
        }
        if !gone.is_empty() {
            self.start_waiting(sc);
        }
    }

    fn take_orders(&mut self, sc: &mut Scope<'_, '_>, wishes: Map<String, Wish>) {
        let before = core::mem::take(&mut self.orders);
        for (name, wish) in wishes {
            let Wish::Ordered(order) = wish else { continue };
            let blob = self.blobs.get_mut(&name);
            match blob.filter(|blob| is_same(blob.generation.as_ref(), order.generation.as_ref())) {
                // §5.5 step 2, and also while it is under way.
                Some(blob) => {
                    if core::mem::take(&mut blob.withdrawn) {
                        sc.touch();
                    }
                }
                None => {
                    self.orders.insert(name, order);
                }
            }
        }
        // Not armed anew by each config: a stream of them must not put the work off for ever.
        if self.orders.is_empty() {
            self.settled = None;
        } else if before.is_empty() || self.settled.is_none() {
            self.settled = Some(sc.now().at + SETTLE);
        }
    }

    pub(crate) fn on_timer(&mut self, sc: &mut Scope<'_, '_>) {
        let now = sc.now().at;
        if self.settled.is_some_and(|at| at <= now) {
            self.settled = None;
            self.pursue(sc);
        }
        let late = self.blobs.iter().filter(|(_, blob)| blob.deadline().is_some_and(|at| at <= now));
        for name in late.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
            self.run_out(sc, &name);
        }
        self.start_waiting(sc);
        self.arm(sc);
    }

    /// Begins what the config wants, but for blobs that have to be finished first.
    fn pursue(&mut self, sc: &mut Scope<'_, '_>) {
        for (name, order) in core::mem::take(&mut self.orders) {
            if self.blobs.get(&name).is_some_and(Blob::is_activating) {
                self.orders.insert(name, order);
                continue;
            }
            if let Some(before) = self.blobs.remove(&name) {
                self.supersede(sc, &name, before);
            }
            sc.touch();
            let record = self.table.blobs.get(&name);
            if record.is_some_and(|record| is_same(Some(&record.generation), order.generation.as_ref())) {
                self.restore(&name);
            } else {
                self.receive(sc, &name, order);
            }
        }
        self.start_waiting(sc);
    }

    /// What the config wants was waiting for the end of a blob.
    fn take_up_orders(&mut self, sc: &mut Scope<'_, '_>) {
        if self.settled.is_none() && !self.orders.is_empty() {
            self.settled = Some(sc.now().at);
        }
    }

    /// A newer generation takes the place of one that may be under way.
    fn supersede(&mut self, sc: &mut Scope<'_, '_>, name: &str, before: Blob) {
        self.call_off(sc, name, before);
        let record = self.table.blobs.get(name);
        if record.is_some_and(|record| matches!(record.result, Ended::Processed { .. })) {
            self.table.blobs.remove(name);
            self.save(sc);
        }
    }

    /// Stops what is under way; its staged file and its hook are let go.
    fn call_off(&mut self, sc: &mut Scope<'_, '_>, name: &str, blob: Blob) {
        if !blob.is_running() {
            return;
        }
        let generation = blob.generation_text();
        let_go(sc, blob);
        let text = "called off by the config";
        sc.log(
            Category::BlobsetBlobAbort,
            Category::BlobsetBlobAbort.level(),
            alloc::format!("Blob {name}: {text}"),
        );
        sc.notify(Notice::BlobFinished { name: name.into(), generation, failure: Some(text.into()) });
    }

    /// Puts a blob where its record says it is.
    fn restore(&mut self, name: &str) {
        let Some(record) = self.table.blobs.get(name) else { return };
        let phase = match &record.result {
            Ended::Applied => Phase::Ended { failure: None },
            Ended::Failed { status } => Phase::Ended { failure: Some(status.clone()) },
            Ended::Processed { version, .. } => {
                Phase::Processed { version: version.clone(), step: Step::Announcing(Announcement::Owed) }
            }
        };
        self.blobs.insert(name.into(), Blob::new(Some(record.generation.clone()), phase));
    }

    /// Takes the record of a blob to the store; none if the store takes nothing more.
    fn save(&mut self, sc: &mut Scope<'_, '_>) -> Option<StoreId> {
        let value: Bytes = self.table.to_bytes()?;
        let key = Key::new(STORED_KEY).ok()?;
        sc.cx.store(&key, Some(value)).ok()
    }

    /// A store was tried. Tells whether it was one that a blob waits for.
    pub(crate) fn on_stored(&mut self, sc: &mut Scope<'_, '_>, id: StoreId, ok: bool) {
        let found = self.blobs.iter().find(|(_, blob)| blob.awaited_store() == Some(id));
        let Some(name) = found.map(|(name, _)| name.clone()) else { return };
        self.go_on_stored(sc, &name, ok);
        self.start_waiting(sc);
        self.arm(sc);
    }

    fn go_on_stored(&mut self, sc: &mut Scope<'_, '_>, name: &str, ok: bool) {
        match self.blobs.get(name).map(|blob| &blob.phase) {
            Some(Phase::Judged { .. }) => self.pronounce(sc, name, ok),
            Some(Phase::Processed { .. }) => self.go_on_activating(sc, name, ok),
            Some(Phase::Waiting(_) | Phase::Fetching(_) | Phase::Processing { .. } | Phase::Ended { .. })
            | None => {}
        }
    }

    /// Patience has ended.
    fn run_out(&mut self, sc: &mut Scope<'_, '_>, name: &str) {
        let Some(blob) = self.blobs.get(name) else { return };
        match &blob.phase {
            Phase::Waiting(_) | Phase::Ended { .. } => {}
            Phase::Fetching(_) => self.give_up_fetch(sc, name),
            Phase::Processing { .. } => self.give_up_processing(sc, name),
            Phase::Judged { .. } => self.pronounce(sc, name, false),
            Phase::Processed { .. } => self.run_out_activating(sc, name),
        }
    }

    /// The next deadline.
    fn arm(&mut self, sc: &mut Scope<'_, '_>) {
        let deadlines = self.blobs.values().filter_map(Blob::deadline);
        match deadlines.chain(self.settled).min() {
            Some(at) => sc.at(DeviceTimer::Blob, at),
            None => sc.cancel(DeviceTimer::Blob),
        }
    }

    /// The run ends: what the host has staged, it can forget.
    pub(crate) fn leave(&mut self, sc: &mut Scope<'_, '_>) {
        for blob in core::mem::take(&mut self.blobs).into_values() {
            let_go(sc, blob);
        }
    }

    /// Whether something waits for states or logs to be acknowledged.
    pub(crate) fn is_telling(&self) -> bool {
        self.restarts || self.blobs.values().any(|blob| matches!(blob.phase, Phase::Processed { .. }))
    }

    /// A state was published; none if states are suppressed.
    pub(crate) fn on_state(&mut self, token: Option<Token>) {
        self.each_announcement(|announcement| match token {
            Some(token) => announcement.on_state(token),
            None => announcement.skip(),
        });
    }

    pub(crate) fn on_state_receipt(&mut self, token: Token, receipt: Receipt) {
        self.each_announcement(|announcement| announcement.on_receipt(token, receipt));
    }

    pub(crate) fn on_down(&mut self) {
        self.each_announcement(Announcement::on_down);
    }

    fn each_announcement(&mut self, mut with: impl FnMut(&mut Announcement)) {
        for blob in self.blobs.values_mut() {
            if let Phase::Processed { step: Step::Announcing(announcement), .. } = &mut blob.phase {
                with(announcement);
            }
        }
    }

    /// Whether the run is to restart; told once.
    pub(crate) fn takes_restart(&mut self) -> bool {
        core::mem::take(&mut self.restarts)
    }

    /// Names the device takes, with the version each shows.
    pub(crate) fn versions(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.taken.iter().map(|name| (name.as_str(), self.version(name)))
    }

    fn version(&self, name: &str) -> Option<&str> {
        let processed = self.blobs.get(name).and_then(|blob| match &blob.phase {
            Phase::Processed { version, .. } => version.as_ref(),
            Phase::Waiting(_)
            | Phase::Fetching(_)
            | Phase::Processing { .. }
            | Phase::Judged { .. }
            | Phase::Ended { .. } => None,
        });
        let installed = self.table.software.get(name);
        processed.or(installed).or_else(|| self.own_versions.get(name)).map(String::as_str)
    }

    /// The application tells the version of a module. It knows better than what was stored. Tells whether the
    /// module is a blob that the device takes.
    pub(crate) fn set_own_version(
        &mut self,
        sc: &mut Scope<'_, '_>,
        name: &str,
        version: Option<&str>,
    ) -> bool {
        if !self.taken.contains(name) {
            return false;
        }
        match version {
            Some(version) => self.own_versions.insert(name.into(), version.into()),
            None => self.own_versions.remove(name),
        };
        if self.table.software.remove(name).is_some() {
            self.save(sc);
        }
        true
    }

    /// What the state shows of the blobs; none if it shows no blobset (§0.2 fact 6, §5.2).
    pub(crate) fn report(&self) -> Option<impl Iterator<Item = (&str, Report<'_>)>> {
        let shown = || self.blobs.iter().filter(|(_, blob)| !blob.withdrawn);
        let is_shown = self.present || shown().next().is_some();
        is_shown.then(|| shown().map(|(name, blob)| (name.as_str(), blob.report())))
    }

    fn of_fetch(&self, id: FetchId) -> Option<String> {
        let is_it = |blob: &Blob| matches!(&blob.phase, Phase::Fetching(download) if download.id == id);
        self.blobs.iter().find(|(_, blob)| is_it(blob)).map(|(name, _)| name.clone())
    }
}

/// Lets the host forget what it does for a blob.
fn let_go(sc: &mut Scope<'_, '_>, blob: Blob) {
    match blob.phase {
        Phase::Fetching(download) => sc.cx.release(download.id),
        Phase::Processing { staged, hook, .. } => {
            sc.cancel_hook(hook);
            sc.cx.release(staged);
        }
        Phase::Processed { step: Step::Activating { hook, .. } | Step::Checking { hook, .. }, .. } => {
            sc.cancel_hook(hook);
        }
        Phase::Waiting(_) | Phase::Judged { .. } | Phase::Processed { .. } | Phase::Ended { .. } => {}
    }
}
