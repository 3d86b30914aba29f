//! Inputs made from a corpus by chance, the same for the same seed.

/// Longest input.
const INPUT: usize = 2048;
/// Inputs that are mutated further.
const POOL: usize = 512;
/// Octets at which something changes.
const INTERESTING: [u8; 24] = [
    0x00, 0x01, 0x04, 0x05, 0x06, 0x07, 0x0C, 0x0E, 0x0F, 0x1E, 0x1F, 0x2E, 0x3E, 0x3F, 0x4E, 0x4F, 0x75,
    0x7F, 0x80, 0x81, 0xC4, 0xF0, 0xFE, 0xFF,
];

/// Makes inputs without end.
#[derive(Clone, Debug)]
pub struct Inputs {
    chance: Chance,
    corpus: Vec<Vec<u8>>,
    /// What was made of it and is mutated further.
    pool: Vec<Vec<u8>>,
    repair: fn(&mut Vec<u8>),
    input: Vec<u8>,
}

impl Inputs {
    /// Begins with a corpus.
    #[must_use]
    pub fn new(mut corpus: Vec<Vec<u8>>, repair: fn(&mut Vec<u8>), seed: u64) -> Self {
        corpus.push(Vec::new());
        Self { chance: Chance(seed), pool: corpus.clone(), corpus, repair, input: Vec::new() }
    }

    /// The next input.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> &[u8] {
        let source = if self.chance.one_in(2) { &self.corpus } else { &self.pool };
        self.input.clone_from(&source[self.chance.below(source.len())]);
        for _ in 0..=self.chance.below(6) {
            self.mutate();
        }
        self.input.truncate(INPUT);
        if !self.chance.one_in(8) {
            (self.repair)(&mut self.input);
        }
        if self.chance.one_in(64) {
            if self.pool.len() < POOL {
                self.pool.push(self.input.clone());
            } else {
                let place = self.chance.below(self.pool.len());
                self.pool[place].clone_from(&self.input);
            }
        }
        &self.input
    }

    fn mutate(&mut self) {
        let Self { chance, input, corpus, .. } = self;
        let at = chance.below(input.len() + 1);
        let end = (at + 1 + chance.below(8)).min(input.len());
        match chance.below(9) {
            0 if at < input.len() => input[at] ^= 1 << chance.below(8),
            1 if at < input.len() => input[at] = INTERESTING[chance.below(INTERESTING.len())],
            2 if at < input.len() => input[at] = chance.octet(),
            3 if at < input.len() => {
                input[at] = input[at].wrapping_add(if chance.one_in(2) { 1 } else { 255 })
            }
            4 => input.insert(at, chance.octet()),
            5 if at < end => drop(input.drain(at..end)),
            6 if at < end => {
                let piece = input[at..end].to_vec();
                let times = 1 + chance.below(20);
                input.splice(at..at, piece.repeat(times));
            }
            7 => {
                let other = &corpus[chance.below(corpus.len())];
                let from = chance.below(other.len() + 1);
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
            8 => input.truncate(at),
            _ => input.push(INTERESTING[chance.below(INTERESTING.len())]),
        }
    }
}

/// Chance that can be repeated (splitmix64).
#[derive(Clone, Debug)]
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below a bound, which is not zero.
    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn octet(&mut self) -> u8 {
        self.next() as u8
    }
}
