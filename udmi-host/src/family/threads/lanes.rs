//! Which call is next: the books of [`FieldThreads`](super::FieldThreads), without threads and clocks.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::worker::Ended;
use super::{
    Answer, Call, CallId, FamilyProvider, FieldLimits, FieldLoad, ProviderError, Report, Share, Stop,
};

/// What calls must not be made at the same time for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Lane {
    pub(super) family: String,
    /// None for scans.
    pub(super) device: Option<String>,
}

/// A call and all that is needed to make it.
#[derive(Clone)]
pub(super) struct Waiting {
    pub(super) call: Call,
    pub(super) report: Report,
    pub(super) provider: Arc<dyn FamilyProvider>,
    pub(super) share: Option<Share>,
}

/// A call a thread is to make.
pub(super) struct Running {
    pub(super) id: CallId,
    pub(super) waiting: Waiting,
    pub(super) stop: Stop,
    pub(super) ended: Ended,
}

pub(super) struct Lanes {
    limits: FieldLimits,
    next: u64,
    lanes: BTreeMap<Lane, Queue>,
    /// Lanes with a waiting call and none under way, in order.
    ready: VecDeque<Lane>,
    /// The same for devices whose last call failed.
    ready_doubtful: VecDeque<Lane>,
    waiting: usize,
    /// Calls under way, those that hang as well.
    under_way: BTreeMap<CallId, UnderWay>,
    /// Threads, those that hang as well.
    pub(super) threads: usize,
    /// Threads that wait for work.
    pub(super) idle: usize,
    pub(super) closed: bool,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<(CallId, Waiting)>,
    under_way: Option<CallId>,
    doubtful: bool,
    /// What it shares with other lanes, as the last call said.
    share: Option<Share>,
}

struct UnderWay {
    lane: Lane,
    doubtful: bool,
    share: Option<String>,
    phase: Phase,
    stop: Stop,
    ended: Ended,
    /// None once it is answered or cancelled.
    report: Option<(Report, Call)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// It is stopped then.
    Running(Instant),
    /// It has hung then.
    Stopping(Instant),
    Hung,
}

impl Lanes {
    pub(super) fn new(limits: FieldLimits) -> Self {
        Self {
            limits,
            next: 0,
            lanes: BTreeMap::new(),
            ready: VecDeque::new(),
            ready_doubtful: VecDeque::new(),
            waiting: 0,
            under_way: BTreeMap::new(),
            threads: 0,
            idle: 0,
            closed: false,
        }
    }

    /// Takes a call in.
    pub(super) fn enter(&mut self, lane: &Lane, waiting: Waiting) -> Result<CallId, ProviderError> {
        if self.closed {
            return Err(ProviderError::Stopped);
        }
        if self.waiting >= self.limits.queue {
            return Err(ProviderError::Busy);
        }
        let queue = self.lanes.entry(lane.clone()).or_default();
        let hangs = |id| self.under_way.get(&id).is_some_and(|call: &UnderWay| call.phase == Phase::Hung);
        if queue.under_way.is_some_and(hangs) {
            return Err(ProviderError::Hung);
        }
        let id = CallId(self.next);
        self.next += 1;
        queue.share.clone_from(&waiting.share);
        queue.waiting.push_back((id, waiting));
        self.waiting += 1;
        if queue.under_way.is_none() && queue.waiting.len() == 1 {
            let doubtful = queue.doubtful;
            self.queue_up(lane.clone(), doubtful);
        }
        Ok(id)
    }

    /// Takes a call back, whether it waits or is under way; it is not reported any more.
    pub(super) fn leave(&mut self, id: CallId) {
        if let Some(call) = self.under_way.get_mut(&id) {
            call.ended.store(true, Ordering::SeqCst);
            call.stop.set();
            call.report = None;
            if let Phase::Running(_) = call.phase {
                call.phase = Phase::Stopping(Instant::now() + self.limits.grace);
            }
            return;
        }
        let Some((lane, queue)) =
            self.lanes.iter_mut().find(|(_, queue)| queue.waiting.iter().any(|(other, _)| *other == id))
        else {
            return;
        };
        queue.waiting.retain(|(other, _)| *other != id);
        self.waiting -= 1;
        if queue.waiting.is_empty() {
            let lane = lane.clone();
            self.ready.retain(|other| *other != lane);
            self.ready_doubtful.retain(|other| *other != lane);
            self.forget(&lane);
        }
    }

