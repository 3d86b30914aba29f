//! A dialect that does nothing but fetch and hash, and prove itself by a token if it has one.

use std::collections::BTreeMap;

use device_link::wire::Qos;
use device_link::{
    ConnectSpec, Cx, Dialect, Endpoint, ExitReason, FetchError, FetchEvent, FetchId, HookId, LinkEvent,
    Message, Now, Receipt, Request, SignRequest, StoreId, Stored, SubscribeRefused, Token,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

pub struct Loader {
    pub endpoint: Endpoint,
    pub token: Option<SignRequest>,
    hashes: BTreeMap<FetchId, (Sha256, u64)>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Command {
    Fetch(Request),
    Release(FetchId),
    Leave,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Notice {
    Down(String),
    Begun(FetchId),
    Done { id: FetchId, size: u64, sha256: String },
    Failed(FetchError),
}

impl Loader {
    pub fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, token: None, hashes: BTreeMap::new() }
    }
}

impl Dialect for Loader {
    type Command = Command;
    type Notice = Notice;
    type Hook = ();
    type Outcome = ();
    type Timer = ();
    type Tag = ();

    fn connect(&mut self, _now: Now) -> ConnectSpec {
        ConnectSpec {
            endpoint: self.endpoint.clone(),
            client_id: "loader".into(),
            username: self.token.is_some().then(|| "unused".into()),
            password: None,
            token: self.token.clone(),
            will: None,
            keep_alive_seconds: 60,
            clean_session: true,
        }
    }

    fn on_link(&mut self, cx: &mut Cx<'_, Self>, event: LinkEvent) {
        if let LinkEvent::Down { why } = event {
            cx.notify(Notice::Down(why.to_string()));
        }
    }

    fn on_command(&mut self, cx: &mut Cx<'_, Self>, command: Command) {
        match command {
            Command::Fetch(request) => {
                let id = cx.fetch(request).expect("there is room");
                self.hashes.insert(id, (Sha256::new(), 0));
                cx.notify(Notice::Begun(id));
            }
            Command::Release(id) => cx.release(id),
            Command::Leave => cx.exit(ExitReason::Shutdown),
        }
    }

    fn on_fetched(&mut self, cx: &mut Cx<'_, Self>, id: FetchId, event: FetchEvent) {
        let (hash, size) = self.hashes.get_mut(&id).expect("it was begun");
        match event {
            FetchEvent::Size(_) => {}
            FetchEvent::Chunk(bytes) => {
                hash.update(&bytes);
                *size += bytes.len() as u64;
            }
            FetchEvent::Restarted => (*hash, *size) = (Sha256::new(), 0),
            FetchEvent::Done => {
                let sha256 = hash.finalize_reset().iter().map(|byte| format!("{byte:02x}")).collect();
                cx.notify(Notice::Done { id, size: *size, sha256 });
            }
            FetchEvent::Failed(error) => cx.notify(Notice::Failed(error)),
        }
    }

    fn on_start(&mut self, _: &mut Cx<'_, Self>, _: &[Stored]) {}
    fn on_subscribed(&mut self, _: &mut Cx<'_, Self>, (): (), _: Result<Qos, SubscribeRefused>) {}
    fn on_message(&mut self, _: &mut Cx<'_, Self>, (): (), _: Message<'_>) {}
    fn on_receipt(&mut self, _: &mut Cx<'_, Self>, _: Token, _: Receipt) {}
    fn on_timer(&mut self, _: &mut Cx<'_, Self>, (): ()) {}
    fn on_hook(&mut self, _: &mut Cx<'_, Self>, _: HookId, (): ()) {}
    fn on_stored(&mut self, _: &mut Cx<'_, Self>, _: StoreId, _: bool) {}
}
