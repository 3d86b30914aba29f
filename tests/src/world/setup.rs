//! What a world is made from.

use udmi_proto::{Credentials, Limits, Settings, UtcMillis};

use super::{Defect, Plant, Weather};

/// What a world is made from.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The device.
    pub settings: Settings,
    /// Its bounds.
    pub limits: Limits,
    /// Seeds the device and the network.
    pub seed: u64,
    /// The wall clock at the start.
    pub utc: UtcMillis,
    /// How the plant answers.
    pub plant: Plant,
    /// How the network is.
    pub weather: Weather,
    /// Milliseconds from a store's request to its answer; a crash before loses the value.
    pub store_ms: u64,
    /// Milliseconds after which a device that asked for a restart runs again; none leaves it stopped.
    pub restart_ms: Option<u64>,
    /// Registries the device may be sent to; the one its settings name may be among them.
    pub registries: Vec<Registry>,
    /// What a signature is, if the host has a key.
    pub signature: Option<String>,
    /// Filters under the device's prefix that the broker refuses, such as `commands/#`.
    pub refused: Vec<String>,
    /// Further accounts of the device, beside the one of its settings.
    pub accounts: Vec<Credentials>,
    /// Ids of the devices that the cloud has bound to this one, a gateway, in each registry: the broker lets it act
    /// for them and no others (§1.5).
    pub bound: Vec<String>,
    /// One in how many messages is held against its schema; all by default.
    pub schema_one_in: u64,
    /// What is wrong with the device, to see whether it is noticed.
    pub defect: Option<Defect>,
    /// Whether each call is recorded as a trace.
    pub records: bool,
    /// The width of the transcript, if one is kept.
    pub transcript: Option<usize>,
}

impl Setup {
    /// A world in good weather around a device of these settings.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            limits: Limits::default(),
            seed: 1,
            utc: UtcMillis(1_772_359_200_000), // 2026-03-01T10:00:00Z
            plant: Plant::default(),
            weather: Weather::default(),
            store_ms: 1,
            restart_ms: None,
            registries: Vec::new(),
            signature: None,
            refused: Vec::new(),
            accounts: Vec::new(),
            bound: Vec::new(),
            schema_one_in: 1,
            defect: None,
            records: false,
            transcript: None,
        }
    }
}

/// A registry of the cloud. The device's client identifier there is what its topics begin with, as on the local
/// broker (§1.4), and also the name of its account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registry {
    /// What the device's topics begin with.
    pub prefix: String,
    /// The account's password; none if the broker knows no such account.
    pub password: Option<String>,
}
