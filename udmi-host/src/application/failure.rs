//! How a program says why it ends.

use std::error::Error;
use std::fmt;

/// What a `main` ends with where anything may fail: every error becomes one with `?`, and its `Debug` form, which Rust
/// prints of a `main` that fails, is a sentence for people, with what is behind the error.
///
/// ```should_panic
/// fn main() -> Result<(), udmi_host::application::Failure> {
///     let _port: u16 = "none".parse()?; // Error: invalid digit found in string
///     Ok(())
/// }
/// ```
pub struct Failure(Box<dyn Error>);

impl<E: Into<Box<dyn Error>>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut text, mut source) = (self.0.to_string(), self.0.source());
        while let Some(error) = source {
            let behind = error.to_string();
            if !text.contains(&behind) {
                text = format!("{text}: {behind}"); // many errors tell of their source themselves
            }
            source = error.source();
        }
        f.write_str(&text)
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug)]
    struct Outer {
        quotes: bool,
        inner: io::Error,
    }

    impl fmt::Display for Outer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("cannot read the key")?;
            if self.quotes { write!(f, ": {}", self.inner) } else { Ok(()) }
        }
    }

    impl Error for Outer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.inner)
        }
    }

    #[test]
    fn it_tells_an_error_and_what_is_behind_it_once() {
        for quotes in [false, true] {
            let failure = Failure::from(Outer { quotes, inner: io::Error::other("no such disk") });
            assert_eq!(format!("{failure:?}"), "cannot read the key: no such disk");
        }
    }

    #[test]
    fn a_text_is_a_failure_too() {
        let failed = || -> Result<(), Failure> { Err("no broker is named")? };
        assert_eq!(format!("{:?}", failed().unwrap_err()), "no broker is named");
    }
}
