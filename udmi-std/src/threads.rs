//! The threads that do what may block, and what passes between them and the core's.

use std::io;
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;

use bytes::Bytes;
use device_link::{
    Closed, ConnId, Dialect, Endpoint, Event, FetchError, FetchEvent, FetchId, HookId, Key, Request, Secret,
    SignError, SignId, SignRequest, StoreId,
};
use udmi_host::drive::{Delegate, Dialed, EventOf, Fetches, LINGER, Observer, Signer, World, sign};
use udmi_host::store::Store;

use crate::dial::Dialer;
use crate::driver::{Application, Threaded};
use crate::inbox::Inbox;
use crate::jobs::Jobs;

/// Stacks are touched, and so cost memory, only as far as they are used.
const APPLICATION_STACK: usize = 1 << 20;
const HELPER_STACK: usize = 256 << 10;

/// What comes back to the core's thread.
pub(crate) enum Answer<D: Dialect> {
    Dialed(ConnId, Result<Dialed<TcpStream>, Closed>),
    Event(EventOf<D>),
    /// Of which there are never more than the fetches at hand may have waiting.
    Fetched(FetchId, FetchEvent),
}

/// What goes to the thread that connects. It has nothing else to do while a signature is wanted.
enum LinkJob {
    Dial(ConnId, Endpoint),
    Sign(SignId, SignRequest),
}

/// What goes to the application's thread.
enum Call<D: Dialect> {
    Answer(HookId, D::Hook),
    Hear(D::Notice),
}

pub(crate) type InboxOf<D> = Inbox<<D as Dialect>::Command, Answer<D>>;
type StoreJob = (StoreId, Key, Option<Bytes>);

/// What the threads work with.
pub(crate) struct Parts<D: Dialect> {
    pub(crate) application: Box<dyn Application<D>>,
    pub(crate) delegate: Box<dyn Delegate<D>>,
    pub(crate) observer: Option<Observer<D>>,
    pub(crate) store: Box<dyn Store + Send>,
    pub(crate) dialer: Dialer,
    pub(crate) signer: Option<Signer>,
    pub(crate) fetches: Fetches,
    pub(crate) notices_max: usize,
}

/// The threads that do what may block. They end when this is dropped and their work is done.
pub(crate) struct Threads<D: Dialect> {
    links: Arc<Jobs<LinkJob>>,
    stores: Arc<Jobs<StoreJob>>,
    calls: Arc<Jobs<Call<D>>>,
    notices_max: usize,
    delegate: Box<dyn Delegate<D>>,
    observer: Option<Observer<D>>,
    storing: Option<thread::JoinHandle<()>>,
    fetches: Fetches,
    inbox: Arc<InboxOf<D>>,
}

impl<D: Threaded> Threads<D> {
    pub(crate) fn start(inbox: &Arc<InboxOf<D>>, parts: Parts<D>) -> io::Result<Self> {
        let Parts { mut application, delegate, observer, mut store, mut dialer, mut signer, .. } = parts;
        let (fetches, notices_max) = (parts.fetches, parts.notices_max);
        let (links, stores, calls) = (Arc::new(Jobs::new()), Arc::new(Jobs::new()), Arc::new(Jobs::new()));
        let (storing, inbox_of_fetches) = (None, inbox.clone());
        let mut threads = Self {
            links,
            stores,
            calls,
            notices_max,
            delegate,
            observer,
            storing,
            fetches,
            inbox: inbox_of_fetches,
        };
        let (jobs, answers) = (threads.links.clone(), inbox.clone());
        spawn("device-link", HELPER_STACK, move || {
            while let Some(job) = jobs.next() {
                answers.answer(match job {
                    LinkJob::Dial(conn, to) => Answer::Dialed(conn, dialer.dial(&to)),
                    LinkJob::Sign(id, request) => {
                        Answer::Event(Event::Signed { id, result: sign(&mut signer, &request) })
                    }
                });
            }
        })?;
        let (jobs, answers) = (threads.stores.clone(), inbox.clone());
        threads.storing = Some(spawn("device-store", HELPER_STACK, move || {
            while let Some((id, key, value)) = jobs.next() {
                let ok = store.save(key.as_str(), value.as_deref()).is_ok();
                answers.answer(Answer::Event(Event::Stored { id, ok }));
            }
        })?);
        let (jobs, answers) = (threads.calls.clone(), inbox.clone());
        spawn("device-app", APPLICATION_STACK, move || {
            while let Some(call) = jobs.next() {
                match call {
                    Call::Answer(id, hook) => {
                        let outcome = application.answer(hook);
                        answers.answer(Answer::Event(Event::HookDone { id, outcome }));
                    }
                    Call::Hear(notice) => application.hear(notice),
                }
            }
        })?;
        Ok(threads)
    }
}

