//! Where a device connects, and as whom: the flags of all commands that run devices.

mod authentication;
mod plan;

use std::path::PathBuf;

pub(crate) use authentication::Authentication;
pub(crate) use plan::{Plan, Tls, plan, plan_without_site};

/// Where a device connects, and as whom.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Access {
    /// The registry in client id and topics, /r/REGISTRY/d/DEVICE; without, that of the site model
    #[arg(long)]
    pub(crate) registry: Option<String>,
    /// The MQTT client id
    #[arg(long, value_name = "ID")]
    pub(crate) client_id: Option<String>,
    /// What the device's topics begin with; ends with its id
    #[arg(long, value_name = "PREFIX")]
    pub(crate) topic_prefix: Option<String>,
    /// The user name
    #[arg(long, visible_alias = "user", value_name = "NAME")]
    pub(crate) username: Option<String>,
    /// The password; other users of this machine can see it, so rather use --password-file
    #[arg(long, requires = "username", conflicts_with = "password_file")]
    pub(crate) password: Option<String>,
    /// A file whose first line is the password
    #[arg(long, requires = "username", value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// Trust only the issuers in this file
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// The client certificate
    #[arg(long, requires = "key", value_name = "FILE")]
    pub(crate) cert: Option<PathBuf>,
    /// The private key, for the client certificate and for tokens; without, that of the site model
    #[arg(long, value_name = "FILE", conflicts_with = "make_keys")]
    pub(crate) key: Option<PathBuf>,
    /// What it proves itself with: auto (what endpoint and keys lead to), none, basic, mtls or jwt
    #[arg(long, value_enum, default_value_t, value_name = "WAY", hide_possible_values = true)]
    pub(crate) auth: Authentication,
    /// For whom signed tokens are; without, as the endpoint or the client id says
    #[arg(long, value_name = "NAME")]
    pub(crate) audience: Option<String>,
    /// Make a key and a certificate in the site model if the device has none
    #[arg(long)]
    pub(crate) make_keys: bool,
    /// Do not follow to other brokers
    #[arg(long)]
    pub(crate) no_redirect: bool,
}
