//! The devices of one thread: begun at their pace, watched, troubled and stopped.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_executor::{LocalExecutor, Task};
use async_io::Timer;
use device_link::ExitReason;
use futures_lite::future::{self, yield_now};
use udmi_proto::{Command, Udmi};
use udmi_smol::driver::Link;

use super::counters::Counters;
use super::device::{self, Slot};
use super::faults::{self, Faults};
use super::members::Members;
use super::pace::Pace;
use super::stopping::Stopping;
use crate::plant::Random;

/// Devices begun before those that run have their turn.
const BEGUN_AT_ONCE: usize = 16;
/// How often faults strike.
const FAULTS_EVERY: Duration = Duration::from_millis(250);
/// How often devices that leave are looked after.
const LEAVING_EVERY: Duration = Duration::from_millis(20);
/// For an order to sample, that is told to a part of the devices at a time.
const TELLING_EVERY: Duration = Duration::from_millis(10);

/// What the threads of a fleet have in common.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) members: Members,
    pub(super) threads: usize,
    /// Connections a second, of all threads together.
    pub(super) ramp: f64,
    /// How often each device is told to sample, a second.
    pub(super) told_per_second: Option<f64>,
    pub(super) faults: Faults,
    pub(super) seed: u64,
    /// When the fleet began.
    pub(super) born: Instant,
    /// How long devices have to leave in order.
    pub(super) grace: Duration,
}

/// One thread's part of a fleet.
pub(super) struct Crew {
    pub(super) plan: Arc<Plan>,
    pub(super) counters: Arc<Counters>,
    pub(super) stopping: Arc<Stopping>,
    pub(super) slots: RefCell<Vec<Slot>>,
    /// Devices that are not at their end.
    pub(super) running: Cell<usize>,
}

/// Runs every so-manieth device of the plan, from `thread` on, until it is to stop.
pub(super) fn run(plan: Arc<Plan>, thread: usize, counters: Arc<Counters>, stopping: Arc<Stopping>) {
    let crew = Crew { plan, counters, stopping, slots: RefCell::default(), running: Cell::new(0) };
    let (crew, executor) = (Rc::new(crew), Rc::new(LocalExecutor::new()));
    let work = crew.clone().work(thread, executor.clone());
    async_io::block_on(executor.run(work));
    // Whoever did not leave in time is cut off.
    crew.slots.borrow_mut().clear();
}

impl Crew {
    async fn work(self: Rc<Self>, thread: usize, executor: Rc<LocalExecutor<'static>>) {
        let trouble = executor.spawn(self.clone().trouble(thread, executor.clone()));
        let telling = self.plan.told_per_second.map(|rate| executor.spawn(self.clone().tell(rate)));
        self.begin_all(thread, &executor).await;
        self.stopping.wait().await;
        trouble.cancel().await;
        if let Some(telling) = telling {
            telling.cancel().await;
        }
        self.stop_all().await;
    }

    async fn begin_all(self: &Rc<Self>, thread: usize, executor: &LocalExecutor<'static>) {
        let Plan { threads, ramp, born, members, .. } = &*self.plan;
        let first = Duration::from_secs_f64(thread as f64 / ramp);
        let mut pace = Pace::new(ramp / *threads as f64, born.elapsed() + first);
        for (begun, index) in (thread..members.len()).step_by(*threads).enumerate() {
            while let Err(wait) = pace.begin(born.elapsed()) {
                let waited = async {
                    Timer::after(wait).await;
                };
                future::or(waited, self.stopping.wait()).await;
                if self.stopping.is_stopping() {
                    return;
                }
            }
            self.slots.borrow_mut().push(Slot::new(index));
            self.begin(begun, executor);
            self.counters.started.one();
            if begun % BEGUN_AT_ONCE == 0 {
                yield_now().await;
            }
        }
    }

