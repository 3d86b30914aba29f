//! The same node without threads: one non-blocking socket, driven by the caller's own loop.
//!
//! [`Bare::turn`] sleeps until something happens or the given time is over, and handles it. Hooks and notices are
//! calls from within, the store is written in place. What blocks, blocks the caller: resolving a name, and
//! connecting (10 s at most).

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use device_link::{Boot, Closed, ConnId, Dialect, Endpoint, Event, ExitReason, HookId, Key, Node, StoreId};
use udmi_host::store::Store;

use crate::clock::Clock;
use crate::connection::Dialed;
use crate::dial::Dialer;
use crate::driver::{Application, Driver, DriverError, Observer, TraceOutput, named};
use crate::engine::{Engine, World};
use crate::trace::Trace;

/// A node that runs while [`Bare::turn`] is called.
pub struct Bare<D: Dialect> {
    engine: Engine<D>,
    world: Inline<D>,
}

impl<D: Dialect + 'static> Bare<D> {
    /// Reads the store, boots the node and performs its first actions, connecting among them.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn start(driver: Driver<D>) -> Result<Self, DriverError> {
        let Driver { dialect, application, observer, mut store, tls, seed, limits, commands_max: _, trace } =
            driver;
        let stored = named(store.load_all().map_err(DriverError::Store)?);
        let mut clock = Clock::new();
        let boot = Boot { now: clock.now(), seed, stored, limits };
        let trace = trace.map(|TraceOutput { header, output }| Trace::new(&boot, header, output));
        let mut world = Inline { application, observer, store, dialer: Dialer::new(tls) };
        let engine = Engine::start(boot, clock, dialect, trace, &mut world);
        Ok(Self { engine, world })
    }

    /// Hands a command to the core. What it causes is sent by the next [`Self::turn`].
    pub fn command(&mut self, command: D::Command) {
        self.engine.handle(Event::Command(command), &mut self.world);
    }

    /// Writes what waits, sleeps until something happens, but no longer than `at_most`, and handles it. Returns
    /// the reason once the run is over.
    pub fn turn(&mut self, at_most: Duration) -> Option<ExitReason> {
        self.engine.flush(&mut self.world);
        if let Some(reason) = self.engine.is_over() {
            return Some(reason);
        }
        let ready = self.engine.wait(None, at_most);
        self.engine.proceed(ready, &mut self.world);
        self.engine.flush(&mut self.world);
        self.engine.is_over()
    }

    /// The node, to look at.
    pub fn node(&self) -> &Node<D> {
        self.engine.node()
    }
}

impl<D: Dialect> fmt::Debug for Bare<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bare").field("engine", &self.engine).finish_non_exhaustive()
    }
}

struct Inline<D: Dialect> {
    application: Box<dyn Application<D>>,
    observer: Option<Observer<D>>,
    store: Box<dyn Store + Send>,
    dialer: Dialer,
}

impl<D: Dialect + 'static> World<D> for Inline<D> {
    fn open(&mut self, _conn: ConnId, to: Endpoint) -> Option<Result<Dialed, Closed>> {
        Some(self.dialer.dial(&to))
    }

    fn store(&mut self, _id: StoreId, key: Key, value: Option<Bytes>) -> Option<bool> {
        Some(self.store.save(key.as_str(), value.as_deref()).is_ok())
    }

    fn ask(&mut self, _id: HookId, hook: D::Hook) -> Option<D::Outcome> {
        Some(self.application.answer(hook))
    }

    fn cancel(&mut self, _id: HookId) {}

    fn tell(&mut self, notice: D::Notice) {
        if let Some(observer) = &mut self.observer {
            observer(&notice);
        }
        self.application.hear(notice);
    }
}
