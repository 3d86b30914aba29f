//! One round of a scan: a mark at its start, one event for each device found, a mark at its end (§6.4).

use alloc::format;
use alloc::string::String;
use core::time::Duration;

use device_link::{Full, HookId, Instant, Set, Token};

use super::event;
use super::order::{Generation, Order};
use super::result::{RESULTS, check};
use crate::model::discovery;
use crate::port::{Found, Hook, Notice, ScanRequest};
use crate::scope::Scope;

#[derive(Debug)]
pub(super) struct Round {
    pub(super) generation: Generation,
    /// The round to follow, of a periodic scan.
    pub(super) next: Option<Generation>,
    pub(super) ends: Instant,
    /// The question to the application, until it is answered.
    pub(super) hook: Option<HookId>,
    /// The addresses told of.
    seen: Set<String>,
    /// Events without a receipt: what can still be taken back, if the round is cancelled.
    events: Set<Token>,
}

impl Round {
    /// Marks the start and asks the application, which may have too many questions to answer already.
    pub(super) fn begin(
        sc: &mut Scope<'_, '_>,
        family: &str,
        order: &Order,
        generation: Generation,
        next: Option<Generation>,
    ) -> (Self, Option<Full>) {
        let ends = sc.now().at + Duration::from_secs(order.duration.into());
        let request = ScanRequest {
            family: family.into(),
            generation: generation.text.clone(),
            depth: order.depth,
            references: order.wants_references(),
            addresses: order.addresses.iter().cloned().collect(),
            networks: order.networks.iter().cloned().collect(),
            duration_seconds: order.duration,
        };
        let (seen, events) = (Set::new(), Set::new());
        let mut round = Self { generation, next, ends, hook: None, seen, events };
        round.mark(sc, family, 0);
        let asked = sc.invoke(Hook::Scan { request });
        round.hook = asked.ok();
        (round, asked.err())
    }

    /// How many devices were told of.
    pub(super) fn found(&self) -> u32 {
        u32::try_from(self.seen.len()).unwrap_or(u32::MAX)
    }

    /// Tells of a device, unless it was not looked for or is known already.
    ///
    /// # Errors
    /// What is wrong with the scan as a whole.
    pub(super) fn take(
        &mut self,
        sc: &mut Scope<'_, '_>,
        family: &str,
        order: &Order,
        found: Found,
    ) -> Result<(), String> {
        if let Err(cause) = check(family, &found) {
            sc.notify(Notice::CommandRefused { reason: format!("Result of the scan of {family}: {cause}") });
            return Ok(());
        }
        let is_known = self.seen.contains(&found.address);
        let is_wanted = order.addresses.is_empty() || order.addresses.contains(&found.address);
        let is_near = order.networks.is_empty()
            || found.network.as_ref().is_some_and(|network| order.networks.contains(network));
        if is_known || !is_wanted || !is_near {
            return Ok(());
        }
        if self.seen.len() >= RESULTS {
            return Err(format!("Scan of {family} has found more than {RESULTS}; the rest is left out"));
        }
        let address = found.address.clone();
        let number = i64::from(self.found()).saturating_add(1);
        let mut event = event::of(sc, found, order.wants_references());
        self.head(&mut event, family, number);
        let Some(payload) = event::written(sc, event) else {
            sc.notify(Notice::CommandRefused {
                reason: format!("Result of the scan of {family}: it cannot be written"),
            });
            return Ok(());
        };
        self.events.extend(event::publish(sc, payload));
        self.seen.insert(address);
        sc.touch();
        Ok(())
    }

    /// Marks the end, and gives up on an application that has not come to it.
    pub(super) fn end(&mut self, sc: &mut Scope<'_, '_>, family: &str) {
        if let Some(hook) = self.hook.take() {
            sc.cancel_hook(hook);
        }
        self.mark(sc, family, -i64::from(self.found()).saturating_add(1));
    }

    /// Takes back whatever has not left yet.
    pub(super) fn cancel(&mut self, sc: &mut Scope<'_, '_>) {
        if let Some(hook) = self.hook.take() {
            sc.cancel_hook(hook);
        }
        sc.cx.withdraw(&self.events);
    }

    fn mark(&mut self, sc: &mut Scope<'_, '_>, family: &str, number: i64) {
        let mut event = discovery::Discovery::default();
        self.head(&mut event, family, number);
        let payload = event::written(sc, event);
        self.events.extend(payload.and_then(|payload| event::publish(sc, payload)));
    }

    fn head(&self, event: &mut discovery::Discovery, family: &str, number: i64) {
        event.generation = Some(self.generation.text.clone());
        event.family = Some(family.into());
        event.event_no = Some(number);
    }

    pub(super) fn on_receipt(&mut self, token: Token) {
        self.events.remove(&token);
    }
}
