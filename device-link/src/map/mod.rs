//! Ordered maps and sets that are small: in memory with few entries, and as machine code with any.
//!
//! A device has dozens of small tables. In a B-tree of the standard library each takes a node made for eleven
//! entries, and each type of entry some five kilobytes of code. Here a table is a list of sorted chunks. A small one
//! is a single chunk without much to spare; a large one finds, adds and removes in little more than the time to
//! find a chunk and to move a few entries within it.

mod entries;
mod entry;
mod serial;
mod set;
#[cfg(test)]
mod tests;

use alloc::vec::Vec;
use core::borrow::Borrow;
use core::cmp::Ordering;
use core::fmt;
use core::ops::Index;

pub use entries::{IntoIter, Iter, IterMut};
pub use entry::Entry;
pub use set::Set;

/// The most entries of one chunk.
const CHUNK: usize = 32;

/// An ordered map. It behaves as the standard library's `BTreeMap` does, of which it has what is needed.
///
/// ```
/// let mut map = device_link::Map::from([("b", 2), ("a", 1)]);
/// assert_eq!(map.insert("a", 3), Some(1));
/// assert_eq!(map.iter().collect::<Vec<_>>(), [(&"a", &3), (&"b", &2)]);
/// ```
#[derive(Clone)]
pub struct Map<K, V> {
    /// Sorted, each within itself and all of them one after another; none is empty.
    chunks: Vec<Vec<(K, V)>>,
}

/// Where an entry is, or would be: the chunk, and the place in it.
#[derive(Clone, Copy, Debug)]
struct Place {
    chunk: usize,
    entry: usize,
}

/// How the entry at a place stands to what is sought, and how many entries its chunk has.
type Compare<'a> = dyn FnMut(Place) -> (Ordering, usize) + 'a;

/// Finds the place of what `compare` takes for equal among so many chunks, or where it would be.
/// It is one function for all types, so that a map of another type adds no search of its own.
#[inline(never)]
fn search(chunks: usize, compare: &mut Compare<'_>) -> Result<Place, Place> {
    // The last chunk that begins before it, and its length.
    let (mut low, mut high, mut entries) = (0, chunks, 0);
    while low < high {
        let place = Place { chunk: low + (high - low) / 2, entry: 0 };
        match compare(place) {
            (Ordering::Less, length) => (low, entries) = (place.chunk + 1, length),
            (Ordering::Equal, _) => return Ok(place),
            (Ordering::Greater, _) => high = place.chunk,
        }
    }
    let Some(chunk) = low.checked_sub(1) else { return Err(Place { chunk: 0, entry: 0 }) };
    let (mut low, mut high) = (1, entries);
    while low < high {
        let place = Place { chunk, entry: low + (high - low) / 2 };
        match compare(place) {
            (Ordering::Less, _) => low = place.entry + 1,
            (Ordering::Equal, _) => return Ok(place),
            (Ordering::Greater, _) => high = place.entry,
        }
    }
    Err(Place { chunk, entry: low })
}

/// How room is made for an entry.
struct Room {
    /// Where it is then to be put.
    place: Place,
    /// Where a chunk is to be begun before.
    begins: Option<usize>,
    /// Whether the last entry of its chunk has to go to the front of the next one.
    spills: bool,
}

/// Makes room for an entry at a place that a search has found, in a chunk of this length and with a next one of that. A
/// chunk is begun only between two that are full, or behind the last one.
#[inline(never)]
fn make_room(place: Place, length: Option<usize>, next: Option<usize>) -> Room {
    let Some(length) = length else {
        return Room { place: Place { chunk: 0, entry: 0 }, begins: Some(0), spills: false };
    };
    if length < CHUNK {
        return Room { place, begins: None, spills: false };
    }
    let after = place.chunk + 1;
    let begins = next.is_none_or(|next| next >= CHUNK).then_some(after);
    let spills = place.entry < length;
    Room { place: if spills { place } else { Place { chunk: after, entry: 0 } }, begins, spills }
}

/// For how many entries more a chunk of so many is to have room, which a small one does not have to spare.
#[inline(never)]
fn growth(entries: usize, capacity: usize) -> usize {
    if entries < capacity { 0 } else { (entries / 2 + 1).min(CHUNK.saturating_sub(entries)) }
}

