//! Which part of a fleet a process runs, agreed upon without a word: device `k` is of shard `k` modulo `N`.

use std::fmt;

/// What an Indexed Job of Kubernetes tells each of its pods.
const JOB_INDEX: &str = "JOB_COMPLETION_INDEX";

/// One of `of` equal parts of a fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shard {
    index: u32,
    of: u32,
}

impl Shard {
    /// The whole fleet.
    pub(super) const WHOLE: Self = Self { index: 0, of: 1 };

    /// Reads `I/N`, and `auto/N` where the environment says which one it is.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        Self::read_with(text, std::env::var(JOB_INDEX).ok().as_deref())
    }

    fn read_with(text: &str, job_index: Option<&str>) -> Result<Self, String> {
        let expected = || format!("expected I/N with I from 0 to N-1, or auto/N in a pod with {JOB_INDEX}");
        let (index, of) = text.split_once('/').ok_or_else(expected)?;
        let index = match index {
            "auto" => job_index.ok_or_else(|| format!("{JOB_INDEX} is not set: say which shard this is"))?,
            index => index,
        };
        let of: u32 = of.parse().map_err(|_| expected())?;
        let index = index.parse().map_err(|_| expected())?;
        if index < of { Ok(Self { index, of }) } else { Err(expected()) }
    }

    /// How many devices of a fleet of `count` are of this shard.
    pub(super) fn len(self, count: u64) -> usize {
        let places = count.saturating_sub(u64::from(self.index)).div_ceil(u64::from(self.of));
        usize::try_from(places).unwrap_or(usize::MAX)
    }

    /// The place in the fleet of the shard's device number `index`, from 0 on.
    pub(super) fn place(self, index: usize) -> u64 {
        (index as u64).saturating_mul(self.of.into()).saturating_add(self.index.into())
    }

    /// The devices of this shard, by their place in a fleet of `count`.
    pub(super) fn places(self, count: u64) -> impl Iterator<Item = u64> {
        (0..self.len(count)).map(move |index| self.place(index))
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shards_of_a_fleet_are_disjoint_and_complete() {
        for (count, of) in [(0, 3), (2, 3), (100, 1), (101, 7), (9000, 10)] {
            let mut all: Vec<u64> = (0..of).flat_map(|index| Shard { index, of }.places(count)).collect();
            all.sort_unstable();
            assert!(all.iter().copied().eq(0..count), "{count} devices in {of} shards");
        }
    }

    #[test]
    fn a_job_tells_its_pods_which_shard_they_are() {
        assert_eq!(Shard::read_with("2/3", None), Ok(Shard { index: 2, of: 3 }));
        assert_eq!(Shard::read_with("auto/3", Some("1")), Ok(Shard { index: 1, of: 3 }));
        assert!(Shard::read_with("auto/3", None).unwrap_err().contains("JOB_COMPLETION_INDEX is not set"));
        for bad in ["3/3", "0/0", "1", "-1/3", "a/b", ""] {
            assert!(Shard::read_with(bad, None).is_err(), "{bad}");
        }
        assert!(Shard::read_with("auto/3", Some("3")).is_err());
    }
}
