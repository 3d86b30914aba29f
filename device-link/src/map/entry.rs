//! The place of one key in a map.

use super::{Map, Place};

/// The place of one key in a map, taken or not.
#[derive(Debug)]
pub struct Entry<'a, K, V> {
    pub(super) map: &'a mut Map<K, V>,
    /// Where the key is, or would be.
    pub(super) place: Result<Place, Place>,
    pub(super) key: K,
}

impl<'a, K, V> Entry<'a, K, V> {
    /// The key that was asked for.
    #[must_use]
    pub fn key(&self) -> &K {
        &self.key
    }

    /// The value of the key, which `make` makes if there is none.
    pub fn or_insert_with(self, make: impl FnOnce() -> V) -> &'a mut V {
        let Place { chunk, entry } = match self.place {
            Ok(place) => place,
            Err(place) => self.map.put(place, (self.key, make())),
        };
        #[expect(
            clippy::indexing_slicing,
            reason = "a search has found this place, or something was put there"
        )]
        &mut self.map.chunks[chunk][entry].1
    }

    /// The value of the key, this one if there is none.
    pub fn or_insert(self, value: V) -> &'a mut V {
        self.or_insert_with(|| value)
    }

    /// The value of the key, a default one if there is none.
    pub fn or_default(self) -> &'a mut V
    where
        V: Default,
    {
        self.or_insert_with(V::default)
    }
}
