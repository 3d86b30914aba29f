//! Subscriptions and the way from a topic to what it means.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::dialect::Filter;
use crate::wire::{self, Qos};

#[derive(Clone, Copy, Debug)]
struct Subscription<T> {
    tag: T,
    qos: Qos,
    order: u64,
}

/// Subscriptions by filter. Filters without wildcards are looked up, only the others are tried in turn.
#[derive(Debug)]
pub(crate) struct Router<T> {
    exact: BTreeMap<Filter, Subscription<T>>,
    wild: Vec<(Filter, Subscription<T>)>,
    by_order: BTreeMap<u64, Filter>,
    next_order: u64,
}

impl<T: Copy> Router<T> {
    pub(crate) fn new() -> Self {
        Self { exact: BTreeMap::new(), wild: Vec::new(), by_order: BTreeMap::new(), next_order: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.by_order.len()
    }

    pub(crate) fn contains(&self, filter: &Filter) -> bool {
        self.exact.contains_key(filter) || self.wild.iter().any(|(known, _)| known == filter)
    }

    /// Adds a subscription or replaces the one of the same filter.
    pub(crate) fn insert(&mut self, filter: &Filter, qos: Qos, tag: T) {
        self.remove(filter);
        let subscription = Subscription { tag, qos, order: self.next_order };
        self.by_order.insert(self.next_order, filter.clone());
        self.next_order = self.next_order.saturating_add(1);
        if filter.is_exact() {
            self.exact.insert(filter.clone(), subscription);
        } else {
            self.wild.push((filter.clone(), subscription));
        }
    }

    pub(crate) fn remove(&mut self, filter: &Filter) -> bool {
        let removed = match self.exact.remove(filter) {
            Some(subscription) => Some(subscription),
            None => {
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
        let wild =
            || self.wild.iter().find(|(known, _)| known == filter).map(|(_, subscription)| subscription);
        self.exact.get(filter).or_else(wild)
    }

    /// What a message on `topic` means: an exact filter wins, then the oldest that matches.
    pub(crate) fn route(&self, topic: &str) -> Option<T> {
        if let Some(subscription) = self.exact.get(topic) {
            return Some(subscription.tag);
        }
        let matching = self.wild.iter().find(|(filter, _)| wire::topic_matches(topic, filter.as_str()));
        matching.map(|(_, subscription)| subscription.tag)
    }

    /// All subscriptions in the order they were made.
    pub(crate) fn in_order(&self) -> impl Iterator<Item = (&Filter, Qos)> {
        self.by_order.values().filter_map(|filter| self.find(filter).map(|found| (filter, found.qos)))
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
}