impl<D: Dialect> Threads<D> {
    pub(crate) fn delegate(&mut self) -> &mut dyn Delegate<D> {
        &mut *self.delegate
    }

    pub(crate) fn ask_application(&self, id: HookId, hook: D::Hook) {
        self.calls.push(Call::Answer(id, hook));
    }

    /// The core has taken an event of this fetch, perhaps the last one.
    pub(crate) fn taken(&mut self, id: FetchId, last: bool) {
        self.fetches.taken(id, last);
    }

    /// Waits until all is stored and, for a while, until the application has heard the last notices.
    pub(crate) fn finish(mut self) {
        self.stores.close();
        if let Some(storing) = self.storing.take() {
            let _ = storing.join(); // a store that panicked has nothing more to store
        }
        self.calls.retain(|call| matches!(call, Call::Hear(_)));
        self.calls.close();
        self.calls.finish(LINGER);
    }
}

impl<D: Dialect> Drop for Threads<D> {
    fn drop(&mut self) {
        self.links.close();
        self.stores.close();
        self.calls.close();
    }
}

impl<D: Threaded> World<D, TcpStream> for Threads<D> {
    fn open(&mut self, conn: ConnId, to: Endpoint) -> Option<Result<Dialed<TcpStream>, Closed>> {
        self.links.retain(|_| false); // nobody waits for an attempt, or its signature, that has not begun
        self.links.push(LinkJob::Dial(conn, to));
        None
    }

    fn sign(&mut self, id: SignId, request: SignRequest) -> Option<Result<Secret<String>, SignError>> {
        self.links.push(LinkJob::Sign(id, request));
        None
    }

    fn fetch(&mut self, id: FetchId, request: Request) -> Option<FetchError> {
        let inbox = self.inbox.clone();
        self.fetches.begin(id, request, move |event| inbox.answer(Answer::Fetched(id, event)))
    }

    fn release(&mut self, id: FetchId) {
        self.fetches.release(id);
    }

    fn store(&mut self, id: StoreId, key: Key, value: Option<Bytes>) -> Option<bool> {
        self.stores.push((id, key, value));
        None
    }

    fn ask(&mut self, id: HookId, hook: D::Hook) -> Option<D::Outcome> {
        if let Some(hook) = self.delegate.ask(id, hook) {
            self.ask_application(id, hook);
        }
        None
    }

    fn cancel(&mut self, id: HookId) {
        self.delegate.cancel(id);
        self.calls.retain(|call| !matches!(call, Call::Answer(asked, _) if *asked == id));
    }

    fn tell(&mut self, notice: D::Notice) {
        if let Some(observer) = &mut self.observer {
            observer(&notice);
        }
        self.calls.push_within(self.notices_max, Call::Hear(notice));
    }
}

pub(crate) fn spawn(
    name: &str,
    stack: usize,
    run: impl FnOnce() + Send + 'static,
) -> io::Result<thread::JoinHandle<()>> {
    thread::Builder::new().name(name.into()).stack_size(stack).spawn(run)
}