// Of the following two, what is compiled for one type is the same for every other, so the compiler keeps it once.

#[inline(never)]
fn add_chunk<T>(chunks: &mut Vec<Vec<T>>, at: usize, chunk: Vec<T>) {
    if chunks.is_empty() {
        chunks.reserve_exact(1);
    }
    chunks.insert(at.min(chunks.len()), chunk);
}

/// Takes a chunk out, and gives the memory of the last one's place back.
#[inline(never)]
fn take_chunk<T>(chunks: &mut Vec<Vec<T>>, at: usize) -> Vec<T> {
    if at >= chunks.len() {
        return Vec::new();
    }
    let chunk = chunks.remove(at);
    if chunks.is_empty() {
        chunks.shrink_to_fit();
    }
    chunk
}

impl<K, V> Map<K, V> {
    /// An empty map, which takes no memory.
    #[must_use]
    pub const fn new() -> Self {
        Self { chunks: Vec::new() }
    }

    /// How many entries there are; counts chunks.
    #[must_use]
    pub fn len(&self) -> usize {
        self.chunks.iter().map(Vec::len).sum()
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Removes all entries, and gives their memory back.
    pub fn clear(&mut self) {
        self.chunks = Vec::new();
    }

    /// The entries, in order of their keys.
    #[must_use]
    pub fn iter(&self) -> Iter<'_, K, V> {
        Iter::new(&self.chunks)
    }

    /// The entries in order of their keys, with values that can be changed.
    pub fn iter_mut(&mut self) -> IterMut<'_, K, V> {
        IterMut::new(&mut self.chunks)
    }

    /// The keys, in order.
    #[must_use]
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &K> + Clone {
        self.iter().map(|(key, _)| key)
    }

    /// The values, in order of their keys.
    #[must_use]
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &V> + Clone {
        self.iter().map(|(_, value)| value)
    }

    /// The values, in order of their keys.
    pub fn values_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut V> {
        self.iter_mut().map(|(_, value)| value)
    }

    /// The keys, in order, without their values.
    pub fn into_keys(self) -> impl Iterator<Item = K> {
        self.into_iter().map(|(key, _)| key)
    }

    /// The values, in order of their keys, without them.
    pub fn into_values(self) -> impl Iterator<Item = V> {
        self.into_iter().map(|(_, value)| value)
    }

    /// The entry with the least key.
    #[must_use]
    pub fn first_key_value(&self) -> Option<(&K, &V)> {
        self.chunks.first()?.first().map(|(key, value)| (key, value))
    }

    /// The entry with the greatest key.
    #[must_use]
    pub fn last_key_value(&self) -> Option<(&K, &V)> {
        self.chunks.last()?.last().map(|(key, value)| (key, value))
    }

    /// Removes the entry with the least key.
    pub fn pop_first(&mut self) -> Option<(K, V)> {
        self.take(Place { chunk: 0, entry: 0 })
    }

    /// Removes the entry with the greatest key.
    pub fn pop_last(&mut self) -> Option<(K, V)> {
        let chunk = self.chunks.len().checked_sub(1)?;
        let entry = self.chunks.get(chunk)?.len().checked_sub(1)?;
        self.take(Place { chunk, entry })
    }

    /// Removes the entries for which `keeps` says no.
    pub fn retain(&mut self, mut keeps: impl FnMut(&K, &mut V) -> bool) {
        let mut at = 0;
        while let Some(chunk) = self.chunks.get_mut(at) {
            chunk.retain_mut(|(key, value)| keeps(key, value));
            if chunk.is_empty() {
                take_chunk(&mut self.chunks, at);
            } else {
                at += 1;
            }
        }
    }

    fn at(&self, place: Place) -> Option<&(K, V)> {
        self.chunks.get(place.chunk)?.get(place.entry)
    }

    fn at_mut(&mut self, place: Place) -> Option<&mut (K, V)> {
        self.chunks.get_mut(place.chunk)?.get_mut(place.entry)
    }

    /// Removes the entry at a place, if there is one.
    fn take(&mut self, place: Place) -> Option<(K, V)> {
        let chunk = self.chunks.get_mut(place.chunk)?;
        if place.entry >= chunk.len() {
            return None;
        }
        let entry = chunk.remove(place.entry);
        if chunk.is_empty() {
            take_chunk(&mut self.chunks, place.chunk);
        }
        Some(entry)
    }

    /// Adds an entry at a place that a search has found, and tells where it came to be.
    fn put(&mut self, place: Place, entry: (K, V)) -> Place {
        let length = |chunk: usize| self.chunks.get(chunk).map(Vec::len);
        let Room { place, begins, spills } = make_room(place, length(place.chunk), length(place.chunk + 1));
        if let Some(at) = begins {
            add_chunk(&mut self.chunks, at, Vec::new());
        }
        if spills && let Some(last) = self.chunks.get_mut(place.chunk).and_then(Vec::pop) {
            self.add(Place { chunk: place.chunk + 1, entry: 0 }, last);
        }
        self.add(place, entry);
        place
    }

    /// Adds an entry at a place with room.
    #[inline(never)]
    fn add(&mut self, place: Place, entry: (K, V)) {
        let Some(chunk) = self.chunks.get_mut(place.chunk) else { return };
        chunk.reserve_exact(growth(chunk.len(), chunk.capacity()));
        chunk.insert(place.entry.min(chunk.len()), entry);
    }
}

