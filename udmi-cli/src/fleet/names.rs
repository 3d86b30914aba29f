//! The names of a fleet's devices, made from templates.

use std::path::{Path, PathBuf};

use crate::access::Access;

/// What stands in the place of `{n}` and the like for one device.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names<'a> {
    /// `{n}`: the device's number in the fleet, from 1 on.
    pub(super) number: u64,
    /// `{id}`: its id.
    pub(super) id: &'a str,
    /// `{registry}`: its registry.
    pub(super) registry: &'a str,
}

impl Names<'_> {
    /// The text with its placeholders filled in; others stay as they are.
    pub(super) fn fill(&self, template: &str) -> String {
        let number = self.number.to_string();
        let parts = [("{n}", number.as_str()), ("{id}", self.id), ("{registry}", self.registry)];
        parts.iter().fold(template.to_owned(), |text, (name, value)| text.replace(name, value))
    }

    fn fill_path(&self, template: &Path) -> PathBuf {
        template.to_str().map_or_else(|| template.to_owned(), |text| self.fill(text).into())
    }

    /// The flags of one device.
    pub(super) fn access(&self, template: &Access) -> Access {
        let text = |template: &Option<String>| template.as_deref().map(|text| self.fill(text));
        let path = |template: &Option<PathBuf>| template.as_deref().map(|path| self.fill_path(path));
        Access {
            registry: template.registry.clone(),
            client_id: text(&template.client_id),
            topic_prefix: text(&template.topic_prefix),
            username: text(&template.username),
            password: text(&template.password),
            password_file: path(&template.password_file),
            ca: template.ca.clone(),
            cert: path(&template.cert),
            key: path(&template.key),
            auth: template.auth,
            audience: text(&template.audience),
            make_keys: template.make_keys,
            no_redirect: template.no_redirect,
        }
    }
}

/// Whether a text differs from device to device.
pub(super) fn differs(template: &str) -> bool {
    template.contains("{n}") || template.contains("{id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_in_and_others_stay() {
        let names = Names { number: 7, id: "SIM-7", registry: "REG" };
        assert_eq!(names.fill("/r/{registry}/d/{id}?{n}{x}"), "/r/REG/d/SIM-7?7{x}");
        assert!(differs("SIM-{n}") && differs("{id}.pem") && !differs("{registry}"));
    }
}
