//! The configs a fleet gives its own devices, where no cloud does.

use std::sync::Arc;

use serde_json::{Value, json};
use udmi_host::site::{Device, GeneratedConfig};

use crate::config;
use crate::output::Failure;

/// The longest time between two samples that a config can say, in seconds.
const INTERVAL_MAX: f64 = 86_400.0;
/// The most samples a second of one device: the core leaves 100 ms between two.
const RATE_MAX: f64 = 10.0;

/// What the configs are to ask for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Wanted {
    rate: f64,
}

impl Wanted {
    /// Reads how many samples a second each device is to publish.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        match text.parse::<f64>() {
            Ok(0.0) => Ok(Self { rate: 0.0 }),
            Ok(rate) if (1.0 / INTERVAL_MAX..=RATE_MAX).contains(&rate) => Ok(Self { rate }),
            Ok(_) | Err(_) => Err(format!("expected 0, or samples a second from one a day to {RATE_MAX}")),
        }
    }

    /// Seconds between two samples, as configs know it; a negative number wants none.
    fn sample_rate_sec(self) -> i64 {
        match self.rate {
            0.0 => -1,
            rate if rate > 1.0 => INTERVAL_MAX as i64,
            rate => (1.0 / rate).round() as i64,
        }
    }

    /// How often devices are told to sample, for more than configs can ask for.
    pub(super) fn told_per_second(self) -> Option<f64> {
        (self.rate > 1.0).then_some(self.rate)
    }

    /// The config of a device: what its metadata asks for, at the rate wanted, and without metrics, which would be
    /// those of the machine that runs the fleet.
    ///
    /// # Errors
    /// The metadata is contradictory.
    pub(super) fn payload(self, device: &Device) -> Result<Arc<[u8]>, Failure> {
        let generated = device.generated_config().map_err(Failure::usage)?;
        let GeneratedConfig::Document(Value::Object(mut document)) = generated else {
            return Ok(generated.to_bytes().into());
        };
        document.insert("timestamp".to_owned(), config::now().as_str().into());
        if let Some(Value::Object(system)) = document.get_mut("system") {
            system.insert("metrics_rate_sec".to_owned(), json!(0));
        }
        if let Some(Value::Object(pointset)) = document.get_mut("pointset") {
            pointset.insert("sample_rate_sec".to_owned(), json!(self.sample_rate_sec()));
            pointset.remove("sample_limit_sec");
        }
        Ok(Value::Object(document).to_string().into_bytes().into())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::members::plain_metadata;
    use super::*;

    fn config(rate: &str) -> Value {
        let device = Device::from_document("SIM-1", plain_metadata(2), Path::new("m")).unwrap();
        serde_json::from_slice(&Wanted::read(rate).unwrap().payload(&device).unwrap()).unwrap()
    }

    #[test]
    fn a_rate_becomes_an_interval() {
        let interval = |rate| config(rate)["pointset"]["sample_rate_sec"].as_i64().unwrap();
        assert_eq!([interval("1"), interval("0.1"), interval("0"), interval("5")], [1, 10, -1, 86_400]);
        assert_eq!(Wanted::read("5").unwrap().told_per_second(), Some(5.0));
        assert_eq!(Wanted::read("1").unwrap().told_per_second(), None);
        assert!(Wanted::read("11").is_err() && Wanted::read("-1").is_err() && Wanted::read("NaN").is_err());
    }

    #[test]
    fn the_config_has_all_points_and_no_metrics() {
        let config = config("1");
        assert_eq!(config["pointset"]["points"].as_object().unwrap().len(), 2);
        assert_eq!(config["system"]["metrics_rate_sec"], 0);
        assert!(config["timestamp"].is_string());
    }
}
