//! One device of a fleet: its runs, one after the other.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use async_executor::Task;
use async_io::Timer;
use device_link::ExitReason;
use futures_lite::future;
use udmi_proto::{Limits, Settings, Udmi};
use udmi_smol::driver::{Driver, Equipment, Link, Run, Signer};

use super::counters::Meter;
use super::crew::{Crew, stop};
use super::members::{Member, Security};
use super::store::Remembered;
use super::twin::Twin;
use crate::plant::Random;

/// Before a device that the cloud has restarted runs again, as a process would.
const RESTART: Duration = Duration::from_secs(1);

/// The part of its grace that a device waits for acknowledgements; then it says DISCONNECT.
const LEAVING: f64 = 0.8;

/// What a thread knows of one of its devices.
#[derive(Debug)]
pub(super) struct Slot {
    /// Which one of the shard it is.
    index: usize,
    /// The run at hand.
    pub(super) link: Option<Link<Udmi>>,
    pub(super) task: Option<Task<()>>,
    remembered: Remembered,
    loses_connection: bool,
    waker: Option<Waker>,
}

impl Slot {
    pub(super) fn new(index: usize) -> Self {
        let remembered = Remembered::default();
        Self { index, link: None, task: None, remembered, loses_connection: false, waker: None }
    }

    /// The device's connection breaks.
    pub(super) fn lose_connection(&mut self) {
        if let Some(waker) = self.waker.take() {
            self.loses_connection = true;
            waker.wake();
        }
    }

    /// What runs of it, to be dropped.
    pub(super) fn cut(&mut self) -> Option<Task<()>> {
        self.link = None;
        self.task.take()
    }
}

/// Runs the device of a slot until it is to stay stopped.
pub(super) async fn live(crew: Rc<Crew>, slot: usize) {
    let reason = loop {
        let Some(reason) = run(&crew, slot).await else { break None };
        if reason != ExitReason::Restart || crew.stopping.is_stopping() {
            break Some(reason);
        }
        crew.counters.restarts.one();
        let pause = async {
            Timer::after(RESTART).await;
        };
        future::or(pause, crew.stopping.wait()).await;
    };
    if reason == Some(ExitReason::Shutdown) {
        crew.counters.left.one();
    }
    crew.counters.ended.one();
    crew.running.set(crew.running.get() - 1);
}

/// One run; none if it cannot begin.
async fn run(crew: &Rc<Crew>, slot: usize) -> Option<ExitReason> {
    // Apart, since the future of a start is as large as the device: what waits for the end of the run is small.
    let (link, run) = Box::pin(start(crew, slot)).await?;
    if crew.stopping.is_stopping() {
        stop(&link);
    }
    crew.slots.borrow_mut().get_mut(slot)?.link = Some(link);
    Some(Watched { run, meter: Meter::default(), crew, slot }.await)
}

async fn start(crew: &Rc<Crew>, slot: usize) -> Option<(Link<Udmi>, Run<Udmi>)> {
    driver(crew, slot)?.start().await.ok()
}

fn driver(crew: &Rc<Crew>, slot: usize) -> Option<Driver<Udmi>> {
    let (index, remembered) = {
        let slots = crew.slots.borrow();
        let slot = slots.get(slot)?;
        (slot.index, slot.remembered.clone())
    };
    let plan = &crew.plan;
    let Member { place, settings, plants, security } = plan.members.get(index).ok()?;
    let limits = limits(&settings, plan.grace);
    let seed = seed(plan.seed, place);
    let twin = Twin::new(plants, seed, plan.faults, plan.born, &crew.counters, remembered.clone());
    let Security { tls, keys } = security;
    let equipment = Equipment {
        tls,
        signer: keys.map(|keys| -> Signer { Box::new(move |request| keys.sign(request)) }),
        store: Box::new(remembered),
        seed,
        limits,
        ..Equipment::default()
    };
    Some(Driver { dialect: Udmi::new(settings).ok()?, application: Box::new(twin), equipment })
}

/// All devices leave at once, so a broker may take longer than usual to acknowledge their last words.
fn limits(settings: &Settings, grace: Duration) -> Limits {
    let usual = Limits { leave_timeout: grace.mul_f64(LEAVING), ..Limits::default() };
    settings.gateway.as_ref().map_or(usual.clone(), |gateway| gateway.scaled(&usual))
}

/// Devices differ, and each is the same in every run, whichever process or thread it is in.
fn seed(fleet: u64, place: u64) -> u64 {
    Random::new(fleet ^ place.wrapping_mul(0x9e37_79b9_7f4a_7c15)).next()
}

/// A run whose messages are counted and timed, and whose connection may break.
struct Watched<'a> {
    run: Run<Udmi>,
    meter: Meter,
    crew: &'a Crew,
    slot: usize,
}

impl Future for Watched<'_> {
    type Output = ExitReason;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<ExitReason> {
        let Self { run, meter, crew, slot } = self.get_mut();
        if crew.plan.faults.lose_connections()
            && let Some(slot) = crew.slots.borrow_mut().get_mut(*slot)
        {
            if std::mem::take(&mut slot.loses_connection) {
                run.lose_connection();
            }
            slot.waker = Some(cx.waker().clone());
        }
        let polled = Pin::new(&mut *run).poll(cx);
        meter.look(&run.tally(), Instant::now, &crew.counters);
        polled
    }
}

/// However a run ends: what was not acknowledged by then is told.
impl Drop for Watched<'_> {
    fn drop(&mut self) {
        self.crew.counters.unacknowledged.add(self.meter.unacknowledged());
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::sync::Arc;

    use super::super::counters::Counters;
    use super::super::crew::Plan;
    use super::super::faults::Faults;
    use super::super::members::Members;
    use super::super::stopping::Stopping;
    use super::*;

    /// A future is as large as the largest of its states, for as long as it lives.
    #[test]
    fn regression_a_device_that_runs_holds_no_room_for_its_start() {
        let plan = Plan {
            members: Members::Site(Vec::new(), Vec::new()),
            threads: 1,
            ramp: 1.0,
            told_per_second: None,
            faults: Faults::default(),
            seed: 1,
            born: Instant::now(),
            grace: Duration::ZERO,
        };
        let crew = Crew {
            plan: Arc::new(plan),
            counters: Arc::new(Counters::new()),
            stopping: Arc::new(Stopping::default()),
            slots: RefCell::default(),
            running: Cell::new(0),
        };
        let bytes = size_of_val(&live(Rc::new(crew), 0));
        assert!(bytes <= 768, "{bytes} bytes for each device");
    }
}
