//! What is measured of each client.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rustix::time::{ClockId, clock_gettime};

/// Why something could not be measured.
pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// Nothing here takes so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// Where the messages go, and come from.
pub(crate) const TOPIC: &str = "/r/REG/d/AHU-1/events/pointset";

/// A client of MQTT, used as its documentation wants it.
pub(crate) trait Client {
    /// Its name, and how it is set up where that is not the default.
    fn name(&self) -> String;

    /// Publishes so many messages at QoS 1 as fast as it can; the time ends with the last acknowledgement.
    fn publish(&self, broker: SocketAddr, payload: &Bytes, count: usize) -> Result<Run, Failure>;

    /// Subscribes at QoS 1, lets `feed` publish on this very thread, and receives so many messages; the time ends with
    /// the last one. `feed` reads off its counter how many have come. None: this client only publishes.
    fn receive(
        &self,
        broker: SocketAddr,
        count: usize,
        feed: &mut dyn FnMut(&AtomicUsize) -> Result<(), Failure>,
    ) -> Result<Option<Run>, Failure>;

    /// Subscribes to what it publishes, publishes so many messages at QoS 1, one each `pause`, and says how long each
    /// took to come back.
    fn echo(
        &self,
        broker: SocketAddr,
        payload: &Bytes,
        count: usize,
        pause: Duration,
    ) -> Result<Option<Vec<Duration>>, Failure> {
        let _ = (broker, payload, count, pause);
        Ok(None)
    }
}

/// What a run has cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    pub(crate) elapsed: Duration,
    /// Processor time of this process, the kernel's part for it included. An embedded broker is part of it.
    pub(crate) busy: Duration,
}

/// Measures a run.
#[derive(Debug)]
pub(crate) struct Watch {
    started: Instant,
    busy: Duration,
}

impl Watch {
    pub(crate) fn start() -> Self {
        Self { started: Instant::now(), busy: busy(ClockId::ProcessCPUTime) }
    }

    pub(crate) fn stop(self) -> Run {
        let busy = busy(ClockId::ProcessCPUTime).saturating_sub(self.busy);
        Run { elapsed: self.started.elapsed(), busy }
    }
}

/// Processor time of the calling thread.
pub(crate) fn thread_busy() -> Duration {
    busy(ClockId::ThreadCPUTime)
}

fn busy(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    let nanoseconds = time.tv_sec.saturating_mul(1_000_000_000).saturating_add(time.tv_nsec);
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(0))
}

/// Writes the time since `origin` over the first bytes of a payload.
pub(crate) fn stamp(payload: &Bytes, origin: Instant) -> Bytes {
    let mut stamped = payload.to_vec();
    let nanoseconds = u64::try_from(origin.elapsed().as_nanos()).unwrap_or(u64::MAX);
    if let Some(head) = stamped.get_mut(..8) {
        head.copy_from_slice(&nanoseconds.to_be_bytes());
    }
    stamped.into()
}

/// How long ago a payload was stamped.
pub(crate) fn age(payload: &[u8], origin: Instant) -> Option<Duration> {
    let sent = Duration::from_nanos(u64::from_be_bytes(*payload.first_chunk()?));
    Some(origin.elapsed().saturating_sub(sent))
}

/// Calls so many times, with the same time in between.
pub(crate) fn paced(
    count: usize,
    pause: Duration,
    mut call: impl FnMut() -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut next = Instant::now();
    for _ in 0..count {
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
        next += pause;
        call()?;
    }
    Ok(())
}
