//! Files of this host by their URL (RFC 8089).

use std::path::PathBuf;

use udmi_proto::percent_decode;

/// The path of a file URL of this host, given what follows `file:`.
pub(super) fn file_path(rest: &str) -> Result<PathBuf, String> {
    let path = match rest.strip_prefix("//") {
        Some(with_host) => with_host.strip_prefix("localhost").unwrap_or(with_host),
        None => rest,
    };
    if !path.starts_with('/') {
        return Err("a file URL wants a path from the root of this host".into());
    }
    let path = String::from_utf8(percent_decode(path)?).map_err(|_| "the path is not UTF-8")?;
    if path.contains('\0') { Err("the path has a zero byte".into()) } else { Ok(path.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_this_host_have_a_path() {
        for rest in ["///tmp/a%20b", "//localhost/tmp/a%20b", "/tmp/a%20b"] {
            assert_eq!(file_path(rest), Ok(PathBuf::from("/tmp/a b")), "{rest}");
        }
        for bad in ["//elsewhere/tmp/a", "tmp/a", "", "///tmp/%00", "///tmp/%ff"] {
            assert!(file_path(bad).is_err(), "{bad}");
        }
    }
}
