//! The part of a device that is proxied: it is attached and detached, ends and begins anew while the process goes on,
//! and is told what is known of it.

use alloc::string::String;

use device_link::{Cx, Instant, Topic, TopicError, wire::Qos};

use crate::actor::Claim;
use crate::config::Block;
use crate::model::category::Category;
use crate::model::entry::Entry;
use crate::scope::DeviceTimer;
use crate::settings::Known;
use crate::system::Start;
use crate::topics::Topics;
use crate::udmi::{Tag, Udmi};

use super::DeviceCore;

impl DeviceCore {
    /// What it has asked for since the last look.
    pub(crate) fn claims(&mut self) -> impl Iterator<Item = Claim> {
        self.actor.as_proxied().into_iter().flat_map(|proxied| proxied.claims.drain(..))
    }

    /// A run of the device begins.
    pub(crate) fn begin(&mut self, cx: &mut Cx<'_, Udmi>, start: Start) {
        self.with(cx, |blocks, sc| {
            blocks.system.restart(sc, start);
            blocks.discovery.begin(start.last_start);
        });
        self.log_start(cx, start);
    }

    /// The run of the device ends while the process goes on. What is known of it stays; `release` gives written
    /// points back.
    pub(crate) fn halt(&mut self, cx: &mut Cx<'_, Udmi>, release: bool) {
        for id in core::mem::take(&mut self.command_hooks).into_keys() {
            self.with(cx, |_, sc| sc.cancel_hook(id));
        }
        self.with(cx, |blocks, sc| {
            blocks.pointset.halt(sc, release);
            blocks.system.halt(sc);
            blocks.localnet.on_config(Block::Absent);
            blocks.reach.halt(sc);
            blocks.discovery.halt(sc);
            blocks.blobset.on_config(sc, Block::Absent);
            for timer in DeviceTimer::ALL {
                sc.cancel(timer);
            }
        });
        self.latch.unsync();
        if release {
            cx.retract(self.slot);
        } // else the state that announces the end may still be on its way
        self.states.clear();
    }

    /// What is known of the device is replaced.
    pub(crate) fn learn(&mut self, cx: &mut Cx<'_, Udmi>, known: Known) {
        self.custom_blocks = known.custom_blocks;
        self.with(cx, |blocks, sc| {
            blocks.system.set_identity(known.identity);
            if blocks.localnet.set_addresses(known.families) {
                sc.touch();
            }
            blocks.reach.check(sc, blocks.localnet);
            blocks.pointset.define_points(sc, known.points);
            blocks.discovery.know(known.scans, known.features);
        });
        self.latch.touch();
    }

    /// Its addresses by family, if they may have changed since the last look.
    pub(crate) fn moved(&mut self) -> Option<impl Iterator<Item = (&String, &String)>> {
        self.localnet.take_moved().then(|| self.localnet.addresses())
    }

    /// When the last state went out.
    pub(crate) fn last_state(&self) -> Option<Instant> {
        self.latch.last_sent()
    }

    /// An earlier core of the same device sent its last state then.
    pub(crate) fn keep_last_state(&mut self, last: Instant) {
        self.latch.resume(last);
    }

    /// Asks for what the cloud has for a proxied device (§1.10).
    pub(crate) fn subscribe(&mut self, cx: &mut Cx<'_, Udmi>, commands: bool) {
        let Some(ix) = self.actor.as_proxied().map(|proxied| proxied.ix) else { return };
        cx.subscribe(&self.topics.config, Qos::AtLeastOnce, Tag::ProxyConfig(ix));
        cx.subscribe(&self.topics.errors, Qos::AtMostOnce, Tag::ProxyErrors(ix));
        if commands {
            self.subscribe_commands(cx);
        }
    }

    /// Leaves all subscriptions.
    pub(crate) fn unsubscribe(&mut self, cx: &mut Cx<'_, Udmi>) {
        for filter in [&self.topics.config, &self.topics.errors, &self.topics.commands] {
            cx.unsubscribe(filter);
        }
    }

    /// Where the gateway tells that it acts for the device.
    ///
    /// # Errors
    /// If the topic gets too long.
    pub(crate) fn attach_topic(&self) -> Result<Topic, TopicError> {
        self.topics.attach()
    }

    /// Where it tells that it does no more, if the broker allows that.
    pub(crate) fn detach_topic(&self) -> Option<Topic> {
        self.topics.detach()
    }

    /// Goes by other topics; nothing is subscribed to.
    pub(crate) fn rename(&mut self, topics: Topics) {
        self.topics = topics;
    }

    /// Whether a proxied device may publish from now on.
    pub(crate) fn set_attached(&mut self, attached: bool) {
        if let Some(proxied) = self.actor.as_proxied() {
            proxied.attached = attached;
        }
    }

    /// Shows this of the devices the gateway acts for.
    pub(crate) fn show_attachments(&mut self, entry: Option<Entry>) {
        if self.reach.show_attachments(entry) {
            self.latch.touch();
        }
    }

    pub(super) fn log_start(&mut self, cx: &mut Cx<'_, Udmi>, start: Start) {
        let text = alloc::format!("started, restart count {}", start.restart_count);
        self.log(cx, Category::SystemBaseStart, Category::SystemBaseStart.level(), text);
    }
}
