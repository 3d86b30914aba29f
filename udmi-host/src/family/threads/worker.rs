//! A thread that makes one call after the other.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::lanes::Running;
use super::{Answer, ProviderError, Report, Shared};

/// A thread without work ends after this.
const IDLE: Duration = Duration::from_secs(10);

/// Starts a thread, which the lanes have counted already.
pub(super) fn start(shared: &Arc<Shared>) -> io::Result<()> {
    let shared = shared.clone();
    thread::Builder::new().name("field".into()).spawn(move || shared.work()).map(drop)
}

/// Tells an answer; a panic of who hears it ends here.
pub(super) fn tell(report: &Report, answer: Answer) {
    let _ = catch_unwind(AssertUnwindSafe(|| report(answer)));
}

impl Shared {
    fn work(self: Arc<Self>) {
        let mut lanes = self.lock();
        loop {
            if let Some(running) = lanes.begin(Instant::now()) {
                drop(lanes);
                self.watch.notify_one();
                let answer = in_time(make(&running), &running);
                lanes = self.lock();
                let report = lanes.end(running.id, answer.provider_error());
                if let Some(report) = report {
                    drop(lanes);
                    tell(&report, answer);
                    lanes = self.lock();
                }
                if lanes.has_thread_too_many() {
                    break;
                }
                continue;
            }
            if lanes.closed {
                break;
            }
            lanes.idle += 1;
            let (woken, waited) = self.work.wait_timeout(lanes, IDLE).unwrap_or_else(PoisonError::into_inner);
            lanes = woken;
            lanes.idle -= 1;
            if waited.timed_out() && !lanes.has_work() {
                break;
            }
        }
        lanes.threads -= 1;
        drop(lanes);
        self.ended.notify_all();
    }
}

fn make(running: &Running) -> Answer {
    let Running { waiting, stop, ended, .. } = running;
    let mut found = |found| {
        if !ended.load(Ordering::SeqCst) {
            (waiting.report)(Answer::Found(Box::new(found)));
        }
    };
    let made = catch_unwind(AssertUnwindSafe(|| waiting.call.make(&*waiting.provider, &mut found, stop)));
    made.unwrap_or_else(|panic| waiting.call.failed(ProviderError::Panicked(text(&*panic))))
}

/// A call that is still wanted was stopped for its time, which says more than that it was stopped.
fn in_time(answer: Answer, running: &Running) -> Answer {
    match answer.provider_error() {
        Some(ProviderError::Stopped) => {
            running.waiting.call.failed(ProviderError::Unreachable("not done in time".into()))
        }
        Some(_) | None => answer,
    }
}

fn text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("without a word").to_owned()
}

/// Whether a call's answers are still wanted, shared with the thread that makes it.
pub(super) type Ended = Arc<AtomicBool>;
