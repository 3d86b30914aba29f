//! Who subscribed to what, as a tree of topic levels: finding subscribers costs by the depth of the topic and
//! the number of those found, not by the number of all.

use device_link::wire::Qos;
use std::collections::BTreeMap;

/// A tree of filters with the subscribers `S` at each. Depth is bounded by the caller.
#[derive(Debug)]
pub(crate) struct Tree<S> {
    children: BTreeMap<Box<str>, Self>,
    here: BTreeMap<S, Qos>,
}

impl<S> Default for Tree<S> {
    fn default() -> Self {
        Self { children: BTreeMap::new(), here: BTreeMap::new() }
    }
}

impl<S: Ord + Copy> Tree<S> {
    /// Adds a subscription or changes its quality of service.
    pub(crate) fn insert(&mut self, filter: &str, subscriber: S, qos: Qos) {
        let mut node = self;
        for level in filter.split('/') {
            if !node.children.contains_key(level) {
                node.children.insert(level.into(), Self::default());
            }
            let Some(child) = node.children.get_mut(level) else { return };
            node = child;
        }
        node.here.insert(subscriber, qos);
    }

    /// Removes a subscription, and the levels nobody needs any more.
    pub(crate) fn remove(&mut self, filter: &str, subscriber: S) {
        self.remove_below(Some(filter), subscriber);
    }

    fn remove_below(&mut self, filter: Option<&str>, subscriber: S) {
        let Some(filter) = filter else {
            self.here.remove(&subscriber);
            return;
        };
        let (level, rest) = first_level(filter);
        if let Some(child) = self.children.get_mut(level) {
            child.remove_below(rest, subscriber);
            if child.children.is_empty() && child.here.is_empty() {
                self.children.remove(level);
            }
        }
    }

    /// Each subscriber to `topic` once, with the best quality of service among its matching filters.
    pub(crate) fn subscribers(&self, topic: &str) -> BTreeMap<S, Qos> {
        let mut found = BTreeMap::new();
        self.collect(Some(topic), !topic.starts_with('$'), &mut found);
        found
    }

    fn collect(&self, topic: Option<&str>, wildcards: bool, found: &mut BTreeMap<S, Qos>) {
        if wildcards && let Some(rest_of_all) = self.children.get("#") {
            rest_of_all.gather(found);
        }
        let Some(topic) = topic else { return self.gather(found) };
        let (level, rest) = first_level(topic);
        if let Some(child) = self.children.get(level) {
            child.collect(rest, true, found);
        }
        if wildcards && let Some(child) = self.children.get("+") {
            child.collect(rest, true, found);
        }
    }

    fn gather(&self, found: &mut BTreeMap<S, Qos>) {
        for (&subscriber, &qos) in &self.here {
            let best = found.entry(subscriber).or_insert(qos);
            *best = qos.max(*best);
        }
    }

    #[cfg(test)]
    fn is_empty(&self) -> bool {
        self.children.is_empty() && self.here.is_empty()
    }
}

fn first_level(text: &str) -> (&str, Option<&str>) {
    text.split_once('/').map_or((text, None), |(level, rest)| (level, Some(rest)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use device_link::wire::topic_matches;
    use proptest::prelude::*;

    fn levels() -> impl Strategy<Value = Vec<&'static str>> {
        prop::collection::vec(prop_oneof![Just("a"), Just("b"), Just(""), Just("$s")], 1..5)
    }

    fn filter() -> impl Strategy<Value = String> {
        let level = prop_oneof![Just("a"), Just("b"), Just(""), Just("+"), Just("$s")];
        (prop::collection::vec(level, 0..4), any::<bool>()).prop_map(|(mut levels, hash)| {
            if hash || levels.is_empty() {
                levels.push("#");
            }
            levels.join("/")
        })
    }

    proptest! {
        #[test]
        fn the_tree_finds_whom_topic_matches_finds(
            filters in prop::collection::vec(filter(), 0..20),
            topic in levels(),
        ) {
            let topic = topic.join("/");
            let mut tree = Tree::default();
            for (subscriber, filter) in filters.iter().enumerate() {
                tree.insert(filter, subscriber, Qos::AtLeastOnce);
            }
            let found: Vec<usize> = tree.subscribers(&topic).into_keys().collect();
            let expected: Vec<usize> =
                (0..filters.len()).filter(|&ix| topic_matches(&topic, &filters[ix])).collect();
            prop_assert_eq!(found, expected);
            for (subscriber, filter) in filters.iter().enumerate() {
                tree.remove(filter, subscriber);
            }
            prop_assert!(tree.is_empty());
        }
    }

    #[test]
    fn the_best_quality_of_overlapping_filters_counts() {
        let mut tree = Tree::default();
        tree.insert("a/#", 1, Qos::AtMostOnce);
        tree.insert("a/b", 1, Qos::ExactlyOnce);
        tree.insert("+/b", 1, Qos::AtLeastOnce);
        assert_eq!(tree.subscribers("a/b").into_iter().collect::<Vec<_>>(), [(1, Qos::ExactlyOnce)]);
    }
}
