//! JSON files as people write them: with `//` comments, and errors that name the place.

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use serde_json::Value;

/// The largest JSON file that is read, in bytes.
pub(crate) const FILE_BYTES_MAX: u64 = 16 << 20;

/// Reads a file of at most so many bytes.
///
/// # Errors
/// One line that names the file.
pub(crate) fn read(path: &Path, bytes_max: u64) -> Result<String, String> {
    let failed = |error: std::io::Error| format!("{}: cannot be read: {error}", path.display());
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(bytes_max + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > bytes_max {
        return Err(format!("{}: larger than {bytes_max} bytes", path.display()));
    }
    String::from_utf8(bytes).map_err(|_| format!("{}: not UTF-8", path.display()))
}

/// Where a text is no JSON, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    /// From 1.
    pub(crate) line: usize,
    /// From 1.
    pub(crate) column: usize,
    /// What is wrong there.
    pub(crate) problem: String,
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.problem)
    }
}

/// Reads JSON that may have `//` comments.
///
/// # Errors
/// [`SyntaxError`].
pub(crate) fn parse(text: &str) -> Result<Value, SyntaxError> {
    serde_json::from_str(&without_comments(text)).map_err(|error| {
        let message = error.to_string();
        let what = message.split(" at line ").next().unwrap_or_default();
        SyntaxError { line: error.line(), column: error.column(), problem: format!("not JSON: {what}") }
    })
}

/// Blanks what follows `//` outside of quotes; places stay where they are.
fn without_comments(text: &str) -> String {
    text.split_inclusive('\n')
        .map(|line| {
            let end = comment_start(line);
            let kept = line.get(..end).unwrap_or(line);
            if end < line.len() && line.ends_with('\n') { format!("{kept}\n") } else { kept.to_owned() }
        })
        .collect()
}

fn comment_start(line: &str) -> usize {
    let (mut quoted, mut escaped, mut slash) = (false, false, false);
    for (at, byte) in line.bytes().enumerate() {
        if byte == b'/' && slash && !quoted {
            return at - 1;
        }
        slash = byte == b'/';
        quoted ^= byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
    }
    line.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn comments_go_and_quoted_slashes_stay() {
        let text = "// one\n{ \"a\": \"b://c\\\" // d\" } // two\n";
        assert_eq!(without_comments(text), "\n{ \"a\": \"b://c\\\" // d\" } \n");
        assert_eq!(parse(text), Ok(json!({ "a": "b://c\" // d" })));
    }

    #[test]
    fn an_error_names_line_and_column_behind_comments() {
        let error = parse("// one\n{\n  \"a\": nothing\n}").unwrap_err().to_string();
        assert!(error.starts_with("3:9: not JSON: "), "{error}");
    }
}
