//! Commands of the cloud, on `commands/#`.

use alloc::format;
use alloc::string::String;

use bytes::Bytes;
use device_link::{Cx, HookId};

use crate::model::category::{Category, Level};
use crate::port::{Hook, Lifecycle, Outcome};
use crate::udmi::Udmi;

use super::DeviceCore;

/// Commands that wait for the application at most; writes and reads need hooks too.
const COMMANDS: usize = 16;

/// What is left to do of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CloudCommand {
    /// Nothing.
    Handled,
    /// The key belongs to the connection, not to the device.
    RotateKey,
}

impl DeviceCore {
    /// A message on `commands/#`.
    pub(crate) fn on_cloud_command(
        &mut self,
        cx: &mut Cx<'_, Udmi>,
        topic: &str,
        payload: &Bytes,
        retained: bool,
    ) -> CloudCommand {
        let Some(name) = self.topics.command(topic).map(String::from) else { return CloudCommand::Handled };
        if name == "rotate_key" && !retained {
            self.log_command(cx, Level::NOTICE, format!("command {name}"));
            return CloudCommand::RotateKey;
        }
        self.carry_out(cx, name, payload, retained);
        CloudCommand::Handled
    }

    /// A message on `commands/#` that was too large to be taken.
    pub(crate) fn on_oversized_command(&mut self, cx: &mut Cx<'_, Udmi>, topic: &str, bytes: usize) {
        if let Some(name) = self.topics.command(topic) {
            let text = format!("command {name} of {bytes} bytes is too large, and ignored");
            self.log_command(cx, Level::ERROR, text);
        }
    }

    fn carry_out(&mut self, cx: &mut Cx<'_, Udmi>, name: String, payload: &Bytes, retained: bool) {
        if retained {
            // It would be carried out again at every connection; a retained `restart` for ever.
            return self.log_command(cx, Level::WARNING, format!("retained command {name} is ignored"));
        }
        let action = match name.as_str() {
            "reboot" => Lifecycle::Reboot,
            "restart" => Lifecycle::Restart,
            "shutdown" => Lifecycle::Shutdown,
            "terminate" => Lifecycle::Terminate,
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
        match self.with(cx, |_, sc| sc.invoke(Hook::Command { name: name.clone(), payload })) {
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
            Outcome::Unhandled
            | Outcome::Values { .. }
            | Outcome::Metrics(_)
            | Outcome::Blob(_)
            | Outcome::KeyMade(_) => {
                self.log_command(cx, Level::WARNING, format!("unknown command {name}"));
            }
        }
    }

    fn log_command(&mut self, cx: &mut Cx<'_, Udmi>, level: Level, text: String) {
        self.log(cx, Category::device("command"), level, text);
    }
}
