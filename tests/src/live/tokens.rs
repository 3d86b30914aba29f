//! What a broker does with signed tokens (§1.8).

use std::time::{SystemTime, UNIX_EPOCH};

use ring::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
};
use serde_json::Value;
use udmi_std::udmi_host::keys::{KeyKind, PublicKey};

use crate::data_url;

/// Bytes before the key itself: the algorithm, whose length is fixed for RSA keys of 2048 bits.
const RSA_HEAD: usize = 24;
/// An uncompressed point on P-256 ends the key.
const POINT_BYTES: usize = 65;

/// Whether `token` is for `audience`, valid now and for an hour, and signed with the key.
#[must_use]
pub fn is_good(token: &[u8], audience: &str, key: &PublicKey) -> bool {
    claims(token, key).is_some_and(|claims| {
        let time = |name: &str| claims[name].as_u64().unwrap_or(0);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let valid = time("iat") <= now && now < time("exp") && time("exp") - time("iat") == 3600;
        claims["aud"] == audience && valid
    })
}

/// The claims of a token, if the key has signed them.
fn claims(token: &[u8], key: &PublicKey) -> Option<Value> {
    let (input, signature) = std::str::from_utf8(token).ok()?.rsplit_once('.')?;
    let (header, claims) = input.split_once('.')?;
    let der = key.der();
    let (name, algorithm, public): (_, &dyn VerificationAlgorithm, _) = match key.kind() {
        KeyKind::Rsa => ("RS256", &RSA_PKCS1_2048_8192_SHA256, &der[RSA_HEAD..]),
        KeyKind::P256 => ("ES256", &ECDSA_P256_SHA256_FIXED, &der[der.len() - POINT_BYTES..]),
        KeyKind::P384 | KeyKind::Ed25519 | KeyKind::Other => return None, // no device signs with these
    };
    UnparsedPublicKey::new(algorithm, public).verify(input.as_bytes(), &decoded(signature)?).ok()?;
    let header: Value = serde_json::from_slice(&decoded(header)?).ok()?;
    (header["alg"] == name).then_some(())?;
    serde_json::from_slice(&decoded(claims)?).ok()
}

fn decoded(base64url: &str) -> Option<Vec<u8>> {
    let base64 = base64url.replace('-', "+").replace('_', "/");
    data_url::decode(&format!("data:application/octet-stream;base64,{base64}"))
}
