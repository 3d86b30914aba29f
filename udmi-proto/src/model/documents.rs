//! The list of all documents of the model.

use super::category::Category;
use super::common::Common;
use super::describe::{Describe, Document};
use super::{config, discovery, endpoint, entry, envelope, events, execution, metadata, state};

macro_rules! list {
    ($($type:ty),+ $(,)?) => {
        /// All documents; each has a name of its own. [`super::schema::generate`] makes the JSON Schema.
        pub const DOCUMENTS: &[&Document] = &[$(<$type as Describe>::DOCUMENT),+];
    };
}

list! {
    Category,
    Common,
    config::Alarmset,
    config::AlarmsetAlarm,
    config::Blobset,
    config::BlobsetBlob,
    config::Config,
    config::Discovery,
    config::DiscoveryFamily,
    config::Gateway,
    config::Localnet,
    config::LocalnetFamily,
    config::Pointset,
    config::PointsetPoint,
    config::System,
    config::SystemTesting,
    discovery::Ancillary,
    discovery::Discovery,
    discovery::DiscoveryFamily,
    discovery::DiscoveryFeature,
    discovery::DiscoveryRef,
    endpoint::Endpoint,
    endpoint::PersistentDevice,
    entry::Entry,
    envelope::CommandsDiscovery,
    envelope::Envelope,
    events::Pointset,
    events::PointsetPoint,
    events::System,
    execution::Execution,
    metadata::Alarmset,
    metadata::AlarmsetAlarm,
    metadata::BuildingTranslation,
    metadata::Cloud,
    metadata::CloudConfig,
    metadata::Discovery,
    metadata::DiscoveryFamily,
    metadata::Externals,
    metadata::ExternalsLink,
    metadata::Features,
    metadata::Gateway,
    metadata::Localnet,
    metadata::LocalnetFamily,
    metadata::Metadata,
    metadata::Pointset,
    metadata::PointsetPoint,
    metadata::Policy,
    metadata::Relationships,
    metadata::System,
    metadata::SystemHardware,
    metadata::Testing,
    metadata::TestingTarget,
    metadata::TestingUpdate,
    state::Alarmset,
    state::AlarmsetAlarm,
    state::Blobset,
    state::BlobsetBlob,
    state::Discovery,
    state::DiscoveryFamily,
    state::Gateway,
    state::Localnet,
    state::LocalnetFamily,
    state::Pointset,
    state::PointsetPoint,
    state::State,
    state::System,
    state::SystemHardware,
    state::SystemOperation,
}

/// Finds the document of that name, such as `config_pointset`.
#[must_use]
pub fn find(name: &str) -> Option<&'static Document> {
    DOCUMENTS.iter().find(|document| document.name == Some(name)).copied()
}

/// The names of the documents with their JSON Schemas as text, made when asked for.
///
/// ```
/// let names: Vec<_> = udmi_proto::model::documents::schemas().map(|(name, _)| name).collect();
/// assert!(names.contains(&"events_pointset"));
/// ```
pub fn schemas() -> impl Iterator<Item = (&'static str, alloc::string::String)> {
    DOCUMENTS.iter().filter_map(|document| Some((document.name?, super::schema::text(document))))
}

#[cfg(test)]
mod tests {
    use super::super::describe::{Kind, Property, Shape};
    use super::*;
    use alloc::collections::BTreeSet;

    fn visit(kind: Kind, found: &mut BTreeSet<&'static str>) {
        match kind {
            Kind::Array(item) | Kind::Map(item) => visit(*item, found),
            Kind::Document(document) => {
                found.extend(document.name);
                visit_document(document, found);
            }
            Kind::Any
            | Kind::String
            | Kind::Boolean
            | Kind::Integer
            | Kind::Number
            | Kind::DateTime
            | Kind::Value
            | Kind::FreeObject
            | Kind::Choice(_) => {}
        }
    }

    fn visit_document(document: &Document, found: &mut BTreeSet<&'static str>) {
        let members: &[Property] = match &document.shape {
            Shape::Object { properties, .. } => properties,
            Shape::Whole(value) => core::slice::from_ref(*value),
            Shape::Patterns(_) | Shape::Definitions(_) => &[],
        };
        members.iter().for_each(|member| visit(member.kind, found));
    }

    #[test]
    fn the_list_is_complete_and_names_are_unique() {
        let listed: BTreeSet<_> = DOCUMENTS.iter().filter_map(|document| document.name).collect();
        assert_eq!(listed.len(), DOCUMENTS.len());
        let mut found = BTreeSet::new();
        DOCUMENTS.iter().for_each(|document| visit_document(document, &mut found));
        assert!(found.is_subset(&listed), "{:?}", found.difference(&listed));
    }

    #[test]
    fn a_document_is_found_by_its_name() {
        assert!(find("config").is_some());
        assert!(find("confit").is_none());
    }
}
