//! Going over the entries of a map.

use alloc::vec::{self, Vec};
use core::slice;

use super::Map;

macro_rules! iterator {
    ($(#[$doc:meta])* $name:ident<$($life:lifetime),*>, $chunks:ty, $entries:ty => $item:ty, |$entry:ident| $make:expr, $each:ident) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name<$($life,)* K, V> {
            front: $entries,
            chunks: $chunks,
            back: $entries,
        }

        impl<$($life,)* K, V> Iterator for $name<$($life,)* K, V> {
            type Item = $item;

            fn next(&mut self) -> Option<Self::Item> {
                loop {
                    if let Some($entry) = self.front.next() {
                        return Some($make);
                    }
                    match self.chunks.next() {
                        Some(chunk) => self.front = chunk.$each(),
                        None => return self.back.next().map(|$entry| $make),
                    }
                }
            }

            fn size_hint(&self) -> (usize, Option<usize>) {
                let least = self.front.len() + self.back.len();
                (least, (self.chunks.len() == 0).then_some(least))
            }
        }

        impl<$($life,)* K, V> DoubleEndedIterator for $name<$($life,)* K, V> {
            fn next_back(&mut self) -> Option<Self::Item> {
                loop {
                    if let Some($entry) = self.back.next_back() {
                        return Some($make);
                    }
                    match self.chunks.next_back() {
                        Some(chunk) => self.back = chunk.$each(),
                        None => return self.front.next_back().map(|$entry| $make),
                    }
                }
            }
        }
    };
}

iterator!(
    /// The entries of a map, in order of their keys.
    Iter<'a>, slice::Iter<'a, Vec<(K, V)>>, slice::Iter<'a, (K, V)> => (&'a K, &'a V),
    |entry| (&entry.0, &entry.1), iter
);
iterator!(
    /// The entries of a map in order of their keys, with values that can be changed.
    IterMut<'a>, slice::IterMut<'a, Vec<(K, V)>>, slice::IterMut<'a, (K, V)> => (&'a K, &'a mut V),
    |entry| (&entry.0, &mut entry.1), iter_mut
);
iterator!(
    /// The entries of a map that is used up, in order of their keys.
    IntoIter<>, vec::IntoIter<Vec<(K, V)>>, vec::IntoIter<(K, V)> => (K, V), |entry| entry, into_iter
);

impl<'a, K, V> Iter<'a, K, V> {
    pub(super) fn new(chunks: &'a [Vec<(K, V)>]) -> Self {
        Self { front: [].iter(), chunks: chunks.iter(), back: [].iter() }
    }
}

impl<'a, K, V> IterMut<'a, K, V> {
    pub(super) fn new(chunks: &'a mut [Vec<(K, V)>]) -> Self {
        Self { front: [].iter_mut(), chunks: chunks.iter_mut(), back: [].iter_mut() }
    }
}

impl<K, V> Clone for Iter<'_, K, V> {
    fn clone(&self) -> Self {
        Self { front: self.front.clone(), chunks: self.chunks.clone(), back: self.back.clone() }
    }
}

impl<'a, K, V> IntoIterator for &'a Map<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = Iter<'a, K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a, K, V> IntoIterator for &'a mut Map<K, V> {
    type Item = (&'a K, &'a mut V);
    type IntoIter = IterMut<'a, K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}

impl<K, V> IntoIterator for Map<K, V> {
    type Item = (K, V);
    type IntoIter = IntoIter<K, V>;

    fn into_iter(self) -> Self::IntoIter {
        let none = || Vec::new().into_iter();
        IntoIter { front: none(), chunks: self.chunks.into_iter(), back: none() }
    }
}
