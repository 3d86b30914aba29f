//! How a cost grows.

/// A cost at some sizes, in the order of the sizes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Curve {
    pub(crate) name: String,
    /// Size and cost.
    pub(crate) points: Vec<(f64, f64)>,
}

impl Curve {
    pub(crate) fn new(name: &str, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        Self { name: name.to_owned(), points: points.into_iter().collect() }
    }

    /// The most that doubling the size does to the cost, between two sizes that follow each other: 1 for a cost that
    /// stays, 2 for one that grows as the size. None with fewer than two sizes.
    pub(crate) fn doubling(&self) -> Option<f64> {
        let steps = self.points.windows(2).filter_map(|pair| {
            let [(size, cost), (larger, dearer)] = pair else { return None };
            let doublings = (larger / size).log2();
            (doublings > 0.0 && *cost > 0.0).then(|| (dearer / cost).powf(1.0 / doublings))
        });
        steps.reduce(f64::max)
    }

    /// What a doubling does on the whole, from the least size to the most.
    pub(crate) fn whole(&self) -> Option<f64> {
        let (first, last) = (self.points.first()?, self.points.last()?);
        Self::new("", [*first, *last]).doubling()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubling_is_told_from_neighbours_of_any_distance() {
        let of = |points: &[(f64, f64)]| Curve::new("", points.iter().copied()).doubling();
        let rounded = |points: &[(f64, f64)]| of(points).map(|factor| (factor * 1000.0).round());
        assert_eq!(rounded(&[(10.0, 5.0), (100.0, 50.0)]), Some(2000.0));
        assert_eq!(rounded(&[(10.0, 5.0), (1000.0, 5.0)]), Some(1000.0));
        assert_eq!(rounded(&[(10.0, 5.0), (20.0, 20.0), (40.0, 20.0)]), Some(4000.0));
        assert_eq!(of(&[(10.0, 5.0)]), None);
        let whole = Curve::new("", [(10.0, 5.0), (20.0, 20.0), (40.0, 20.0)]).whole();
        assert_eq!(whole.map(|factor| (factor * 1000.0).round()), Some(2000.0));
    }
}
