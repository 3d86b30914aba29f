//! What a device of a fleet remembers from run to run, for as long as the fleet runs.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use udmi_host::store::{SetAside, Store, StoreError};

/// A key and its value.
type Remembrance = (Box<str>, Box<[u8]>);

/// A few small values, which clones share.
#[derive(Clone, Debug, Default)]
pub(super) struct Remembered(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    values: Mutex<Vec<Remembrance>>,
    reached: AtomicU8,
}

/// What a device may come to in any of its runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Milestone {
    Connected = 1,
    Configured = 2,
}

impl Remembered {
    /// Notes a milestone, and says whether it is reached for the first time.
    pub(super) fn reach(&self, milestone: Milestone) -> bool {
        self.0.reached.fetch_or(milestone as u8, Ordering::Relaxed) & milestone as u8 == 0
    }

    fn values(&self) -> MutexGuard<'_, Vec<Remembrance>> {
        self.0.values.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for Remembered {
    fn load(&mut self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.values().iter().find(|(known, _)| &**known == key).map(|(_, value)| value.to_vec()))
    }

    fn save(&mut self, key: &str, value: Option<&[u8]>) -> Result<(), StoreError> {
        let mut values = self.values();
        values.retain(|(known, _)| &**known != key);
        if let Some(value) = value {
            values.reserve_exact(1);
            values.push((key.into(), value.into()));
        }
        Ok(())
    }

    fn load_all(&mut self) -> Result<BTreeMap<String, Vec<u8>>, StoreError> {
        Ok(self.values().iter().map(|(key, value)| (String::from(&**key), value.to_vec())).collect())
    }

    fn take_notices(&mut self) -> Vec<SetAside> {
        Vec::new()
    }

    fn is_in_memory(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_finds_what_was_saved_last() {
        let mut store = Remembered::default();
        let mut next = store.clone();
        store.save("one", Some(b"{}")).unwrap();
        store.save("two", Some(b"{\"a\":1}")).unwrap();
        store.save("two", Some(b"{\"a\":2}")).unwrap();
        store.save("one", None).unwrap();
        assert_eq!(next.load("one").unwrap(), None);
        assert_eq!(next.load("two").unwrap().as_deref(), Some(&b"{\"a\":2}"[..]));
        assert_eq!(next.load_all().unwrap().len(), 1);
        assert!(store.reach(Milestone::Configured) && store.reach(Milestone::Connected));
        assert!(!next.reach(Milestone::Configured));
    }
}
