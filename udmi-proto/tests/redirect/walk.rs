//! Random orders between two brokers that work and others that do not: the device always ends where it can be
//! reached, and so does the next run, wherever this one is cut off.

use device_link::wire::ConnectCode;
use serde_json::json;
use udmi_proto::Key;

use super::support::PREFIX;
use super::*;

/// Whom an order leads to.
const HOSTS: [&str; 5] = ["localhost", "alternate", "nowhere", "silent", "stranger"];
/// Those that take the device.
const GOOD: [&str; 2] = ["localhost", "alternate"];

struct Walk {
    random: u64,
    rig: Rig,
    /// The config each good broker keeps.
    kept: [Json; 2],
    /// How many dials were looked at.
    seen: usize,
    /// The good broker that has taken the device.
    taken: Option<usize>,
    generation: u32,
}

impl Walk {
    fn new(seed: u64) -> Self {
        let rig = Rig::new(settings());
        Self { random: seed, rig, kept: [json!({}), json!({})], seen: 0, taken: None, generation: 0 }
    }

    fn below(&mut self, bound: usize) -> usize {
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.random >> 33).unwrap() % bound
    }

    /// Brokers answer what was dialed.
    fn answer(&mut self) {
        while self.seen < self.rig.opened.len() {
            self.seen = self.rig.opened.len();
            self.taken = None;
            if !self.rig.is_connected() {
                return; // given up already
            }
            let host = self.rig.opened.last().unwrap().1.host.clone();
            match host.as_str() {
                "localhost" => self.take(0, PREFIX),
                "alternate" => self.take(1, ALTERNATE),
                "nowhere" => self.rig.close(Closed::Resolve),
                "stranger" => self.rig.refuse(ConnectCode::NotAuthorized),
                _ => {}
            }
        }
    }

    fn take(&mut self, broker: usize, prefix: &str) {
        self.rig.prefix = prefix.into();
        self.rig.connect();
        if self.rig.is_connected() {
            self.taken = Some(broker);
            self.rig.config(self.kept[broker].clone());
        }
    }

    fn pass(&mut self, millis: u64) {
        for _ in 0..millis / 50 {
            self.rig.advance(50);
            self.answer();
        }
    }

    fn order(&mut self) -> Json {
        self.generation += 1;
        let host = HOSTS[self.below(HOSTS.len())];
        let mut endpoint = if host == "localhost" { main_endpoint() } else { order::alternate() };
        endpoint["hostname"] = json!(host);
        let mut blob = blob(&endpoint, &support::time(i64::from(self.generation) * 1000));
        if self.below(8) == 0 {
            blob["sha256"] = json!("0".repeat(64));
        }
        with_blob(blob)
    }

    fn step(&mut self) {
        let broker = self.below(2);
        match self.below(6) {
            0 | 1 => self.kept[broker] = self.order(),
            2 => self.kept = [self.kept[broker].clone(), self.kept[broker].clone()],
            3 => self.kept[broker] = json!({}),
            4 => self.rig.disconnect(),
            _ => {}
        }
        if self.taken == Some(broker) && self.seen == self.rig.opened.len() && !self.is_down() {
            self.rig.config(self.kept[broker].clone());
        }
        let millis = self.below(9000) as u64;
        self.pass(millis);
        self.check_store();
    }

    fn is_down(&mut self) -> bool {
        self.rig.advance(0);
        !self.rig.is_connected()
    }

    /// The next run would begin where a broker takes the device.
    fn check_store(&self) {
        let Some(stored) = self.rig.store.get(&Key::new("endpoint").unwrap()) else { return };
        let stored: Json = serde_json::from_slice(stored).unwrap();
        let host = stored["endpoint"]["host"].as_str().unwrap();
        assert!(GOOD.contains(&host), "{host} is no home");
    }
}

#[test]
fn whatever_is_ordered_the_device_ends_where_it_can_be_reached() {
    let mut ends = [0; 2];
    for seed in 0..60 {
        let mut walk = Walk::new(seed);
        walk.answer();
        for _ in 0..25 {
            walk.step();
        }
        walk.kept = [json!({}), json!({})];
        walk.pass(150_000);
        let broker = walk.taken.unwrap_or_else(|| panic!("seed {seed}: stranded"));
        walk.rig.forget();
        walk.rig.config(json!({ "timestamp": "2026-03-02T00:00:00Z" }));
        let state = walk.rig.state();
        assert_eq!(state["system"]["last_config"], "2026-03-02T00:00:00Z", "seed {seed}");
        assert_eq!(state.get("blobset"), None, "seed {seed}, at {}", GOOD[broker]);
        assert_eq!(state["system"].get("status"), None, "seed {seed}");
        ends[broker] += 1;
    }
    assert!(ends.iter().all(|count| *count > 5), "the walks lead to both: {ends:?}");
}
