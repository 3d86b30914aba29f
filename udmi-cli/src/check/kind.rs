//! What a document is: by the user's word, its name, its folder or its content.

use std::fmt;
use std::path::Path;

use serde_json::Value;
use udmi_proto::model::describe::Shape;
use udmi_proto::model::documents;

use super::schema::{Schemas, UNEXPECTED};

/// What a document is, and where that shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    /// The name of its schema, such as `events_pointset`.
    pub(super) document: &'static str,
    pub(super) shown_by: ShownBy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ShownBy {
    User,
    Name,
    Folder,
    Content,
    Site,
    Topic,
}

impl fmt::Display for ShownBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::User => "--kind",
            Self::Name => "its name",
            Self::Folder => "its folder",
            Self::Content => "its content",
            Self::Site => "its place in the site model",
            Self::Topic => "its topic",
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (by {})", self.document, self.shown_by)
    }
}

/// Names of files in site models, where they are not those of a document.
const NAMES: &[(&str, &str)] = &[
    ("cloud_iot_config", "configuration_execution"),
    ("endpoint", "configuration_endpoint"),
    ("endpoint_config", "configuration_endpoint"),
    ("generated_config", "config"),
    ("metadata_mod", "metadata"),
    ("metadata_norm", "metadata"),
    ("persistent_data", "persistent_device"),
    ("pointset_event", "events_pointset"),
    ("system_event", "events_system"),
];

/// Documents that stand alone, which content is held against.
const ALONE: &[&str] = &[
    "config",
    "state",
    "metadata",
    "events_pointset",
    "events_system",
    "events_discovery",
    "configuration_endpoint",
    "configuration_execution",
    "persistent_device",
    "envelope",
];

impl Kind {
    /// What the user says.
    pub(super) fn given(name: &str) -> Option<Self> {
        Self::named(name, ShownBy::User)
    }

    /// What a file of a site model is.
    pub(super) fn in_site(document: &'static str) -> Self {
        Self { document, shown_by: ShownBy::Site }
    }

    /// What a message is by its topic.
    pub(super) fn in_recording(name: &str) -> Option<Self> {
        Self::named(name, ShownBy::Topic)
    }

    /// What name, folder or else content show.
    pub(super) fn of(path: &Path, document: &Value, schemas: &mut Schemas) -> Option<Self> {
        let part = |part: Option<&std::ffi::OsStr>| part.map(|part| part.to_string_lossy().into_owned());
        let stem = part(path.file_stem()).unwrap_or_default();
        let listed = NAMES.iter().find(|(name, _)| *name == stem).map(|(_, document)| *document);
        let folder = part(path.parent().and_then(Path::file_name)).unwrap_or_default();
        Self::named(listed.unwrap_or(&stem), ShownBy::Name)
            .or_else(|| Self::named(&folder, ShownBy::Folder))
            .or_else(|| Self::alike(document, schemas))
    }

    fn named(name: &str, shown_by: ShownBy) -> Option<Self> {
        let document = documents::find(name)?.name?;
        Some(Self { document, shown_by })
    }

    /// The document with the fewest members that are not expected, then with the fewest findings.
    fn alike(document: &Value, schemas: &mut Schemas) -> Option<Self> {
        let candidates = ALONE.iter().filter(|name| has_members_of(document, name));
        let rank = |name: &&'static str| {
            let findings = schemas.findings(name, Path::new(""), document);
            (findings.iter().filter(|finding| finding.problem == UNEXPECTED).count(), findings.len())
        };
        let document = candidates.copied().min_by_key(rank)?;
        Some(Self { document, shown_by: ShownBy::Content })
    }
}

/// Whether there is a top-level member that the document of that name has, besides timestamp and version.
fn has_members_of(document: &Value, name: &str) -> bool {
    let Some(Shape::Object { properties, .. }) = documents::find(name).map(|found| &found.shape) else {
        return false;
    };
    let names = properties.iter().map(|property| property.name);
    names.filter(|name| !["timestamp", "version"].contains(name)).any(|name| document.get(name).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn kind(path: &str, document: &Value) -> Option<(&'static str, ShownBy)> {
        let kind = Kind::of(Path::new(path), document, &mut Schemas::new())?;
        Some((kind.document, kind.shown_by))
    }

    #[test]
    fn names_go_before_folders_and_folders_before_content() {
        let nothing = json!({});
        assert_eq!(kind("state/metadata.json", &nothing), Some(("metadata", ShownBy::Name)));
        assert_eq!(
            kind("x/cloud_iot_config.json", &nothing),
            Some(("configuration_execution", ShownBy::Name))
        );
        assert_eq!(kind("state/example.json", &nothing), Some(("state", ShownBy::Folder)));
        assert_eq!(kind("x/example.json", &nothing), None);
    }

    #[test]
    fn content_shows_the_kind() {
        let head = |mut rest: Value| {
            rest["timestamp"] = "2026-03-01T10:00:00Z".into();
            rest["version"] = "1.5.7".into();
            rest
        };
        let cases = [
            (json!({ "points": { "sat": { "present_value": 1 } } }), "events_pointset"),
            (json!({ "logentries": [] }), "events_system"),
            (json!({ "system": { "serial_no": "1", "last_config": "2026-03-01T10:00:00Z" } }), "state"),
            (json!({ "system": { "min_loglevel": 200 }, "pointset": { "sample_rate_sec": 1 } }), "config"),
            (
                json!({ "system": { "location": { "site": "X" } }, "cloud": { "auth_type": "ES256" } }),
                "metadata",
            ),
        ];
        for (document, wanted) in cases {
            let document = head(document);
            assert_eq!(kind("x.json", &document), Some((wanted, ShownBy::Content)), "{document}");
        }
        assert_eq!(kind("x.json", &json!({ "something": "else" })), None);
    }
}
