//! What counts as a value of a point, and as the answer of a closure.

use std::fmt;

use udmi_proto::{Reading, Value};

/// Anything that a point can show: numbers, booleans, texts, and results and options of them.
///
/// A number that is none (NaN, infinite) and an `Err` are failures of the point, told to the cloud as such.
/// `None` says nothing: the point keeps what it has.
///
/// ```
/// use udmi_host::application::IntoReading;
/// use udmi_proto::{Reading, Value};
/// assert_eq!(21.5.into_reading(), Some(Reading::Value(Value::Number(21.5))));
/// assert_eq!(Err::<f64, _>("no answer").into_reading(), Some(Reading::Failed("no answer".into())));
/// assert_eq!(None::<bool>.into_reading(), None);
/// ```
pub trait IntoReading {
    /// The reading, if there is one.
    fn into_reading(self) -> Option<Reading>;
}

impl IntoReading for f64 {
    fn into_reading(self) -> Option<Reading> {
        let failed = || Reading::Failed(format!("the value is {self}"));
        Some(Value::number(self).map_or_else(failed, Reading::Value))
    }
}

impl IntoReading for f32 {
    /// The shortest decimal number that is this one, which is what people expect to see.
    fn into_reading(self) -> Option<Reading> {
        self.to_string().parse::<f64>().unwrap_or(f64::NAN).into_reading()
    }
}

macro_rules! plain {
    ($($source:ty => $via:ty),+ $(,)?) => {$(
        impl IntoReading for $source {
            fn into_reading(self) -> Option<Reading> {
                Some(Reading::Value(Value::from(<$via>::from(self))))
            }
        }
    )+};
}
plain!(bool => bool, i8 => i64, i16 => i64, i32 => i64, i64 => i64, u8 => i64, u16 => i64, u32 => i64);
plain!(&str => String, String => String);

impl IntoReading for Value {
    fn into_reading(self) -> Option<Reading> {
        match self {
            Self::Number(number) => number.into_reading(),
            Self::Boolean(_) | Self::Integer(_) | Self::Text(_) => Some(Reading::Value(self)),
        }
    }
}

impl IntoReading for &Value {
    fn into_reading(self) -> Option<Reading> {
        self.clone().into_reading()
    }
}

impl IntoReading for Reading {
    fn into_reading(self) -> Option<Reading> {
        Some(self)
    }
}

impl<T: IntoReading> IntoReading for Option<T> {
    fn into_reading(self) -> Option<Reading> {
        self.and_then(T::into_reading)
    }
}

impl<T: IntoReading, E: fmt::Display> IntoReading for Result<T, E> {
    fn into_reading(self) -> Option<Reading> {
        self.map_or_else(|error| Some(Reading::Failed(error.to_string())), T::into_reading)
    }
}

/// Why a value was not put in force. A text becomes [`WriteError::Failed`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteError {
    /// The value cannot be put in force at all (`value_state` `invalid`).
    Invalid(String),
    /// Putting it in force has failed (`value_state` `failure`).
    Failed(String),
}

/// Why a command was not carried out. A text becomes [`CommandError::Failed`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandError {
    /// The application knows no such command.
    Unknown,
    /// It has failed.
    Failed(String),
}

macro_rules! texts {
    ($($error:ty),+) => {$(
        impl From<&str> for $error {
            fn from(text: &str) -> Self {
                Self::Failed(text.to_owned())
            }
        }

        impl From<String> for $error {
            fn from(text: String) -> Self {
                Self::Failed(text)
            }
        }

        impl From<std::io::Error> for $error {
            fn from(error: std::io::Error) -> Self {
                Self::Failed(error.to_string())
            }
        }
    )+};
}
texts!(WriteError, CommandError);

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(why) => write!(f, "invalid value: {why}"),
            Self::Failed(why) => f.write_str(why),
        }
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("unknown command"),
            Self::Failed(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for WriteError {}
impl std::error::Error for CommandError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_is_a_failure() {
        assert_eq!(f64::NAN.into_reading(), Some(Reading::Failed("the value is NaN".into())));
        assert!(matches!(Value::Number(f64::INFINITY).into_reading(), Some(Reading::Failed(_))));
    }

    #[test]
    fn single_precision_keeps_its_digits() {
        assert_eq!(0.1f32.into_reading(), Some(Reading::Value(Value::Number(0.1))));
    }

    #[test]
    fn whole_numbers_stay_whole() {
        assert_eq!(21.into_reading(), Some(Reading::Value(Value::Integer(21))));
        assert_eq!(u32::MAX.into_reading(), Some(Reading::Value(Value::Integer(4_294_967_295))));
    }
}
