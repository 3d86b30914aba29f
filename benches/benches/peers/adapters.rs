//! The adapters, with any dialect.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytes::Bytes;
use device_link::{ExitReason, Limits};
use udmi_host::drive::{SendError, Threaded};
use udmi_smol::driver::Answering;

use crate::client::{Client, Failure, PATIENCE, Run, Watch, age, paced, stamp};
use crate::peer::{Command, Notice, Payload, Peer};

/// Which one.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Adapter {
    /// `udmi-std`: threads, and messages handed over from another one.
    Threads,
    /// `udmi-smol`: a future on a thread, and messages handed over from another one.
    Futures,
}

/// An adapter, and how it is set up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Adapted {
    pub(crate) adapter: Adapter,
    /// Messages that may be unacknowledged; the default is 100.
    pub(crate) inflight: usize,
}

/// A run of either.
pub(crate) enum Link<D: Threaded> {
    Threads(udmi_std::driver::Link<D>),
    Futures(udmi_smol::driver::Link<D>, JoinHandle<ExitReason>),
}

impl Adapted {
    pub(crate) fn name(self) -> &'static str {
        match self.adapter {
            Adapter::Threads => "udmi-std",
            Adapter::Futures => "udmi-smol",
        }
    }

    /// Starts a run whose notices are heard at once, as who polls an event loop hears of packets.
    pub(crate) fn start<D: Threaded>(
        self,
        dialect: D,
        unasked: D::Outcome,
        mut hear: impl FnMut(&D::Notice) + Send + 'static,
    ) -> Result<Link<D>, Failure>
    where
        D::Outcome: Sync,
    {
        let limits = Limits { inflight: self.inflight, ..Limits::default() };
        match self.adapter {
            Adapter::Threads => {
                let application = (move |_| unasked.clone(), |_| ());
                let mut driver = udmi_std::driver::Driver::new(dialect, application);
                (driver.equipment.limits, driver.equipment.notices_max) = (limits, 0);
                driver.equipment.observer = Some(Box::new(move |notice| hear(notice)));
                Ok(Link::Threads(driver.start()?))
            }
            Adapter::Futures => {
                let application = (move |_| Answering::Now(unasked.clone()), |_| None);
                let mut driver = udmi_smol::driver::Driver::new(dialect, application);
                (driver.equipment.limits, driver.equipment.notices_max) = (limits, 0);
                driver.equipment.observer = Some(Box::new(move |notice| hear(notice)));
                let (link, run) = async_io::block_on(driver.start())?;
                Ok(Link::Futures(link, thread::spawn(move || async_io::block_on(run))))
            }
        }
    }
}

impl<D: Threaded> Link<D> {
    pub(crate) fn send(&self, command: D::Command) -> Result<(), SendError> {
        match self {
            Self::Threads(link) => link.send(command),
            Self::Futures(link, _) => link.send(command),
        }
    }

    /// Hands over a command as soon as there is room; it is made anew for each attempt.
    pub(crate) fn send_when_possible(&self, mut command: impl FnMut() -> D::Command) -> Result<(), Failure> {
        loop {
            match self.send(command()) {
                Ok(()) => return Ok(()),
                Err(SendError::Full) => self.wait_for_room()?,
                Err(SendError::Ended) => return Err("the run has ended".into()),
            }
        }
    }

    fn wait_for_room(&self) -> Result<(), SendError> {
        match self {
            Self::Threads(link) => link.wait_for_room(PATIENCE).map(|_| ()),
            // No input or output to wait for: with `async_io::block_on` this thread would do so for the run's.
            Self::Futures(link, _) => futures_lite::future::block_on(link.wait_for_room()),
        }
    }

    /// Ends the run with a last command.
    pub(crate) fn end(self, command: D::Command) -> Result<(), Failure> {
        match self {
            Self::Threads(link) => {
                link.send_last(command)?;
                link.wait_for(PATIENCE).map(|_| ()).ok_or_else(|| "the run does not end".into())
            }
            Self::Futures(link, run) => {
                link.send_last(command)?;
                run.join().map(|_| ()).map_err(|_| "the run broke".into())
            }
        }
    }
}

impl Client for Adapted {
    fn name(&self) -> String {
        format!("{} (inflight {})", Self::name(*self), self.inflight)
    }

    fn publish(&self, broker: SocketAddr, payload: &Bytes, count: usize) -> Result<Run, Failure> {
        let mut acknowledged = 0;
        let (link, done) = self.peer(Peer::new(broker, false), move |notice, done| {
            acknowledged += usize::from(matches!(notice, Notice::Acknowledged));
            if acknowledged == count || matches!(notice, Notice::Lost) {
                let _ = done.send(acknowledged);
            }
        })?;
        let watch = Watch::start();
        for _ in 0..count {
            link.send_when_possible(|| Command::Publish(Payload(payload.clone())))?;
        }
        let acknowledged = done.recv_timeout(PATIENCE)?;
        let run = watch.stop();
        link.end(Command::End)?;
        if acknowledged == count { Ok(run) } else { Err("a message was lost".into()) }
    }

    fn receive(
        &self,
        broker: SocketAddr,
        count: usize,
        feed: &mut dyn FnMut(&AtomicUsize) -> Result<(), Failure>,
    ) -> Result<Option<Run>, Failure> {
        let received = Arc::new(AtomicUsize::new(0));
        let counter = received.clone();
        let (link, done) = self.peer(Peer::new(broker, true), move |notice, done| {
            if matches!(notice, Notice::Received(_)) && counter.fetch_add(1, Ordering::Relaxed) + 1 == count {
                let _ = done.send(count);
            }
        })?;
        let watch = Watch::start();
        let run = thread::scope(|scope| {
            // The time ends with the last message, not with the last acknowledgement of the source.
            let end = scope.spawn(move || done.recv_timeout(PATIENCE).map(|_| watch.stop()));
            feed(&received)?;
            Ok::<_, Failure>(end.join().map_err(|_| "the receiver broke")??)
        })?;
        link.end(Command::End)?;
        Ok(Some(run))
    }

    fn echo(
        &self,
        broker: SocketAddr,
        payload: &Bytes,
        count: usize,
        pause: Duration,
    ) -> Result<Option<Vec<Duration>>, Failure> {
        let (origin, ages) = (Instant::now(), Arc::new(Mutex::new(Vec::with_capacity(count))));
        let seen = ages.clone();
        let (link, done) = self.peer(Peer::new(broker, true), move |notice, done| {
            if let Notice::Received(Payload(payload)) = notice {
                let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                seen.extend(age(payload, origin));
                if seen.len() == count {
                    let _ = done.send(count);
                }
            }
        })?;
        paced(count, pause, || Ok(link.send(Command::Publish(Payload(stamp(payload, origin))))?))?;
        done.recv_timeout(PATIENCE)?;
        link.end(Command::End)?;
        let ages = std::mem::take(&mut *ages.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(Some(ages))
    }
}

impl Adapted {
    /// Starts the plain dialect and waits until it is subscribed.
    fn peer(
        self,
        peer: Peer,
        mut hear: impl FnMut(&Notice, &Sender<usize>) + Send + 'static,
    ) -> Result<(Link<Peer>, Receiver<usize>), Failure> {
        let ((up, ready), (end, done)) = (channel(), channel());
        let link = self.start(peer, (), move |notice| match notice {
            Notice::Subscribed => drop(up.send(())),
            Notice::Acknowledged | Notice::Received(_) | Notice::Lost => hear(notice, &end),
        })?;
        ready.recv_timeout(PATIENCE)?;
        Ok((link, done))
    }
}
