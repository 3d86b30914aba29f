//! What surrounds a message inside the cloud. A device neither writes nor reads it.

use alloc::string::String;

use super::common::{DEVICE_ID, Timestamp, Version};

choice! {
    /// The block a message is about.
    pub enum SubFolder {
        /// The cloud itself.
        Udmi = "udmi",
        /// A whole document.
        Update = "update",
        /// A message that makes no sense.
        Invalid = "invalid",
        /// A message that could not be handled.
        Error = "error",
        /// The cloud's model.
        Cloud = "cloud",
        /// Discovery.
        Discovery = "discovery",
        /// Mapping.
        Mapping = "mapping",
        /// The system block.
        System = "system",
        /// The gateway block.
        Gateway = "gateway",
        /// Many devices at once.
        Swarm = "swarm",
        /// The localnet block.
        Localnet = "localnet",
        /// The pointset block.
        Pointset = "pointset",
        /// Validation.
        Validation = "validation",
        /// The blobset block.
        Blobset = "blobset",
        /// Monitoring.
        Monitoring = "monitoring",
    }
}

choice! {
    /// The kind of a message.
    pub enum SubType {
        /// A message that makes no sense.
        Invalid = "invalid",
        /// A message that stays where it is.
        Local = "local",
        /// A message between cloud and tools.
        Reflect = "reflect",
        /// An event.
        Events = "events",
        /// An error report.
        Errors = "errors",
        /// A command.
        Commands = "commands",
        /// A config.
        Config = "config",
        /// A state.
        State = "state",
        /// A question.
        Query = "query",
        /// An answer.
        Reply = "reply",
        /// A part of the model.
        Model = "model",
    }
}

document! {
    /// Where a message is from and what it is; made by the cloud from topic and connection (§2.1).
    pub struct Envelope in "envelope" [open] {
        /// The id of the device.
        device_id as "deviceId": Option<String> [pattern = DEVICE_ID],
        /// The number the cloud has given to the device.
        device_num_id as "deviceNumId": Option<String> [pattern = "^[0-9]+$"],
        /// The registry of the device.
        device_registry_id as "deviceRegistryId": Option<String>
            [required, pattern = "^[a-zA-Z][-a-zA-Z0-9._+~%]*[a-zA-Z0-9]$"],
        /// The region of the registry.
        device_registry_location as "deviceRegistryLocation": Option<String> [pattern = "^[a-z]+-[a-z]+1$"],
        /// The cloud project.
        project_id as "projectId": Option<String> [pattern = "^([.a-z]+:)?[a-z][-a-z0-9]*[a-z0-9]$"],
        /// The message, as text.
        payload: Option<String>,
        /// Who sent the message into the cloud.
        source: Option<String>,
        /// The gateway that acts for the device.
        gateway_id as "gatewayId": Option<String> [pattern = DEVICE_ID],
        /// Ties question and answer together.
        transaction_id as "transactionId": Option<String>,
        /// On whose behalf the message was sent.
        principal: Option<String>,
        /// When the message came in.
        publish_time as "publishTime": Option<Timestamp>,
        /// The sub-folder as it was received, if it is not one of the list.
        raw_folder as "rawFolder": Option<String>,
        /// The block the message is about.
        sub_folder as "subFolder": Option<SubFolder>,
        /// The kind of message.
        sub_type as "subType": Option<SubType>,
    }
}

document! {
    /// A command concerning discovery; upstream reserves the name, without content.
    pub struct CommandsDiscovery in "commands_discovery" {
        /// When the command was sent.
        timestamp: Option<Timestamp> [required],
        /// The version the command is written in.
        version: Option<Version> [required],
    }
}
