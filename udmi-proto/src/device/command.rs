//! Commands: those of the cloud on `commands/#`, and those of the application.

use alloc::format;
use alloc::string::String;

use bytes::Bytes;
use device_link::{Cx, ExitReason, HookId};
use serde_json::value::RawValue;

use crate::model::category::{Category, Level};
use crate::model::common::VERSION;
use crate::port::{Command, Hook, Json, Lifecycle, Notice, Outcome};
use crate::presence::is_name;
use crate::system::is_table_key;
use crate::udmi::Udmi;

use super::DeviceCore;

/// Top-level members of a state that are UDMI's own.
const STATE_MEMBERS: [&str; 10] = [
    "timestamp",
    "version",
    "system",
    "gateway",
    "discovery",
    "localnet",
    "blobset",
    "alarmset",
    "pointset",
    "upgraded_from",
];
/// Folders of events that are not the application's to send: the core's own, and one that upstream's
/// envelope does not know (§1.4).
const EVENT_FOLDERS: [&str; 3] = ["system", "pointset", "alarmset"];
/// Commands that wait for the application at most; writes and reads need hooks too.
const COMMANDS: usize = 16;
/// State blocks of an application's own that are kept at most.
const BLOCKS: usize = 16;

impl DeviceCore {
    /// A message on `commands/#`.
    pub(crate) fn on_cloud_command(
        &mut self,
        cx: &mut Cx<'_, Udmi>,
        topic: &str,
        payload: &Bytes,
        retained: bool,
    ) {
        let Some(name) = self.topics.command(topic).map(String::from) else { return };
        if retained {
            // It would be carried out again at every connection; a retained `restart` for ever.
            return self.log_command(cx, Level::WARNING, format!("retained command {name} is ignored"));
        }
        let action = match name.as_str() {
            "reboot" => Lifecycle::Reboot,
            "restart" => Lifecycle::Restart,
            "shutdown" => Lifecycle::Shutdown,
            _ => return self.offer_command(cx, name, payload),
        };
        self.log_command(cx, Level::NOTICE, format!("command {name}"));
        self.stop(cx, action, self.system.modes.asks());
    }

    fn offer_command(&mut self, cx: &mut Cx<'_, Udmi>, name: String, payload: &Bytes) {
        self.log_command(cx, Level::INFO, format!("command {name} received"));
        if !self.command_hook {
            return self.log_command(cx, Level::WARNING, format!("unknown command {name}"));
        }
        if self.command_hooks.len() >= COMMANDS {
            let text = format!("command {name}: {COMMANDS} others are not answered yet");
            return self.log_command(cx, Level::ERROR, text);
        }
        let payload = String::from_utf8_lossy(payload).into_owned();
        match cx.invoke(Hook::Command { name: name.clone(), payload }) {
            Ok(id) => {
                self.command_hooks.insert(id, name);
            }
            Err(full) => self.log_command(cx, Level::ERROR, format!("command {name}: {full}")),
        }
    }

    pub(super) fn on_command_hook(&mut self, cx: &mut Cx<'_, Udmi>, id: HookId, outcome: Outcome) {
        let Some(name) = self.command_hooks.remove(&id) else { return };
        match outcome {
            Outcome::Done => self.log_command(cx, Level::INFO, format!("command {name} done")),
            Outcome::Failed { message } | Outcome::Invalid { message } => {
                self.log_command(cx, Level::ERROR, format!("command {name} failed: {message}"));
            }
            Outcome::Unhandled | Outcome::Values { .. } | Outcome::Metrics(_) => {
                self.log_command(cx, Level::WARNING, format!("unknown command {name}"));
            }
        }
    }

    fn log_command(&mut self, cx: &mut Cx<'_, Udmi>, level: Level, text: String) {
        self.with(cx, |_, sc| sc.log(Category::device("command"), level, text));
    }

