//! Hooks of the core as calls of families, and what comes of them as events for the core.

mod books;
mod reading;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::Arc;

use udmi_proto::family::{Family, Url, is_absolute};
use udmi_proto::{Command, Event, Hook, HookId, Outcome, Target, Value};

use super::error::{ProviderError, WriteError};
use super::{Answer, Call, CallId, FamilyProvider, FieldLimits, FieldThreads, Report};
use books::{Books, Told};
use reading::Reads;

/// What [`FieldHooks::poll`] gives out.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldEvent {
    /// For the core.
    Core(Event),
    /// A part of a hook that no family can answer, for the application. Its outcome goes through
    /// [`FieldHooks::merge`] to the core.
    Application(HookId, Hook),
}

/// Answers the hooks of scans, and those about points that have a reference in a family there is a provider for.
///
/// It does nothing by itself: whoever drives the core hands it hooks and cancellations, and polls it whenever the
/// waker was called. No method blocks; the calls are made by [`FieldThreads`].
pub struct FieldHooks {
    threads: FieldThreads,
    books: Arc<Books>,
    only_scans: bool,
    under_way: BTreeMap<HookId, UnderWay>,
}

/// What becomes of a hook.
#[derive(Debug)]
enum UnderWay {
    /// One call answers it.
    Call(CallId),
    /// Points are being read.
    Reading { calls: Vec<CallId>, reads: Reads },
    /// The application reads the points that no family can read.
    Application(Reads),
}

impl FieldHooks {
    /// Starts with these families.
    ///
    /// # Errors
    /// The system has no thread left.
    pub fn new(
        providers: impl IntoIterator<Item = Arc<dyn FamilyProvider>>,
        limits: FieldLimits,
    ) -> io::Result<Self> {
        let threads = FieldThreads::new(providers, limits)?;
        let (books, under_way) = (Arc::new(Books::default()), BTreeMap::new());
        Ok(Self { threads, books, only_scans: false, under_way })
    }

    /// Leaves points to the application, whatever their references.
    #[must_use]
    pub fn only_scans(mut self) -> Self {
        self.only_scans = true;
        self
    }

    /// The families there are providers for.
    pub fn families(&self) -> impl Iterator<Item = &str> {
        self.threads.families()
    }

    /// Names what is called, on any thread, when there is something to poll. It must not block. The first one counts.
    pub fn set_waker(&self, wake: impl Fn() + Send + Sync + 'static) {
        self.books.set_waker(Box::new(wake));
    }

    /// Takes a hook in, or gives it back if it is the application's.
    pub fn ask(&mut self, id: HookId, hook: Hook) -> Option<Hook> {
        let (target, inner) = match &hook {
            Hook::Proxied { target, hook, .. } => (target.as_ref(), &**hook),
            hook => (None, hook),
        };
        let call = match inner {
            Hook::Scan { request } if self.serves(&request.family) => Some(Call::Scan(request.clone())),
            Hook::WritePoint { value, reference: Some(reference), .. } => {
                self.write(target, reference, Some(value.clone()))
            }
            Hook::ReleasePoint { reference: Some(reference), .. } => self.write(target, reference, None),
            Hook::ReadPoints { wanted } if !self.only_scans => {
                let reads = Reads::new(wanted, |reference| self.locate(target, reference));
                if reads.is_empty() {
                    return Some(hook);
                }
                self.read(id, reads, hook);
                return None;
            }
            _ => None,
        };
        let Some(call) = call else { return Some(hook) };
        if let Call::Scan(_) = call {
            self.books.open_scan(id);
        }
        let started = self.start(id, 0, call);
        self.under_way.extend(started.map(|call| (id, UnderWay::Call(call))));
        None
    }

    /// What there is to tell. Results of scans are told only while the core `has_room` for them; till then their
    /// providers wait. `None` until the waker is called again, or there is room again.
    pub fn poll(&mut self, has_room: bool) -> Option<FieldEvent> {
        while let Some(told) = self.books.next(has_room) {
            let event = match told {
                Told::Found(scan, found) => {
                    Some(FieldEvent::Core(Event::Command(Command::Found { scan, found })))
                }
                Told::Answer(id, part, answer) => self.on_answer(id, part, answer),
            };
            if event.is_some() {
                return event;
            }
        }
        None
    }

    /// Adds to an outcome of the application what families have read for the same hook, if they have.
    #[must_use]
    pub fn merge(&mut self, id: HookId, outcome: Outcome) -> Outcome {
        match self.under_way.remove(&id) {
            Some(UnderWay::Application(reads)) => reads.merge(outcome),
            Some(other) => {
                self.under_way.insert(id, other);
                outcome
            }
            None => outcome,
        }
    }

