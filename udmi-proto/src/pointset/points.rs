//! The points of a device, in the order of their names.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::point::Point;

/// Points by name. They lie side by side, since samples, configs and states walk through all of them, and as a rule
/// all of them are known from the start.
#[derive(Debug, Default)]
pub(super) struct Points(Vec<(Box<str>, Point)>);

impl Points {
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Point)> {
        self.0.iter().map(|(name, point)| (&**name, point))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&str, &mut Point)> {
        self.0.iter_mut().map(|(name, point)| (&**name, point))
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &Point> {
        self.0.iter().map(|(_, point)| point)
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut Point> {
        self.0.iter_mut().map(|(_, point)| point)
    }

    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut Point> {
        let at = self.find(name).ok()?;
        self.0.get_mut(at).map(|(_, point)| point)
    }

    /// The point of that name, which is a new one if there was none.
    pub(super) fn get_or_insert(&mut self, name: &str) -> Option<&mut Point> {
        let at = self.find(name).unwrap_or_else(|at| {
            self.0.insert(at, (name.into(), Point::default()));
            at
        });
        self.0.get_mut(at).map(|(_, point)| point)
    }

    pub(super) fn remove(&mut self, name: &str) {
        if let Ok(at) = self.find(name) {
            self.0.remove(at);
        }
    }

    pub(super) fn retain(&mut self, mut keeps: impl FnMut(&mut Point) -> bool) {
        self.0.retain_mut(|(_, point)| keeps(point));
    }

    /// Adds points whose names are new.
    pub(super) fn add(&mut self, newcomers: Vec<(Box<str>, Point)>) {
        if !newcomers.is_empty() {
            self.0.reserve_exact(newcomers.len());
            self.0.extend(newcomers);
            self.0.sort_by(|(one, _), (other, _)| one.cmp(other));
        }
    }

    fn find(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| (**known).cmp(name))
    }
}
