//! Where a redirect leads.

use ureq::http::Uri;

/// The target of a `Location`, which may be relative to `base` (RFC 3986, section 5).
pub(super) fn resolve(base: &Uri, location: &str) -> Option<Uri> {
    let location = location.split('#').next().unwrap_or_default();
    if has_scheme(location) {
        return location.parse().ok();
    }
    let scheme = base.scheme_str()?;
    if location.starts_with("//") {
        return format!("{scheme}:{location}").parse().ok();
    }
    let path = match location.chars().next() {
        None => base.path_and_query()?.to_string(),
        Some('/') => location.to_owned(),
        Some('?') => format!("{}{location}", base.path()),
        Some(_) => {
            let folder = base.path().rsplit_once('/').map_or("", |(folder, _)| folder);
            format!("{folder}/{location}")
        }
    };
    format!("{scheme}://{}{}", base.authority()?, without_dots(&path)).parse().ok()
}

fn has_scheme(location: &str) -> bool {
    let Some((scheme, _)) = location.split_once(':') else { return false };
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    scheme.bytes().next().is_some_and(|first| first.is_ascii_alphabetic()) && scheme.bytes().all(allowed)
}

/// Removes `.` and `..` from a path; its query stays as it is.
fn without_dots(path: &str) -> String {
    let (path, query) = path.split_at(path.find('?').unwrap_or(path.len()));
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if segments.peek().is_none() {
                    kept.push("");
                }
            }
            _ => kept.push(segment),
        }
    }
    format!("/{}{query}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_absolute_or_relative() {
        let base: Uri = "https://host:8443/a/b/c?q=1".parse().unwrap();
        for (location, target) in [
            ("http://other/x#part", "http://other/x"),
            ("//other/x", "https://other/x"),
            ("/x/y?z", "https://host:8443/x/y?z"),
            ("d", "https://host:8443/a/b/d"),
            ("../d?e=../f", "https://host:8443/a/d?e=../f"),
            ("../../../d", "https://host:8443/d"),
            ("./", "https://host:8443/a/b/"),
            ("..", "https://host:8443/a/"),
            ("?r", "https://host:8443/a/b/c?r"),
            ("", "https://host:8443/a/b/c?q=1"),
        ] {
            assert_eq!(resolve(&base, location).unwrap().to_string(), target, "{location}");
        }
        assert_eq!(resolve(&base, "http://[bad"), None);
    }
}
