//! JSON Schemas (draft 7) made from the descriptions of the model.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde_json::{Map, Value, json};

use super::common::VERSION;
use super::describe::{Choice, Document, Kind, Limits, Property, Shape};

/// The document that holds the shared choices.
const COMMON: &str = "common";

/// Makes the JSON Schema of a document.
///
/// Other documents are referred to as `file:NAME.json`, as upstream does.
#[must_use]
pub fn generate(document: &Document) -> Value {
    let mut schema = Map::new();
    schema.insert("$schema".into(), "http://json-schema.org/draft-07/schema#".into());
    schema.insert("$udmi_version".into(), VERSION.into());
    if let Some(name) = document.name {
        schema.insert("title".into(), name.into());
    }
    schema.append(&mut body(document));
    Value::Object(schema)
}

/// Makes the text of a schema file: indented, keys sorted, with a line end at the end.
#[must_use]
pub fn text(document: &Document) -> String {
    format!("{:#}\n", generate(document))
}

fn body(document: &Document) -> Map<String, Value> {
    let mut schema = match &document.shape {
        Shape::Object { properties, open } => object(properties, *open),
        Shape::Whole(value) => member(value),
        Shape::Patterns(patterns) => one_of_patterns(patterns()),
        Shape::Definitions(choices) => definitions(choices),
    };
    describe(&mut schema, document.doc);
    schema
}

fn object(properties: &[Property], open: bool) -> Map<String, Value> {
    let required: Vec<Value> =
        properties.iter().filter(|property| property.required).map(|property| property.name.into()).collect();
    let properties: Map<String, Value> =
        properties.iter().map(|property| (property.name.into(), Value::Object(member(property)))).collect();
    let mut schema = Map::new();
    schema.insert("type".into(), "object".into());
    schema.insert("properties".into(), Value::Object(properties));
    if !required.is_empty() {
        schema.insert("required".into(), Value::Array(required));
    }
    if !open {
        schema.insert("additionalProperties".into(), false.into());
    }
    schema
}

fn member(property: &Property) -> Map<String, Value> {
    let mut schema = of_kind(property.kind, &property.limits);
    let limits = &property.limits;
    let numbers = [
        ("minimum", limits.minimum),
        ("maximum", limits.maximum),
        ("multipleOf", limits.multiple_of),
        ("default", limits.default),
        ("maxLength", limits.max_length.map(i64::from)),
        ("maxProperties", limits.max_properties.map(i64::from)),
    ];
    for (keyword, number) in numbers {
        if let Some(number) = number {
            schema.insert(keyword.into(), number.into());
        }
    }
    if let Some(pattern) = limits.pattern {
        schema.insert("pattern".into(), pattern.into());
    }
    if limits.unique_items {
        schema.insert("uniqueItems".into(), true.into());
    }
    if !property.doc.is_empty() {
        describe(&mut schema, property.doc);
    }
    schema
}

fn of_kind(kind: Kind, limits: &Limits) -> Map<String, Value> {
    match kind {
        Kind::Any => Map::new(),
        Kind::String => of_type("string"),
        Kind::Boolean => of_type("boolean"),
        Kind::Integer => of_type("integer"),
        Kind::Number => of_type("number"),
        Kind::FreeObject => of_type("object"),
        Kind::DateTime => {
            let mut schema = of_type("string");
            schema.insert("format".into(), "date-time".into());
            schema
        }
        Kind::Value => {
            let types = json!([{"type": "string"}, {"type": "boolean"}, {"type": "number"}]);
            Map::from_iter([("oneOf".into(), types)])
        }
        Kind::Choice(choice) => match choice.name {
            Some(name) => reference(&format!("file:{COMMON}.json#/definitions/{name}")),
            None => Map::from_iter([("enum".into(), choice.values.into())]),
        },
        Kind::Array(item) => {
            let mut items = of_kind(*item, &Limits::default());
            if let Some(pattern) = limits.items_pattern {
                items.insert("pattern".into(), pattern.into());
            }
            let mut schema = of_type("array");
            schema.insert("items".into(), Value::Object(items));
            schema
        }
        Kind::Map(item) => map(*item, limits),
        Kind::Document(document) => match document.name {
            Some(name) => reference(&format!("file:{name}.json")),
            None => body(document),
        },
    }
}

fn map(item: Kind, limits: &Limits) -> Map<String, Value> {
    let item = Value::Object(of_kind(item, &Limits::default()));
    let mut schema = of_type("object");
    let Some(keys) = limits.keys else {
        schema.insert("additionalProperties".into(), item);
        return schema;
    };
    schema.insert("patternProperties".into(), Value::Object(Map::from_iter([(keys.into(), item)])));
    if !limits.other_keys {
        schema.insert("additionalProperties".into(), false.into());
    }
    schema
}

fn of_type(name: &str) -> Map<String, Value> {
    Map::from_iter([("type".into(), name.into())])
}

fn reference(target: &str) -> Map<String, Value> {
    Map::from_iter([("$ref".into(), target.into())])
}

fn one_of_patterns(patterns: Vec<String>) -> Map<String, Value> {
    let mut schema = of_type("string");
    schema
        .insert("oneOf".into(), patterns.into_iter().map(|pattern| json!({ "pattern": pattern })).collect());
    schema
}

fn definitions(choices: &[&Choice]) -> Map<String, Value> {
    let definitions = choices.iter().filter_map(|choice| {
        let mut schema = Map::from_iter([("enum".into(), choice.values.into())]);
        describe(&mut schema, choice.doc);
        Some((choice.name?.into(), Value::Object(schema)))
    });
    Map::from_iter([("definitions".into(), Value::Object(definitions.collect()))])
}

/// Adds a doc comment as description, its lines joined, and its marks of code, links and sections dropped.
fn describe(schema: &mut Map<String, Value>, doc: &str) {
    let words: Vec<&str> = doc.split_whitespace().collect();
    let mut text = words.join(" ").replace(['`', '[', ']'], "");
    if let Some((before, rest)) = text.split_once(" (§")
        && let Some((_, after)) = rest.split_once(')')
    {
        text = format!("{before}{after}");
    }
    schema.insert("description".into(), text.into());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::describe::Describe;
    use crate::model::{config, discovery, entry};

    #[test]
    fn bounds_and_doc_comments_become_keywords() {
        let schema = generate(config::Pointset::DOCUMENT);
        let expected = json!({
            "type": "integer", "minimum": 1, "maximum": 86_400, "default": 300,
            "description": "Most seconds between two complete updates."
        });
        assert_eq!(schema["properties"]["sample_rate_sec"], expected);
        assert_eq!(schema["additionalProperties"], json!(false));
        assert!(schema["description"].as_str().unwrap().ends_with("what to write to them."));
    }

    #[test]
    fn other_documents_are_referred_to() {
        let schema = generate(entry::Entry::DOCUMENT);
        assert_eq!(schema["properties"]["category"]["$ref"], json!("file:category.json"));
        assert_eq!(schema["required"], json!(["message", "category", "timestamp", "level"]));
    }

    #[test]
    fn an_open_object_in_place_allows_other_members() {
        let schema = generate(discovery::DiscoveryRef::DOCUMENT);
        let structure = &schema["properties"]["structure"];
        assert_eq!(structure.get("additionalProperties"), None);
        assert_eq!(structure["properties"]["point"]["$ref"], json!("file:discovery_family.json"));
    }
}
