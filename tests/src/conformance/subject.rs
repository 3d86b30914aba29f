//! The device in question, as the tester knows it: what a site model says of it and of those around it.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::model::Role;

/// A device in question.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    /// Its name in the registry.
    pub id: String,
    /// What its topics begin with, such as `/r/REG/d/AHU-1`.
    pub prefix: String,
    /// What they begin with in the other registry, if there is one.
    pub alternate: Option<String>,
    /// Its place.
    pub role: Role,
    /// Its metadata.
    pub metadata: Value,
    /// The config it begins with (§8.5).
    pub config: Value,
    /// Whether it sends states at all (§7.7).
    pub sends_state: bool,
    /// The first configs of the other devices of its gateway, and of the gateway if that is another, by what their
    /// topics begin with.
    pub neighbours: BTreeMap<String, Value>,
    /// The metadata of all devices of the site, its own too, for scans to find.
    pub site: Vec<Value>,
    /// The families of the site model that it scans.
    pub families: Vec<String>,
    /// The family that the sequences of scans look at (§9.1).
    pub facet: String,
}

impl Subject {
    /// What the topics of another device of the same registry begin with (§1.4).
    #[must_use]
    pub fn prefix_of(&self, id: &str) -> String {
        let registry = self.prefix.rsplit_once('/').map_or("", |(registry, _)| registry);
        format!("{registry}/{id}")
    }

    /// The family that scans look at first, as of those the device scans (§9.1).
    #[must_use]
    pub fn primary(families: &[String]) -> String {
        let first = families.iter().find(|family| *family == "vendor").or(families.first());
        first.map_or_else(|| "vendor".to_owned(), Clone::clone)
    }

    /// The same for another family of scans.
    #[must_use]
    pub fn with_facet(&self, family: &str) -> Self {
        Self { facet: family.to_owned(), ..self.clone() }
    }

    /// The devices of the site that have an address in a family: metadata and place.
    pub(super) fn in_family(&self, family: &str) -> impl Iterator<Item = (&Value, &Value)> {
        let pointer = format!("/localnet/families/{family}");
        let placed =
            self.site.iter().filter_map(move |metadata| Some((metadata, metadata.pointer(&pointer)?)));
        placed.filter(|(_, place)| place["addr"].is_string())
    }
}
