//! Messages as lines for people.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use udmi_proto::model::common::Timestamp;

use crate::cloud::{Kind, Message};
use crate::difference::{Brief, Plain, as_entry, changes};
use crate::output::{Output, Role};

/// Bytes of states and configs that are remembered to tell differences; over it, all are forgotten and the next
/// ones are told in full.
const REMEMBERED_BYTES_MAX: usize = 32 << 20;
/// Where the lines under a message begin.
const INDENT: &str = "             ";

/// The last states and configs.
#[derive(Debug, Default)]
pub(super) struct Memory {
    documents: BTreeMap<(String, Kind), Value>,
    bytes: usize,
}

impl Memory {
    /// Takes in a document and gives back the one before.
    fn exchange(&mut self, message: &Message, document: &Value) -> Option<Value> {
        let key = (message.device.clone(), message.kind);
        let before = self.documents.remove(&key);
        // What replaces another counts as well, so that no sizes need to be kept.
        self.bytes += message.payload.len();
        if self.bytes > REMEMBERED_BYTES_MAX {
            self.documents.clear();
            self.bytes = message.payload.len();
        }
        self.documents.insert(key, document.clone());
        before
    }

    /// The units of a point, as state, else config, names them.
    fn units(&self, device: &str, point: &str) -> Option<&str> {
        [Kind::State, Kind::Config].into_iter().find_map(|kind| {
            let document = self.documents.get(&(device.to_owned(), kind))?;
            document.get("pointset")?.get("points")?.get(point)?.get("units")?.as_str()
        })
    }
}

/// The lines of a message.
pub(super) fn render(message: &Message, memory: &mut Memory, output: &Output) -> Vec<String> {
    let Some(document) = message.json() else {
        let what = if message.payload.is_empty() { "empty".to_owned() } else { no_json(message) };
        let role = if message.payload.is_empty() { Role::Faint } else { Role::Bad };
        return vec![head(message, output, &output.paint(role, what))];
    };
    match (message.kind, message.folder.as_deref()) {
        (Kind::State | Kind::Config, _) => {
            let before = memory.exchange(message, &document);
            document_lines(message, before.as_ref(), &document, output)
        }
        (Kind::Events, Some("pointset")) => {
            vec![head(message, output, &points(message, &document, memory, output))]
        }
        (Kind::Events, Some("system")) => system(message, &document, output),
        (Kind::Events, _) => vec![head(message, output, &Brief(&without_head(&document)).to_string())],
    }
}

fn no_json(message: &Message) -> String {
    let text = String::from_utf8_lossy(&message.payload);
    format!("no JSON: {}", Brief(&Value::from(text)))
}

/// Time, device and kind, then `what`.
fn head(message: &Message, output: &Output, what: &str) -> String {
    let time = Timestamp::from_millis(message.arrived.utc.0);
    let clock = time.as_str().get(11..23).unwrap_or(time.as_str());
    let kind = match (message.kind, message.folder.as_deref()) {
        (Kind::State, _) => "state",
        (Kind::Config, _) => "config",
        (Kind::Events, Some(folder)) => folder,
        (Kind::Events, None) => "events",
    };
    let device = output.paint(Role::Strong, Plain(&message.device));
    format!("{} {device} {} {what}", output.paint(Role::Faint, clock), Plain(kind))
}

/// A state or config as differences.
fn document_lines(message: &Message, before: Option<&Value>, after: &Value, output: &Output) -> Vec<String> {
    let nothing = Value::Object(Map::new());
    let found = changes(&without_head(before.unwrap_or(&nothing)), &without_head(after));
    let kept = if message.retained { " (retained)" } else { "" };
    let summary = match (before, found.len()) {
        (None, _) => format!("first seen{kept}"),
        (Some(_), 0) => format!("unchanged{kept}"),
        (Some(_), 1) => format!("1 change{kept}"),
        (Some(_), count) => format!("{count} changes{kept}"),
    };
    let lines = found.iter().map(|change| {
        let role = match &change.after {
            None => Some(Role::Faint),
            Some(value) => as_entry(value).and_then(|(level, ..)| role_of_level(level)),
        };
        format!("{INDENT}{}", paint(output, role, &change.to_string()))
    });
    std::iter::once(head(message, output, &output.paint(Role::Faint, summary))).chain(lines).collect()
}

/// A document without what differs in every message.
fn without_head(document: &Value) -> Value {
    let mut document = document.clone();
    if let Some(members) = document.as_object_mut() {
        members.remove("timestamp");
        members.remove("version");
    }
    document
}

/// Points as `name=value`, with units.
fn points(message: &Message, document: &Value, memory: &Memory, output: &Output) -> String {
    let Some(points) = document.get("points").and_then(Value::as_object) else {
        return Brief(document).to_string();
    };
    let shown = points.iter().map(|(name, point)| {
        let value = point.get("present_value").map_or_else(|| "?".to_owned(), value);
        let units = memory.units(&message.device, name).map(unit).unwrap_or_default();
        format!("{}={}{units}", Plain(name), output.paint(Role::Strong, value))
    });
    let mut shown: Vec<_> = shown.collect();
    if shown.is_empty() {
        shown.push(output.paint(Role::Faint, "no points"));
    }
    if document.get("partial_update").and_then(Value::as_bool) == Some(true) {
        shown.push(output.paint(Role::Faint, "(partial)"));
    }
    shown.join(" ")
}

fn value(value: &Value) -> String {
    match value.as_str() {
        Some(text) if !text.contains(' ') && !text.is_empty() => Plain(text).to_string(),
        _ => Brief(value).to_string(),
    }
}

