//! Sections measured by programs that print rows as JSON:
//!
//! ```json
//! { "rows": [ { "what": "…", "measured": "…", "wanted": "…", "met": true } ], "failures": ["…"] }
//! ```
//!
//! `wanted` and `met` may be missing, as may `failures`, which must never happen and did. A `client` comes second. Other members of a row that
//! are texts or numbers become columns of their own. `rows` may also be `tables`, an object of such lists by title. Of a
//! program that prints no JSON but tables in Markdown all is taken as it is.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::Failure;
use crate::section::Figures;
use crate::table::{Table, short};

/// What comes first, whatever else there is.
const FIRST: [&str; 3] = ["what", "client", "measured"];
/// What comes last.
const LAST: [&str; 1] = ["wanted"];
/// What is no column.
const HIDDEN: [&str; 1] = ["met"];

/// The section that a program has printed, on the last line that is an object or as a whole.
pub(crate) fn figures(output: &str) -> Result<Figures, Failure> {
    let mut figures = Figures::default();
    let Some(json) = parse(output) else {
        if !output.lines().any(|line| line.starts_with('|')) {
            return Err("the program has printed neither JSON nor a table".into());
        }
        figures.text = output.trim().to_owned();
        return Ok(figures);
    };
    if let Some(rows) = json.get("rows").and_then(Value::as_array) {
        figures.text.push_str(&table("", rows, &mut figures.missed)?);
    }
    for (title, rows) in json.get("tables").and_then(Value::as_object).into_iter().flatten() {
        let rows = rows.as_array().ok_or("a table that is no list")?;
        figures.text.push_str(&format!("{title}:\n\n{}\n", table(title, rows, &mut figures.missed)?));
    }
    if figures.text.is_empty() {
        return Err("the program has measured nothing".into());
    }
    let failures = json.get("failures").and_then(Value::as_array).into_iter().flatten();
    figures.missed.extend(failures.map(|failure| format!("failed: {}", text(failure))));
    Ok(figures)
}

fn parse(output: &str) -> Option<Value> {
    let whole = || serde_json::from_str(output).ok();
    let last = || output.lines().rev().find_map(|line| serde_json::from_str(line).ok());
    whole().or_else(last).filter(Value::is_object)
}

fn table(title: &str, rows: &[Value], missed: &mut Vec<String>) -> Result<String, Failure> {
    let rows: Option<Vec<_>> = rows.iter().map(Value::as_object).collect();
    let rows = rows.ok_or("a row that is no object")?;
    let names = columns(&rows);
    let is_number = |name: &str| rows.iter().filter_map(|row| row.get(name)).all(Value::is_number);
    let headings: Vec<_> = names
        .iter()
        .map(|name| if is_number(name) { format!(">{name}") } else { (*name).to_owned() })
        .collect();
    let mut table = Table::new(&headings.iter().map(String::as_str).collect::<Vec<_>>());
    for row in rows {
        let cell = |name: &&str| row.get(*name).map_or_else(|| "–".to_owned(), text);
        table.row(names.iter().map(cell));
        if row.get("met").and_then(Value::as_bool) == Some(false) {
            let of = |name: &str| row.get(name).map(text);
            let about = [Some(title.to_owned()), of("what"), of("client")].into_iter().flatten();
            let about: Vec<_> = about.filter(|text| !text.is_empty()).collect();
            let ratio = of("ratio").map_or_else(String::new, |ratio| format!(", ratio {ratio}"));
            let [measured, wanted] = ["measured", "wanted"].map(|name| of(name).unwrap_or_default());
            missed.push(format!("{}: {measured}{ratio}, wanted {wanted}", about.join(", ")));
        }
    }
    Ok(table.to_string())
}

fn columns<'a>(rows: &[&'a Map<String, Value>]) -> Vec<&'a str> {
    let all: BTreeSet<&str> = rows.iter().flat_map(|row| row.keys()).map(String::as_str).collect();
    let kept = |names: &[&str]| all.iter().copied().filter(|name| names.contains(name)).collect::<Vec<_>>();
    let mut columns: Vec<_> = FIRST.iter().filter_map(|name| all.get(name).copied()).collect();
    let special = |name: &&str| FIRST.contains(name) || LAST.contains(name) || HIDDEN.contains(name);
    columns.extend(all.iter().copied().filter(|name| !special(name)));
    columns.extend(kept(&LAST));
    columns
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.as_f64().map_or_else(|| number.to_string(), short),
        Value::Null => "–".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_a_table_and_what_is_not_met_is_told() {
        let output = "| a | table |\n{\"rows\":[{\"what\":\"size\",\"measured\":\"2.1 MB\",\"wanted\":\"< 2.5 MB\",\"met\":true},\
                      {\"what\":\"core\",\"measured\":\"310 KB\",\"wanted\":\"< 300 KB\",\"met\":false}],\"failures\":[\"a loss\"]}\n";
        let figures = figures(output).expect("it can be read");
        assert_eq!(
            figures.text,
            "| what | measured | wanted |\n|---|---|---|\n| size | 2.1 MB | < 2.5 MB |\n| core | 310 KB | < 300 KB |\n"
        );
        assert_eq!(figures.missed, ["core: 310 KB, wanted < 300 KB", "failed: a loss"]);
    }

    #[test]
    fn other_members_become_columns() {
        let output = "{\"tables\":{\"mosquitto\":[{\"what\":\"publish\",\"ratio\":1.0321,\"met\":true}]}}";
        let figures = figures(output).expect("it can be read");
        assert_eq!(figures.text, "mosquitto:\n\n| what | ratio |\n|---|---:|\n| publish | 1.03 |\n\n");
    }

    #[test]
    fn a_table_is_taken_as_it_is() {
        let figures =
            figures("Of a device:\n\n| what | size |\n|---|---|\n| core | 1 |\n").expect("it is a table");
        assert_eq!(figures.text, "Of a device:\n\n| what | size |\n|---|---|\n| core | 1 |");
    }

    #[test]
    fn nothing_is_a_failure() {
        for output in ["", "text", "[]", "{}", "{\"rows\":[1]}"] {
            assert!(figures(output).is_err(), "{output}");
        }
    }
}
