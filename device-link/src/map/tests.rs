use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use proptest::prelude::*;

use super::{CHUNK, Map, Set};

/// Whether it keeps what it promises of itself.
fn is_sound<K: Ord, V>(map: &Map<K, V>) -> bool {
    let keys: Vec<_> = map.keys().collect();
    let sorted = keys.windows(2).all(|pair| matches!(pair, [one, other] if one < other));
    sorted && map.chunks.iter().all(|chunk| (1..=CHUNK).contains(&chunk.len())) && keys.len() == map.len()
}

proptest! {
    /// Any history leaves what the standard library's map holds after it.
    #[test]
    fn a_map_is_what_a_b_tree_is(steps in prop::collection::vec((0..6_u8, 0..200_u16, any::<u8>()), 0..600)) {
        let (mut map, mut tree) = (Map::new(), BTreeMap::new());
        for (step, key, value) in steps {
            match step {
                0..=2 => prop_assert_eq!(map.insert(key, value), tree.insert(key, value)),
                3 => prop_assert_eq!(map.remove(&key), tree.remove(&key)),
                4 if value % 2 == 0 => prop_assert_eq!(map.pop_first(), tree.pop_first()),
                4 => prop_assert_eq!(map.pop_last(), tree.pop_last()),
                _ if value == 0 => {
                    map.retain(|key, _| key % 3 != 0);
                    tree.retain(|key, _| key % 3 != 0);
                }
                _ => {
                    *map.entry(key).or_default() ^= value;
                    *tree.entry(key).or_default() ^= value;
                }
            }
            prop_assert_eq!(map.get(&key), tree.get(&key));
        }
        prop_assert!(is_sound(&map));
        prop_assert_eq!(map.len(), tree.len());
        prop_assert_eq!(map.first_key_value(), tree.first_key_value());
        prop_assert_eq!(map.last_key_value(), tree.last_key_value());
        prop_assert!(map.iter().eq(&tree) && map.iter().rev().eq(tree.iter().rev()));
        let mut ends = map.iter();
        while let Some(front) = ends.next() {
            prop_assert!(ends.next_back().is_none_or(|back| front < back));
        }
        for value in map.values_mut().chain(tree.values_mut()) {
            *value = value.wrapping_add(1);
        }
        prop_assert!(map.clone().into_iter().eq(tree.clone()));
        let text = serde_json::to_string(&map).unwrap();
        prop_assert_eq!(&text, &serde_json::to_string(&tree).unwrap());
        prop_assert_eq!(serde_json::from_str::<Map<u16, u8>>(&text).unwrap(), map);
    }

    /// The same of sets.
    #[test]
    fn a_set_is_what_a_b_tree_is(items in prop::collection::vec(0..300_u16, 0..300), gone in prop::collection::vec(0..300_u16, 0..100)) {
        let (mut set, mut tree): (Set<_>, BTreeSet<_>) = (items.iter().copied().collect(), items.into_iter().collect());
        for item in gone {
            prop_assert_eq!(set.remove(&item), tree.remove(&item));
            prop_assert_eq!(set.insert(item / 2), tree.insert(item / 2));
        }
        prop_assert!(is_sound(&set.map) && set.iter().eq(&tree) && set.first() == tree.first());
        prop_assert!(set.clone().into_iter().eq(tree) && set.iter().all(|item| set.contains(item)));
    }
}

#[test]
fn what_comes_in_order_fills_its_chunks() {
    let map: Map<_, _> = (0..10 * CHUNK).map(|key| (key, ())).collect();
    assert_eq!(map.chunks.len(), 10);
}

#[test]
fn what_comes_in_another_order_fills_half_of_them_at_least() {
    let count = 100 * CHUNK;
    let backwards: Map<_, _> = (0..count).rev().map(|key| (key, ())).collect();
    assert_eq!(backwards.chunks.len(), 100);
    let scattered: Map<_, _> = (0..count).map(|key| (key * 1_013 % count, ())).collect();
    assert!(is_sound(&scattered) && scattered.len() == count && scattered.chunks.len() <= 200);
}

#[test]
fn an_empty_map_holds_no_memory_and_a_small_one_little_more_than_its_entries() {
    let mut map = Map::from([(1, [0_u8; 100])]);
    let capacity = |map: &Map<i32, [u8; 100]>| map.chunks.iter().map(Vec::capacity).sum::<usize>();
    assert_eq!((map.chunks.capacity(), capacity(&map)), (1, 1));
    map.insert(2, [0; 100]);
    assert_eq!(capacity(&map), 2);
    map.retain(|_, _| false);
    map.insert(1, [0; 100]);
    map.remove(&1);
    assert_eq!(map.chunks.capacity(), 0);
}
