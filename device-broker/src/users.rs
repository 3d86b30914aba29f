//! Who may connect, and what each may publish and subscribe to.

use device_link::wire::topic_matches;
use std::collections::BTreeMap;
use std::fmt;

/// The accounts of a broker. The default knows nobody and refuses everybody.
#[derive(Debug, Clone, Default)]
pub struct Users {
    anonymous: Option<Access>,
    named: BTreeMap<String, User>,
}

#[derive(Clone)]
struct User {
    password: Vec<u8>,
    access: Access,
}

impl fmt::Debug for User {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("User").field("password", &"***").field("access", &self.access).finish()
    }
}

impl Users {
    /// Everybody may do everything, without user name or password.
    #[must_use]
    pub fn anyone() -> Self {
        Self { anonymous: Some(Access::all()), named: BTreeMap::new() }
    }

    /// Adds or replaces an account.
    #[must_use]
    pub fn with(mut self, name: &str, password: impl AsRef<[u8]>, access: Access) -> Self {
        self.named.insert(name.to_owned(), User { password: password.as_ref().to_vec(), access });
        self
    }

    /// Lets clients without a user name in, with this access.
    #[must_use]
    pub fn with_anonymous(mut self, access: Access) -> Self {
        self.anonymous = Some(access);
        self
    }

    /// The access of whoever gives this name and password, `None` when there is none.
    pub(crate) fn access(&self, name: Option<&str>, password: Option<&[u8]>) -> Option<&Access> {
        let Some(name) = name else { return self.anonymous.as_ref() };
        match self.named.get(name) {
            Some(user) => (password == Some(&user.password)).then_some(&user.access),
            // Without accounts a name says nothing, as with mosquitto's `allow_anonymous` and no password file.
            None if self.named.is_empty() => self.anonymous.as_ref(),
            None => None,
        }
    }
}

/// Topic filters an account may use. `%c` stands for the client identifier, `%u` for the user name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    everything: bool,
    publish: Vec<String>,
    subscribe: Vec<String>,
}

impl Access {
    /// Everything, topics beginning with `$` included, which `#` does not select.
    #[must_use]
    pub fn all() -> Self {
        Self { everything: true, ..Self::default() }
    }

    /// Also lets publish to topics that match `pattern`.
    #[must_use]
    pub fn publish(mut self, pattern: &str) -> Self {
        self.publish.push(pattern.to_owned());
        self
    }

    /// Also lets subscribe to `pattern` and to any filter that selects no more than it.
    #[must_use]
    pub fn subscribe(mut self, pattern: &str) -> Self {
        self.subscribe.push(pattern.to_owned());
        self
    }

    /// With `%c` and `%u` filled in. A pattern whose value is missing, or contains a wildcard, allows nothing.
    pub(crate) fn filled_in(&self, client: &str, user: Option<&str>) -> Self {
        let fill = |patterns: &[String]| patterns.iter().filter_map(|p| fill_in(p, client, user)).collect();
        Self { everything: self.everything, publish: fill(&self.publish), subscribe: fill(&self.subscribe) }
    }

    pub(crate) fn may_publish(&self, topic: &str) -> bool {
        self.everything || self.publish.iter().any(|pattern| topic_matches(topic, pattern))
    }

    pub(crate) fn may_subscribe(&self, filter: &str) -> bool {
        self.everything || self.subscribe.iter().any(|pattern| covers(pattern, filter))
    }
}

fn fill_in(pattern: &str, client: &str, user: Option<&str>) -> Option<String> {
    let mut filled = String::with_capacity(pattern.len() + client.len());
    let mut rest = pattern;
    while let Some(at) = rest.find('%') {
        let (before, mark) = rest.split_at(at);
        filled.push_str(before);
        let value = match mark.as_bytes().get(1) {
            Some(b'c') => client,
            Some(b'u') => user?,
            _ => {
                filled.push('%');
                rest = &mark[1..];
                continue;
            }
        };
        if value.contains(['+', '#']) {
            return None;
        }
        filled.push_str(value);
        rest = &mark[2..];
    }
    filled.push_str(rest);
    Some(filled)
}

/// Whether every topic that `filter` selects is also selected by `pattern`.
fn covers(pattern: &str, filter: &str) -> bool {
    if filter.starts_with('$') && pattern.starts_with(['+', '#']) {
        return false;
    }
    let (mut allowed, mut wanted) = (pattern.split('/'), filter.split('/'));
    loop {
        match (allowed.next(), wanted.next()) {
            (Some("#"), _) | (None, None) => return true,
            (Some("+"), Some(level)) if level != "#" => {}
            (Some(one), Some(other)) if one == other => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_covers_what_selects_no_more() {
        for (pattern, filter) in [
            ("#", "a/+/#"),
            ("#", "#"),
            ("a/#", "a"),
            ("a/#", "a/#"),
            ("a/+/c", "a/+/c"),
            ("a/+/c", "a/b/c"),
            ("$SYS/#", "$SYS/x"),
        ] {
            assert!(covers(pattern, filter), "{pattern} {filter}");
        }
        for (pattern, filter) in
            [("a/+", "a/#"), ("a/b", "a/+"), ("a", "a/b"), ("a/b", "a"), ("#", "$SYS/#"), ("+/b", "#")]
        {
            assert!(!covers(pattern, filter), "{pattern} {filter}");
        }
    }

    #[test]
    fn client_and_user_are_filled_in_as_plain_text() {
        let access = Access::default().publish("%c/events/#").subscribe("/u/%u/100%");
        let filled = access.filled_in("/r/reg/d/AHU-1", Some("alice"));
        assert!(filled.may_publish("/r/reg/d/AHU-1/events/system"));
        assert!(!filled.may_publish("/r/reg/d/AHU-2/events/system"));
        assert!(filled.may_subscribe("/u/alice/100%"));
    }

    #[test]
    fn a_wildcard_in_a_name_widens_nothing() {
        let access = Access::default().publish("%c/x").subscribe("%u/x");
        assert!(!access.filled_in("#", None).may_publish("a"));
        assert!(!access.filled_in("+", Some("+")).may_subscribe("+/x"));
        assert!(!access.filled_in("c", None).may_subscribe("%u/x"));
    }

    #[test]
    fn a_wrong_password_or_an_unknown_name_has_no_access() {
        let users = Users::default().with("alice", "s3cret", Access::all());
        assert!(users.access(Some("alice"), Some(b"s3cret")).is_some());
        assert!(users.access(Some("alice"), Some(b"guess")).is_none());
        assert!(users.access(Some("alice"), None).is_none());
        assert!(users.access(Some("bob"), Some(b"s3cret")).is_none());
        assert!(users.access(None, None).is_none());
        assert!(users.with_anonymous(Access::default()).access(None, None).is_some());
    }

    #[test]
    fn a_password_is_not_in_the_debug_text() {
        let users = Users::default().with("alice", "s3cret", Access::all());
        assert!(!format!("{users:?}").contains("s3cret"));
    }
}
