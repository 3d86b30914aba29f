//! What was overheard: told at once, and not again before a while (§6.4, §11 items 1 and 2).

use alloc::format;
use alloc::string::String;
use core::time::Duration;

use device_link::{Instant, Map};

use super::event;
use super::result::{RESULTS, check};
use crate::port::{Found, Notice};
use crate::scope::Scope;

#[derive(Debug, Default)]
pub(super) struct Passive {
    /// How long a device is not told of again.
    hold_off: Duration,
    /// Whether it is told what a device offers.
    references: bool,
    /// When each address was told of last.
    heard: Map<String, Instant>,
}

impl Passive {
    /// The same, by another order.
    pub(super) fn ordered(self, seconds: u32, references: bool) -> Self {
        Self { hold_off: Duration::from_secs(seconds.into()), references, ..self }
    }

    /// How many devices were overheard.
    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.heard.len()).unwrap_or(u32::MAX)
    }

    /// Tells of a device, by an event without generation and number, unless it was told of lately.
    ///
    /// # Errors
    /// What is wrong with listening as a whole.
    pub(super) fn take(&mut self, sc: &mut Scope<'_, '_>, family: &str, found: Found) -> Result<(), String> {
        if let Err(cause) = check(family, &found) {
            sc.notify(Notice::CommandRefused { reason: format!("Overheard in {family}: {cause}") });
            return Ok(());
        }
        let now = sc.now().at;
        let told = self.heard.get(&found.address);
        if told.is_some_and(|told| now.since(*told) < self.hold_off) {
            return Ok(());
        }
        if told.is_none() && self.heard.len() >= RESULTS {
            return Err(format!("More than {RESULTS} were overheard in {family}; the rest is left out"));
        }
        let address = found.address.clone();
        let mut event = event::of(sc, found, self.references);
        event.family = Some(family.into());
        if let Some(payload) = event::written(sc, event) {
            event::publish(sc, payload);
            if self.heard.insert(address, now).is_none() {
                sc.touch();
            }
        }
        Ok(())
    }
}
