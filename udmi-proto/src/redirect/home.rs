//! Where a run begins, and where it looks for the cloud when it is not there (§5.4).

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use core::time::Duration;

use device_link::{Cx, Secret, Stored};

use super::{FAILED, Redirect, set_aside, store, text};
use crate::device::DeviceCore;
use crate::model::category::{Category, Level};
use crate::persisted;
use crate::port::Notice;
use crate::udmi::{Timer, Udmi};

/// After a start: how long an endpoint may be out of reach before another one is tried.
const FALLBACK: Duration = Duration::from_secs(300);

impl Redirect {
    /// Before anything else of a run: a stored endpoint takes precedence over the configured one (§5.4), unless
    /// redirects are switched off.
    pub(crate) fn load(&mut self, stored: &[Stored]) {
        match persisted::read_attempts(stored) {
            Ok(failed) => self.failed = failed.into_iter().take(FAILED).collect(),
            Err(reason) => self.unreadable.push((persisted::ATTEMPTS, reason)),
        }
        match persisted::read_endpoint(stored) {
            Ok(endpoint) => self.stored = endpoint.map(Box::new),
            Err(reason) => self.unreadable.push((persisted::ENDPOINT, reason)),
        }
        let Some(stored) = self.stored.as_ref().filter(|_| self.follows) else { return };
        self.homes = [Some(&stored.connection), stored.previous.as_ref(), Some(&self.configured)]
            .into_iter()
            .flatten()
            .cloned()
            .collect();
        self.current = Some(stored.signature.clone());
        self.connection = stored.connection.clone();
        self.working = stored.connection.clone();
    }

    /// The run begins.
    pub(crate) fn on_start(&mut self, cx: &mut Cx<'_, Udmi>, own: &mut DeviceCore, stored: &[Stored]) {
        for (key, reason) in core::mem::take(&mut self.unreadable) {
            set_aside(cx, own, stored, key, reason);
        }
        if !self.homes.is_empty() {
            cx.after(Timer::Fallback, FALLBACK);
        }
    }

    /// [`Timer::Fallback`]: nothing was heard of the cloud since the start.
    pub(crate) fn on_fallback(&mut self, cx: &mut Cx<'_, Udmi>, own: &mut DeviceCore) {
        if self.reached {
            return;
        }
        cx.after(Timer::Fallback, FALLBACK);
        if cx.is_up() {
            return; // reachable, only silent
        }
        self.home = (self.home + 1).checked_rem(self.homes.len()).unwrap_or(0);
        let Some(connection) = self.homes.get(self.home).cloned() else { return };
        let text = format!("{} is out of reach, trying {}", self.connection.endpoint, connection.endpoint);
        own.log(cx, Category::device("endpoint"), Level::WARNING, text);
        self.current = self.stored.as_ref().filter(|_| self.home == 0).map(|stored| stored.signature.clone());
        self.go(cx, connection);
    }

    pub(super) fn tell_fallback(&self, cx: &mut Cx<'_, Udmi>, own: &mut DeviceCore) {
        let Some(stored) = self.stored.as_ref().filter(|_| self.home > 0) else { return };
        let reason = format!("{} was out of reach after the start", stored.connection.endpoint);
        own.log(cx, Category::device("endpoint"), Level::WARNING, reason.clone());
        cx.notify(Notice::Redirected {
            endpoint: self.connection.endpoint.clone(),
            generation: text(stored.generation.as_ref()),
            failure: Some(reason),
        });
    }

    /// The password that is derived from the device's key, if one is used anywhere.
    pub(crate) fn derived_password(&self) -> Option<Secret<String>> {
        [&self.connection, &self.working, &self.configured]
            .into_iter()
            .chain(&self.homes)
            .chain(&self.next)
            .find_map(|connection| connection.derived_password().cloned())
    }

    /// Puts `new` in place of the password that is derived from the device's key, wherever it is used.
    pub(crate) fn change_password(&mut self, cx: &mut Cx<'_, Udmi>, new: &Secret<String>) {
        for connection in [&mut self.connection, &mut self.working, &mut self.configured]
            .into_iter()
            .chain(&mut self.homes)
            .chain(&mut self.next)
        {
            if connection.derived_password().is_some() {
                Arc::make_mut(connection).change_password(new);
            }
        }
        if let Some(stored) = &mut self.stored {
            let connections = [&mut stored.connection].into_iter().chain(&mut stored.previous);
            let changed = connections
                .map(|connection| {
                    connection.derived_password().is_some() && Arc::make_mut(connection).change_password(new)
                })
                .filter(|changed| *changed)
                .count();
            if changed > 0 {
                store(cx, persisted::ENDPOINT, Some(stored.to_bytes()));
            }
        }
    }

    /// What is stored is where the next run begins: no other than what works.
    pub(super) fn keep_working(&mut self, cx: &mut Cx<'_, Udmi>) {
        let Some(stored) = &mut self.stored else { return };
        if self.home == 0 {
            return;
        }
        if self.home + 1 == self.homes.len() {
            self.stored = None;
            store(cx, persisted::ENDPOINT, None);
            return;
        }
        stored.connection = self.working.clone();
        stored.signature = String::new();
        stored.generation = None;
        store(cx, persisted::ENDPOINT, Some(stored.to_bytes()));
    }
}
