//! Threads for the calls of families: bounded, watched, one device at a time.

mod lanes;
mod worker;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::call::{Answer, Call};
use super::error::ProviderError;
use super::stop::Stop;
use super::{FamilyProvider, Share};
use lanes::{Lane, Lanes, Waiting};

/// Who hears of a call: any number of [`Answer::Found`] where it is a scan, then one last answer, on a thread of
/// [`FieldThreads`]. What it does holds that thread, and nothing else.
pub type Report = Arc<dyn Fn(Answer) + Send + Sync>;

/// A call under way. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub(super) u64);

/// Bounds of [`FieldThreads`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldLimits {
    /// Calls made at the same time.
    pub threads: usize,
    /// How many of them may be to devices whose last call failed, so that a hundred dead devices do not hold those
    /// that live.
    pub doubtful: usize,
    /// Threads that may hang beside [`FieldLimits::threads`]. Further ones take the place of those.
    pub hung: usize,
    /// Calls that may wait.
    pub queue: usize,
    /// Devices of which it is remembered that their last call failed.
    pub remembered: usize,
    /// How long reading or writing a device may take before it is stopped.
    pub call: Duration,
    /// How long a scan may take longer than it was asked to.
    pub scan_margin: Duration,
    /// How long a stopped call may take to end before it counts as hung.
    pub grace: Duration,
}

impl Default for FieldLimits {
    fn default() -> Self {
        Self {
            threads: 16,
            doubtful: 4,
            hung: 16,
            queue: 4096,
            remembered: 4096,
            call: Duration::from_secs(30),
            scan_margin: Duration::from_secs(2),
            grace: Duration::from_secs(1),
        }
    }
}

/// How many threads do what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FieldLoad {
    /// All threads for calls.
    pub threads: usize,
    /// Calls under way, those that hang not counted.
    pub running: usize,
    /// Threads in a call that did not end in time.
    pub hung: usize,
    /// Calls that wait for a thread or for their device.
    pub waiting: usize,
}

/// Makes the calls of families on threads of its own.
///
/// Calls to one device ([`FamilyProvider::lane`]) are made in order, one at a time; so are scans of one family. What
/// devices share ([`FamilyProvider::share`]) bounds the calls to all of them. A
/// panic ends its call with [`ProviderError::Panicked`]. A call that lasts too long is stopped; if it does not even
/// end then, it is answered with [`ProviderError::Hung`], and so are all calls to that device until it returns. Its
/// thread is counted and replaced.
///
/// Dropped, it stops what is under way and reports nothing any more.
#[derive(Debug)]
pub struct FieldThreads {
    shared: Arc<Shared>,
    watch: Option<JoinHandle<()>>,
}

struct Shared {
    providers: BTreeMap<String, Arc<dyn FamilyProvider>>,
    lanes: Mutex<Lanes>,
    /// There is a call to make, or nothing more to do.
    work: Condvar,
    /// There is a new deadline, or nothing more to do.
    watch: Condvar,
    /// A thread has ended.
    ended: Condvar,
}

impl FieldThreads {
    /// Starts with these families; a later provider replaces an earlier one of the same family.
    ///
    /// # Errors
    /// The system has no thread left.
    pub fn new(
        providers: impl IntoIterator<Item = Arc<dyn FamilyProvider>>,
        limits: FieldLimits,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            providers: providers.into_iter().map(|each| (each.family().to_owned(), each)).collect(),
            lanes: Mutex::new(Lanes::new(limits)),
            work: Condvar::new(),
            watch: Condvar::new(),
            ended: Condvar::new(),
        });
        let watched = shared.clone();
        let watch = thread::Builder::new().name("field watch".into()).spawn(move || watched.watch())?;
        Ok(Self { shared, watch: Some(watch) })
    }

    /// The families there are providers for.
    pub fn families(&self) -> impl Iterator<Item = &str> {
        self.shared.providers.keys().map(String::as_str)
    }

    /// Takes a call; its answers go to `report`.
    ///
    /// # Errors
    /// The call cannot even wait, and is not reported: there is no provider, too much waits, an earlier call to the
    /// same device hangs, or the system has no thread left.
    pub fn start(&self, call: Call, report: Report) -> Result<CallId, ProviderError> {
        let provider = self.shared.providers.get(call.family()).ok_or(ProviderError::NoProvider)?.clone();
        let lane = Lane { family: call.family().to_owned(), device: call.lane(&*provider) };
        let share = call.target().and_then(|target| provider.share(target));
        let mut lanes = self.shared.lock();
        let id = lanes.enter(&lane, Waiting { call, report, provider, share })?;
        if lanes.wants_thread() {
            lanes.threads += 1;
            if let Err(error) = worker::start(&self.shared) {
                lanes.threads -= 1;
                if lanes.threads == 0 {
                    lanes.leave(id);
                    return Err(ProviderError::Io(error.to_string()));
                }
            }
        }
        drop(lanes);
        self.shared.work.notify_one();
        Ok(id)
    }

    /// Stops a call, which is not reported any more.
    pub fn cancel(&self, id: CallId) {
        self.shared.lock().leave(id);
        self.shared.watch.notify_one();
    }

    /// How many threads do what.
    #[must_use]
    pub fn load(&self) -> FieldLoad {
        self.shared.lock().load()
    }

    /// Stops everything, waits for the threads, and says how many are still in a call after `patience`. Nothing is
    /// reported any more.
    pub fn close(&self, patience: Duration) -> usize {
        self.shared.close();
        let waited =
            self.shared.ended.wait_timeout_while(self.shared.lock(), patience, |lanes| lanes.threads > 0);
        waited.unwrap_or_else(PoisonError::into_inner).0.threads
    }
}

impl Drop for FieldThreads {
    fn drop(&mut self) {
        self.shared.close();
        if let Some(watch) = self.watch.take() {
            let _ = watch.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        self.lock().close();
        self.work.notify_all();
        self.watch.notify_all();
    }

    /// Stops calls that last too long, and gives up those that do not end then.
    fn watch(self: Arc<Self>) {
        let mut lanes = self.lock();
        while !lanes.closed {
            let overdue = lanes.overdue(Instant::now());
            let wants_thread = lanes.wants_thread();
            if wants_thread {
                lanes.threads += 1;
                if worker::start(&self).is_err() {
                    lanes.threads -= 1;
                }
            }
            if overdue.is_empty() {
                let pause = lanes.next_deadline().map(|at| at.saturating_duration_since(Instant::now()));
                lanes = match pause {
                    Some(pause) => {
                        self.watch.wait_timeout(lanes, pause).unwrap_or_else(PoisonError::into_inner).0
                    }
                    None => self.watch.wait(lanes).unwrap_or_else(PoisonError::into_inner),
                };
                continue;
            }
            drop(lanes);
            // What has hung leaves room to others.
            self.work.notify_all();
            for (report, answer) in overdue {
                worker::tell(&report, answer);
            }
            lanes = self.lock();
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let families: Vec<_> = self.providers.keys().collect();
        f.debug_struct("Shared")
            .field("families", &families)
            .field("load", &self.lock().load())
            .finish_non_exhaustive()
    }
}