    /// The next call to make, if one may be made now.
    pub(super) fn begin(&mut self, now: Instant) -> Option<Running> {
        let lane = self.next_lane()?;
        let queue = self.lanes.get_mut(&lane)?;
        let (id, waiting) = queue.waiting.pop_front()?;
        self.waiting -= 1;
        queue.under_way = Some(id);
        let time = match &waiting.call {
            Call::Scan(request) => {
                std::time::Duration::from_secs(request.duration_seconds.into()) + self.limits.scan_margin
            }
            Call::Read { .. } | Call::Write { .. } => self.limits.call,
        };
        let (stop, ended) = (Stop::new(), Ended::default());
        let call = UnderWay {
            lane,
            doubtful: queue.doubtful,
            share: queue.share.as_ref().map(|share| share.name.clone()),
            phase: Phase::Running(now + time),
            stop: stop.clone(),
            ended: ended.clone(),
            report: Some((waiting.report.clone(), waiting.call.clone())),
        };
        self.under_way.insert(id, call);
        Some(Running { id, waiting, stop, ended })
    }

    /// A call has returned; gives who is to hear of it, if anybody.
    pub(super) fn end(&mut self, id: CallId, error: Option<&ProviderError>) -> Option<Report> {
        let call = self.under_way.remove(&id)?;
        call.ended.store(true, Ordering::SeqCst);
        if let Some(queue) = self.lanes.get_mut(&call.lane) {
            queue.under_way = None;
            // Whoever lost patience with a call and took it back says as much of the device as the call itself.
            let late = error.is_some_and(holds_up) && call.lane.device.is_some();
            queue.doubtful = late || call.phase == Phase::Hung;
            if queue.waiting.is_empty() {
                self.forget(&call.lane);
            } else {
                let doubtful = queue.doubtful;
                self.queue_up(call.lane, doubtful);
            }
        }
        call.report.map(|(report, _)| report)
    }

    /// Stops what lasts too long; answers what has hung, and whatever waits behind it.
    pub(super) fn overdue(&mut self, now: Instant) -> Vec<(Report, Answer)> {
        let mut answers = Vec::new();
        for call in self.under_way.values_mut() {
            match call.phase {
                Phase::Running(until) if until <= now => {
                    call.stop.set();
                    call.phase = Phase::Stopping(now + self.limits.grace);
                }
                Phase::Stopping(until) if until <= now => {
                    call.phase = Phase::Hung;
                    call.ended.store(true, Ordering::SeqCst);
                    let behind =
                        self.lanes.get_mut(&call.lane).map(|queue| std::mem::take(&mut queue.waiting));
                    let behind = behind.unwrap_or_default();
                    self.waiting -= behind.len();
                    let behind = behind.into_iter().map(|(_, Waiting { report, call, .. })| (report, call));
                    let all = call.report.take().into_iter().chain(behind);
                    answers.extend(all.map(|(report, call)| (report, call.failed(ProviderError::Hung))));
                }
                Phase::Running(_) | Phase::Stopping(_) | Phase::Hung => {}
            }
        }
        answers
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let deadlines = self.under_way.values().filter_map(|call| match call.phase {
            Phase::Running(at) | Phase::Stopping(at) => Some(at),
            Phase::Hung => None,
        });
        deadlines.min()
    }

    /// Whether a call waits that could be made now.
    pub(super) fn has_work(&self) -> bool {
        self.ready.iter().any(|lane| self.is_free(lane)) || self.may_doubt()
    }

