//! Answers as good hosts, brokers and applications give them.

use udmi_proto::{
    BlobOutcome, Event, FetchError, FetchEvent, FetchId, Hook, HookId, NewKey, Outcome, Request, Secret,
    decode_data_url,
};

use super::{Bench, Owed, ROUNDS};

impl Bench {
    /// Answers all that the device waits for.
    pub fn serve(&mut self) {
        for _ in 0..ROUNDS {
            if self.owed.is_empty() {
                return;
            }
            self.answer(0);
        }
        panic!("there is no end of what the device asks for: {:?}", self.owed);
    }

    /// Answers one thing that the device waits for, by its place.
    pub fn answer(&mut self, place: usize) {
        if place >= self.owed.len() {
            return;
        }
        match self.owed.remove(place) {
            Owed::Open(conn) => self.open(conn),
            Owed::Packet(_, packet) => self.send(&packet),
            Owed::Store(id, key, value) => {
                let ok = self.stores;
                match value {
                    Some(value) if ok => drop(self.store.insert(key, value)),
                    None if ok => drop(self.store.remove(&key)),
                    _ => {}
                }
                self.handle(Event::Stored { id, ok });
            }
            Owed::Sign(id) => self.handle(Event::Signed { id, result: Ok(Secret::new("c2ln".into())) }),
            Owed::Fetch(id, request) => self.fetch(id, &request),
            Owed::Hook(id, hook) => self.carry_out(id, &hook),
        }
    }

    /// The transport of the connection is up.
    pub fn open(&mut self, conn: udmi_proto::ConnId) {
        if self.conn == Some(conn) {
            self.opened = true;
            self.handle(Event::Opened { conn });
        }
    }

    fn carry_out(&mut self, id: HookId, hook: &Hook) {
        self.handle(Event::HookDone { id, outcome: outcome(hook) });
    }

    fn fetch(&mut self, id: FetchId, request: &Request) {
        let content = match request.url.strip_prefix("data:") {
            Some(rest) => decode_data_url(rest).map_err(FetchError::Url),
            None => self.served.clone().ok_or(FetchError::Status(404)),
        };
        let content = content.and_then(|content| match u64::try_from(content.len()) {
            Ok(size) if size <= request.limit => Ok(content),
            _ => Err(FetchError::TooLarge),
        });
        let events = match content {
            Err(error) => vec![FetchEvent::Failed(error)],
            Ok(content) => {
                let chunks = content.chunks(50).map(|chunk| FetchEvent::Chunk(chunk.to_vec().into()));
                chunks.chain([FetchEvent::Done]).collect()
            }
        };
        for event in events {
            // Nobody tells of a fetch that was released.
            if self.fetches.contains_key(&id) {
                self.handle(Event::Fetched { id, event });
            }
        }
    }
}

fn outcome(hook: &Hook) -> Outcome {
    match hook {
        Hook::ReadPoints { .. } => Outcome::Values { values: Default::default() },
        Hook::CheckActivation { .. } => Outcome::Blob(BlobOutcome::Activated),
        Hook::MakeKey => Outcome::KeyMade(NewKey {
            public_key: "key".into(),
            backup: "backup".into(),
            password: Secret::new("new password".into()),
        }),
        Hook::Metrics | Hook::Command { .. } => Outcome::Unhandled,
        Hook::Proxied { hook, .. } => outcome(hook),
        Hook::WritePoint { .. }
        | Hook::ReleasePoint { .. }
        | Hook::Lifecycle { .. }
        | Hook::ProcessBlob { .. }
        | Hook::ActivateBlob { .. }
        | Hook::UseKey { .. }
        | Hook::RestoreKey { .. }
        | Hook::Scan { .. } => Outcome::Done,
    }
}
