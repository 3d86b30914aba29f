//! The same node without threads: one non-blocking socket, driven by the caller's own loop.
//!
//! [`Bare::turn`] sleeps until something happens or the given time is over, and handles it. Hooks and notices are
//! calls from within, the store is written and tokens are signed in place. What blocks, blocks the caller:
//! resolving a name, and connecting (10 s at most).
//!
//! There are two exceptions. What a [`Delegate`] takes is answered elsewhere and comes in through [`Bare::turn`].
//! And a download lasts too long to block for, so each has a thread of its own while it runs. It waits whenever the
//! loop has not yet taken what it brought, and everything it brings comes in through [`Bare::turn`]. A device that
//! fetches nothing and delegates nothing has no thread.

use std::collections::VecDeque;
use std::fmt;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use device_link::{
    Boot, Closed, ConnId, Dialect, Endpoint, Event, ExitReason, FetchError, FetchEvent, FetchId, HookId, Key,
    Node, Request, Secret, SignError, SignId, SignRequest, StoreId,
};
use udmi_host::drive::{
    Clock, Delegate, Delegated, Dialed, DriverError, EVENTS_AT_ONCE, Equipment, Fetches, Observer,
    READ_BYTES, Signer, TlsClients, World, is_last, named, sign,
};
use udmi_host::store::Store;

use crate::dial::Dialer;
use crate::driver::{Application, Driver};
use crate::inbox::{Inbox, Pair};
use crate::wait::{Engine, wait};

/// A node that runs while [`Bare::turn`] is called.
pub struct Bare<D: Dialect> {
    engine: Engine<D>,
    world: Inline<D>,
    buffer: Box<[u8]>,
}

impl<D: Dialect + 'static> Bare<D> {
    /// Reads the store, boots the node and performs its first actions, connecting among them.
    ///
    /// # Errors
    /// The store cannot be read, or the operating system gives no descriptor.
    pub fn start(driver: Driver<D>) -> Result<Self, DriverError> {
        let Driver { dialect, application, equipment } = driver;
        let Equipment { mut delegate, observer, mut store, tls, tls_source, signer, .. } = equipment;
        let Equipment { fetcher, seed, limits, trace, .. } = equipment;
        let stored = named(store.load_all().map_err(DriverError::Store)?);
        let mut clock = Clock::start();
        let boot = Boot { now: clock.now(), seed, stored, limits };
        let fetched = Arc::new(Inbox::new(0, Pair::new().map_err(DriverError::Host)?));
        let dialer = Dialer::new(TlsClients::new(tls, tls_source));
        let fetches = Fetches::new(fetcher);
        let waking = fetched.clone();
        delegate.set_waker(Box::new(move || waking.wake()));
        let mut world = Inline { application, delegate, observer, store, dialer, signer, fetches, fetched };
        let engine = Engine::start(boot, clock, dialect, trace, &mut world);
        Ok(Self { engine, world, buffer: vec![0; READ_BYTES].into_boxed_slice() })
    }

    /// Hands a command to the core. What it causes is sent by the next [`Self::turn`].
    pub fn command(&mut self, command: D::Command) {
        self.engine.handle(Event::Command(command), &mut self.world);
    }

    /// Writes what waits, sleeps until something happens, but no longer than `at_most`, and handles it. Returns
    /// the reason once the run is over.
    pub fn turn(&mut self, at_most: Duration) -> Option<ExitReason> {
        self.engine.flush(&mut self.buffer, &mut self.world);
        if let Some(reason) = self.engine.is_over() {
            return Some(reason);
        }
        let fetched = self.world.fetched.clone();
        let at_most = if fetched.may_sleep(0) { at_most } else { Duration::ZERO };
        let (woken, ready) = wait(&mut self.engine, fetched.bell().waker(), at_most);
        if woken {
            fetched.bell().silence();
        } else {
            self.engine.trim_if_idle(ready);
        }
        self.engine.proceed(ready, &mut self.buffer, &mut self.world);
        self.take_fetched(&fetched);
        self.take_delegated(&fetched);
        self.engine.flush(&mut self.buffer, &mut self.world);
        self.engine.is_over()
    }

    fn take_fetched(&mut self, fetched: &FetchedInbox) {
        let mut answers = VecDeque::new();
        fetched.take(0, &mut VecDeque::new(), &mut answers);
        for (id, event) in answers {
            let last = is_last(&event);
            self.engine.handle(Event::Fetched { id, event }, &mut self.world);
            self.world.fetches.taken(id, last);
        }
    }

    /// Takes in what the delegate tells, as far as there is room for it.
    fn take_delegated(&mut self, fetched: &FetchedInbox) {
        for _ in 0..EVENTS_AT_ONCE {
            let event = match self.world.delegate.poll(!self.engine.is_congested()) {
                Some(Delegated::Core(event)) => event,
                Some(Delegated::Application(id, hook)) => {
                    let outcome = self.world.application.answer(hook);
                    Event::HookDone { id, outcome: self.world.delegate.merge(id, outcome) }
                }
                None => return,
            };
            self.engine.handle(event, &mut self.world);
        }
        fetched.wake();
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

/// Has no commands: the caller hands those in itself.
type FetchedInbox = Inbox<(), (FetchId, FetchEvent)>;

struct Inline<D: Dialect> {
    application: Box<dyn Application<D>>,
    delegate: Box<dyn Delegate<D>>,
    observer: Option<Observer<D>>,
    store: Box<dyn Store + Send>,
    dialer: Dialer,
    signer: Option<Signer>,
    fetches: Fetches,
    fetched: Arc<FetchedInbox>,
}

impl<D: Dialect + 'static> World<D, TcpStream> for Inline<D> {
    fn open(&mut self, _conn: ConnId, to: Endpoint) -> Option<Result<Dialed<TcpStream>, Closed>> {
        Some(self.dialer.dial(&to))
    }

    fn store(&mut self, _id: StoreId, key: Key, value: Option<Bytes>) -> Option<bool> {
        Some(self.store.save(key.as_str(), value.as_deref()).is_ok())
    }

    fn sign(&mut self, _id: SignId, request: SignRequest) -> Option<Result<Secret<String>, SignError>> {
        Some(sign(&mut self.signer, &request))
    }

    fn fetch(&mut self, id: FetchId, request: Request) -> Option<FetchError> {
        let fetched = self.fetched.clone();
        self.fetches.begin(id, request, move |event| fetched.answer((id, event)))
    }

    fn release(&mut self, id: FetchId) {
        self.fetches.release(id);
    }

    fn ask(&mut self, id: HookId, hook: D::Hook) -> Option<D::Outcome> {
        self.delegate.ask(id, hook).map(|hook| self.application.answer(hook))
    }

    fn cancel(&mut self, id: HookId) {
        self.delegate.cancel(id);
    }

    fn tell(&mut self, notice: D::Notice) {
        if let Some(observer) = &mut self.observer {
            observer(&notice);
        }
        self.application.hear(notice);
    }
}