impl<K: Ord, V> Map<K, V> {
    /// Where the entry of this key is, or would be.
    fn find<Q: Ord + ?Sized>(&self, key: &Q) -> Result<Place, Place>
    where
        K: Borrow<Q>,
    {
        search(self.chunks.len(), &mut |place| {
            let Some(chunk) = self.chunks.get(place.chunk) else { return (Ordering::Greater, 0) };
            let order =
                chunk.get(place.entry).map_or(Ordering::Greater, |(other, _)| other.borrow().cmp(key));
            (order, chunk.len())
        })
    }

    /// The value of a key.
    #[must_use]
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.get_key_value(key).map(|(_, value)| value)
    }

    /// The entry of a key.
    #[must_use]
    pub fn get_key_value<Q: Ord + ?Sized>(&self, key: &Q) -> Option<(&K, &V)>
    where
        K: Borrow<Q>,
    {
        self.at(self.find(key).ok()?).map(|(key, value)| (key, value))
    }

    /// The value of a key, to be changed.
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let place = self.find(key).ok()?;
        self.at_mut(place).map(|(_, value)| value)
    }

    /// Whether there is an entry of a key.
    #[must_use]
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.find(key).is_ok()
    }

    /// Sets the value of a key, and returns the one it had; the key itself stays as it was.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.find(&key) {
            Ok(place) => self.at_mut(place).map(|(_, old)| core::mem::replace(old, value)),
            Err(place) => {
                self.put(place, (key, value));
                None
            }
        }
    }

    /// The place of a key, to put something there if nothing is.
    pub fn entry(&mut self, key: K) -> Entry<'_, K, V> {
        let place = self.find(&key);
        Entry { map: self, place, key }
    }

    /// Removes the entry of a key.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.remove_entry(key).map(|(_, value)| value)
    }

    /// Removes the entry of a key, and returns it.
    pub fn remove_entry<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<(K, V)>
    where
        K: Borrow<Q>,
    {
        let place = self.find(key).ok()?;
        self.take(place)
    }

    /// Moves all entries of another map into this one.
    pub fn append(&mut self, other: &mut Self) {
        self.extend(core::mem::take(other));
    }
}

impl<K, V> Default for Map<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for Map<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self).finish()
    }
}

impl<K: PartialEq, V: PartialEq> PartialEq for Map<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other)
    }
}

impl<K: Eq, V: Eq> Eq for Map<K, V> {}

/// # Panics
/// As that of the standard library: if there is no such key.
impl<K: Ord + Borrow<Q>, V, Q: Ord + ?Sized> Index<&Q> for Map<K, V> {
    type Output = V;

    #[expect(clippy::expect_used, reason = "what indexing means; the core does not")]
    fn index(&self, key: &Q) -> &V {
        self.get(key).expect("no entry of this key")
    }
}

impl<K: Ord, V> Extend<(K, V)> for Map<K, V> {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, entries: I) {
        for (key, value) in entries {
            self.insert(key, value);
        }
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for Map<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut map = Self::new();
        map.extend(entries);
        map
    }
}

impl<K: Ord, V, const N: usize> From<[(K, V); N]> for Map<K, V> {
    fn from(entries: [(K, V); N]) -> Self {
        entries.into_iter().collect()
    }
}
