//! Subscriptions and the way from a topic to what it means.

use alloc::vec::Vec;
use core::cmp::Ordering;

use crate::dialect::Filter;
use crate::map::Map;
use crate::wire::{self, Qos};

#[derive(Clone, Copy, Debug)]
struct Subscription<T> {
    tag: T,
    qos: Qos,
    order: u64,
}

/// Subscriptions by filter. A filter is looked up, whether it has no wildcard or ends in the only one, as
/// `commands/#` does; only the others are tried in turn.
#[derive(Debug)]
pub(crate) struct Router<T> {
    exact: Map<Filter, Subscription<T>>,
    below: Map<Below, Subscription<T>>,
    wild: Vec<(Filter, Subscription<T>)>,
    by_order: Map<u64, Filter>,
    next_order: u64,
}

/// A filter that ends in `/#` and has no other wildcard, sorted by what stands before.
#[derive(Debug)]
struct Below(Filter);

/// How a filter is found.
enum Kind<'a> {
    Exact,
    /// Everything at and below this level.
    Below(&'a str),
    Wild,
}

impl<T: Copy> Router<T> {
    pub(crate) fn new() -> Self {
        Self { exact: Map::new(), below: Map::new(), wild: Vec::new(), by_order: Map::new(), next_order: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.by_order.len()
    }

    pub(crate) fn contains(&self, filter: &Filter) -> bool {
        self.find(filter).is_some()
    }

    /// Adds a subscription or replaces the one of the same filter.
    pub(crate) fn insert(&mut self, filter: &Filter, qos: Qos, tag: T) {
        self.remove(filter);
        let subscription = Subscription { tag, qos, order: self.next_order };
        self.by_order.insert(self.next_order, filter.clone());
        self.next_order = self.next_order.saturating_add(1);
        match kind(filter) {
            Kind::Exact => drop(self.exact.insert(filter.clone(), subscription)),
            Kind::Below(_) => drop(self.below.insert(Below(filter.clone()), subscription)),
            Kind::Wild => self.wild.push((filter.clone(), subscription)),
        }
    }

    pub(crate) fn remove(&mut self, filter: &Filter) -> bool {
        let removed = match kind(filter) {
            Kind::Exact => self.exact.remove(filter),
            Kind::Below(level) => self.below.remove(level),
            Kind::Wild => {
                let at = self.wild.iter().position(|(known, _)| known == filter);
                at.map(|at| self.wild.remove(at).1)
            }
        };
        removed.is_some_and(|subscription| self.by_order.remove(&subscription.order).is_some())
    }

    pub(crate) fn tag(&self, filter: &Filter) -> Option<T> {
        self.find(filter).map(|subscription| subscription.tag)
    }

    fn find(&self, filter: &Filter) -> Option<&Subscription<T>> {
        match kind(filter) {
            Kind::Exact => self.exact.get(filter),
            Kind::Below(level) => self.below.get(level),
            Kind::Wild => {
                let mut wild = self.wild.iter();
                wild.find(|(known, _)| known == filter).map(|(_, subscription)| subscription)
            }
        }
    }

    /// What a message on `topic` means: an exact filter wins, then the oldest that matches.
    pub(crate) fn route(&self, topic: &str) -> Option<T> {
        if let Some(subscription) = self.exact.get(topic) {
            return Some(subscription.tag);
        }
        let mut wild = self.wild.iter();
        let wild = wild.find(|(filter, _)| wire::topic_matches(topic, filter.as_str()));
        let below = levels(topic).filter_map(|level| self.below.get(level));
        let matching = below.chain(wild.map(|(_, subscription)| subscription));
        matching.min_by_key(|subscription| subscription.order).map(|subscription| subscription.tag)
    }

    /// All subscriptions in the order they were made.
    pub(crate) fn in_order(&self) -> impl Iterator<Item = (&Filter, Qos)> {
        self.by_order.values().filter_map(|filter| self.find(filter).map(|found| (filter, found.qos)))
    }
}

fn kind(filter: &Filter) -> Kind<'_> {
    if filter.is_exact() {
        return Kind::Exact;
    }
    match filter.as_str().strip_suffix("/#") {
        Some(level) if !level.contains('+') => Kind::Below(level),
        Some(_) | None => Kind::Wild,
    }
}

