//! Topic names and filters, MQTT 3.1.1 section 4.7.

use alloc::string::String;

/// The longest string MQTT 3.1.1 can carry, in bytes.
pub const MAX_STRING: usize = 65_535;

/// Whether a PUBLISH may carry `topic`: not empty, at most 65535 bytes, no wildcard, no U+0000.
#[must_use]
pub fn topic_name_ok(topic: &str) -> bool {
    !topic.is_empty()
        && topic.len() <= MAX_STRING
        && !topic.bytes().any(|byte| matches!(byte, b'+' | b'#' | 0))
}

/// Whether a SUBSCRIBE may carry `filter`: `#` only as the whole last level, `+` only as a whole level.
#[must_use]
pub fn topic_filter_ok(filter: &str) -> bool {
    if filter.is_empty() || filter.len() > MAX_STRING || filter.contains('\0') {
        return false;
    }
    let mut levels = filter.split('/').peekable();
    while let Some(level) = levels.next() {
        if level.contains('#') && (level != "#" || levels.peek().is_some()) {
            return false;
        }
        if level.contains('+') && level != "+" {
            return false;
        }
    }
    true
}

/// Whether `filter` selects `topic`. Topics beginning with `$` are hidden from filters that begin with a
/// wildcard [MQTT-4.7.2-1]; `a/#` selects `a` as well.
#[must_use]
pub fn topic_matches(topic: &str, filter: &str) -> bool {
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let (mut names, mut patterns) = (topic.split('/'), filter.split('/'));
    loop {
        match (names.next(), patterns.next()) {
            (_, Some("#")) | (None, None) => return true,
            (Some(_), Some("+")) => {}
            (Some(name), Some(pattern)) if name == pattern => {}
            _ => return false,
        }
    }
}

/// What a string of CONNECT may not be; topic names and filters have their own, stricter rules.
pub(super) fn text_fault(text: &str) -> Option<&'static str> {
    if text.len() > MAX_STRING {
        Some("string over 65535 bytes")
    } else if text.contains('\0') {
        Some("null character in string")
    } else {
        None
    }
}

/// The faults of a list of filters, which must not be empty.
pub(super) fn filters_fault<'a>(filters: impl IntoIterator<Item = &'a String>) -> Option<&'static str> {
    let mut empty = true;
    for filter in filters {
        empty = false;
        if !topic_filter_ok(filter) {
            return Some("topic filter");
        }
    }
    empty.then_some("no topic filter")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_carry_no_wildcards_and_are_not_empty() {
        for good in ["a", "/", "a//b", "/a", "$SYS/x", "é/x", " ", &"x".repeat(65_535)] {
            assert!(topic_name_ok(good), "{good}");
        }
        for bad in ["", "a/#", "+", "a+b", "a\0b", &"x".repeat(65_536)] {
            assert!(!topic_name_ok(bad), "{bad:?}");
        }
    }

    #[test]
    fn wildcards_fill_a_whole_level_and_the_hash_ends_the_filter() {
        for good in ["#", "+", "a/#", "+/a/+", "/", "a//b", "+/+/#", "$SYS/#", "é"] {
            assert!(topic_filter_ok(good), "{good}");
        }
        for bad in ["", "a+", "+a", "a#", "#/a", "a/b+/c", "a/#/b", "##", "a\0", &"x".repeat(65_536)] {
            assert!(!topic_filter_ok(bad), "{bad:?}");
        }
    }

    #[test]
    fn the_examples_of_section_4_7_hold() {
        let yes = [
            ("sport/tennis/player1", "sport/tennis/player1/#"),
            ("sport/tennis/player1/score/wimbledon", "sport/tennis/player1/#"),
            ("sport", "sport/#"),
            ("sport/tennis/player2", "sport/tennis/+"),
            ("sport/", "sport/+"),
            ("/finance", "+/+"),
            ("/finance", "/+"),
            ("$SYS/monitor/Clients", "$SYS/#"),
            ("$SYS/monitor/Clients", "$SYS/monitor/+"),
            ("é/x", "#"),
        ];
        for (topic, filter) in yes {
            assert!(topic_matches(topic, filter), "{topic} {filter}");
        }
        let no = [
            ("sport/tennis/player1/ranking", "sport/tennis/+"),
            ("sport", "sport/+"),
            ("/finance", "+"),
            ("$SYS/x", "#"),
            ("$SYS/monitor/Clients", "+/monitor/Clients"),
            ("ACCOUNTS", "Accounts"),
            ("a/b", "a"),
            ("a", "a/b"),
        ];
        for (topic, filter) in no {
            assert!(!topic_matches(topic, filter), "{topic} {filter}");
        }
    }

    /// Section 4.7 said once more, by recursion over level lists.
    fn model(topic: &[&str], filter: &[&str]) -> bool {
        match filter {
            ["#"] => true,
            [] => topic.is_empty(),
            [first, rest @ ..] => {
                !topic.is_empty() && (*first == "+" || *first == topic[0]) && model(&topic[1..], rest)
            }
        }
    }

    proptest! {
        #[test]
        fn matching_agrees_with_the_model(
            topic in prop::collection::vec(prop_oneof![Just("a"), Just("b"), Just(""), Just("$s")], 1..5),
            filter in prop::collection::vec(prop_oneof![Just("a"), Just("b"), Just(""), Just("+"), Just("$s")], 0..5),
            hash in any::<bool>(),
        ) {
            let mut filter = filter;
            if hash || filter.is_empty() {
                filter.push("#");
            }
            let hidden = topic[0].starts_with('$') && matches!(filter[0], "+" | "#");
            let expected = !hidden && model(&topic, &filter);
            prop_assert_eq!(topic_matches(&topic.join("/"), &filter.join("/")), expected);
        }

        #[test]
        fn arbitrary_text_never_panics(topic in ".{0,12}", filter in ".{0,12}") {
            let _ = (topic_name_ok(&topic), topic_filter_ok(&filter), topic_matches(&topic, &filter));
        }
    }
}
