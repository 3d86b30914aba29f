//! Commands of the application.

use alloc::format;
use alloc::string::String;

use crate::json::{self, Json, write};
use crate::model::category::Category;
use crate::model::common::VERSION;
use crate::model::place::Raw;
use crate::name::is_name;
use crate::port::{Command, Lifecycle, Notice};
use crate::system::is_table_key;
use crate::udmi::Udmi;
use device_link::{Cx, HookId};

use super::DeviceCore;

const READY: Category = Category::SystemBaseReady;
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
/// State blocks of an application's own that are kept at most.
const BLOCKS: usize = 16;

impl DeviceCore {
    /// What the application wants.
    pub(crate) fn on_command(&mut self, cx: &mut Cx<'_, Udmi>, command: Command) {
        match command {
            Command::SetPoint { point, value } => {
                self.with(cx, |blocks, sc| blocks.pointset.set_point(sc, &point, value));
            }
            Command::SetPoints { values } => {
                self.with(cx, |blocks, sc| blocks.pointset.set_points(sc, values));
            }
            Command::PublishPoints { readings } => {
                self.with(cx, |blocks, sc| blocks.pointset.publish_points(sc, readings));
            }
            Command::FailPoint { point, message } => {
                self.with(cx, |blocks, sc| blocks.pointset.fail_point(sc, &point, &message));
            }
            Command::OverridePoint { point, overridden } => {
                self.with(cx, |blocks, sc| blocks.pointset.override_point(sc, &point, overridden));
            }
            Command::DefinePoint { point, model } => {
                self.with(cx, |blocks, sc| blocks.pointset.define_point(sc, &point, model));
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
            Command::Ready => self.log(cx, READY, READY.level(), "ready"),
            Command::SetSoftware { module, version } => self.set_software(cx, module, version),
            Command::SetFamilyAddress { family, address } => self.set_address(cx, family, address),
            Command::FailFamily { family, message } => {
                self.with(cx, |blocks, sc| blocks.localnet.fail_family(sc, family, &message));
            }
            Command::SetNetwork { network, address } => {
                self.with(cx, |blocks, sc| blocks.localnet.set_network(sc, network, address));
            }
            Command::FailNetwork { network, message } => {
                self.with(cx, |blocks, sc| blocks.localnet.fail_network(sc, network, &message));
            }
            Command::SetBlock { name, content } => self.set_block(cx, name, content),
            Command::SendEvent { folder, content } => self.send_event(cx, &folder, &content),
            Command::RotateKey => self.refuse(cx, "this device has no key to rotate".into()),
            Command::Proxied { device, .. }
            | Command::AddProxy { device, .. }
            | Command::RemoveProxy { device } => {
                self.refuse(cx, format!("device {device}: this device is no gateway"));
            }
            Command::Overheard { family, found } => {
                self.with(cx, |blocks, sc| blocks.discovery.on_overheard(sc, &family, *found));
            }
            Command::Found { scan, found } => {
                self.with(cx, |blocks, sc| blocks.discovery.on_found(sc, scan, *found));
            }
            Command::Stop { reason } => self.stop(cx, Lifecycle::of(reason), false),
        }
    }

    /// The family that a scan under way is of.
    pub(crate) fn family_of_scan(&self, scan: HookId) -> Option<&str> {
        self.discovery.family_of(scan)
    }

    fn set_software(&mut self, cx: &mut Cx<'_, Udmi>, module: String, version: Option<String>) {
        if !is_table_key(&module) {
            return self.refuse(cx, format!("software module {module}: expected a name of a-z and _"));
        }
        let is_blob =
            self.with(cx, |blocks, sc| blocks.blobset.set_own_version(sc, &module, version.as_deref()));
        // What a blob shows is settled at the end of the round.
        if !is_blob && self.system.set_software(module, version) {
            self.latch.touch();
        }
    }

    fn set_address(&mut self, cx: &mut Cx<'_, Udmi>, family: String, address: Option<String>) {
        self.with(cx, |blocks, sc| {
            if blocks.localnet.set_address(family, address) {
                sc.touch();
            }
            blocks.reach.check(sc, blocks.localnet);
        });
    }

    fn set_block(&mut self, cx: &mut Cx<'_, Udmi>, name: String, content: Option<Json>) {
        if !is_name(&name) || STATE_MEMBERS.contains(&name.as_str()) {
            return self
                .refuse(cx, format!("state block {name}: expected a name that is none of UDMI's own"));
        }
        if !self.blocks.contains_key(&name) && self.blocks.len() >= BLOCKS {
            return self.refuse(cx, format!("state block {name}: {BLOCKS} blocks are there already"));
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
            return self.refuse(cx, format!("event {folder}: no folder name"));
        };
        if !is_name(folder) || EVENT_FOLDERS.contains(&folder) {
            return self.refuse(
                cx,
                format!("event {folder}: expected a folder of a-z, 0-9 and _ that is not taken"),
            );
        }
        let members: device_link::Map<String, Raw<'_>> = match json::from_slice(content.as_str().as_bytes()) {
            Ok(members) => members,
            Err(error) => return self.refuse(cx, format!("event {folder}: {error}")),
        };
        self.with(cx, |_, sc| {
            let mut json =
                format!("{{\"timestamp\":\"{}\",\"version\":\"{VERSION}\"", sc.timestamp()).into_bytes();
            for (name, value) in members.iter().filter(|(name, _)| *name != "timestamp" && *name != "version")
            {
                json.push(b',');
                write::put_text(&mut json, name);
                json.push(b':');
                json.extend_from_slice(value.0.unwrap_or_default().as_bytes());
            }
            json.push(b'}');
            sc.publish_event(&topic, json);
        });
    }

    fn refuse(&self, cx: &mut Cx<'_, Udmi>, reason: String) {
        self.notify(cx, Notice::CommandRefused { reason });
    }
}
