//! The certificate of keys that change while the device runs.

use crate::drive::TlsSource;
use crate::key_store::DeviceKeys;
use crate::tls::{TlsConfig, TlsSettings, Trust};

/// TLS settings with the certificate of the keys in force. None if the settings have one of their own.
pub(super) fn tls_source(settings: Option<TlsSettings>, keys: DeviceKeys) -> Option<TlsSource> {
    let settings = settings.unwrap_or(TlsSettings { trust: Trust::System, identity: None });
    if settings.identity.is_some() {
        return None;
    }
    let mut made: Option<(String, TlsConfig)> = None;
    Some(Box::new(move || {
        let fingerprint = keys.public_key().fingerprint();
        if let Some((_, config)) = made.as_ref().filter(|(of, _)| *of == fingerprint) {
            return Ok(config.clone());
        }
        let config = TlsConfig::new(&TlsSettings { identity: keys.tls_identity(), ..settings.clone() })?;
        made = Some((fingerprint, config.clone()));
        Ok(config)
    }))
}