    /// Nobody waits for a hook any more. One that is not under way is none of these.
    pub fn cancel(&mut self, id: HookId) {
        self.books.close_scan(id);
        match self.under_way.remove(&id) {
            Some(UnderWay::Call(call)) => self.threads.cancel(call),
            Some(UnderWay::Reading { calls, .. }) => {
                calls.into_iter().for_each(|call| self.threads.cancel(call));
            }
            Some(UnderWay::Application(_)) | None => {}
        }
    }

    fn serves(&self, family: &str) -> bool {
        self.threads.families().any(|served| served == family)
    }

    /// Where a reference leads, if a family serves it: a full one where it says, any other to the target (§6.6).
    fn locate(&self, target: Option<&Target>, reference: &str) -> Option<(Target, String)> {
        let is_vendor = target.is_some_and(|target| target.family == Family::Vendor.as_str());
        let (target, reference) = match is_absolute(reference) && !is_vendor {
            true => read_url(reference)?,
            false => (target?.clone(), reference.to_owned()),
        };
        self.serves(&target.family).then_some((target, reference))
    }

    fn write(&self, target: Option<&Target>, reference: &str, value: Option<Value>) -> Option<Call> {
        if self.only_scans {
            return None;
        }
        let (target, reference) = self.locate(target, reference)?;
        Some(Call::Write { target, reference, value })
    }

    fn read(&mut self, id: HookId, mut reads: Reads, hook: Hook) {
        reads.keep(hook);
        let calls = reads.calls();
        let started = calls.into_iter().enumerate().filter_map(|(part, call)| self.start(id, part, call));
        let calls = started.collect();
        self.under_way.insert(id, UnderWay::Reading { calls, reads });
    }

    /// One that cannot even be started is answered all the same.
    fn start(&self, id: HookId, part: usize, call: Call) -> Option<CallId> {
        let books = self.books.clone();
        let report: Report = Arc::new(move |answer| books.tell(id, part, answer));
        let call_again = call.clone();
        match self.threads.start(call, report) {
            Ok(started) => Some(started),
            Err(error) => {
                self.books.tell(id, part, call_again.failed(error));
                None
            }
        }
    }

    fn on_answer(&mut self, id: HookId, part: usize, answer: Answer) -> Option<FieldEvent> {
        let outcome = match answer {
            Answer::Found(_) => return None, // those come as found
            Answer::Scanned(result) => scanned(result),
            Answer::Written(result) => written(result),
            Answer::Read(result) => return self.on_read(id, part, result),
        };
        self.under_way.remove(&id);
        Some(FieldEvent::Core(Event::HookDone { id, outcome }))
    }

    fn on_read(&mut self, id: HookId, part: usize, result: reading::Result) -> Option<FieldEvent> {
        let Some(UnderWay::Reading { reads, .. }) = self.under_way.get_mut(&id) else { return None };
        reads.take(part, result);
        if !reads.is_complete() {
            return None;
        }
        let Some(UnderWay::Reading { mut reads, .. }) = self.under_way.remove(&id) else { return None };
        match reads.rest() {
            Some(rest) => {
                self.under_way.insert(id, UnderWay::Application(reads));
                Some(FieldEvent::Application(id, rest))
            }
            None => Some(FieldEvent::Core(Event::HookDone { id, outcome: reads.outcome() })),
        }
    }
}

impl Drop for FieldHooks {
    /// Lets go whoever waits for room, so that the threads can end.
    fn drop(&mut self) {
        self.books.close();
    }
}

impl fmt::Debug for FieldHooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FieldHooks")
            .field("threads", &self.threads)
            .field("under_way", &self.under_way.len())
            .finish_non_exhaustive()
    }
}

/// The target and the reference in a full one.
fn read_url(reference: &str) -> Option<(Target, String)> {
    let Url { family, network, address, port, reference } = Url::parse(reference).ok()?;
    let addr = match port {
        Some(port) => format!("{address}:{port}"),
        None => address,
    };
    let target =
        Target { family: family.as_str().to_owned(), addr: Some(addr), network, ..Target::default() };
    Some((target, reference?))
}

fn scanned(result: Result<(), ProviderError>) -> Outcome {
    match result {
        Ok(()) => Outcome::Done,
        Err(ProviderError::NoProvider) => Outcome::Unhandled,
        Err(error) => Outcome::Failed { message: error.to_string() },
    }
}

fn written(result: Result<(), WriteError>) -> Outcome {
    match result {
        Ok(()) => Outcome::Done,
        Err(WriteError::Invalid(message)) => Outcome::Invalid { message },
        Err(error @ (WriteError::Point(_) | WriteError::Provider(_))) => {
            Outcome::Failed { message: error.to_string() }
        }
    }
}
