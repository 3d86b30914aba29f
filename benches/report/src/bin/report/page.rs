//! The page that the figures stand on: prose by hand, and between markers what is measured.

use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::Failure;

/// The folder of the documentation.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

fn path() -> PathBuf {
    folder().join("performance.md")
}

/// Puts text in the place of a section.
pub(crate) fn put(section: &str, text: &str) -> Result<(), Failure> {
    let page = fs::read_to_string(path())?;
    let page = with(&page, section, text)
        .ok_or_else(|| format!("docs/performance.md has no place for {section}"))?;
    Ok(fs::write(path(), page)?)
}

/// Writes a picture beside the page.
pub(crate) fn picture(name: &str, svg: &str) -> io::Result<()> {
    let folder = folder().join("performance");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(name), svg)
}

/// The page with another text between the markers of a section.
fn with(page: &str, section: &str, text: &str) -> Option<String> {
    let (begin, end) = (format!("<!-- measured: {section} -->\n"), format!("<!-- end of {section} -->"));
    let (before, rest) = page.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}\n{}\n\n{end}{after}", text.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::section::Section;

    #[test]
    fn only_what_stands_between_the_markers_is_replaced() {
        let page = "# Figures\n<!-- measured: core -->\nold\n<!-- end of core -->\nprose\n";
        let new = with(page, "core", "new\n").expect("the place is there");
        assert_eq!(new, "# Figures\n<!-- measured: core -->\n\nnew\n\n<!-- end of core -->\nprose\n");
        assert_eq!(with(&new, "core", "new"), Some(new));
        assert_eq!(with(page, "size", "new"), None);
    }

    #[test]
    fn the_page_has_a_place_for_every_section() {
        let page = fs::read_to_string(path()).expect("the page is there");
        for section in Section::ALL {
            assert!(with(&page, section.name(), "").is_some(), "{section:?}");
        }
    }
}
