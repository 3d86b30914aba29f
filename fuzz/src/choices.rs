//! An input read as choices. Where it has ended every choice is the first one, so that any bytes will do.

/// The rest of an input.
#[derive(Clone, Copy, Debug)]
pub struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    /// All of an input.
    #[must_use]
    pub fn new(input: &'a [u8]) -> Self {
        Self(input)
    }

    /// Whether there is no more.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One octet; 0 at the end.
    pub fn octet(&mut self) -> u8 {
        let Some((&octet, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        octet
    }

    /// A number of 16 bits.
    pub fn number(&mut self) -> u16 {
        u16::from_be_bytes([self.octet(), self.octet()])
    }

    /// One of so many, which are 256 at most; 0 of none.
    pub fn below(&mut self, count: usize) -> usize {
        usize::from(self.octet()).checked_rem(count).unwrap_or(0)
    }

    /// One of these.
    pub fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// Yes or no.
    pub fn flag(&mut self) -> bool {
        self.octet() & 1 == 1
    }

    /// Some octets, as many as a number in front of them says.
    pub fn octets(&mut self) -> &'a [u8] {
        let length = usize::from(self.number() & 0x3ff).min(self.0.len());
        let (octets, rest) = self.0.split_at(length);
        self.0 = rest;
        octets
    }

    /// Some octets as text.
    pub fn text(&mut self) -> String {
        String::from_utf8_lossy(self.octets()).into_owned()
    }

    /// All that is left.
    #[must_use]
    pub fn rest(self) -> &'a [u8] {
        self.0
    }
}
