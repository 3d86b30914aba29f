//! Tables and numbers in Markdown.

use std::fmt;

/// A table; columns whose cells are numbers are aligned to the right.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Without rows. A column that begins with `>` is aligned to the right.
    pub(crate) fn new(columns: &[&str]) -> Self {
        Self { columns: columns.iter().map(|name| (*name).to_owned()).collect(), rows: Vec::new() }
    }

    /// Adds a row; cells that are missing are empty.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let mut cells: Vec<_> = cells.into_iter().map(|cell| cell.replace('|', "\\|")).collect();
        cells.resize(self.columns.len(), String::new());
        self.rows.push(cells);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.columns.iter().map(|name| name.trim_start_matches('>'));
        writeln!(f, "| {} |", names.collect::<Vec<_>>().join(" | "))?;
        let rules = self.columns.iter().map(|name| if name.starts_with('>') { "---:" } else { "---" });
        writeln!(f, "|{}|", rules.collect::<Vec<_>>().join("|"))?;
        self.rows.iter().try_for_each(|row| writeln!(f, "| {} |", row.join(" | ")))
    }
}

/// A whole number with its thousands apart.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// A number with about three digits that count.
pub(crate) fn short(number: f64) -> String {
    match number.abs() {
        size if size >= 1000.0 => grouped(number.round().max(0.0) as u64),
        size if size >= 100.0 => format!("{number:.0}"),
        size if size >= 10.0 => format!("{number:.1}"),
        size if size >= 1.0 || size == 0.0 => format!("{number:.2}"),
        _ => format!("{number:.3}"),
    }
}

/// A time of so many nanoseconds, in the unit that suits it.
pub(crate) fn time(nanoseconds: f64) -> String {
    match nanoseconds {
        time if time >= 1e6 => format!("{} ms", short(time / 1e6)),
        time if time >= 1e3 => format!("{} µs", short(time / 1e3)),
        time => format!("{} ns", short(time)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_markdown() {
        let mut table = Table::new(&["what", ">count"]);
        table.row(["a|b".to_owned(), grouped(1_234_567)]);
        table.row(["short".to_owned()]);
        assert_eq!(table.to_string(), "| what | count |\n|---|---:|\n| a\\|b | 1,234,567 |\n| short |  |\n");
    }

    #[test]
    fn numbers_are_short() {
        let shown = [0.0, 0.0123, 1.236, 12.36, 123.6, 1236.0, 81_234.4].map(short);
        assert_eq!(shown, ["0.00", "0.012", "1.24", "12.4", "124", "1,236", "81,234"]);
        assert_eq!([12.0, 1_500.0, 2_500_000.0].map(time), ["12.0 ns", "1.50 µs", "2.50 ms"]);
        assert_eq!([7, 999, 1000].map(grouped), ["7", "999", "1,000"]);
    }
}