/// A topic cut at each of its levels, shortest first, itself last: `a/#` matches `a` as well [MQTT-4.7.1-2].
fn levels(topic: &str) -> impl Iterator<Item = &str> {
    let cuts = topic.match_indices('/').map(|(at, _)| at).chain([topic.len()]);
    cuts.filter_map(|at| topic.get(..at))
}

impl Below {
    fn level(&self) -> &str {
        let filter = self.0.as_str();
        filter.strip_suffix("/#").unwrap_or(filter)
    }
}

impl PartialEq for Below {
    fn eq(&self, other: &Self) -> bool {
        self.level() == other.level()
    }
}

impl Eq for Below {}

impl PartialOrd for Below {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Below {
    fn cmp(&self, other: &Self) -> Ordering {
        self.level().cmp(other.level())
    }
}

impl core::borrow::Borrow<str> for Below {
    fn borrow(&self) -> &str {
        self.level()
    }
}

impl core::borrow::Borrow<str> for Filter {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(text: &str) -> Filter {
        Filter::new(text).unwrap()
    }

    #[test]
    fn an_exact_filter_wins_over_a_wildcard() {
        let mut router = Router::new();
        router.insert(&filter("d/#"), Qos::AtMostOnce, 'w');
        router.insert(&filter("d/config"), Qos::AtLeastOnce, 'c');
        assert_eq!(router.route("d/config"), Some('c'));
        assert_eq!(router.route("d/commands/x"), Some('w'));
        assert_eq!(router.route("e"), None);
    }

    #[test]
    fn subscriptions_are_repeated_in_the_order_they_were_made() {
        let mut router = Router::new();
        for text in ["z", "b/+", "a"] {
            router.insert(&filter(text), Qos::AtLeastOnce, ());
        }
        assert!(router.remove(&filter("b/+")));
        assert!(!router.remove(&filter("b/+")));
        let order: Vec<_> = router.in_order().map(|(filter, _)| filter.as_str()).collect();
        assert_eq!(order, ["z", "a"]);
    }

    #[test]
    fn everything_below_a_level_is_found_and_the_oldest_of_several_wins() {
        let mut router = Router::new();
        for (text, tag) in [("a/b/#", 1), ("a/#", 2), ("+/c", 3), ("/#", 4), ("x/#", 5), ("x/+", 6), ("#", 7)]
        {
            router.insert(&filter(text), Qos::AtMostOnce, tag);
        }
        for (topic, tag) in
            [("a/b", 1), ("a/b/c/d", 1), ("a", 2), ("a/c", 2), ("z/c", 3), ("/q", 4), ("x/y", 5), ("ab/b", 7)]
        {
            assert_eq!(router.route(topic), Some(tag), "{topic}");
        }
        assert!(router.remove(&filter("a/b/#")));
        assert_eq!(router.route("a/b"), Some(2));
        assert!(!router.remove(&filter("a/b/#")) && router.contains(&filter("a/#")));
    }

    /// Against the plain rule: of all that match, an exact one, else the oldest.
    #[test]
    fn any_mix_of_filters_is_routed_as_if_each_was_tried() {
        let parts = ["a", "b", "+", "#", ""];
        let mut filters = Vec::new();
        for first in parts {
            for second in parts {
                for third in parts {
                    let text = alloc::format!("{first}/{second}/{third}");
                    filters.extend([text.trim_end_matches('/').into(), text].map(|text| Filter::new(&text)));
                }
            }
        }
        let filters: Vec<_> = filters.into_iter().flatten().collect();
        for step in [1, 3, 7] {
            let mut router = Router::new();
            let chosen: Vec<_> = filters.iter().step_by(step).collect();
            chosen.iter().enumerate().for_each(|(tag, filter)| router.insert(filter, Qos::AtMostOnce, tag));
            for topic in ["a", "a/b", "a/b/", "/a", "//", "a/b/a", "b//a", "c/c/c/c", "$a/b"] {
                let matching = router.by_order.values();
                let matching =
                    || matching.clone().filter(|filter| wire::topic_matches(topic, filter.as_str()));
                let exact = matching().find(|filter| filter.is_exact());
                let expected = exact.or_else(|| matching().next()).and_then(|filter| router.tag(filter));
                assert_eq!(router.route(topic), expected, "{topic} of every {step}");
            }
        }
    }
}