    /// What the application wants.
    pub(crate) fn on_command(&mut self, cx: &mut Cx<'_, Udmi>, command: Command) {
        match command {
            Command::SetPoint { point, value } => {
                self.with(cx, |blocks, sc| blocks.pointset.set_point(sc, &point, value));
            }
            Command::SetPoints { values } => {
                self.with(cx, |blocks, sc| blocks.pointset.set_points(sc, values));
            }
            Command::FailPoint { point, message } => {
                self.with(cx, |blocks, sc| blocks.pointset.fail_point(sc, &point, &message));
            }
            Command::OverridePoint { point, overridden } => {
                self.with(cx, |blocks, sc| blocks.pointset.override_point(sc, &point, overridden));
            }
            Command::DefinePoint { point, model } => {
                self.with(cx, |blocks, sc| blocks.pointset.define_point(sc, point, model));
            }
            Command::RemovePoint { point } => {
                self.with(cx, |blocks, sc| blocks.pointset.remove_point(sc, &point));
            }
            Command::SampleNow => self.with(cx, |blocks, sc| blocks.pointset.sample_now(sc)),
            Command::Log { level, category, message, detail } => self.with(cx, |_, sc| {
                let mut entry = sc.entry(category, message).at(level);
                entry.detail = detail;
                sc.log_entry(entry);
            }),
            Command::Ready => self.with(cx, |_, sc| {
                sc.log(Category::SystemBaseReady, Category::SystemBaseReady.level(), "ready");
            }),
            Command::SetSoftware { module, version } => self.set_software(cx, module, version),
            Command::SetFamilyAddress { family, address } => {
                if self.localnet.set_address(family, address) {
                    self.latch.touch();
                }
            }
            Command::SetBlock { name, content } => self.set_block(cx, name, content),
            Command::SendEvent { folder, content } => self.send_event(cx, &folder, &content),
            Command::Stop { reason } => {
                let action = match reason {
                    ExitReason::Restart => Lifecycle::Restart,
                    ExitReason::Terminate => Lifecycle::Terminate,
                    ExitReason::Shutdown => Lifecycle::Shutdown,
                };
                self.stop(cx, action, false);
            }
        }
    }

    fn set_software(&mut self, cx: &mut Cx<'_, Udmi>, module: String, version: Option<String>) {
        if !is_table_key(&module) {
            return refuse(cx, format!("software module {module}: expected a name of a-z and _"));
        }
        if self.system.set_software(module, version) {
            self.latch.touch();
        }
    }

    fn set_block(&mut self, cx: &mut Cx<'_, Udmi>, name: String, content: Option<Json>) {
        if !is_name(&name) || STATE_MEMBERS.contains(&name.as_str()) {
            return refuse(cx, format!("state block {name}: expected a name that is none of UDMI's own"));
        }
        if !self.blocks.contains_key(&name) && self.blocks.len() >= BLOCKS {
            return refuse(cx, format!("state block {name}: {BLOCKS} blocks are there already"));
        }
        let changed = match content {
            Some(content) => self.blocks.insert(name, content.clone()) != Some(content),
            None => self.blocks.remove(&name).is_some(),
        };
        if changed {
            self.latch.touch();
        }
    }

    /// Publishes the application's event with `timestamp` and `version` put in front.
    fn send_event(&mut self, cx: &mut Cx<'_, Udmi>, folder: &str, content: &Json) {
        let Ok(topic) = self.topics.events(folder) else {
            return refuse(cx, format!("event {folder}: no folder name"));
        };
        if !is_name(folder) || EVENT_FOLDERS.contains(&folder) {
            return refuse(
                cx,
                format!("event {folder}: expected a folder of a-z, 0-9 and _ that is not taken"),
            );
        }
        let members: alloc::collections::BTreeMap<String, &RawValue> =
            match serde_json::from_str(content.as_str()) {
                Ok(members) => members,
                Err(error) => return refuse(cx, format!("event {folder}: {error}")),
            };
        self.with(cx, |_, sc| {
            let mut json = format!("{{\"timestamp\":\"{}\",\"version\":\"{VERSION}\"", sc.timestamp());
            for (name, value) in members.iter().filter(|(name, _)| *name != "timestamp" && *name != "version")
            {
                let name = serde_json::to_string(name).unwrap_or_default();
                json.push_str(&format!(",{name}:{}", value.get()));
            }
            json.push('}');
            sc.publish_event(&topic, json.into_bytes());
        });
    }
}

fn refuse(cx: &mut Cx<'_, Udmi>, reason: String) {
    cx.notify(Notice::CommandRefused { reason });
}
