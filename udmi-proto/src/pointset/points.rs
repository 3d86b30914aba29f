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

    /// As [`Points::get_mut`], for names that come in order: `at` is where the last one was found, or would be. It takes
    /// one look for a name that follows the one before.
    pub(super) fn next_mut(&mut self, at: &mut usize, name: &str) -> Option<&mut Point> {
        let rest = self.0.get_mut(*at..)?;
        let is_next = rest.first().is_some_and(|(next, _)| **next == *name);
        let found = if is_next { Ok(0) } else { rest.binary_search_by(|(known, _)| (**known).cmp(name)) };
        *at += match found {
            Ok(passed) => passed + 1,
            Err(passed) => passed,
        };
        found.ok().and_then(|found| rest.get_mut(found)).map(|(_, point)| point)
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

    /// Adds points whose names are new, and which are in the order of their names themselves.
    pub(super) fn add(&mut self, mut newcomers: Vec<(Box<str>, Point)>) {
        if self.0.is_empty() {
            newcomers.shrink_to_fit(); // most devices have all their points from here, for good
            self.0 = newcomers;
        } else if !newcomers.is_empty() {
            let mut all = Vec::with_capacity(self.0.len() + newcomers.len());
            let mut newcomers = newcomers.into_iter().peekable();
            for known in core::mem::take(&mut self.0) {
                while let Some(newcomer) = newcomers.next_if(|newcomer| newcomer.0 < known.0) {
                    all.push(newcomer);
                }
                all.push(known);
            }
            all.extend(newcomers);
            self.0 = all;
        }
    }

    fn find(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| (**known).cmp(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(names: &[&str]) -> Points {
        let mut points = Points::default();
        points.add(names.iter().map(|name| ((*name).into(), Point::default())).collect());
        points
    }

    fn names(points: &Points) -> Vec<&str> {
        points.iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn points_are_in_the_order_of_their_names_however_they_come() {
        let mut points = points(&["b", "d"]);
        points.add(alloc::vec![("a".into(), Point::default()), ("c".into(), Point::default())]);
        assert!(points.get_or_insert("e").is_some() && points.get_or_insert("b").is_some());
        points.remove("c");
        points.remove("x");
        assert_eq!(names(&points), ["a", "b", "d", "e"]);
        assert!(points.get_mut("d").is_some() && points.get_mut("c").is_none());
    }

    #[test]
    fn names_in_order_are_found_wherever_they_lie() {
        let mut points = points(&["a", "c", "d", "g"]);
        let mut at = 0;
        let found = ["a", "b", "c", "d", "e", "f", "g", "h"].map(|name| {
            let point = points.next_mut(&mut at, name);
            point.is_some_and(|point| !core::mem::replace(&mut point.fresh, true))
        });
        assert_eq!(found, [true, false, true, true, false, false, true, false]);
    }

    #[test]
    fn a_point_is_small() {
        assert!(size_of::<(Box<str>, Point)>() <= 128, "{}", size_of::<(Box<str>, Point)>());
    }
}
