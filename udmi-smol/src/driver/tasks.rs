//! What a run leaves to others: futures, and the threads of [`blocking`].

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use blocking::unblock;
use bytes::Bytes;
use device_link::{
    Closed, ConnId, Dialect, Endpoint, Event, FetchError, FetchId, HookId, Key, Request, Secret, SignError,
    SignId, SignRequest, StoreId,
};
use udmi_host::drive::{Delegate, Dialed, Fetches, Observer, Signer, Threaded, TlsClients, World, sign};

use super::answers::Answers;
use super::dial::{Dialer, Dialing, Watched};
use super::link::{Answer, Shared};
use super::notices::Notices;
use super::stores::Stores;
use super::{Answering, Application};

/// What a run works with.
pub(super) struct Parts<D: Dialect> {
    pub(super) application: Box<dyn Application<D>>,
    pub(super) delegate: Box<dyn Delegate<D>>,
    pub(super) observer: Option<Observer<D>>,
    pub(super) stores: Stores,
    pub(super) tls: TlsClients,
    pub(super) signer: Option<Signer>,
    pub(super) fetches: Fetches,
    pub(super) notices_max: usize,
}

/// What is under way beside the core.
pub(super) struct Tasks<D: Dialect> {
    application: Box<dyn Application<D>>,
    delegate: Box<dyn Delegate<D>>,
    observer: Option<Observer<D>>,
    stores: Stores,
    dialer: Dialer,
    dialing: Option<(ConnId, Dialing)>,
    signer: Arc<Mutex<Option<Signer>>>,
    fetches: Fetches,
    answers: Answers<D>,
    notices: Notices<D>,
    unpolled: bool,
    shared: Arc<Shared<D>>,
}

impl<D: Threaded> Tasks<D> {
    pub(super) fn new(parts: Parts<D>, shared: Arc<Shared<D>>) -> Self {
        let Parts { application, delegate, observer, stores, tls, signer, fetches, notices_max } = parts;
        Self {
            application,
            delegate,
            observer,
            stores,
            dialer: Dialer::new(tls),
            dialing: None,
            signer: Arc::new(Mutex::new(signer)),
            fetches,
            answers: Answers::new(),
            notices: Notices::new(notices_max),
            unpolled: false,
            shared,
        }
    }

    pub(super) fn delegate(&mut self) -> &mut dyn Delegate<D> {
        &mut *self.delegate
    }

    /// Goes on with what is heard, and with the attempt to connect, if there is one; says what came of it.
    pub(super) fn proceed(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Option<(ConnId, Result<Dialed<Watched>, Closed>)> {
        self.unpolled = false;
        self.hear(cx);
        let (conn, dialing) = self.dialing.as_mut()?;
        let Poll::Ready(result) = dialing.as_mut().poll(cx) else { return None };
        let conn = *conn;
        self.dialing = None;
        Some((conn, result))
    }

    /// Whether there is something that [`Self::proceed`] has not seen yet, and so does not wake the task.
    pub(super) fn is_unpolled(&self) -> bool {
        self.unpolled
    }

    /// Asks the application, which may know at once.
    pub(super) fn ask_application(&mut self, id: HookId, hook: D::Hook) -> Option<D::Outcome> {
        let outcome = match self.application.answer(hook) {
            Answering::Now(outcome) => Some(outcome),
            Answering::Later(answer) => self.answers.begin(id, answer, &self.shared),
        };
        outcome.map(|outcome| self.delegate.merge(id, outcome))
    }

    /// Goes on with the application's answer to a hook.
    pub(super) fn answer(&mut self, id: HookId) -> Option<D::Outcome> {
        self.answers.proceed(id).map(|outcome| self.delegate.merge(id, outcome))
    }

    /// Goes on with what the application hears.
    pub(super) fn hear(&mut self, cx: &mut Context<'_>) {
        self.notices.proceed(cx, &mut *self.application);
    }

    /// The core has taken an event of this fetch, perhaps the last one.
    pub(super) fn taken(&mut self, id: FetchId, last: bool) {
        self.fetches.taken(id, last);
    }

    /// Gives up what nobody waits for after the run.
    pub(super) fn wind_up(&mut self) {
        self.dialing = None;
        self.answers.clear();
    }

    /// Whether all is stored.
    pub(super) fn is_stored(&self) -> bool {
        self.stores.is_idle()
    }

    /// Whether the application has heard all notices.
    pub(super) fn is_heard(&self) -> bool {
        self.notices.is_idle()
    }
}

impl<D: Threaded> World<D, Watched> for Tasks<D> {
    fn open(&mut self, conn: ConnId, to: Endpoint) -> Option<Result<Dialed<Watched>, Closed>> {
        self.dialing = Some((conn, self.dialer.dial(to)));
        self.unpolled = true;
        None
    }

    fn sign(&mut self, id: SignId, request: SignRequest) -> Option<Result<Secret<String>, SignError>> {
        let (signer, shared) = (self.signer.clone(), self.shared.clone());
        let job = move || {
            let result = sign(&mut signer.lock().unwrap_or_else(PoisonError::into_inner), &request);
            shared.inbox.answer(Answer::Event(Event::Signed { id, result }));
        };
        unblock(job).detach();
        None
    }

    fn fetch(&mut self, id: FetchId, request: Request) -> Option<FetchError> {
        let shared = self.shared.clone();
        self.fetches.begin(id, request, move |event| shared.inbox.answer(Answer::Fetched(id, event)))
    }

    fn release(&mut self, id: FetchId) {
        self.fetches.release(id);
    }

    fn store(&mut self, id: StoreId, key: Key, value: Option<Bytes>) -> Option<bool> {
        self.stores.save((id, key, value), &self.shared)
    }

    fn ask(&mut self, id: HookId, hook: D::Hook) -> Option<D::Outcome> {
        let hook = self.delegate.ask(id, hook)?;
        self.ask_application(id, hook)
    }

    fn cancel(&mut self, id: HookId) {
        self.delegate.cancel(id);
        self.answers.cancel(id);
    }

    fn tell(&mut self, notice: D::Notice) {
        if let Some(observer) = &mut self.observer {
            observer(&notice);
        }
        self.notices.tell(notice, &mut *self.application);
        self.unpolled |= !self.notices.is_idle();
    }
}