    /// Begins the device of a slot, for the first time or after a power failure.
    fn begin(self: &Rc<Self>, slot: usize, executor: &LocalExecutor<'static>) {
        self.running.set(self.running.get() + 1);
        let task = executor.spawn(device::live(self.clone(), slot));
        if let Some(slot) = self.slots.borrow_mut().get_mut(slot) {
            slot.task = Some(task);
        }
    }

    /// Drops connections, cuts power and raises storms.
    async fn trouble(self: Rc<Self>, thread: usize, executor: Rc<LocalExecutor<'static>>) {
        if !self.plan.faults.interrupt() {
            return;
        }
        let Faults { drop, storm, cut, .. } = self.plan.faults;
        let mut random = Random::new(self.plan.seed ^ (thread as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let (mut dropped, mut cut_off) = (0.0, 0.0);
        let mut last = self.plan.born.elapsed();
        loop {
            Timer::after(FAULTS_EVERY).await;
            let now = self.plan.born.elapsed();
            let passed = now.saturating_sub(last);
            let devices = self.slots.borrow().len();
            if let Some(every) = drop {
                for _ in 0..faults::struck(devices, passed, every, &mut dropped) {
                    self.lose_connection(random.below(devices));
                }
            }
            if let Some(every) = cut {
                for _ in 0..faults::struck(devices, passed, every, &mut cut_off) {
                    self.cut_power(random.below(devices), &executor).await;
                }
            }
            if let Some(every) = storm
                && now.as_nanos() / every.as_nanos() != last.as_nanos() / every.as_nanos()
            {
                (0..devices).for_each(|slot| self.lose_connection(slot));
            }
            last = now;
        }
    }

    fn lose_connection(&self, slot: usize) {
        if let Some(slot) = self.slots.borrow_mut().get_mut(slot) {
            slot.lose_connection();
            self.counters.faults.one();
        }
    }

    async fn cut_power(self: &Rc<Self>, slot: usize, executor: &LocalExecutor<'static>) {
        let task: Option<Task<()>> = self.slots.borrow_mut().get_mut(slot).and_then(Slot::cut);
        let Some(task) = task else { return };
        // One that has ended by itself stays so.
        if task.cancel().await.is_none() {
            self.running.set(self.running.get() - 1);
            self.counters.faults.one();
            self.counters.restarts.one();
            self.begin(slot, executor);
        }
    }

    /// Orders samples, so many a second of each device, spread evenly over the devices.
    async fn tell(self: Rc<Self>, rate: f64) {
        let (mut next, mut due, mut last) = (0, 0.0, self.plan.born.elapsed());
        loop {
            Timer::after(TELLING_EVERY).await;
            let now = self.plan.born.elapsed();
            let slots = self.slots.borrow();
            due = (due + rate * slots.len() as f64 * now.saturating_sub(last).as_secs_f64())
                .min(slots.len() as f64);
            while due >= 1.0 {
                due -= 1.0;
                next = if next + 1 < slots.len() { next + 1 } else { 0 };
                if let Some(link) = slots.get(next).and_then(|slot| slot.link.as_ref()) {
                    // A device that has too much to do samples less often.
                    let _ = link.send(Command::SampleNow);
                }
            }
            last = now;
        }
    }

    /// All devices leave, those that do so in time in order. Who has just lost a connection on purpose, or its power, may come
    /// back before that.
    async fn stop_all(&self) {
        if self.plan.faults.interrupt() {
            self.wait_until(|crew| crew.counters.connected.get() >= crew.running.get() as u64).await;
        }
        for slot in &*self.slots.borrow() {
            slot.link.iter().for_each(stop);
        }
        self.wait_until(|crew| crew.running.get() == 0).await;
    }

    /// Waits, but no longer than the grace.
    async fn wait_until(&self, is_done: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + self.plan.grace;
        while !is_done(self) && Instant::now() < deadline {
            Timer::after(LEAVING_EVERY).await;
        }
    }
}

/// Asks a device to end in order.
pub(super) fn stop(link: &Link<Udmi>) {
    // Refused only if it is about to end anyway.
    let _ = link.send_last(Command::Stop { reason: ExitReason::Shutdown });
}
