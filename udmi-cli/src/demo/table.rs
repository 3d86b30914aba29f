//! The telemetry of a device as a table, refreshed in place on a terminal.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use crate::output::{Failure, Output, Role};

/// What site models write for values without units.
const NO_UNITS: &str = "No-units";

/// Present values by point.
#[derive(Debug)]
pub(super) struct Table {
    units: BTreeMap<String, String>,
    values: BTreeMap<String, Value>,
    /// Lines on the terminal that the next drawing goes over.
    drawn: usize,
}

impl Table {
    /// An empty table; points are shown with their units.
    pub(super) fn new(units: BTreeMap<String, String>) -> Self {
        Self { units, values: BTreeMap::new(), drawn: 0 }
    }

    /// Takes in an event, and tells how many points it had.
    pub(super) fn take(&mut self, event: &Value) -> usize {
        let Some(points) = event["points"].as_object() else { return 0 };
        for (name, point) in points {
            self.values.insert(name.clone(), point["present_value"].clone());
        }
        points.len()
    }

    /// Draws it over itself if lines can be rewritten.
    pub(super) fn refresh(&mut self, output: &Output) -> Result<(), Failure> {
        if output.terminal && !output.quiet && !output.json { self.draw(output) } else { Ok(()) }
    }

    /// Draws it for good, if it was not refreshed all the time.
    pub(super) fn finish(&mut self, output: &Output) -> Result<(), Failure> {
        if output.terminal || output.quiet || output.json { Ok(()) } else { self.draw(output) }
    }

    fn draw(&mut self, output: &Output) -> Result<(), Failure> {
        let mut text = String::new();
        if self.drawn > 0 {
            let _ = write!(text, "\u{1b}[{}A", self.drawn); // a text takes everything
        }
        let clear = if output.terminal { "\r\u{1b}[2K" } else { "" };
        let width = self.values.keys().map(String::len).max().unwrap_or(0);
        for (name, value) in &self.values {
            let units = self.units.get(name).filter(|units| *units != NO_UNITS).map_or("", String::as_str);
            let value = output.paint(Role::Strong, format!("{:>9}", shown(value)));
            let line = format!("{clear}    {name:width$} {value} {}", output.paint(Role::Faint, units));
            let _ = writeln!(text, "{}", line.trim_end());
        }
        self.drawn = self.values.len();
        output.raw(text)
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_f64() => format!("{:.2}", number.as_f64().unwrap_or_default()),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_have_two_decimals_and_the_rest_is_as_it_is() {
        assert_eq!(shown(&json!(18.5)), "18.50");
        assert_eq!(shown(&json!(18)), "18");
        assert_eq!(shown(&json!(true)), "true");
        assert_eq!(shown(&json!("auto")), "auto");
    }

    #[test]
    fn an_event_without_points_brings_none() {
        let mut table = Table::new(BTreeMap::new());
        assert_eq!(table.take(&json!({ "logentries": [] })), 0);
        assert_eq!(table.take(&json!({ "points": { "a": { "present_value": 1 } } })), 1);
    }
}