/// The sign of a unit, where there is a usual one.
fn unit(name: &str) -> String {
    match name {
        "Degrees-Celsius" => "°C".to_owned(),
        "Degrees-Fahrenheit" => "°F".to_owned(),
        "Percent" => "%".to_owned(),
        "No-units" => String::new(),
        other => format!("_{}", Plain(other)),
    }
}

/// Log entries a line each, then the metrics.
fn system(message: &Message, document: &Value, output: &Output) -> Vec<String> {
    let entries = document.get("logentries").and_then(Value::as_array);
    let mut lines: Vec<_> = entries.into_iter().flatten().map(|entry| log(message, entry, output)).collect();
    if let Some(metrics) = document.get("metrics") {
        lines.push(head(message, output, &format!("metrics {}", measures(metrics))));
    }
    if lines.is_empty() {
        lines.push(head(message, output, &Brief(&without_head(document)).to_string()));
    }
    lines
}

/// Measures as `name=value`, rounded.
fn measures(metrics: &Value) -> String {
    let Some(members) = metrics.as_object() else { return Brief(metrics).to_string() };
    let rounded = |value: &Value| {
        value.as_f64().map_or_else(|| Brief(value).to_string(), |number| format!("{number:.1}"))
    };
    let shown = members.iter().map(|(name, value)| format!("{}={}", Plain(name), rounded(value)));
    shown.collect::<Vec<_>>().join(" ")
}

fn log(message: &Message, entry: &Value, output: &Output) -> String {
    let Some((level, category, text)) = as_entry(entry) else {
        return head(message, output, &Brief(entry).to_string());
    };
    let name = match level {
        0..200 => "DEBUG",
        200..300 => "INFO",
        300..400 => "NOTICE",
        400..500 => "WARNING",
        500..600 => "ERROR",
        _ => "CRITICAL",
    };
    let detail = entry.get("detail").and_then(Value::as_str).map(|detail| format!(" ({})", Plain(detail)));
    let name = paint(output, role_of_level(level), name);
    let line = format!("{name} {} {}{}", Plain(category), Plain(text), detail.unwrap_or_default());
    head(message, output, &line)
}

/// The colour of a level; normal work has none.
fn role_of_level(level: u64) -> Option<Role> {
    match level {
        0..200 => Some(Role::Faint),
        200..300 => None,
        300..400 => Some(Role::Good),
        400..500 => Some(Role::Warning),
        _ => Some(Role::Bad),
    }
}

fn paint(output: &Output, role: Option<Role>, text: &str) -> String {
    role.map_or_else(|| text.to_owned(), |role| output.paint(role, text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Colour;
    use device_link::{Instant, Now, UtcMillis};
    use serde_json::json;

    fn lines(memory: &mut Memory, kind: Kind, folder: Option<&str>, payload: &Value) -> Vec<String> {
        let message = Message {
            device: "AHU-1".to_owned(),
            kind,
            folder: folder.map(ToOwned::to_owned),
            payload: payload.to_string().into_bytes(),
            retained: false,
            arrived: Now { at: Instant(0), utc: UtcMillis(1_772_359_200_123) },
        };
        render(&message, memory, &Output::new(Colour::Never, false, false))
    }

    #[test]
    fn a_second_state_is_told_as_its_differences() {
        let mut memory = Memory::default();
        let state = |at: &str| json!({ "timestamp": at, "system": { "last_config": at } });
        let first = lines(&mut memory, Kind::State, None, &state("T1"));
        assert_eq!(
            first,
            ["10:00:00.123 AHU-1 state first seen", "             + system.last_config = \"T1\""]
        );
        let second = lines(&mut memory, Kind::State, None, &state("T2"));
        assert_eq!(second.last().unwrap(), "             ~ system.last_config: \"T1\" -> \"T2\"");
    }

    #[test]
    fn values_have_the_units_of_state_or_config() {
        let mut memory = Memory::default();
        let config = json!({ "pointset": { "points": {
            "sat": { "units": "Degrees-Celsius" }, "flow": { "units": "Liters-per-second" } } } });
        lines(&mut memory, Kind::Config, None, &config);
        let event = json!({ "points": { "sat": { "present_value": 21.5 }, "flow": { "present_value": 3 },
            "mode": { "present_value": "on" } } });
        let told = lines(&mut memory, Kind::Events, Some("pointset"), &event);
        assert_eq!(told, ["10:00:00.123 AHU-1 pointset flow=3_Liters-per-second mode=on sat=21.5°C"]);
    }

    #[test]
    fn measures_are_rounded() {
        let event = json!({ "metrics": { "mem_free_mb": 23490.072576, "system_load": 3.6 } });
        let told = lines(&mut Memory::default(), Kind::Events, Some("system"), &event);
        assert_eq!(told, ["10:00:00.123 AHU-1 system metrics mem_free_mb=23490.1 system_load=3.6"]);
    }

    #[test]
    fn log_entries_have_a_line_each() {
        let entry = |level: u64| json!({ "level": level, "category": "system.base.start", "message": "hi" });
        let event = json!({ "logentries": [entry(300), entry(500)] });
        let told = lines(&mut Memory::default(), Kind::Events, Some("system"), &event);
        assert_eq!(
            told,
            [
                "10:00:00.123 AHU-1 system NOTICE system.base.start hi",
                "10:00:00.123 AHU-1 system ERROR system.base.start hi"
            ]
        );
    }
}