    pub(super) fn wants_thread(&self) -> bool {
        if self.threads >= self.most_threads() {
            return false;
        }
        let free = self.ready.iter().filter(|lane| self.is_free(lane)).take(self.idle + 1).count();
        free + usize::from(self.may_doubt()) > self.idle
    }

    pub(super) fn has_thread_too_many(&self) -> bool {
        self.threads > self.most_threads()
    }

    pub(super) fn load(&self) -> FieldLoad {
        let hung = self.hung();
        FieldLoad { threads: self.threads, running: self.under_way.len() - hung, hung, waiting: self.waiting }
    }

    pub(super) fn close(&mut self) {
        self.closed = true;
        self.ready.clear();
        self.ready_doubtful.clear();
        self.lanes.values_mut().for_each(|queue| queue.waiting.clear());
        self.waiting = 0;
        for call in self.under_way.values_mut() {
            call.stop.set();
            call.ended.store(true, Ordering::SeqCst);
            call.report = None;
        }
    }

    fn hung(&self) -> usize {
        self.under_way.values().filter(|call| call.phase == Phase::Hung).count()
    }

    fn most_threads(&self) -> usize {
        self.limits.threads.max(1) + self.hung().min(self.limits.hung)
    }

    /// One doubtful device always has its turn, more of them only when nobody else waits.
    fn next_lane(&mut self) -> Option<Lane> {
        let trusted = self.ready.iter().position(|lane| self.is_free(lane));
        let doubtful = self.ready_doubtful.iter().position(|lane| self.is_free(lane));
        let doubtful = doubtful.filter(|_| self.may_doubt());
        match (trusted, doubtful) {
            (Some(trusted), Some(_)) if self.doubted() > 0 => self.ready.remove(trusted),
            (_, Some(doubtful)) => self.ready_doubtful.remove(doubtful),
            (Some(trusted), None) => self.ready.remove(trusted),
            (None, None) => None,
        }
    }

    /// Whether a doubtful device waits that may be called now.
    fn may_doubt(&self) -> bool {
        self.doubted() < self.limits.doubtful.max(1)
            && self.ready_doubtful.iter().any(|lane| self.is_free(lane))
    }

    /// Calls to doubtful devices under way.
    fn doubted(&self) -> usize {
        self.under_way.values().filter(|call| call.doubtful && call.phase != Phase::Hung).count()
    }

    /// Whether what a lane shares with others takes another call.
    fn is_free(&self, lane: &Lane) -> bool {
        let Some(share) = self.lanes.get(lane).and_then(|queue| queue.share.as_ref()) else { return true };
        let shares = |call: &&UnderWay| {
            call.lane.family == lane.family
                && call.share.as_ref() == Some(&share.name)
                && call.phase != Phase::Hung
        };
        self.under_way.values().filter(shares).count() < share.calls.max(1)
    }

    fn queue_up(&mut self, lane: Lane, doubtful: bool) {
        if doubtful {
            self.ready_doubtful.push_back(lane);
        } else {
            self.ready.push_back(lane);
        }
    }

    /// Drops what is known of a lane that has nothing to do, unless it is worth remembering.
    fn forget(&mut self, lane: &Lane) {
        let idle = self.lanes.get(lane).is_some_and(|queue| {
            let worth = queue.doubtful && self.lanes.len() <= self.limits.remembered;
            queue.waiting.is_empty() && queue.under_way.is_none() && !worth
        });
        if idle {
            self.lanes.remove(lane);
        }
    }
}

/// Whether an error tells that the next call may take long as well.
fn holds_up(error: &ProviderError) -> bool {
    match error {
        ProviderError::Unreachable(_) | ProviderError::Hung | ProviderError::Stopped => true,
        ProviderError::Target(_)
        | ProviderError::Garbled(_)
        | ProviderError::Refused(_)
        | ProviderError::Io(_)
        | ProviderError::NoProvider
        | ProviderError::Panicked(_)
        | ProviderError::Busy => false,
    }
}
